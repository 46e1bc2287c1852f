"""The URLs of contents: one request for many files if that pays, else one for each.

``GET /bundles?presignedurls=true`` answers with the URLs of up to 500 files at once, but the
service must check out the whole bundle for it. So it is asked only where much of a bundle is
wanted; the rule and its numbers:

* at least `MIN_FILES` files of the bundle are wanted from storage, and
* where the whole bundle is known: at least `MIN_SHARE` of its bytes, or it is no larger than
  `SMALL_BUNDLE`, and no more pages are read than files are wanted.

If that request fails, each file is asked for separately, and has its own answer or error.
"""

from collections.abc import Mapping, Sequence
from itertools import chain

from attrs import frozen

from dss_client.types import Replica
from dss_client.versions import FQID

from .errors import FileDownloadError
from .source import Source
from .task import FileTask

__all__ = [
    "BundleSize",
    "BundleUrls",
    "ask_for_bundle",
    "key_of",
    "locate",
    "pays_to_ask_for_bundle",
]

MIN_FILES = 4
MIN_SHARE = 0.25
SMALL_BUNDLE = 1 << 30
_PAGE = 500

Key = tuple[str, str]
"""The uuid and the version of a file."""


@frozen
class BundleSize:
    """How much there is in a whole bundle.

    Attributes:
        files: Number of its files.
        bytes: Their size.
    """

    files: int
    bytes: int


def pays_to_ask_for_bundle(tasks: Sequence[FileTask], whole: BundleSize | None) -> bool:
    """Tell whether the URLs of some files are to be asked for with those of their whole bundle.

    Args:
        tasks: The files that are wanted from storage.
        whole: How much the bundle holds, where that is known.
    """
    if len(tasks) < MIN_FILES or any(task.url is not None for task in tasks):
        return False
    if whole is None:
        return True
    pages = -(-whole.files // _PAGE)
    wanted = sum(task.size for task in tasks)
    much = whole.bytes <= SMALL_BUNDLE or wanted >= MIN_SHARE * whole.bytes
    return much and pages <= len(tasks)


def ask_for_bundle(source: Source, bundle: FQID, replica: Replica) -> dict[Key, str]:
    """Return the URLs of all files of a bundle.

    Raises:
        DSSError: The service failed.
    """
    pages = source.bundle_pages(
        uuid=bundle.uuid, version=bundle.version, replica=replica, presigned=True
    )
    files = chain.from_iterable(page.bundle.files for page in pages)
    return {
        (file.uuid.lower(), file.version): file.url
        for file in files
        if file.url and source.allows(file.url)
    }


def locate(source: Source, task: FileTask, replica: Replica) -> str:
    """Return a URL of the content of one file.

    Raises:
        DSSError: The service failed, or the file's row in the manifest has no URL.
    """
    if task.url is None:
        uuid, version = key_of(task)
        return source.locate(uuid=uuid, version=version, replica=replica)
    scheme, separator, _ = task.url.partition("://")
    if separator and scheme.lower() in {"http", "https"}:
        return source.follow(task.url)
    found = f"a URL of {scheme}, not of http or https" if separator else "no URL"
    raise FileDownloadError(
        task.name,
        f"the manifest's row with file_uuid {task.uuid} has {found}, in the column that urls="
        " (--urls) names",
    )


class BundleUrls:
    """The URLs of some files of one bundle. Only the engine's thread uses it.

    URLs that were given out together expire together: they are asked for together.

    Args:
        bundle: The bundle; None for single files.
        together: Whether it pays to ask for all of the bundle at once.
        known: URLs that came with the bundle.

    Attributes:
        bundle: The bundle.
        together: Whether all of the bundle is to be asked for when a URL is missing.
        is_asking: Whether that is under way.
    """

    def __init__(
        self, bundle: FQID | None, *, together: bool = False, known: Mapping[Key, str] | None = None
    ) -> None:
        self.bundle = bundle
        self.together: bool = together and bundle is not None
        self.is_asking = False
        self._known: dict[Key, str] = dict(known or {})

    def get(self, task: FileTask) -> str | None:
        """Return the URL of a content, if it is known."""
        return self._known.get(key_of(task))

    def add(self, found: Mapping[Key, str]) -> None:
        """Take up URLs."""
        self._known.update(found)

    def renew(self, task: FileTask, stale: str) -> None:
        """Forget a URL that has expired.

        Those that were given out along with it are tried all the same, until new ones are there.

        Args:
            task: Whose content it was for.
            stale: The URL; empty for the present one.
        """
        key = key_of(task)
        if stale and self._known.get(key) != stale:
            return  # another file has found that out already
        self._known.pop(key, None)


def key_of(task: FileTask) -> Key:
    """Return the uuid and version of a file."""
    return task.uuid or "", task.version or ""
