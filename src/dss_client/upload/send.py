"""Sends files to the staging bucket, each read once."""

import threading
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import BinaryIO

from attrs import field, frozen

from dss_client.transfer.cancel import Stopped
from dss_client.transfer.progress import FileProgress

from .checksums import Checksums, Hasher, part_size
from .errors import LostUpload
from .staging import Staging
from .state import FileState, UploadState

__all__ = ["Sender"]


@frozen
class Sender:
    """Sends files. Threads share it.

    Attributes:
        staging: Where to.
        state: The state of the upload.
        stop: Set when the upload is stopped.
        pool: Sends parts of files.
        room: Bounds how many parts are in memory.
    """

    staging: Staging
    state: UploadState
    stop: threading.Event
    pool: ThreadPoolExecutor
    room: threading.Semaphore = field(repr=False)

    def send(self, file: FileState, progress: FileProgress) -> Checksums:
        """Send a file, or the parts of it that the bucket does not have.

        Raises:
            UploadError: It changed meanwhile, or the state cannot be written.
            StagingError: The bucket refused or failed.
            OSError: It cannot be read.
            Stopped: The upload was stopped.
        """
        if file.upload is not None:
            try:
                return self._send(file, progress)
            except LostUpload:
                progress.advance(-progress.done)
                file = self.state.set_upload(file, None)
        return self._send(file, progress)

    def _send(self, file: FileState, progress: FileProgress) -> Checksums:
        source = file.source
        with source.path.open("rb") as stream:
            source.refuse_change(stream.fileno())
            if source.size > part_size(source.size):
                return self._send_parts(file, stream, progress)
            hasher = Hasher()
            with self.room:
                data = self._read(file, stream, source.size)
                source.refuse_change(stream.fileno())
                hasher.add_part(data)
                checksums = hasher.checksums()
                self.staging.put(file.key, data, source.content_type, checksums)
            progress.advance(source.size)
            return checksums

    def _read(self, file: FileState, stream: BinaryIO, size: int) -> bytes:
        if self.stop.is_set():
            raise Stopped
        data = stream.read(size)
        if len(data) != size:
            raise file.source.changed()
        return data

    def _send_parts(self, file: FileState, stream: BinaryIO, progress: FileProgress) -> Checksums:
        source, upload = file.source, file.upload
        there: Mapping[int, str] | None = {}
        if upload is None:
            upload = self.staging.begin(file.key, source.content_type)
            self.state.set_upload(file, upload)
        else:
            there = self.staging.parts(file.key, upload)

        def send_part(number: int, data: bytes, md5: str) -> str:
            try:
                if there is None or there.get(number) == md5:
                    etag = md5
                elif self.stop.is_set():
                    raise Stopped
                else:
                    etag = self.staging.put_part(file.key, upload, number, data, md5)
            finally:
                self.room.release()
            progress.advance(len(data))
            return etag

        hasher = Hasher()
        etags: list[str] = []
        sending: deque[Future[str]] = deque()
        step = part_size(source.size)
        try:
            for number, first in enumerate(range(0, source.size, step), 1):
                self.room.acquire()  # until the part is sent
                try:
                    data = self._read(file, stream, min(step, source.size - first))
                    md5 = hasher.add_part(data)
                except BaseException:
                    self.room.release()
                    raise
                sending.append(self.pool.submit(send_part, number, data, md5))
                while sending and sending[0].done():
                    etags.append(sending.popleft().result())
            source.refuse_change(stream.fileno())
            etags += [each.result() for each in sending]
        finally:
            wait(sending)  # what is on its way still arrives
        checksums = hasher.checksums()
        self.staging.complete(file.key, upload, etags, source.content_type, checksums)
        return checksums
