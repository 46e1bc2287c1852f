"""One content on its way, driven by the test's own thread, without a wait."""

from collections.abc import Sequence
from pathlib import Path

from attrs import define, frozen

from dss_client.download import journal
from dss_client.download.errors import FileDownloadError
from dss_client.download.fetch import Fetch, How
from dss_client.download.filestore import FileStore
from dss_client.download.report import State
from dss_client.download.resolve import BundleUrls
from dss_client.download.task import FileResult, FileTask
from dss_client.transfer.progress import Progress, ProgressEvent

from .scripted import FQ, ScriptedSource, Try, task_of

CONTENT = b"0123456789abcdefghij"
PART = 1 << 20


@define
class Clock:
    """Time that stands still until somebody waits. It has what is asked of module `time`."""

    now: float = 1000.0

    def monotonic(self) -> float:
        return self.now


@frozen(kw_only=True)
class Outcome:
    """What became of a transfer."""

    content: bytes | None
    error: FileDownloadError | None
    cause: Exception | None
    tries: int
    events: list[ProgressEvent]
    waits: list[float]


def how_to(
    source: ScriptedSource,
    folder: Path,
    *,
    num_retries: int = 3,
    delay: float = 0.0,
    part_size: int = PART,
) -> How:
    """Return a way to fetch contents into the store of a folder."""
    store = FileStore(folder, durable=False)

    def place(task: FileTask, *, downloaded: bool) -> FileResult:
        state: State = "downloaded" if downloaded else "reused"
        return FileResult(task.number, state, store.place(task.sha256))

    return How(
        source=source,
        store=store,
        left=journal.leftovers(store.partials),
        place=place,
        num_retries=num_retries,
        min_delay_seconds=delay,
        part_size=part_size,
    )


def run(fetch: Fetch, clock: Clock | None = None) -> tuple[FileResult, list[float]]:
    """Work on a fetch until it is settled; return the result and the waits.

    Raises:
        Stopped: The fetch was given up.
    """
    buffer = memoryview(bytearray(1 << 20))
    waits: list[float] = []
    while True:
        fetch.workers = 1
        fetch.work(buffer, lambda _: None)
        fetch.workers = 0
        result = fetch.settle()
        if result is not None:
            return result, waits
        if clock is not None and fetch.ready_at:
            waits.append(fetch.ready_at - clock.now)
            clock.now = fetch.ready_at


def fetch(
    source: ScriptedSource,
    folder: Path,
    tries: Sequence[Try] = (),
    *,
    content: bytes = CONTENT,
    sha: str | None = None,
    size: int | None = None,
    uuid: str | None = None,
    clock: Clock | None = None,
    how: How | None = None,
    num_retries: int = 3,
    delay: float = 0.0,
    part_size: int = PART,
) -> Outcome:
    """Fetch one content that storage answers for as `tries` say.

    Raises:
        Stopped: The fetch was given up.
    """
    file = source.add_file("f", content, sha=sha, size=size, uuid=uuid)
    source.tries[file.uuid] = list(tries)
    how = how or how_to(source, folder, num_retries=num_retries, delay=delay, part_size=part_size)
    events: list[ProgressEvent] = []
    progress = Progress(events.append).file("f", None, file.size)
    task = task_of(file)
    urls = BundleUrls(source, FQ, "aws", [task])
    result, waits = run(Fetch(task, urls, how, progress), clock)
    path = how.store.path(task.sha256)
    assert (result.state == "downloaded") == path.exists()
    return Outcome(
        content=path.read_bytes() if path.exists() else None,
        error=result.error,
        cause=result.error.cause if result.error else None,
        tries=result.tries,
        events=events,
        waits=waits,
    )
