"""A deployment's specification: read, compared, and kept."""

import hashlib
import json
from pathlib import Path
from typing import Any, cast

from dss_client import _spec
from dss_client._files import write_file
from dss_client._request import Endpoint
from dss_client._response import Response
from dss_client.settings import NoHome, user_directory

from .compare import compare
from .facts import SpecificationError
from .report import SpecificationReport

__all__ = ["SWAGGER", "cache_path", "clear_cache", "report_of"]

SWAGGER = Endpoint(
    name="refresh_swagger",
    method="GET",
    path="/swagger.json",
    summary="Fetch the specification",
).request()
_MAX_SIZE = 1 << 24


def cache_path(base_url: str) -> Path:
    """Return the path of the copy of a deployment's specification, which may not exist.

    Raises:
        NoHome: There is no home directory for it.
    """
    name = hashlib.sha256(base_url.encode()).hexdigest()[:32]
    return user_directory("cache") / "specifications" / f"{name}.json"


def clear_cache(base_url: str) -> bool:
    """Remove the copy of a deployment's specification; tell whether there was one.

    Raises:
        SpecificationError: It cannot be removed.
    """
    try:
        cache_path(base_url).unlink()
    except (NoHome, FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise SpecificationError(f"{error.filename} cannot be removed: {error.strerror}") from error
    return True


def report_of(base_url: str, answer: Response) -> SpecificationReport:
    """Compare what a deployment answered with the pinned specification, and keep it.

    Raises:
        SpecificationError: It is not a valid specification; nothing is kept.
    """
    url = f"{base_url}{SWAGGER.path}"
    if len(answer.content) > _MAX_SIZE:
        raise SpecificationError(f"{url}: more than {_MAX_SIZE} bytes: not a valid specification")
    try:
        document: object = json.loads(answer.content)
    except (ValueError, RecursionError) as error:
        raise SpecificationError(f"{url}: not JSON: is this the URL of a DSS?") from error
    if not isinstance(document, dict):
        raise SpecificationError(f"{url}: not a JSON object: is this the URL of a DSS?")
    try:
        changes = compare(_spec.load(), cast("dict[str, Any]", document))
    except SpecificationError as error:
        raise SpecificationError(f"{url}: {error}") from error
    try:
        path = cache_path(base_url)
        is_new = not path.exists() or path.read_bytes() != answer.content
        if is_new:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_file(path, answer.content)
    except (NoHome, OSError):  # the copy is for later; the report is what was asked for
        return SpecificationReport(url=url, path=None, changes=changes)
    return SpecificationReport(url=url, path=path, changes=changes, is_new=is_new)
