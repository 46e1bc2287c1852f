"""Downloads that are stopped: at once wherever they wait, and with what they have kept."""

import asyncio
import gc
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from dss_client import DSSClient, ProgressEvent

from .apart import Apart, Ended, Running, Wanted, download, dss, on_disk, partials
from .directory import forget
from .forked import Break
from .wire import Asked, Bundle, Content, Script, Sends, Step, Wire, contents, head, stall

SMALL, LARGE = 1_000, 400_000
MiB = 1 << 20
UNREAD = 8 * MiB  # what a system may take of an answer that nobody reads to its end
SOON = 2.0  # seconds: what is promised is 0.5, but a machine may be busy
PATTERN = bytes(range(256)) * (MiB // 256)

is_async = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])


def fqids(wire: Wire, count: int) -> list[str]:
    """Hold some bundles."""
    return [wire.add_bundle({f"f{number}": bytes([number])}).fqid for number in range(count)]


# What a download waits for


def half(_: Asked) -> Iterator[Step]:
    yield head(200, SMALL) + b"?"
    yield "stall"


def busy(_: Asked) -> Iterator[Step]:
    yield head(503, 0, Retry_After="30")


def service(wire: Wire, part: str, nth: int = 0) -> None:
    """Have requests to a part of the service stall, from the n-th on."""
    seen: list[Asked] = []

    def api(asked: Asked) -> Iterator[Step]:
        if part in asked.path:
            seen.append(asked)
            if len(seen) > nth:
                yield "stall"

    wire.api = api


def search(wire: Wire, nth: int) -> Wanted:
    wire.page = 2
    fqids(wire, 5)
    service(wire, "/search", nth)
    return {}


def bundle(wire: Wire, nth: int) -> Wanted:
    wire.page = 2
    service(wire, "/bundles/", nth)
    return wire.add_bundle(contents(5, SMALL)).fqid


def one_of_several_bundles(wire: Wire) -> Wanted:
    service(wire, "/bundles/", 2)
    return fqids(wire, 4)


def url_of_a_file(wire: Wire) -> Wanted:
    wire.presigns = False
    service(wire, "/files/")
    return wire.add_bundle(contents(2, SMALL)).fqid


def a_service_that_says_wait(wire: Wire) -> Wanted:
    def api(asked: Asked) -> Iterator[Step]:
        if "/files/" in asked.path:
            location = f"{wire.origin}{asked.path}?replica=aws"
            yield head(301, 0, Location=location, Retry_After="30")

    wire.presigns, wire.api = False, api
    return wire.add_bundle(contents(2, SMALL)).fqid


def storage(wire: Wire, size: int, script: Script) -> Wanted:
    wire.script = script
    return wire.add_bundle(contents(30, size)).fqid


SCENES: dict[str, Callable[[Wire], Wanted]] = {
    "a search": partial(search, nth=0),
    "the next page of a search": partial(search, nth=1),
    "a bundle": partial(bundle, nth=0),
    "the next page of a bundle": partial(bundle, nth=1),
    "one of several bundles": one_of_several_bundles,
    "the URL of a file": url_of_a_file,
    "a service that says wait": a_service_that_says_wait,
    "an answer, small": partial(storage, size=SMALL, script=stall),
    "an answer, large": partial(storage, size=LARGE, script=stall),
    "the rest of an answer": partial(storage, size=SMALL, script=half),
    "the next try": partial(storage, size=SMALL, script=busy),
}


def interrupt_where_it_waits(wire: Wire, running: Running[Ended]) -> None:
    """Interrupt a download as soon as it asks for nothing more."""
    running.settled(lambda: len(wire.asked) + len(wire.asked_api))
    running.kill(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        running.result(SOON)


@is_async
@pytest.mark.parametrize("name", SCENES)
def test_an_interrupt_ends_every_wait(
    apart: Apart, wire: Wire, tmp_path: Path, name: str, is_async: bool
) -> None:
    what = SCENES[name](wire)
    running = apart.start(download, wire.url, what, tmp_path, is_async=is_async, num_retries=5)
    interrupt_where_it_waits(wire, running)


@is_async
def test_an_interrupt_ends_the_wait_for_a_connection(
    apart: Apart, wire: Wire, tmp_path: Path, deaf: str, is_async: bool
) -> None:
    files = {name: Content(body, origin=deaf) for name, body in contents(6, SMALL).items()}
    fqid = wire.add_bundle(files).fqid
    running = apart.start(download, wire.url, fqid, tmp_path, is_async=is_async)
    interrupt_where_it_waits(wire, running)


# What is kept


def of_some_files(wire: Wire, count: int) -> Bundle:
    """Hold a bundle of large files, 60 MiB in all."""
    size = 60 * MiB // count
    return wire.add_bundle(
        {f"f{number}": (PATTERN * 61)[number : number + size] for number in range(count)}
    )


def stopped_at_45_of_60(
    apart: Apart, wire: Wire, folder: Path, number: signal.Signals, count: int = 1
) -> tuple[Bundle, Running[int]]:
    """Stop a command by a signal; the storage sends everything from then on."""
    bundle = of_some_files(wire, count)
    wire.script = sends = Sends(wire, 45 * MiB)
    running = apart.start(
        dss, "download", bundle.fqid, "--replica", "aws", "--url", wire.url,
        "--download-dir", folder, "--no-durable",
    )  # fmt: skip
    running.until(lambda: not sends.left)
    running.settled(lambda: on_disk(folder))
    assert sends.left == 0
    running.kill(number)
    assert running.wait(5)
    wire.script = None
    return bundle, running


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_little_is_fetched_again_after_a_signal(
    apart: Apart, wire: Wire, tmp_path: Path, number: signal.Signals, count: int
) -> None:
    bundle, running = stopped_at_45_of_60(apart, wire, tmp_path, number, count)
    lost = UNREAD
    if number == signal.SIGKILL:
        lost += 32 * MiB * len(wire.asked)
    else:
        assert running.result() == 128 + number
        assert "run the same command again" in running.printed
    wire.script = sends = Sends(wire)
    assert apart(download, wire.url, bundle.fqid, tmp_path).ok
    assert sends.sent - 15 * MiB < lost
    assert partials(tmp_path) == []


# What is there is read again


def opened(pid: int) -> set[str]:
    """Return the parts of all paths that a process has open."""
    parts: set[str] = set()
    with suppress(OSError):
        for each in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                parts.update(each.readlink().parts)
    return parts


SLOW = [Break(call, "", seconds=0.2) for call in ("read", "pread", "readv", "preadv")]


@is_async
@pytest.mark.parametrize("layout", ["bundle", "manifest"])
@pytest.mark.parametrize("place", ["partials", "files_2_4"])
def test_an_interrupt_ends_the_reading_of_what_is_there(
    apart: Apart, wire: Wire, tmp_path: Path, place: str, layout: str, is_async: bool
) -> None:
    if place == "partials":
        bundle, _ = stopped_at_45_of_60(apart, wire, tmp_path, signal.SIGINT)
    else:
        bundle = of_some_files(wire, 1)
        assert apart(download, wire.url, bundle.fqid, tmp_path).ok
        forget(tmp_path)
    what = bundle.fqid if layout == "bundle" else bundle.write_manifest(tmp_path / "listed.tsv")
    running = apart.start(download, wire.url, what, tmp_path, breaks=SLOW, is_async=is_async)
    running.until(lambda: place in opened(running.pid))
    running.wait(0.3)
    running.kill(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        running.result(SOON)


def progress_of(url: str, what: str, folder: Path) -> tuple[list[int], Ended]:
    """Download, and return how the large file went on."""
    seen: list[int] = []

    def note(event: ProgressEvent) -> None:
        if event.file_bytes_total > MiB:
            seen.append(event.file_bytes_done)

    return seen, download(url, what, folder, progress=note)


def test_the_reading_of_what_a_stopped_run_left_shows(
    apart: Apart, wire: Wire, tmp_path: Path
) -> None:
    bundle, _ = stopped_at_45_of_60(apart, wire, tmp_path, signal.SIGINT)
    seen, how = apart(progress_of, wire.url, bundle.fqid, tmp_path)
    assert how.ok
    assert len({done for done in seen if 0 < done < 32 * MiB}) >= 3


def test_after_an_interrupt_nothing_is_opened_and_the_client_goes_on(
    wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of a loop takes long where the machine is busy."""
    monkeypatch.setitem(sys.modules, "uvloop", None)
    end = asyncio.BaseEventLoop.shutdown_asyncgens

    async def end_late(loop: asyncio.BaseEventLoop) -> None:
        await asyncio.sleep(0.1)
        await end(loop)

    monkeypatch.setattr("asyncio.BaseEventLoop.shutdown_asyncgens", end_late)

    def first_alone(asked: Asked) -> Iterator[Step]:
        if len(wire.asked) > 1:
            yield "stall"
        yield from wire.serve(asked)

    def end_after_the_first(event: ProgressEvent) -> None:
        if event.kind == "finished" and event.name != "bundle.json":
            signal.raise_signal(signal.SIGINT)

    wire.script = first_alone
    bundle = wire.add_bundle({f"f{number}": b"%d" % number for number in range(300)})
    with DSSClient(wire.url) as client:
        get = partial(
            client.download, bundle_uuid=bundle.uuid, replica="aws", download_dir=tmp_path
        )
        with pytest.raises(KeyboardInterrupt):
            get(progress=end_after_the_first)
        gc.collect()  # what is left open is told of, and fails the test
        wire.script = None
        assert get().files_done == 301
