"""What storage may do to a download: answers of any kind, in any order, or none.

Each test holds for each way that contents may take: small and large ones, and those that an HTTP
client which was handed in fetches.
"""

import gzip
import socket
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from attrs import evolve, frozen

from dss_client import AsyncDSSClient

from .apart import Apart, Ended, Running, download, tree
from .directory import forget
from .forked import Break
from .wire import Asked, Content, Script, Step, Wire, answer, contents, head, stall

SMALL, LARGE = 1_000, 300_000
MiB = 1 << 20
EXPIRED = b"<Error><Code>ExpiredToken</Code></Error>"


@frozen
class Way:
    """A way that a content may take: its size, and whether by an HTTP client that was given."""

    size: int
    http: bool = False


WAYS = {
    "small": Way(SMALL),
    "large": Way(LARGE),
    "small, httpx": Way(SMALL, http=True),
    "large, httpx": Way(LARGE, http=True),
}
each_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


def run(apart: Apart, wire: Wire, files: Mapping[str, bytes], folder: Path, way: Way) -> Ended:
    """Download a bundle of these files, and make sure that what is in place is right."""
    bundle = wire.add_bundle(files)
    how = apart(download, wire.url, bundle.fqid, folder, http=way.http)
    assert how.is_ours
    for name, content in tree(folder).items():
        assert content == files[name.partition("/")[2]]
    return how


Odd = Callable[[bytes, Asked], Iterator[Step]]


def in_turn(wire: Wire, *answers: Odd) -> Script:
    """Answer the requests for a content in turn, from the last answer on for ever."""

    def script(asked: Asked) -> Iterator[Step]:
        return answers[min(asked.turn, len(answers) - 1)](wire.stored[asked.name].body, asked)

    return script


# Retries


def broken_off(wire: Wire, size: int) -> Script:
    """Ignore ranges, and break off half way, 20 times."""

    def script(asked: Asked) -> Iterator[Step]:
        body = wire.stored[asked.name].body
        yield head(200, len(body)) + (body[: size // 2] if asked.turn < 20 else body)
        yield "close"

    return script


def flipped(wire: Wire, size: int) -> Script:
    """Send another byte at the end, 20 times."""

    def script(asked: Asked) -> Iterator[Step]:
        first, body = answer(wire.stored[asked.name].body, asked)
        yield first + (body[:-1] + b"?" if asked.turn < 20 else body)

    return script


def changed(wire: Wire, size: int) -> Script:
    """Give each answer another ETag, and break it off, 20 times."""

    def script(asked: Asked) -> Iterator[Step]:
        first, body = answer(wire.stored[asked.name].body, asked, ETag=f'"{asked.turn}"')
        yield first + (body[: len(body) // 2] if asked.turn < 20 else body)
        yield "close"

    return script


@pytest.mark.parametrize("way", [Way(4 * MiB), Way(4 * MiB, http=True)], ids=["ours", "httpx"])
@pytest.mark.parametrize("how", [broken_off, flipped, changed])
def test_bytes_that_are_thrown_away_buy_no_retry(
    apart: Apart, wire: Wire, tmp_path: Path, way: Way, how: Callable[[Wire, int], Script]
) -> None:
    wire.script = how(wire, way.size)
    assert run(apart, wire, {"f": bytes(way.size)}, tmp_path, way).error == "DownloadError"
    assert len(wire.asked) <= 3


@pytest.mark.parametrize("way", [Way(6 * MiB), Way(6 * MiB, http=True)], ids=["ours", "httpx"])
def test_new_ground_buys_retries(apart: Apart, wire: Wire, tmp_path: Path, way: Way) -> None:
    def script(asked: Asked) -> Iterator[Step]:
        first, body = answer(wire.stored[asked.name].body, asked)
        yield first + body[: MiB + 10]
        yield "close"

    wire.script = script
    assert run(apart, wire, {"f": bytes(way.size)}, tmp_path, way).ok
    assert len(wire.asked) == 6


# Codings


@each_way
@pytest.mark.parametrize("coding", ["gzip", "aws-chunked", "utf-8", ""])
def test_a_stored_coding_does_not_matter_where_the_bytes_are_right(
    apart: Apart, wire: Wire, tmp_path: Path, way: Way, coding: str
) -> None:
    wire.script = partial(wire.serve, Content_Encoding=coding)
    assert run(apart, wire, contents(2, way.size), tmp_path, way).ok


# Wrong answers


def right(body: bytes, asked: Asked) -> Iterator[Step]:
    yield from answer(body, asked, ETag='"a"')


def cut(body: bytes, asked: Asked) -> Iterator[Step]:
    yield head(200, len(body), ETag='"a"') + body[: len(body) // 2]
    yield "close"


def whole(body: bytes, asked: Asked) -> Iterator[Step]:
    yield head(200, len(body)) + body


def short(body: bytes, asked: Asked) -> Iterator[Step]:
    yield head(200, len(body) - 1) + body[:-1]


def longer(body: bytes, asked: Asked) -> Iterator[Step]:
    yield head(200, len(body) + 1) + body + b"x"


def overlong(body: bytes, asked: Asked) -> Iterator[Step]:
    yield head(200, len(body)) + body + b"x"
    yield "close"


def zipped(body: bytes, asked: Asked) -> Iterator[Step]:
    packed = gzip.compress(body)
    yield head(200, len(packed), Content_Encoding="gzip") + packed


def other(size: int = 0, **fields: str) -> Odd:
    """Answer a range with other fields, or as one of a content of another size."""

    def steps(body: bytes, asked: Asked) -> Iterator[Step]:
        part = body[asked.first :]
        place = f"bytes {asked.first}-{len(body) - 1}/{len(body) + size}"
        yield head(206, len(part), **{"Content_Range": place, "ETag": '"a"', **fields}) + part

    return steps


def without_range(body: bytes, asked: Asked) -> Iterator[Step]:
    yield head(206, len(body) - asked.first, ETag='"a"') + body[asked.first :]


@each_way
@pytest.mark.parametrize(
    ("answers", "failure", "asked"),
    [
        ([short, right], "", 2),
        ([short], "announces", 3),
        ([longer], "found", 1),
        ([overlong], "", 1),
        ([zipped], "gzip", 1),
        ([cut, whole], "", 2),
    ],
)
def test_wrong_bodies(
    apart: Apart, wire: Wire, tmp_path: Path, way: Way, answers: list[Odd], failure: str, asked: int
) -> None:
    wire.script = in_turn(wire, *answers)
    how = run(apart, wire, contents(1, way.size), tmp_path, way)
    assert (how.ok, len(wire.asked)) == (not failure, asked)
    assert failure in how.failed.get("f0", "")


@pytest.mark.parametrize("way", [WAYS["large"], WAYS["large, httpx"]], ids=["ours", "httpx"])
@pytest.mark.parametrize(
    ("answers", "failure", "asked"),
    [
        ([cut, other(Content_Range="bytes 1-2/3"), right], "", 3),
        ([cut, other(Content_Range="bytes"), right], "", 3),
        ([cut, without_range, right], "", 3),
        ([cut, other(size=1)], "found", 2),
        ([cut, other(ETag='"b"'), right], "", 3),
    ],
    ids=["another place", "not valid", "none", "another size", "another ETag"],
)
def test_wrong_answers_for_the_rest(
    apart: Apart, wire: Wire, tmp_path: Path, way: Way, answers: list[Odd], failure: str, asked: int
) -> None:
    wire.script = in_turn(wire, *answers)
    how = run(apart, wire, contents(1, way.size), tmp_path, way)
    assert (how.ok, len(wire.asked)) == (not failure, asked)
    assert failure in how.failed.get("f0", "")


# Answers


def chunked(wire: Wire, asked: Asked) -> Iterator[Step]:
    body = wire.stored[asked.name].body
    yield head(200, Transfer_Encoding="chunked")
    for start in range(0, len(body), 50_000):
        piece = body[start : start + 50_000]
        yield f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
    yield b"0\r\n\r\n"


def chunked_with_a_length(wire: Wire, asked: Asked) -> Iterator[Step]:
    body = wire.stored[asked.name].body
    yield head(200, len(body), Transfer_Encoding="chunked")
    yield f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"


def early(status: int) -> Callable[[Wire, Asked], Iterator[Step]]:
    def script(wire: Wire, asked: Asked) -> Iterator[Step]:
        yield f"HTTP/1.1 {status} Early\r\nLink: </a>\r\n\r\n".encode()
        yield from wire.serve(asked)

    return script


def until_the_end(wire: Wire, asked: Asked) -> Iterator[Step]:
    yield head(200, Connection="close") + wire.stored[asked.name].body
    yield "close"


def http_1_0(wire: Wire, asked: Asked) -> Iterator[Step]:
    body = wire.stored[asked.name].body
    yield f"HTTP/1.0 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    yield "close"


def odd_head(wire: Wire, asked: Asked) -> Iterator[Step]:
    body = wire.stored[asked.name].body
    yield f"HTTP/1.1 200\r\nx-amz-meta: a: b\r\ncontent-LENGTH:{len(body)}\r\n\r\n".encode() + body


def byte_by_byte(wire: Wire, asked: Asked) -> Iterator[Step]:
    first, body = answer(wire.stored[asked.name].body, asked)
    for position in range(len(first)):
        yield first[position : position + 1]
    yield body


@each_way
@pytest.mark.parametrize(
    "how",
    [
        chunked, chunked_with_a_length, early(100), early(103), until_the_end, http_1_0, odd_head,
        byte_by_byte,
    ],
    ids=[
        "chunked", "chunked with a length", "100", "103", "until the end", "HTTP/1.0", "odd head",
        "byte by byte",
    ],
)  # fmt: skip
def test_one_request_a_file_however_the_answer_is_framed(
    apart: Apart,
    wire: Wire,
    tmp_path: Path,
    way: Way,
    how: Callable[[Wire, Asked], Iterator[Step]],
) -> None:
    wire.script = partial(how, wire)
    files = contents(60, way.size)
    assert run(apart, wire, files, tmp_path, way).ok
    # A few show what the others are like: on a busy machine more than one at a time.
    assert len(files) <= len(wire.asked) < len(files) * 2


@each_way
@pytest.mark.parametrize(
    ("status", "place"),
    [(307, "{origin}/regional{path}"), (302, "/regional{path}"), (303, "")],
    ids=["absolute", "relative", "query"],
)
def test_a_redirect_of_storage_is_followed(
    apart: Apart, wire: Wire, tmp_path: Path, way: Way, status: int, place: str
) -> None:
    def script(asked: Asked) -> Iterator[Step]:
        if asked.query["X-Amz-Signature"] == "regional":
            yield from wire.serve(asked)
        else:
            there = place.format(origin=wire.origin, path=asked.path)
            yield head(status, 0, Location=f"{there}?X-Amz-Signature=regional")

    wire.script = script
    assert run(apart, wire, contents(2, way.size), tmp_path, way).ok
    assert "authorization" not in wire.asked[-1].headers


@each_way
def test_a_redirect_loop_of_storage_ends(
    apart: Apart, wire: Wire, tmp_path: Path, way: Way
) -> None:
    def script(asked: Asked) -> Iterator[Step]:
        yield head(307, 0, Location=f"{wire.origin}{asked.path}?X-Amz-Signature=1")

    wire.script = script
    assert run(apart, wire, contents(1, way.size), tmp_path, way).error == "DownloadError"
    assert len(wire.asked) < 60


def send_little() -> None:
    """Let the system take only 20 bytes of what is sent at a time."""
    plain = socket.socket.send
    socket.socket.send = lambda self, data, *flags: plain(self, data[:20], *flags)  # type: ignore[method-assign]


@each_way
def test_a_request_that_is_sent_in_parts(
    apart: Apart, wire: Wire, tmp_path: Path, way: Way
) -> None:
    bundle = wire.add_bundle(contents(3, way.size))
    running = apart.start(
        download, wire.url, bundle.fqid, tmp_path, before=send_little, http=way.http
    )
    assert running.result(12).ok
    assert len(wire.asked) == 3


@each_way
def test_a_url_that_was_renewed_is_no_failed_attempt(
    apart: Apart, wire: Wire, tmp_path: Path, way: Way
) -> None:
    def script(asked: Asked) -> Iterator[Step]:
        if asked.query["X-Amz-Signature"] == "0":
            yield head(403, len(EXPIRED)) + EXPIRED
        else:
            yield from wire.serve(asked)

    wire.script = script
    bundle = wire.add_bundle(contents(6, way.size))
    # Some URLs came with the bundle's first answer, others may come with that of the file.
    wire.api = partial(without_turn_0, wire)
    how = apart(download, wire.url, bundle.fqid, tmp_path, num_retries=0, http=way.http)
    assert how.failed == {}
    assert how.ok


def without_turn_0(wire: Wire, asked: Asked) -> Iterator[Step]:
    """Have files' own URLs begin with number 1, and leave all else as it is."""
    if asked.path.startswith("/v1/files/"):
        yield head(302, 0, Location=wire.url_of(asked.name, asked.turn + 1))


# What cannot be reached


def wait_for(running: Running[Ended], folder: Path, names: set[str]) -> set[str]:
    """Wait until files are in place, as long as the download runs or for some seconds."""

    def found() -> set[str]:
        return {path.rpartition("/")[2] for path in tree(folder)}

    running.until(lambda: names <= found())
    running.kill()
    return names & found()


@pytest.mark.parametrize("kind", ["silent", "deaf"])
@pytest.mark.parametrize(("size", "count"), [(SMALL, 150), (LARGE, 20)], ids=["small", "large"])
def test_a_dead_origin_holds_up_no_other(
    apart: Apart, wire: Wire, tmp_path: Path, deaf: str, size: int, count: int, kind: str
) -> None:
    with Wire(script=stall) as silent:
        dead = silent.origin if kind == "silent" else deaf
        files = {name: Content(body) for name, body in contents(count + 4, size).items()}
        lost = {name: evolve(files[name], origin=dead) for name in list(files)[:count]}
        running = apart.start(download, wire.url, wire.add_bundle(files | lost).fqid, tmp_path)
        healthy = {f"f{count + number}" for number in range(4)}
        assert wait_for(running, tmp_path, healthy) == healthy


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["small", "large"])
def test_a_url_that_does_not_come_holds_up_no_other(
    apart: Apart, wire: Wire, tmp_path: Path, size: int
) -> None:
    count = 90
    files = contents(count, size) | {"healthy": b"!" * size}
    bundle = wire.add_bundle(files)
    healthy = bundle.uuid_of("healthy")

    def script(asked: Asked) -> Iterator[Step]:
        if asked.name == healthy:
            yield from wire.serve(asked)
        else:
            yield head(403, len(EXPIRED)) + EXPIRED

    def api(asked: Asked) -> Iterator[Step]:
        if asked.path.startswith("/v1/files/") and asked.name != healthy:
            yield "stall"
        if asked.query.get("presignedurls") == "true" and asked.turn > 1:
            yield "stall"

    wire.script, wire.api = script, api
    running = apart.start(download, wire.url, bundle.fqid, tmp_path)
    assert wait_for(running, tmp_path, {"healthy"}) == {"healthy"}


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("marked", [True, False], ids=["marked", "not to be marked"])
@pytest.mark.parametrize("layout", ["bundle", "none", "dry run"])
def test_a_content_that_many_files_share_is_read_once(
    apart: Apart, wire: Wire, tmp_path: Path, size: int, marked: bool, layout: str
) -> None:
    bundle = wire.add_bundle({f"f{number}": b"?" * size for number in range(50)}, indexed=True)
    assert apart(download, wire.url, bundle.fqid, tmp_path).ok
    forget(tmp_path)
    what: Path | str = bundle.fqid
    if layout == "none":
        what = bundle.write_manifest(tmp_path / "manifest.tsv")
    again = apart(
        download,
        wire.url,
        what,
        tmp_path,
        breaks=[] if marked else [Break("utime", "EPERM")],
        dry_run=layout == "dry run",
    )
    assert set(again.states.values()) == {"reused"}
    assert again.calls.get("read", 0) + again.calls.get("pread", 0) < 20


# Async clients


def several_at_once(url: str, fqid: str, folder: Path, count: int, threads: int) -> int:
    """Download with an asynchronous client several times at once; return how many files came."""
    import asyncio

    async def main() -> int:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(threads))
        async with AsyncDSSClient(url) as dss:
            reports = await asyncio.gather(
                *(
                    dss.download_bundles(
                        bundles=[fqid], replica="aws", download_dir=folder / str(number)
                    )
                    for number in range(count)
                )
            )
        return sum(report.files_done for report in reports)

    return asyncio.run(main())


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["small", "large"])
def test_async_downloads_at_once_from_a_host_by_name(
    apart: Apart, wire: Wire, tmp_path: Path, size: int
) -> None:
    wire.host = "localhost"
    bundle = wire.add_bundle(contents(4, size))
    assert apart(several_at_once, wire.url, bundle.fqid, tmp_path, 6, 2) == 6 * 5
