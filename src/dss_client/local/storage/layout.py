"""What is at the place that a service is asked to serve: its own layout, or a bucket's as it was.

`aws/main/` and `gcp/main/` below a root are the main buckets of the replicas. A raw bucket, copied
from the cloud or still there, has `bundles/` and `blobs/` itself: it is served as one replica.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from attrs import frozen

from dss_client.errors import DSSError
from dss_client.types import Replica as ReplicaName

from .bucket import STAGING, Root, is_url
from .store import SCHEMES

_EXPECTED = (
    "expected aws/main/ or gcp/main/ below it, or bundles/, files/ and blobs/"
    " (the bucket of one replica)"
)
_LONGEST = 40  # characters of a name that is shown
_SHOWN = 3  # names of what is there instead
_CLOUDS: dict[str, ReplicaName] = {"gs": "gcp", "gcs": "gcp"}


class RootError(DSSError, ValueError):
    """A root cannot be served; the message names it, what was expected, and what to do."""


@frozen
class Layout:
    """A root that can be served.

    Attributes:
        root: The place.
        archive: The replica that a raw bucket is served as; None: it has a directory for each.
        is_new: Whether it holds nothing yet.
    """

    root: Root
    archive: ReplicaName | None
    is_new: bool


def find_layout(place: Path | str, *, create: bool, read_only: bool) -> Layout:
    """Look at a place; make a directory for a new root where that is wanted.

    Args:
        place: A directory or a URL.
        create: Whether a place that is not there begins a new root.
        read_only: Whether nothing can be put there, so that it has to hold something.

    Raises:
        RootError: It is neither a root nor a bucket, or cannot be read.
        MissingExtra: The library for such URLs is not installed.
    """
    try:
        root = Root.of(place)
        return _look(place, root, create=create and not read_only, read_only=read_only)
    except RootError:
        raise
    except (OSError, TypeError, ValueError) as error:  # TypeError: a URL that lacks something
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        hint = ": check the URL, the credentials and what they allow" if is_url(place) else ""
        raise RootError(f"{place} cannot be read ({reason}){hint}") from error


def _look(place: Path | str, root: Root, *, create: bool, read_only: bool) -> Layout:
    if any(root.has(f"{replica}/main") for replica in SCHEMES):
        return Layout(root, None, is_new=False)
    if root.has("bundles") and root.has("blobs"):
        scheme = place.partition("://")[0] if is_url(place) else ""
        return Layout(root, _CLOUDS.get(scheme, "aws"), is_new=False)
    for replica in SCHEMES:
        if root.has(f"{replica}/bundles"):
            raise RootError(
                f"{place}/{replica} is a bucket as it was in the cloud: serve that itself, or"
                f" move it to {replica}/main"
            )
    if not root.has(""):
        if not create or (root.directory and root.directory.exists()):
            raise RootError(_missing(place, root))
        if root.directory is not None:
            root.directory.mkdir(parents=True)
    elif (others := sorted(set(root.names()) - set(SCHEMES))) and not root.has(STAGING):
        _refuse_others(place, root, others)
    elif read_only:
        raise RootError(f"{place} is empty, and read-only: {_EXPECTED}")
    return Layout(root, None, is_new=True)


def _refuse_others(place: Path | str, root: Root, others: Sequence[str]) -> NoReturn:
    """Say what there is instead, and what was probably meant.

    Raises:
        RootError: Always.
    """
    some = [name if len(name) <= _LONGEST else f"{name[:_LONGEST]}..." for name in others]
    shown = ", ".join(some[:_SHOWN]) + (", ..." if len(others) > _SHOWN else "")
    for name in others[:_SHOWN]:
        if root.has(f"{name}/bundles") and root.has(f"{name}/blobs"):
            raise RootError(f"{place}/{name} is a bucket: serve that itself")
    above, _, last = str(place).rstrip("/").rpartition("/")
    is_part = last in {"bundles", "files", "blobs"}
    remedy = "for new data name an empty directory"
    if is_part:
        remedy = f"if it is part of a bucket, name the bucket: {above or '..'}"
    raise RootError(f"{place} holds no data of a DSS but {shown}: {_EXPECTED}; {remedy}")


def _missing(place: Path | str, root: Root) -> str:
    """Return what to say of a place that is not there, or no directory."""
    if root.directory is None:
        return (
            f"there is nothing at {place}: {_EXPECTED}; check the URL, or begin a new root there:"
            f" dss load DIR --root {place}"
        )
    if root.directory.exists():
        return f"{place} is not a directory: {_EXPECTED}"
    return (
        f"there is no directory {place}: {_EXPECTED}; check the path, or begin a new root there:"
        f" mkdir -p {place}"
    )
