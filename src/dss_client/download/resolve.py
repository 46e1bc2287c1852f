"""The URLs of contents: one request for many files if that pays, else one for each.

``GET /bundles?presignedurls=true`` answers with the URLs of up to 500 files at once, but the
service must check out the whole bundle for it. So it is asked only where much of a bundle is
wanted; the rule and its numbers:

* at least `MIN_FILES` files of the bundle are wanted from storage, and
* where the whole bundle is known: at least `MIN_SHARE` of its bytes, or it is no larger than
  `SMALL_BUNDLE`, and no more pages are read than files are wanted.

If that request fails, each file is asked for separately, and has its own answer or error.
"""

import threading
from collections.abc import Mapping, Sequence
from itertools import chain

from attrs import frozen

from dss_client.errors import DSSError
from dss_client.types import Replica
from dss_client.versions import FQID

from .source import Source
from .task import FileTask

__all__ = ["MIN_FILES", "MIN_SHARE", "SMALL_BUNDLE", "BundleUrls", "Extent", "worth_a_bundle_call"]

MIN_FILES = 4
MIN_SHARE = 0.25
SMALL_BUNDLE = 1 << 30
_PAGE = 500
_Key = tuple[str, str]


@frozen
class Extent:
    """How much there is in a whole bundle.

    Attributes:
        files: Number of its files.
        size: Their size, in bytes.
    """

    files: int
    size: int


def worth_a_bundle_call(tasks: Sequence[FileTask], whole: Extent | None) -> bool:
    """Tell whether the URLs of some files are to be asked for with those of their whole bundle.

    Args:
        tasks: The files that are wanted from storage.
        whole: How much the bundle holds, where that is known.
    """
    if len(tasks) < MIN_FILES:
        return False
    if whole is None:
        return True
    pages = -(-whole.files // _PAGE)
    wanted = sum(task.size for task in tasks)
    much = whole.size <= SMALL_BUNDLE or wanted >= MIN_SHARE * whole.size
    return much and pages <= len(tasks)


class BundleUrls:
    """The URLs of some files of one bundle. Safe to be used by threads.

    URLs that were given out together expire together: they are renewed together, once, however
    many files find them stale.

    Args:
        source: The client to ask.
        bundle: The bundle; None for single files.
        replica: The replica.
        tasks: The files.
        whole: How much the bundle holds, where that is known.
        known: URLs that came with the bundle, by uuid and version.
    """

    def __init__(
        self,
        source: Source,
        bundle: FQID | None,
        replica: Replica,
        tasks: Sequence[FileTask],
        *,
        whole: Extent | None = None,
        known: Mapping[_Key, str] | None = None,
    ) -> None:
        self._source = source
        self._bundle = bundle
        self._replica: Replica = replica
        self._together = worth_a_bundle_call(tasks, whole)
        self._lock = threading.Lock()
        self._known: dict[_Key, str] = dict(known or {})
        self._asked = bool(known)
        self._locating: dict[_Key, threading.Lock] = {}

    def url(self, task: FileTask) -> str:
        """Return the URL of a content.

        Raises:
            DSSError: The service has no such file, or failed.
        """
        key = _key(task)
        found = self.known([task]).get(task.number)
        if found is not None:
            return found
        with self._lock:
            mine = self._locating.setdefault(key, threading.Lock())
        with mine:  # the workers of one large file ask once
            found = self._known.get(key)
            if found is None:
                found = self._source.locate(uuid=key[0], version=key[1], replica=self._replica)
                self._known[key] = found
        return found

    def known(self, tasks: Sequence[FileTask]) -> dict[int, str]:
        """Return the URLs of contents, by the numbers of their tasks, as far as they are known.

        Asks for those of the whole bundle where that is worth it and was not done yet.
        """
        if self._together and not all(_key(task) in self._known for task in tasks):
            with self._lock:
                if not self._asked:
                    self._asked = True
                    self._ask()
        found = {task.number: self._known.get(_key(task)) for task in tasks}
        return {number: url for number, url in found.items() if url is not None}

    def renew(self, task: FileTask, stale: str) -> None:
        """Forget a URL that has expired, and those that were given out along with it.

        Args:
            task: Whose content it was for.
            stale: The URL; empty for the present one.
        """
        key = _key(task)
        with self._lock:
            if stale and self._known.get(key) != stale:
                return  # somebody else has renewed them already
            if self._together and self._asked and stale:
                self._known.clear()
                self._asked = False
            else:
                self._known.pop(key, None)

    def _ask(self) -> None:
        """Ask for the URLs of the whole bundle. What fails here is asked for file by file."""
        if self._bundle is None:
            self._together = False
            return
        try:
            pages = self._source.bundle_pages(
                uuid=self._bundle.uuid,
                version=self._bundle.version,
                replica=self._replica,
                presigned=True,
            )
            files = chain.from_iterable(page.bundle.files for page in pages)
            found = {
                (file.uuid.lower(), file.version): file.url
                for file in files
                if file.url and self._source.allows(file.url)
            }
        except DSSError:
            self._together = False
            return
        self._known.update(found)


def _key(task: FileTask) -> _Key:
    return task.uuid or "", task.version or ""
