"""Two downloads in one directory at once: neither spoils what the other has."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .apart import Apart, download, partials, tree
from .wire import Asked, Bundle, Step, Wire, contents

SIZES = {"small": (1_000, 20), "large": (400_000, 5)}
each_size = pytest.mark.parametrize(("size", "count"), SIZES.values(), ids=SIZES)


def not_linked(folder: Path) -> list[str]:
    """Return the files of a tree that do not have the inode of any content of the store."""
    root = folder / ".hca" / "v2" / "files_2_4"
    inodes = {path.stat().st_ino for path in root.rglob("*")}
    return [name for name in tree(folder) if (folder / name).stat().st_ino not in inodes]


def check(folder: Path, *bundles: Bundle) -> None:
    """Make sure that all files are there, linked to the store, and that nothing else is left."""
    names = {f"{each.fqid}/{file['name']}" for each in bundles for file in each.files}
    assert set(tree(folder)) == names
    assert not_linked(folder) == []
    assert partials(folder) == []


class Held:
    """Holds the answers to the requests that come before it is let go; later ones are answered."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.holds = True
        self.is_over = False

    def __call__(self, asked: Asked) -> Iterator[Step]:
        if self.holds:
            while not self.is_over:
                yield 0.005
        yield from self.wire.serve(asked)


@each_size
@pytest.mark.parametrize("shared", [False, True], ids=["one bundle", "bundles that share"])
def test_who_comes_second_replaces_nothing(
    apart: Apart, wire: Wire, tmp_path: Path, size: int, count: int, shared: bool
) -> None:
    files = contents(count, size)
    first = wire.add_bundle(files)
    second = wire.add_bundle(files) if shared else first
    wire.script = held = Held(wire)
    slow = apart.start(download, wire.url, first.fqid, tmp_path)
    slow.until(lambda: wire.asked)
    slow.wait(0.1)
    held.holds = False
    quick = apart.start(download, wire.url, second.fqid, tmp_path)
    # Held are those contents that the slow one has asked for; it may ask for others meanwhile.
    assert quick.result().failed == {}
    held.is_over = True
    assert slow.result().failed == {}
    check(tmp_path, first, second)


@each_size
@pytest.mark.parametrize("layout", ["bundle", "manifest"])
def test_runs_at_the_same_time(
    apart: Apart, wire: Wire, tmp_path: Path, size: int, count: int, layout: str
) -> None:
    bundle = wire.add_bundle(contents(count, size))
    what: str | Path = bundle.fqid
    if layout == "manifest":
        what = bundle.write_manifest(tmp_path / "listed.tsv")
    folder = tmp_path / "d"
    runs = [apart.start(download, wire.url, what, folder) for _ in range(3)]
    assert [run.result().failed for run in runs] == [{}, {}, {}]
    if layout == "bundle":
        check(folder, bundle)
    assert partials(folder) == []
