"""What is to be done for the files of a bundle: some are in place, some are known, some missing."""

import hashlib
from collections.abc import Mapping, Sequence

from attrs import field, frozen

from dss_client.errors import DSSError
from dss_client.transfer.progress import FileProgress

from .attempts import TransferContext
from .errors import ChecksumMismatch, directory_error, file_error
from .plan import BundlePlan, BundleRule
from .report import FileReport
from .requests import DownloadRequest
from .task import FileTask
from .urls import Key, ask_for_bundle, key_of, pays_to_ask_for_bundle

__all__ = ["Prepared", "Preparer"]


@frozen(kw_only=True)
class Prepared:
    """The files of a request, after a look at the store.

    Attributes:
        plan: All of them.
        done: Those that are in place, or have failed.
        missing: Those that are to be fetched, and whether an unverified file is in the store.
        together: Whether it pays to ask for the URLs of the whole bundle.
        urls: URLs that are known.
    """

    plan: BundlePlan
    done: Sequence[tuple[FileTask, FileReport]]
    missing: Sequence[tuple[FileTask, bool]]
    together: bool
    urls: Mapping[Key, str] = field(repr=False)


class Preparer:
    """Prepares the files of requests. Threads share it.

    Args:
        context: The store, the client, and the rest.
        rule: How bundles are planned.
        dry_run: Report what would be done, and do nothing.
    """

    def __init__(self, context: TransferContext, rule: BundleRule, *, dry_run: bool) -> None:
        self._context = context
        self._rule = rule
        self._dry_run = dry_run

    def prepare(self, request: DownloadRequest) -> Prepared:
        """Ask for the files of a request, and do what can be done for them without storage.

        Raises:
            DirectoryError: The directory cannot be written to.
        """
        plan = request.plan(self._context.source, self._rule)
        done: list[tuple[FileTask, FileReport]] = []
        missing: list[tuple[FileTask, bool]] = []
        for task in plan.wanted:
            self._context.check_stop()
            report = self._foreseen(task) if self._dry_run else self._done(task)
            if isinstance(report, FileReport):
                done.append((task, report))
            else:
                missing.append((task, report))
        wanted = [task for task, _ in missing]
        together = pays_to_ask_for_bundle(wanted, plan.whole)
        urls = dict(plan.known)
        bundle = plan.bundle
        if together and bundle is not None and any(key_of(task) not in urls for task in wanted):
            try:
                urls |= ask_for_bundle(self._context.source, bundle, self._rule.replica)
            except DSSError:
                together = False  # each file has its own answer or error
        return Prepared(
            plan=plan,
            done=done,
            missing=missing,
            together=together,
            urls=urls,
        )

    def _done(self, task: FileTask) -> FileReport | bool:
        """Return the result of a file that needs no transfer.

        Otherwise tell whether an unverified content is in the store.
        """
        store = self._context.store
        try:
            found = store.look(task.sha256, task.size)
            if found == "verified":
                return self._context.linker.link(task, "reused")
            if task.content is None and task.size:
                return found == "unverified"
            content = _checked(task)
            there = found == "unverified" and store.find(task.sha256, task.size)
            if not there:
                store.put(task.sha256, content, replace=found == "unverified")
            return self._context.linker.link(task, "reused" if there else "downloaded")
        except (DSSError, OSError) as error:
            return self._failed(task, error)

    def _foreseen(self, task: FileTask) -> FileReport:
        """Report what would be done with a file."""
        try:
            found = self._context.store.look(task.sha256, task.size)
        except (DSSError, OSError) as error:
            return self._failed(task, error)
        if found == "missing":
            return task.report("planned", reason="not in the store")
        reason = "in the store, and verified"
        if found == "unverified":
            reason = "in the store; it is read before it is trusted"
        return task.report("reused", reason=reason)

    def verify(self, task: FileTask, progress: FileProgress) -> FileReport | None:
        """Read a content that is in the store, and link it; return None if it is bad.

        Raises:
            Stopped: The download was stopped.
        """

        def tick(count: int) -> None:
            self._context.check_stop()
            progress.advance(count)

        try:
            if self._context.store.find(task.sha256, task.size, tick):
                return self._context.linker.link(task, "reused")
        except (DSSError, OSError) as error:
            return self._failed(task, error)
        progress.advance(-progress.done)
        return None

    def linked(self, task: FileTask) -> FileReport:
        """Link a content that was fetched for another file."""
        try:
            return self._context.linker.link(task, "reused")
        except (DSSError, OSError) as error:
            return self._failed(task, error)

    def _failed(self, task: FileTask, error: Exception) -> FileReport:
        if isinstance(error, OSError):
            fault = directory_error(str(self._rule.download_dir), error)
            if fault is not None:
                raise fault
        return task.report("failed", error=file_error(task.name, task.bundle, error))


def _checked(task: FileTask) -> bytes:
    """Return the content of a task that is known without asking for it.

    Raises:
        ChecksumMismatch: It has another checksum.
    """
    content = task.content or b""
    actual = hashlib.sha256(content).hexdigest()
    if actual != task.sha256:
        raise ChecksumMismatch(task.name, task.sha256, actual)
    return content
