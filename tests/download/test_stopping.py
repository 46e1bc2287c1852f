"""Downloads that are stopped: at once wherever they wait, and with what they have kept."""

import asyncio
import gc
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from attrs import define

from dss_client import DSSClient, ProgressEvent
from dss_client.download.options import DownloadOptions
from dss_client.download.run import download_bundle
from dss_client.transfer.cancel import Stopped

from .apart import Apart, Ended, Running, Wanted, call_of, download, dss, partials, tree
from .forked import Break, break_calls
from .wire import Asked, Bundle, Content, Step, Wire, answer, head

SMALL, LARGE = 1_000, 400_000
MiB = 1 << 20
UNREAD = 8 * MiB  # what a system may take of an answer that nobody reads to its end
SOON = 2.0  # seconds: what is promised is 0.5, but a machine may be busy
PATTERN = bytes(range(256)) * (MiB // 256)


def contents(count: int, size: int) -> dict[str, bytes]:
    return {f"f{number}": bytes([number]) * size for number in range(count)}


@define
class Scene:
    """What a download waits for.

    Attributes:
        what: What is downloaded.
        waits: Tells whether it waits.
    """

    what: Wanted
    waits: Callable[[], bool]


def stalled_api(wire: Wire, part: str, nth: int = 0) -> Callable[[], bool]:
    """Have requests to the service stall, from the n-th on; return what tells that one does."""
    seen: list[Asked] = []

    def api(asked: Asked) -> Iterator[Step]:
        if part in asked.path:
            seen.append(asked)
            if len(seen) > nth:
                yield "stall"

    wire.api = api
    return lambda: len(seen) > nth


def search(wire: Wire) -> Scene:
    wire.add_bundle(contents(1, SMALL))
    return Scene({}, stalled_api(wire, "/search"))


def next_page_of_a_search(wire: Wire) -> Scene:
    wire.page = 2
    for number in range(5):
        wire.add_bundle({f"f{number}": bytes([number])})
    return Scene({}, stalled_api(wire, "/search", 1))


def bundle(wire: Wire) -> Scene:
    return Scene(wire.add_bundle(contents(1, SMALL)).fqid, stalled_api(wire, "/bundles/"))


def next_page_of_a_bundle(wire: Wire) -> Scene:
    wire.page = 2
    return Scene(wire.add_bundle(contents(5, SMALL)).fqid, stalled_api(wire, "/bundles/", 1))


def one_of_several_bundles(wire: Wire) -> Scene:
    fqids = [wire.add_bundle({f"f{number}": bytes([number])}).fqid for number in range(4)]
    return Scene(fqids, stalled_api(wire, "/bundles/", 2))


def url_of_a_file(wire: Wire) -> Scene:
    wire.presigns = False
    what = wire.add_bundle(contents(2, SMALL)).fqid
    return Scene(what, stalled_api(wire, "/files/"))


def a_service_that_says_wait(wire: Wire) -> Scene:
    wire.presigns = False
    what = wire.add_bundle(contents(2, SMALL)).fqid

    def api(asked: Asked) -> Iterator[Step]:
        if "/files/" in asked.path:
            location = f"{wire.origin}{asked.path}?replica=aws"
            yield head(301, 0, Location=location, Retry_After="30")

    wire.api = api
    return Scene(what, lambda: any("/files/" in asked.path for asked in wire.asked_api))


def storage(wire: Wire, size: int, script: Callable[[Asked], Iterator[Step]]) -> Scene:
    wire.script = script
    return Scene(wire.add_bundle(contents(30, size)).fqid, lambda: len(wire.asked) > 0)


def silent(asked: Asked) -> Iterator[Step]:
    yield "stall"


def half(asked: Asked) -> Iterator[Step]:
    yield head(200, SMALL) + b"?"
    yield "stall"


def busy(asked: Asked) -> Iterator[Step]:
    yield head(503, 0, Retry_After="30")


def deaf(wire: Wire) -> Scene:
    """An origin whose queue of connections is full; it is closed with the test's process."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=0)
    KEPT.append(listening)
    for _ in range(8):
        waiting = socket.socket()
        KEPT.append(waiting)
        waiting.setblocking(False)
        waiting.connect_ex(listening.getsockname())
    origin = f"http://127.0.0.1:{listening.getsockname()[1]}"
    files = {name: Content(body, origin=origin) for name, body in contents(6, SMALL).items()}
    return Scene(wire.add_bundle(files).fqid, lambda: len(wire.asked_api) > 0)


KEPT: list[socket.socket] = []

SCENES: dict[str, Callable[[Wire], Scene]] = {
    "a search": search,
    "the next page of a search": next_page_of_a_search,
    "a bundle": bundle,
    "the next page of a bundle": next_page_of_a_bundle,
    "one of several bundles": one_of_several_bundles,
    "the URL of a file": url_of_a_file,
    "a service that says wait": a_service_that_says_wait,
    "an answer, small": partial(storage, size=SMALL, script=silent),
    "an answer, large": partial(storage, size=LARGE, script=silent),
    "the rest of an answer": partial(storage, size=SMALL, script=half),
    "the next try": partial(storage, size=SMALL, script=busy),
    "a connection": deaf,
}


@pytest.fixture(autouse=True)
def _close_kept() -> Iterator[None]:
    yield
    while KEPT:
        KEPT.pop().close()


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("name", SCENES)
def test_an_interrupt_ends_every_wait(
    apart: Apart, wire: Wire, tmp_path: Path, name: str, is_async: bool
) -> None:
    scene = SCENES[name](wire)
    running = apart.start(
        download, wire.url, scene.what, tmp_path, is_async=is_async, num_retries=5
    )
    for _ in range(500):
        if scene.waits() or running.wait(0.01):
            break
    running.wait(0.1)
    running.kill(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        running.result(SOON)


# What is kept


@define
class Budget:
    """Sends so many bytes of contents, and then nothing more.

    Attributes:
        wire: The storage.
        left: Bytes that are left; None: no limit.
        sent: Bytes sent.
        asked: Number of requests.
    """

    wire: Wire
    left: int | None
    sent: int = 0
    asked: int = 0

    def __call__(self, asked: Asked) -> Iterator[Step]:
        start, body = answer(self.wire.stored[asked.name].body, asked)
        self.asked += 1
        yield start
        for position in range(0, len(body), 1 << 18):
            piece = body[position : position + (1 << 18)]
            if self.left is not None:
                piece = piece[: self.left]
                self.left -= len(piece)
            self.sent += len(piece)
            yield piece
            if self.left == 0:
                yield "stall"


def is_spent(budget: Budget, folder: Path, running: Running[Any]) -> bool:
    """Wait until all bytes have been sent, and have found their way to the disk."""
    blocks, quiet = -1, 0
    for _ in range(1000):
        now = sum(path.stat().st_blocks for path in partials(folder))
        quiet = quiet + 1 if now == blocks and budget.left == 0 else 0
        blocks = now
        if quiet > 20 or running.wait(0.01):
            break
    return budget.left == 0


def of_some_files(wire: Wire, count: int) -> tuple[Bundle, int]:
    """Hold a bundle of some large files; return it and its size."""
    size = 60 * MiB // count
    bodies = {f"f{number}": (PATTERN * 60)[number : number + size] for number in range(count)}
    return wire.add_bundle(bodies), sum(map(len, bodies.values()))


def command(wire: Wire, bundle: Bundle, folder: Path, *more: object) -> tuple[object, ...]:
    return (
        "download", bundle.fqid, "--replica", "aws", "--url", wire.url,
        "--download-dir", folder, "--no-durable", *more,
    )  # fmt: skip


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_nothing_is_fetched_again_after_a_signal(
    apart: Apart, wire: Wire, tmp_path: Path, number: signal.Signals, count: int
) -> None:
    bundle, size = of_some_files(wire, count)
    wire.script = budget = Budget(wire, 45 * MiB)
    running = apart.start(dss, *command(wire, bundle, tmp_path))
    assert is_spent(budget, tmp_path, running)
    running.kill(number)
    status = running.result(5)
    assert status in {130, 128 + number}
    assert "run the same command again" in running.printed
    wire.script = rest = Budget(wire, None)
    assert apart(download, wire.url, bundle.fqid, tmp_path).ok
    assert rest.sent - (size - 45 * MiB) < UNREAD
    assert partials(tmp_path) == []


@pytest.mark.parametrize("count", [1, 3])
def test_little_is_fetched_again_after_a_kill(
    apart: Apart, wire: Wire, tmp_path: Path, count: int
) -> None:
    bundle, size = of_some_files(wire, count)
    wire.script = budget = Budget(wire, 45 * MiB)
    running = apart.start(download, wire.url, bundle.fqid, tmp_path)
    assert is_spent(budget, tmp_path, running)
    running.kill()
    running.wait(5)
    connections = budget.asked
    wire.script = rest = Budget(wire, None)
    assert apart(download, wire.url, bundle.fqid, tmp_path).ok
    assert rest.sent - (size - 45 * MiB) < 32 * MiB * connections + UNREAD
    assert partials(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_processes_that_share_the_work(
    apart: Apart, wire: Wire, tmp_path: Path, number: signal.Signals
) -> None:
    bundle = wire.add_bundle(contents(4, LARGE))
    wire.script = silent
    running = apart.start(dss, *command(wire, bundle, tmp_path, "--processes", 2))
    for _ in range(800):
        if wire.asked or running.wait(0.01):
            break
    running.kill(number)
    try:
        assert running.result(5) in {130, 128 + number}
        for _ in range(200):
            if not wire.open:
                break
            time.sleep(0.01)
        assert wire.open == 0
    finally:
        running.kill()


# What is there is read again


def stopped_half_way(apart: Apart, wire: Wire, folder: Path) -> Bundle:
    """Leave two of three parts of a content behind."""
    bundle, _ = of_some_files(wire, 1)
    wire.script = budget = Budget(wire, 45 * MiB)
    running = apart.start(download, wire.url, bundle.fqid, folder)
    assert is_spent(budget, folder, running)
    running.kill(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        running.result(15)
    return bundle


def wait_until_it_reads(running: Running[Ended], part: str) -> None:
    """Wait until a process has opened a file whose path has such a part, and a little longer."""
    place = Path(f"/proc/{running.pid}/fd")
    for _ in range(1000):
        with suppress(OSError):
            if any(part in each.readlink().parts for each in place.iterdir()):
                break
        running.wait(0.005)
    running.wait(0.3)


SLOW = [Break(call, "", seconds=0.2) for call in ("read", "pread", "readv", "preadv")]


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_an_interrupt_ends_the_reading_of_what_a_stopped_run_left(
    apart: Apart, wire: Wire, tmp_path: Path, is_async: bool
) -> None:
    bundle = stopped_half_way(apart, wire, tmp_path)
    running = apart.start(download, wire.url, bundle.fqid, tmp_path, breaks=SLOW, is_async=is_async)
    wait_until_it_reads(running, "partials")
    running.kill(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        running.result(SOON)


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("layout", ["bundle", "manifest"])
def test_an_interrupt_ends_the_reading_of_what_is_not_verified(
    apart: Apart, wire: Wire, tmp_path: Path, is_async: bool, layout: str
) -> None:
    bundle, _ = of_some_files(wire, 1)
    assert apart(download, wire.url, bundle.fqid, tmp_path).ok
    for path in (tmp_path / ".hca").rglob("*"):
        if path.is_file():
            path.touch()
    what: Wanted = bundle.fqid
    if layout == "manifest":
        what = bundle.write_manifest(tmp_path / "listed.tsv")
    running = apart.start(download, wire.url, what, tmp_path, breaks=SLOW, is_async=is_async)
    wait_until_it_reads(running, "files_2_4")
    running.kill(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        running.result(SOON)


def progress_of(url: str, what: str, folder: Path) -> tuple[list[int], Ended]:
    """Download, and return how the first file went on."""
    seen: list[int] = []

    def note(event: ProgressEvent) -> None:
        if event.file_bytes_total > MiB:
            seen.append(event.file_bytes_done)

    return seen, download(url, what, folder, progress=note)


def test_the_reading_of_what_a_stopped_run_left_shows(
    apart: Apart, wire: Wire, tmp_path: Path
) -> None:
    bundle = stopped_half_way(apart, wire, tmp_path)
    wire.script = None
    asked = len(wire.asked)
    seen, how = apart(progress_of, wire.url, bundle.fqid, tmp_path)
    assert how.ok
    assert len(wire.asked) > asked
    assert len({done for done in seen if 0 < done < 32 * MiB}) >= 3


def stopped_and_counted(url: str, what: str, folder: Path) -> Ended:
    """Interrupt a download from its progress, and download again with the same client."""
    method, arguments = call_of(what)
    break_calls(folder)

    def interrupt(event: ProgressEvent) -> None:
        if event.kind == "finished" and event.name != "bundle.json":
            signal.raise_signal(signal.SIGINT)

    with DSSClient(url) as client:
        arguments |= {"replica": "aws", "download_dir": folder}
        with pytest.raises(KeyboardInterrupt):
            getattr(client, method)(progress=interrupt, **arguments)
    return download(url, what, folder)


def test_a_client_can_be_used_after_an_interrupt(apart: Apart, wire: Wire, tmp_path: Path) -> None:
    bundle = wire.add_bundle(contents(40, SMALL))
    assert apart(stopped_and_counted, wire.url, bundle.fqid, tmp_path).failed == {}
    assert len(tree(tmp_path)) == 40


def test_nothing_is_opened_after_the_stop(
    wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of a loop takes long where the machine is busy."""
    end = asyncio.BaseEventLoop.shutdown_asyncgens

    async def end_late(loop: asyncio.BaseEventLoop) -> None:
        await asyncio.sleep(0.1)
        await end(loop)

    monkeypatch.setattr("asyncio.BaseEventLoop.shutdown_asyncgens", end_late)
    bundle = wire.add_bundle({f"f{number}": b"%d" % number for number in range(300)})
    stop = threading.Event()

    def first_alone(asked: Asked) -> Iterator[Step]:
        if len(wire.asked) > 1:
            yield "stall"
        yield from wire.serve(asked)

    def end_after_the_first(event: ProgressEvent) -> None:
        if event.kind == "finished" and event.name != "bundle.json":
            stop.set()

    wire.script = first_alone
    options = DownloadOptions(
        replica="aws", download_dir=tmp_path, stop=stop, progress=end_after_the_first
    )
    with DSSClient(wire.url) as client, pytest.raises(Stopped):
        download_bundle(client, options, bundle_uuid=bundle.uuid)
    gc.collect()  # what is left open is told of, and fails the test
