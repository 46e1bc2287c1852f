"""What a download keeps in memory: little of each failure, and only so many files in progress."""

import gc
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dss_client import DSSClient
from dss_client.download import DownloadError

from .apart import Apart, Ended, Running, Wanted, call_of, download, tree
from .forked import Break, break_calls
from .wire import Asked, Step, Wire, answer, head, stall

COUNT = 60
SIZES = {"small": 200_000, "large": 400_000}


def memory_of_failures(
    url: str, warm: Wanted, what: Wanted, folder: Path, breaks: list[Break], http: bool
) -> tuple[int, float]:
    """Download in vain; return how many files failed, and the bytes that each of them keeps."""
    import httpx

    with (
        httpx.Client() as client,
        DSSClient(url, retries=0, storage_client=client if http else None) as dss,
    ):

        def fail(wanted: Wanted) -> DownloadError:
            method, arguments = call_of(wanted)
            arguments |= {"replica": "aws", "download_dir": folder, "durable": False}
            try:
                getattr(dss, method)(**arguments, num_retries=0, min_delay_seconds=0)
            except DownloadError as error:
                return error
            raise AssertionError("nothing failed")

        break_calls(folder, *breaks)
        fail(warm)
        gc.collect()
        tracemalloc.start()
        error = fail(what)
        gc.collect()
        kept, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        count = len(error.report.errors)
        return count, kept / count


def flipped(wire: Wire, asked: Asked) -> Iterator[Step]:
    first, body = answer(wire.stored[asked.name].body, asked)
    yield first + body[:-1] + b"?"


def cut(wire: Wire, asked: Asked) -> Iterator[Step]:
    first, body = answer(wire.stored[asked.name].body, asked)
    yield first + body[:-1]
    yield "close"


def reset(wire: Wire, asked: Asked) -> Iterator[Step]:
    yield head(200, 10)
    yield "reset"


def missing(wire: Wire, asked: Asked) -> Iterator[Step]:
    yield head(404, 300) + b"?" * 300


def broken(wire: Wire, asked: Asked) -> Iterator[Step]:
    yield head(500, 0)


def too_long(wire: Wire, asked: Asked) -> Iterator[Step]:
    first, body = answer(wire.stored[asked.name].body + b"!", asked)
    yield first + body


@pytest.mark.parametrize(
    ("how", "named", "http"),
    [
        *((how, "small", False) for how in (flipped, cut, reset, missing, broken, too_long)),
        *((how, "large", False) for how in (flipped, cut, reset)),
        *((flipped, "small", True), (reset, "large", True)),
    ],
)
def test_a_failed_transfer_keeps_little(
    apart: Apart, wire: Wire, tmp_path: Path, how: Any, named: str, http: bool
) -> None:
    size = SIZES[named]
    wire.script = lambda asked: how(wire, asked)
    warm = wire.add_bundle({"warm": b"w" * size})
    bundle = wire.add_bundle({f"f{number}": bytes([number]) * size for number in range(COUNT)})
    count, kept = apart(memory_of_failures, wire.url, warm.fqid, bundle.fqid, tmp_path, [], http)
    assert count == COUNT
    assert kept < 10_000


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("call", ["create", "replace", "link"])
def test_a_content_that_cannot_be_put_in_place_keeps_little(
    apart: Apart, wire: Wire, tmp_path: Path, size: int, call: str
) -> None:
    warm = wire.add_bundle({"warm": b"w" * size})
    bundle = wire.add_bundle({f"f{number}": bytes([number]) * size for number in range(COUNT)})
    breaks = [Break("create" if call == "link" else call, "EIO", below=bundle.uuid)]
    if call != "link":
        breaks = [Break(call, "EIO")]
    breaks.append(Break("link", "EIO"))
    count, kept = apart(
        memory_of_failures, wire.url, warm.fqid, bundle.fqid, tmp_path, breaks, False
    )
    assert count >= COUNT
    assert kept < 10_000


def test_a_bundle_that_cannot_be_had_keeps_little(apart: Apart, wire: Wire, tmp_path: Path) -> None:
    fqids = [wire.add_bundle({"f": b"?"}).fqid for _ in range(COUNT + 1)]
    wire.api = lambda asked: iter((head(404, 300) + b"?" * 300,))
    count, kept = apart(memory_of_failures, wire.url, fqids[:1], fqids[1:], tmp_path, [], False)
    assert count == COUNT
    assert kept < 10_000


# Back-pressure


LIMIT = 4096


def in_progress(wire: Wire, running: Running[Ended]) -> int:
    """Wait until no more bundles are asked for; return how many there were."""
    seen = running.settled(
        lambda: len({asked.name for asked in wire.asked_api if "/bundles/" in asked.path})
    )
    running.kill()
    return seen


@pytest.mark.parametrize("kind", ["bundles", "search", "manifest"])
def test_only_so_many_files_are_in_progress(
    apart: Apart, wire: Wire, tmp_path: Path, kind: str
) -> None:
    each = 200
    names = dict.fromkeys((f"f{number}" for number in range(each)), b"?")
    bundles = [
        wire.add_bundle({name: f"{number}{name}".encode() for name in names})
        for number in range(40)
    ]
    wire.script = stall
    what: Wanted = [bundle.fqid for bundle in bundles]
    options: dict[str, Any] = {}
    if kind == "search":
        wire.page, what = each, {}
    elif kind == "manifest":
        manifest = tmp_path / "listed.tsv"
        lines = [bundle.write_manifest(manifest).read_text() for bundle in bundles]
        manifest.write_text(lines[0] + "".join(text.partition("\n")[2] for text in lines[1:]))
        what, options = manifest, {"layout": "bundle"}
    running = apart.start(download, wire.url, what, tmp_path / "d", **options)
    # What is asked for may be more than expected once, before its files are counted.
    assert in_progress(wire, running) * each <= LIMIT + 4 * each


def test_a_search_does_not_wait_for_its_last_page(apart: Apart, wire: Wire, tmp_path: Path) -> None:
    for number in range(6):
        wire.add_bundle({f"f{number}": bytes([number])})
    wire.page = 3

    def api(asked: Asked) -> Iterator[Step]:
        if asked.path.endswith("/search") and "token" in asked.query:
            yield "stall"

    wire.api = api
    running = apart.start(download, wire.url, {}, tmp_path)
    running.until(lambda: len(tree(tmp_path)) == 3)
    running.kill()
    assert {path.rpartition("/")[2] for path in tree(tmp_path)} == {"f0", "f1", "f2"}


def test_no_more_pages_of_a_search_than_needed(apart: Apart, wire: Wire, tmp_path: Path) -> None:
    for number in range(60):
        wire.add_bundle({f"f{place}": f"{number} {place}".encode() for place in range(500)})
    wire.script = stall

    def api(asked: Asked) -> Iterator[Step]:
        if asked.path.endswith("/search"):
            wire.page = 2
            yield from wire.right(asked)
            wire.page = 500

    wire.api = api
    running = apart.start(download, wire.url, {}, tmp_path)
    in_progress(wire, running)
    searches = [asked for asked in wire.asked_api if asked.path.endswith("/search")]
    assert len(searches) < 20 < len(wire.found) // 2
