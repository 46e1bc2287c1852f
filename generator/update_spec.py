"""Takes up a deployment's specification as the pinned one: its facts, with our texts.

Descriptions, tags, order of the top level and the address stay as they are pinned, wherever the
same place is in both documents. What is new keeps the texts that it came with.
"""

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from .errors import GeneratorError, as_object
from .swagger import METHODS, Document

__all__ = ["fetch", "merged", "written"]

_TIMEOUT = 30.0
_MAX_SIZE = 1 << 24
_TEXTS = ("summary", "description", "tags", "operationId", "title", "example", "externalDocs")
_OURS = ("info", "host", "basePath", "schemes", "tags", "produces")
_NAMED = ("name", "in")  # what tells one parameter of a list from another


def fetch(source: str) -> Document:
    """Read a specification from a URL or a file.

    Raises:
        GeneratorError: It cannot be had, or is not Swagger 2.0.
    """
    content = _download(source) if "://" in source else _read(Path(source))
    try:
        document: object = json.loads(content)
    except ValueError as error:
        raise GeneratorError(f"{source}: not JSON: {error}") from error
    if not isinstance(document, dict) or document.get("swagger") != "2.0":
        raise GeneratorError(f'{source}: /swagger must be "2.0"')
    as_object(document.get("paths"), f"{source}: /paths")
    return document


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise GeneratorError(f"{path}: {error.strerror}") from error


def _download(url: str) -> bytes:
    if not url.startswith(("http://", "https://")):
        raise GeneratorError(f"{url}: only http and https can be fetched")
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as response:
            content: bytes = response.read(_MAX_SIZE + 1)
    except urllib.error.HTTPError as error:
        with error:
            raise GeneratorError(f"{url}: {error.code} {error.reason}") from error
    except (OSError, ValueError) as error:
        raise GeneratorError(f"{url}: {getattr(error, 'reason', error)}") from error
    if len(content) > _MAX_SIZE:
        raise GeneratorError(f"{url}: more than {_MAX_SIZE} bytes: expected a specification")
    return content


def merged(pinned: Document, other: Document) -> Document:
    """Return the other document with the texts and the address of the pinned one."""
    document = _with_texts(pinned, other)
    for name in _OURS:
        if name in pinned:
            document[name] = pinned[name]
    for path, item in document["paths"].items():
        known = pinned["paths"].get(path, {})
        for method in METHODS:
            # Names are made from method and path; a deployment's ids name its own code.
            if method in item and method not in known:
                item[method].pop("operationId", None)
    return {name: document[name] for name in (*(n for n in pinned if n in document), *document)}


def _with_texts(pinned: Any, other: Any) -> Any:
    if isinstance(other, dict) and isinstance(pinned, dict):
        names = [*(name for name in pinned if name in other), *other]
        found = {name: _with_texts(pinned.get(name), other[name]) for name in names}
        # A property may be called "description": then it is a schema, and not a text.
        texts = {name: pinned[name] for name in _TEXTS if _is_text(pinned.get(name))}
        return {
            **found,
            **{n: t for n, t in texts.items() if n not in other or _is_text(other[n])},
        }
    if isinstance(other, list) and isinstance(pinned, list):
        return [_with_texts(_counterpart(each, pinned), each) for each in other]
    return other


def _is_text(value: object) -> bool:
    return isinstance(value, str | list)


def _counterpart(item: Any, pinned: list[Any]) -> Any:
    """Return the item of a list that is the same parameter or reference."""
    if isinstance(item, dict):
        for each in pinned:
            if isinstance(each, dict) and all(
                each.get(n) == item.get(n) for n in (*_NAMED, "$ref")
            ):
                return each
    return None


def written(document: Document) -> str:
    """Return a document as the pinned one is written."""
    return json.dumps(document, indent=2) + "\n"
