"""An upload, from the directory to the bundle."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from pathlib import Path

from dss_client.errors import DSSError, InvalidArgument, NotFound, ServerError
from dss_client.transfer.cancel import Stopped
from dss_client.transfer.progress import FileProgress, Progress, ProgressCallback
from dss_client.types import Replica
from dss_client.versions import FQID, normal_uuid, parse_version

from .checksums import Checksums
from .commit import Committer, Pace
from .errors import UploadError
from .journal import FileState, Journal, journal_folder
from .report import UploadedFile, UploadReport
from .resume import Wanted, open_journal
from .send import Sender
from .service import Service
from .staging import Staging, open_staging
from .walk import Indexed, content_type_of, find_files, index_rule

__all__ = ["upload_directory"]

_REPLICAS = ("aws", "gcp")


def upload_directory(
    service: Service,
    *,
    src_dir: Path,
    replica: Replica,
    staging_bucket: str,
    timeout_seconds: float = 1200,
    bundle_uuid: str | None = None,
    version: str | None = None,
    creator_uid: int = 0,
    indexed: Indexed = ("*.json",),
    threads: int = 4,
    progress: ProgressCallback | None = None,
    staging: Staging | None = None,
    fresh: bool = False,
    stop: threading.Event | None = None,
    pace: Pace | None = None,
    step: int | None = None,
) -> UploadReport:
    """Make a bundle from the files in a directory; see `dss_client.DSSClient.upload`.

    Args:
        service: The service.
        src_dir: The directory.
        replica: Replica to put the bundle in.
        staging_bucket: Name of the bucket that the service copies from.
        timeout_seconds: Seconds to wait until the service has copied large files.
        bundle_uuid: Id of the bundle; a new one when not given.
        version: Version of the bundle and all files; now when not given.
        creator_uid: Numeric id of the user who puts them.
        indexed: Which files are indexed: a function of the name, or shell patterns of names.
        threads: How many files, and parts of files, are sent at once.
        progress: Called with each `ProgressEvent`.
        staging: Where files are put for the service to copy, if not in the replica's cloud.
        fresh: Use nothing that an earlier run sent.
        stop: Set by another thread to stop the upload.
        pace: How time passes while the service copies.
        step: Bytes of the parts that a file is sent in; for tests, since S3 makes its etag of them.

    Raises:
        Stopped: `stop` was set.
        DSSError: As of `DSSClient.upload`.
        ValueError: An argument is not valid.
    """
    _refuse_nonsense(replica, staging_bucket, threads, timeout_seconds)
    wanted = Wanted(
        uuid=None if bundle_uuid is None else normal_uuid(bundle_uuid),
        version=version,
        creator_uid=creator_uid,
    )
    if version is not None:
        parse_version(version)
    files = find_files(src_dir)
    staging = staging or open_staging(replica, staging_bucket, 2 * threads)
    stop = stop or threading.Event()
    folder = journal_folder(
        src_dir=str(src_dir.resolve()),
        url=service.url,
        replica=replica,
        bucket=staging_bucket,
        place=staging.place,
    )
    journal = open_journal(folder, wanted, files, staging, fresh=fresh)
    try:
        committer = Committer(
            service=service,
            replica=replica,
            staging_bucket=staging_bucket,
            bundle=journal.bundle,
            timeout_seconds=timeout_seconds,
            pace=pace or Pace(),
            stop=stop,
        )
        upload = _Upload(journal, committer, [file.name for file in files], progress)
        with Sender.open(staging, journal, threads, stop, step) as sender:
            report = upload.run(sender, index_rule(indexed))
        journal.remove()
    except KeyboardInterrupt as interrupt:
        interrupt.add_note("What was sent is kept: the same upload continues from there.")
        raise
    finally:
        journal.close()
    return report


def _refuse_nonsense(
    replica: str, staging_bucket: str, threads: int, timeout_seconds: float
) -> None:
    if replica not in _REPLICAS:
        raise InvalidArgument(f"replica must be aws or gcp, not {replica!r}")
    if not staging_bucket or "/" in staging_bucket or ":" in staging_bucket:
        raise InvalidArgument(
            f"staging_bucket must be the name of a bucket alone, not {staging_bucket!r}"
        )
    if threads < 1:
        raise InvalidArgument(f"threads must be 1 or more, not {threads}")
    if timeout_seconds < 0:
        raise InvalidArgument(f"timeout_seconds must be 0 or more, not {timeout_seconds}")


class _Upload:
    """An upload under way."""

    def __init__(
        self,
        journal: Journal,
        committer: Committer,
        names: Sequence[str],
        progress: ProgressCallback | None,
    ) -> None:
        self._journal = journal
        self._committer = committer
        self._states = {name: journal.files[name] for name in names}
        self._reused = {name for name, state in self._states.items() if state.checksums}
        self._copied: list[tuple[FileState, Checksums]] = []
        self._progress = Progress(progress)

    def run(self, sender: Sender, indexed: Callable[[str], bool]) -> UploadReport:
        """Send all files, put them, wait for those that take longer, and put the bundle."""
        sizes = {name: state.source.size for name, state in self._states.items()}
        there = [name for name, state in self._states.items() if state.stored]
        self._progress.plan(
            len(sizes),
            sum(sizes.values()),
            files_there=len(there),
            bytes_there=sum(sizes[name] for name in there),
        )
        self._send_all(sender)
        self._copied.sort(key=lambda each: each[0].source.name)
        self._committer.wait_for(self._copied, self._journal.stored)
        report = self._report(indexed)
        self._journal.closing()
        self._committer.put_bundle(
            [
                {
                    "uuid": file.uuid,
                    "version": file.version,
                    "name": file.name,
                    "indexed": file.indexed,
                }
                for file in report.files
            ]
        )
        return report

    def _send_all(self, sender: Sender) -> None:
        stop = sender.stop
        todo = [name for name, state in self._states.items() if not state.stored]
        with ThreadPoolExecutor(sender.threads, "dss-upload-file") as pool:
            work = [pool.submit(self._file, sender, name) for name in todo]
            try:
                wait(work, return_when=FIRST_EXCEPTION)
                _raise_first(work)
            except BaseException:
                # What is on its way still arrives, and is noted.
                stop.set()
                pool.shutdown(cancel_futures=True)
                raise

    def _file(self, sender: Sender, name: str) -> None:
        state = self._states[name]
        progress = self._progress.file(name, self._bundle, state.source.size)
        try:
            if state.checksums is None:
                state = self._states[name] = sender.send(state, progress)
                self._put(state)
            else:
                self._put_reused(sender, state, progress)
        except BaseException as error:
            progress.fail()
            if isinstance(error, DSSError | OSError) and not isinstance(error, UploadError):
                raise UploadError(name, str(error), cause=error) from error
            raise
        progress.finish()

    def _put_reused(self, sender: Sender, state: FileState, progress: FileProgress) -> None:
        """Put a file that an earlier run sent; send it again if it is gone."""
        try:
            self._put(state)
        except (NotFound, ServerError):  # the original says 500 to a source that is not there
            name = state.source.name
            self._reused.discard(name)
            state = self._states[name] = sender.send(self._journal.add(state.source), progress)
            self._put(state)

    @property
    def _bundle(self) -> FQID:
        return FQID(self._journal.bundle.uuid, self._journal.bundle.version)

    def _put(self, state: FileState) -> None:
        checksums = known(state)
        if self._committer.put_file(state, checksums):
            self._journal.stored(state)
        else:
            self._copied.append((state, checksums))

    def _report(self, indexed: Callable[[str], bool]) -> UploadReport:
        bundle = self._journal.bundle
        return UploadReport(
            bundle_uuid=bundle.uuid,
            version=bundle.version,
            replica=self._committer.replica,
            creator_uid=bundle.creator_uid,
            files=tuple(
                UploadedFile(
                    name=name,
                    uuid=state.uuid,
                    version=bundle.version,
                    size=state.source.size,
                    content_type=content_type_of(name),
                    indexed=bool(indexed(name)),
                    checksums=known(state),
                    state="reused" if name in self._reused else "uploaded",
                )
                for name, state in self._states.items()
            ),
        )


def known(state: FileState) -> Checksums:
    """Return the checksums of a file that was sent."""
    assert state.checksums is not None  # noqa: S101 - set when it was sent
    return state.checksums


def _raise_first(work: Sequence[Future[None]]) -> None:
    """Raise the first cause, not the `Stopped` of other threads."""
    errors = [error for each in work if each.done() and (error := each.exception()) is not None]
    errors.sort(key=lambda error: isinstance(error, Stopped))
    if errors:
        raise errors[0]
