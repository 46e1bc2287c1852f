"""An upload, from the directory to the bundle."""

import threading
from collections.abc import Container
from concurrent.futures import ThreadPoolExecutor, as_completed

from attrs import field, frozen

from dss_client.errors import DSSError
from dss_client.transfer.progress import FileProgress, Progress
from dss_client.versions import FQID

from .commit import Committer, Service
from .errors import UploadError
from .report import UploadedFile, UploadReport
from .request import UploadRequest
from .send import Sender
from .staging import open_staging
from .state import FileState, NewBundle, UploadState, open_state, state_place
from .walk import find_files, index_rule

__all__ = ["upload_directory"]


def upload_directory(
    service: Service, request: UploadRequest, stop: threading.Event
) -> UploadReport:
    """Make a bundle from the files in a directory; see `dss_client.DSSClient.upload`.

    Args:
        service: The service.
        request: What is uploaded, and how.
        stop: Set by another thread to stop the upload.

    Raises:
        Stopped: `stop` was set.
        DSSError: As of `DSSClient.upload`.
    """
    replica, bucket, threads = request.replica, request.staging_bucket, request.threads
    files = find_files(request.src_dir)
    is_indexed = index_rule(request.indexed)
    indexed = {file.name for file in files if is_indexed(file.name)}
    staging = request.staging or open_staging(replica, bucket, 2 * threads)
    place = state_place(
        src_dir=str(request.src_dir.resolve()),
        url=service.url,
        replica=replica,
        bucket=bucket,
        place=staging.place,
    )

    def is_stored(bundle: NewBundle) -> bool:
        try:
            service.bundle_files(uuid=bundle.uuid, version=bundle.version, replica=replica)
        except DSSError:
            return False
        return True

    state = open_state(place, request, files, staging, is_stored)
    try:
        committer = Committer(service, request, state.bundle, stop)
        with ThreadPoolExecutor(threads, "dss-upload-part") as pool:
            sender = Sender(staging, state, stop, pool, threading.Semaphore(threads + 1))
            upload = _Upload(state, committer, sender, Progress(request.progress), indexed)
            upload.send_all(threads)
        report = upload.put_bundle()
    except BaseException as error:
        state.leave()
        if isinstance(error, KeyboardInterrupt):
            error.add_note("What was sent is kept: the same upload continues from there.")
        raise
    state.remove()
    return report


@frozen
class _Upload:
    """An upload under way."""

    state: UploadState
    committer: Committer
    sender: Sender
    progress: Progress
    indexed: Container[str]
    done: dict[str, UploadedFile] = field(init=False, factory=dict[str, UploadedFile])
    copied_later: list[FileState] = field(init=False, factory=list[FileState])

    def send_all(self, threads: int) -> None:
        """Send all files and put them, and wait for those that the service copies later.

        The smallest file goes first and alone: what the service or the bucket refuses at all is
        known before the large ones are sent.
        """
        files = self.state.files
        self.progress.plan(len(files), sum(file.source.size for file in files))
        first, *others = sorted(files, key=lambda file: file.source.size)
        self._file(first)
        with ThreadPoolExecutor(threads, "dss-upload-file") as pool:
            work = [pool.submit(self._file, file) for file in others]
            try:
                for each in as_completed(work):
                    each.result()
            except BaseException:
                self.sender.stop.set()  # what is on its way still arrives
                pool.shutdown(cancel_futures=True)
                raise
        self.committer.wait_for(
            [(file, self.done[file.source.name].checksums) for file in self.copied_later]
        )

    def _file(self, file: FileState) -> None:
        bundle, source = self.state.bundle, file.source
        progress = self.progress.file(source.name, FQID(bundle.uuid, bundle.version), source.size)
        try:
            self._put(file, progress)
        except BaseException as error:
            progress.fail()
            if isinstance(error, DSSError | OSError) and not isinstance(error, UploadError):
                raise UploadError(source.name, str(error), cause=error) from error
            raise
        progress.finish()

    def _put(self, file: FileState, progress: FileProgress) -> None:
        """Put a file, after what an earlier run has not done of that."""
        source, staging = file.source, self.sender.staging
        stored = self.committer.find_file(file) if file.is_known else None
        there = stored or (staging.find(file.key) if file.is_known else None)
        if there is not None and file.upload is not None:
            staging.abort(file.key, file.upload)  # that run may have ended when it cleared up
        checksums = there or self.sender.send(file, progress)
        if stored is None and not self.committer.put_file(file, checksums):
            self.copied_later.append(file)
        self.done[source.name] = UploadedFile(
            name=source.name,
            uuid=file.uuid,
            version=self.state.bundle.version,
            size=source.size,
            content_type=source.content_type,
            indexed=source.name in self.indexed,
            checksums=checksums,
            state="uploaded" if there is None else "reused",
        )

    def put_bundle(self) -> UploadReport:
        """Put the bundle; return what became of it and its files."""
        files = tuple(self.done[file.source.name] for file in self.state.files)
        self.committer.put_bundle(files)
        bundle = self.state.bundle
        return UploadReport(
            bundle_uuid=bundle.uuid,
            version=bundle.version,
            replica=self.committer.request.replica,
            creator_uid=bundle.creator_uid,
            files=files,
        )
