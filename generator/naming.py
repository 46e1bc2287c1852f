"""How operations, classes and fields are called.

Operations are named by the rule of the reference client (docs/behaviour.md 14.2), so that whoever
knows it finds every method.
"""

import keyword
import re

from pydantic import BaseModel

__all__ = [
    "TAKEN_CLASSES",
    "class_name",
    "field_name",
    "headers_name",
    "operation_name",
    "singular",
]

_TEMPLATED = re.compile(r"^{.*}$")
_WORD_BREAK = re.compile(r"[^A-Za-z0-9]+|(?<=[a-z0-9])(?=[A-Z])")
_HEADER_PREFIX = "X-DSS-"
# What a field or an argument cannot be called: methods of its class, and types beside it.
_TAKEN = frozenset(
    {
        *dir(BaseModel),
        *("keys", "to_frame", "to_rows"),
        *("self", "bool", "dict", "float", "int", "list", "str"),
    }
)
# What a model cannot be called: the templates import it.
TAKEN_CLASSES = frozenset(
    {
        "AbstractAsyncContextManager",
        "AbstractContextManager",
        "Any",
        "AsyncContentStream",
        "AsyncIterator",
        "AsyncOperation",
        "BundleModel",
        "ContentLocation",
        "ContentStream",
        "Field",
        "HeaderModel",
        "Iterator",
        "JSONMapping",
        "JSONObject",
        "JSONValue",
        "Literal",
        "Mapping",
        "Method",
        "MethodDescriptor",
        "Model",
        "NotRequired",
        "Operation",
        "PagedMethod",
        "RawResponse",
        "Response",
        "SearchModel",
        "Sequence",
        "TypedDict",
        "UUID",
    }
)


def operation_name(method: str, path: str) -> str:
    """Return the method's name: ``GET /bundles/{uuid}`` is ``get_bundle``.

    The HTTP method and the fixed parts of the path, joined by underscores; a final ``s`` is dropped
    for POST and PUT and where the path ends in ``/{uuid}``.
    """
    fixed = [part for part in path.split("/") if part and not _TEMPLATED.match(part)]
    name = "_".join([method.lower(), *fixed]).replace("-", "_")
    if method.upper() in {"POST", "PUT"} or path.endswith("/{uuid}"):
        name = name.removesuffix("s")
    return name


def class_name(name: str) -> str:
    """Return `name` in CapWords; capitals inside a word stay."""
    words = [word for word in _WORD_BREAK.split(name) if word]
    capitalized = "".join(word[0].upper() + word[1:] for word in words)
    if not capitalized or capitalized[0].isdigit():
        capitalized = f"Class{capitalized}"
    return f"{capitalized}_" if keyword.iskeyword(capitalized) else capitalized


def field_name(name: str) -> str:
    """Return a Python identifier for a name on the wire: ``X-DSS-S3-ETAG`` is ``s3_etag``."""
    if name.upper().startswith(_HEADER_PREFIX):
        name = name[len(_HEADER_PREFIX) :].lower()
    words = [word.lower() for word in _WORD_BREAK.split(name) if word]
    identifier = "_".join(words)
    if not identifier or identifier[0].isdigit():
        identifier = f"field_{identifier}"
    taken = keyword.iskeyword(identifier) or identifier in _TAKEN
    return f"{identifier}_" if taken else identifier


def headers_name(path: str) -> str:
    """Return the name of the metadata that a path sends as headers: ``FileHeaders``."""
    fixed = [part for part in path.split("/") if part and not _TEMPLATED.match(part)]
    return class_name(singular(fixed[0] if fixed else "root")) + "Headers"


def singular(name: str) -> str:
    """Return the singular of an English plural, as far as a final ``s`` tells."""
    return name.removesuffix("s")
