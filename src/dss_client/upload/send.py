"""Sends files to the staging bucket, each read once."""

import hashlib
import threading
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import BinaryIO

from attrs import field, frozen

from dss_client.transfer.cancel import Stopped
from dss_client.transfer.progress import FileProgress

from .checksums import Hasher, part_size
from .errors import LostUpload
from .journal import FileState, Journal, SentPart
from .staging import Staging
from .walk import changed, content_type_of

__all__ = ["Sender", "key_of"]


class _Outdated(Exception):
    """The parts that were sent are not those of the file as it is."""


def key_of(state: FileState) -> str:
    """Return the name of a file's object in the bucket."""
    return f"{state.uuid}/{state.source.name.rpartition('/')[2]}"


@frozen(kw_only=True)
class Sender:
    """Sends files. Threads share it.

    Attributes:
        staging: Where to.
        journal: The journal of the upload.
        threads: How many files, and parts of files, are sent at once.
        stop: Set when the upload is stopped.
        step: Bytes of a part; as the etag has it when None.
    """

    staging: Staging
    journal: Journal
    threads: int
    stop: threading.Event
    step: int | None
    _pool: ThreadPoolExecutor = field(alias="pool")
    _room: threading.Semaphore = field(alias="room")

    @classmethod
    @contextmanager
    def open(
        cls,
        staging: Staging,
        journal: Journal,
        threads: int,
        stop: threading.Event,
        step: int | None = None,
    ) -> "Generator[Sender]":
        """Yield a sender with threads for parts; one more part than these is kept in memory."""
        with ThreadPoolExecutor(threads, "dss-upload-part") as pool:
            yield cls(
                staging=staging,
                journal=journal,
                threads=threads,
                stop=stop,
                step=step,
                pool=pool,
                room=threading.Semaphore(threads + 1),
            )

    def send(self, state: FileState, progress: FileProgress) -> FileState:
        """Send a file, or the parts of it that are missing.

        Returns:
            Its progress; not that of `state` if it was sent again, under another id.

        Raises:
            UploadError: It changed meanwhile.
            StagingError: The bucket refused or failed.
            OSError: It cannot be read.
            Stopped: The upload was stopped.
        """
        if state.upload is not None:
            try:
                self._send(state, progress)
            except (LostUpload, _Outdated):
                self.staging.abort(key_of(state), state.upload)
                progress.advance(-progress.done)
                state = self.journal.add(state.source)
            else:
                return state
        self._send(state, progress)
        return state

    def _send(self, state: FileState, progress: FileProgress) -> None:
        source = state.source
        step = state.step or self.step or part_size(source.size)
        hasher = Hasher(part_size(source.size))
        with source.path.open("rb") as stream:
            source.refuse_change(stream.fileno())
            if source.size <= step:
                self._send_whole(state, stream, hasher)
                progress.advance(source.size)
            else:
                self._send_parts(state, stream, hasher, step, progress)
        self.journal.sent(state, hasher.checksums())

    @contextmanager
    def _in_memory(self) -> Generator[None]:
        """Wait until there is room for a part, and keep it if that goes wrong."""
        self._room.acquire()
        try:
            if self.stop.is_set():
                raise Stopped
            yield
        except BaseException:
            self._room.release()
            raise

    def _send_whole(self, state: FileState, stream: BinaryIO, hasher: Hasher) -> None:
        with self._in_memory():
            data = _read(state, stream, state.source.size)
            state.source.refuse_change(stream.fileno())
            hasher.update(data)
            content_type = content_type_of(state.source.name)
            self.staging.put(key_of(state), data, content_type, hasher.checksums())
        self._room.release()

    def _send_parts(
        self,
        state: FileState,
        stream: BinaryIO,
        hasher: Hasher,
        step: int,
        progress: FileProgress,
    ) -> None:
        size, key = state.source.size, key_of(state)
        content_type = content_type_of(state.source.name)
        upload = state.upload
        if upload is None:
            upload = self.staging.begin(key, content_type)
            self.journal.begun(state, upload, step)
        same_parts = step == part_size(size)
        sending: list[Future[None]] = []
        try:
            for number, first in enumerate(range(0, size, step), 1):
                with self._in_memory():
                    data = _read(state, stream, min(step, size - first))
                    hasher.update(data)
                    md5 = hasher.part_md5() if same_parts else _md5(data)
                    if self._is_there(state, number, md5):
                        self._room.release()
                        progress.advance(len(data))
                        continue
                    sending.append(
                        self._pool.submit(
                            self._send_part, state, upload, number, data, md5, progress
                        )
                    )
                _raise_first(sending)
            state.source.refuse_change(stream.fileno())
        finally:
            wait(sending)
        _raise_first(sending)
        parts = [state.parts[number] for number in range(1, len(state.parts) + 1)]
        self.staging.complete(key, upload, parts, content_type, hasher.checksums())

    @staticmethod
    def _is_there(state: FileState, number: int, md5: bytes) -> bool:
        """Tell whether the bucket has a part.

        Raises:
            _Outdated: It has another one in its place.
        """
        part = state.parts.get(number)
        if part is not None and part.md5 != md5.hex():
            raise _Outdated
        return part is not None

    def _send_part(
        self,
        state: FileState,
        upload: str,
        number: int,
        data: bytes,
        md5: bytes,
        progress: FileProgress,
    ) -> None:
        try:
            if self.stop.is_set():
                raise Stopped
            etag = self.staging.put_part(key_of(state), upload, number, data, md5)
        finally:
            self._room.release()
        self.journal.part_sent(state, number, SentPart(md5.hex(), etag))
        progress.advance(len(data))


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


def _read(state: FileState, stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) != size:
        raise changed(state.source)
    return data


def _raise_first(sending: list[Future[None]]) -> None:
    """Forget the parts that are through, and raise why one is not."""
    while sending and sending[0].done():
        sending.pop(0).result()
