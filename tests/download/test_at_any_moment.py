"""Downloads that are killed or stopped at any moment, and storage that resets connections."""

import random
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .apart import Apart, Died, Running, download, dss, partials, tree
from .lab import LAB, long_or_short
from .wire import Asked, Bundle, Sends, Step, Wire, head

MiB = 1 << 20
PART = 32 * MiB
UNREAD = 8 * MiB  # what a system may take of an answer that nobody reads to its end
KILLS = long_or_short(200, 4)
STOPS = long_or_short(50, 3)
FILES = long_or_short(10_000, 1_000)
SECONDS = 1_800 if LAB else 100


@pytest.fixture
def mixed(wire: Wire) -> Bundle:
    """A bundle of large and small files."""
    sizes = [48 * MiB, 34 * MiB, 2 * MiB, *(1_000 + number for number in range(30))]
    pattern = bytes(range(256)) * (49 * MiB // 256)
    return wire.add_bundle(
        {f"f{number}": pattern[number : number + size] for number, size in enumerate(sizes)}
    )


def size_of(bundle: Bundle) -> int:
    return sum(int(file["size"]) for file in bundle.files)


def after(sent: Sends, count: int, running: Running[Any]) -> None:
    """Wait until so many bytes more have been sent, or the process has ended."""
    limit = sent.sent + count
    running.until(lambda: sent.sent >= limit, 60)


def check(folder: Path, wire: Wire, bundle: Bundle) -> None:
    expected = {
        f"{bundle.fqid}/{file['name']}": wire.stored[file["uuid"]].body for file in bundle.files
    }
    assert tree(folder) == expected
    assert partials(folder) == []


@pytest.mark.timeout(SECONDS)
def test_little_is_fetched_again_after_kills(
    apart: Apart, wire: Wire, mixed: Bundle, tmp_path: Path
) -> None:
    choice = random.Random()
    wire.script = sent = Sends(wire)
    kills, round_, size = 0, 0, size_of(mixed)
    while kills < KILLS:
        folder = tmp_path / str(round_)
        before, killed = sent.sent, 0
        while kills < KILLS:
            running = apart.start(download, wire.url, mixed.fqid, folder, threads=2)
            after(sent, choice.randrange(size), running)
            running.kill()
            try:
                running.result(20)
            except Died:
                killed, kills = killed + 1, kills + 1
            else:
                break
        assert apart(download, wire.url, mixed.fqid, folder, threads=2).ok
        check(folder, wire, mixed)
        assert sent.sent - before <= size + killed * 2 * (PART + UNREAD)
        round_ += 1


@pytest.mark.timeout(SECONDS)
def test_nothing_is_fetched_again_after_stops(
    apart: Apart, wire: Wire, mixed: Bundle, tmp_path: Path
) -> None:
    choice = random.Random()
    wire.script = sent = Sends(wire)
    command = ("download", mixed.fqid, "--replica", "aws", "--url", wire.url, "--threads", 2)
    stops, round_, size = 0, 0, size_of(mixed)
    while stops < STOPS:
        folder = tmp_path / str(round_)
        before, stopped = sent.sent, 0
        while stops < STOPS:
            running = apart.start(dss, *command, "--download-dir", folder)
            after(sent, choice.randrange(size // 2), running)
            running.kill(signal.SIGTERM)
            if running.result(20) == 0:
                break
            stopped, stops = stopped + 1, stops + 1
        assert apart(download, wire.url, mixed.fqid, folder, threads=2).ok
        check(folder, wire, mixed)
        assert sent.sent - before <= size + stopped * 2 * UNREAD
        round_ += 1


@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize("where", ["head", "body", "between"])
def test_every_seventh_connection_is_reset(
    apart: Apart, wire: Wire, tmp_path: Path, where: str
) -> None:
    bundles = [
        wire.add_bundle({f"f{place}": f"{number} {place}".encode() * 50 for place in range(500)})
        for number in range(FILES // 500)
    ]
    served: Counter[int] = Counter()

    def script(asked: Asked) -> Iterator[Step]:
        served[asked.connection] += 1
        content = wire.stored[asked.name].body
        # Connections end sooner or later, so that there are many.
        is_last = served[asked.connection] == 5 + asked.connection % 11
        if asked.connection % 7 == 6 and is_last:
            if where != "head":
                yield head(200, len(content)) + content[: 10 if where == "body" else None]
            yield "reset"
        elif is_last:
            yield head(200, len(content), Connection="close") + content
            yield "close"
        else:
            yield from wire.serve(asked)

    wire.script = script
    fqids = [bundle.fqid for bundle in bundles]
    running = apart.start(download, wire.url, fqids, tmp_path, num_retries=10)
    assert running.result(SECONDS - 10).failed == {}
    assert len(tree(tmp_path)) == FILES
    assert len(wire.asked) < FILES * 1.2
