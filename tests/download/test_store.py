"""The store of contents: when a file in it is trusted (docs/behaviour.md 14.10, C1)."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dss_client.download import DownloadError

from .directory import forget, stored
from .fetching import fail, get, states
from .sample import tree
from .wire import Asked, Bundle, Step, Wire, answer

CONTENT = b"content"
SECOND = 10**9


@pytest.fixture
def bundle(wire: Wire) -> Bundle:
    """Three small contents, two of one size."""
    return wire.add_bundle({"a": CONTENT, "b": b"another", "c": b"one more"})


def place(folder: Path, bundle: Bundle, index: int = 0) -> Path:
    return stored(folder, bundle.files[index]["sha256"])


def planted(folder: Path, bundle: Bundle, content: bytes) -> Path:
    """Put a file in the place of the first content."""
    path = place(folder, bundle)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


def seen(wire: Wire, bundle: Bundle, folder: Path) -> str:
    """Return what is known of the first content, when all others are verified."""
    report = get(wire, bundle.rows, folder, dry_run=True)
    first, *others = [entry.reason for entry in report.files]
    assert set(others) == {"in the store, and verified"}
    return first


# What is in its place


@pytest.mark.parametrize("bad", [b"", b"conten", b"CONTENT", b"content and more"])
@pytest.mark.parametrize("layout", ["none", "bundle"])
def test_c1_a_bad_file_is_replaced(
    wire: Wire, bundle: Bundle, tmp_path: Path, bad: bytes, layout: str
) -> None:
    path = planted(tmp_path, bundle, bad)
    report = get(wire, bundle.rows, tmp_path, layout=layout)
    assert states(report)["a"] == "downloaded"
    assert path.read_bytes() == CONTENT
    assert layout == "none" or (tmp_path / bundle.fqid / "a").read_bytes() == CONTENT


@pytest.mark.parametrize("verify", ["size", "sha256"])
def test_c1_a_link_is_not_a_stored_file(
    wire: Wire, bundle: Bundle, tmp_path: Path, verify: str
) -> None:
    path = planted(tmp_path, bundle, b"")
    path.unlink()
    elsewhere = path.with_name("content")  # so that the link is of the right size, too
    elsewhere.write_bytes(CONTENT)
    path.symlink_to(elsewhere.name)
    report = get(wire, bundle.rows, tmp_path, verify=verify)
    assert states(report)["a"] == "downloaded"
    assert not path.is_symlink()
    assert (path.read_bytes(), elsewhere.read_bytes()) == (CONTENT, CONTENT)


def test_a_directory_in_its_place_fails_its_file(
    wire: Wire, bundle: Bundle, tmp_path: Path
) -> None:
    place(tmp_path, bundle).mkdir(parents=True)
    report = fail(wire, bundle.rows, tmp_path)
    assert states(report) == {"a": "failed", "b": "downloaded", "c": "downloaded"}
    assert list((tmp_path / ".hca" / "v2" / "partials").iterdir()) == []


def test_the_size_is_enough_where_it_is_said_to_be(
    wire: Wire, bundle: Bundle, tmp_path: Path
) -> None:
    path = planted(tmp_path, bundle, b"CONTENT")
    assert states(get(wire, bundle.rows, tmp_path, verify="size"))["a"] == "reused"
    assert path.read_bytes() == b"CONTENT"
    assert states(get(wire, bundle.rows, tmp_path))["a"] == "downloaded"
    path.write_bytes(b"shorte")
    assert states(get(wire, bundle.rows, tmp_path, verify="size"))["a"] == "downloaded"
    assert path.read_bytes() == CONTENT


def test_a_new_file_is_of_now_with_a_time_of_its_own(wire: Wire, tmp_path: Path) -> None:
    bundle = wire.add_bundle({f"f{number}": b"%d" % number for number in range(50)})
    get(wire, bundle.rows, tmp_path)
    times = [place(tmp_path, bundle, index).stat().st_mtime_ns for index in range(50)]
    assert all(abs(each / SECOND - time.time()) < 60 for each in times)
    assert len({each % SECOND for each in times}) == 50


@pytest.mark.parametrize("size", [7, 400_000])
def test_short_writes_are_gone_on_with(
    wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    bundle = wire.add_bundle({"f": CONTENT * (size // 7)})
    write, pwrite = os.write, os.pwrite
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[: len(data) // 2 + 1]))
    monkeypatch.setattr(
        os, "pwrite", lambda fd, data, at: pwrite(fd, data[: len(data) // 2 + 1], at)
    )
    assert get(wire, bundle, tmp_path).ok


def test_partial_files_are_on_the_file_system_of_the_store(wire: Wire, tmp_path: Path) -> None:
    big, store = tmp_path / "big" / "files", tmp_path / "d" / ".hca" / "v2" / "files_2_4"
    big.mkdir(parents=True)
    store.parent.mkdir(parents=True)
    store.symlink_to(big)
    bundle = wire.add_bundle({"f": b"content" * 600_000})

    def cut(asked: Asked) -> Iterator[Step]:
        first, body = answer(wire.stored[asked.name].body, asked)
        yield first + body[:3_000_000]
        yield "close"

    wire.script = cut
    fail(wire, bundle, tmp_path / "d", num_retries=0)
    assert list((tmp_path / "big" / "partials").glob("*.part")) != []
    wire.script = None
    assert get(wire, bundle, tmp_path / "d").ok
    assert wire.asked[-1].first >= 2_000_000
    assert bundle.files[0]["sha256"] in {path.name for path in big.rglob("*")}


# What is in its place in the bundle's directory


def test_c1_a_file_of_the_user_is_left_to_its_owner(
    wire: Wire, bundle: Bundle, tmp_path: Path
) -> None:
    get(wire, bundle, tmp_path)
    path = tmp_path / bundle.fqid / "a"
    path.write_bytes(b"edited")
    with pytest.raises(DownloadError, match=r"another file is at .* run again"):
        get(wire, bundle, tmp_path)
    assert path.read_bytes() == b"edited"
    path.unlink()
    assert set(states(get(wire, bundle, tmp_path)).values()) == {"reused"}
    assert path.read_bytes() == CONTENT


def test_what_is_there_and_not_known_to_be_verified_stays_the_same_file(
    wire: Wire, tmp_path: Path
) -> None:
    """As the reference client leaves it."""
    bundle = wire.add_bundle({"small": CONTENT, "large": b"!" * 400_000})

    def inodes() -> dict[Path, int]:
        return {path: path.stat().st_ino for path in tmp_path.rglob("*") if path.is_file()}

    get(wire, bundle, tmp_path)
    forget(tmp_path)
    before = inodes()
    assert set(states(get(wire, bundle, tmp_path)).values()) == {"reused"}
    assert inodes() == before


# Marks


def cut_off(path: Path, _: Path) -> None:
    os.truncate(path, 3)


def overwrite(path: Path, _: Path, content: bytes = b"C") -> None:
    with path.open("r+b") as file:
        file.write(content)


def overwrite_with_the_same(path: Path, folder: Path) -> None:
    overwrite(path, folder, CONTENT)


def rename_over(path: Path, folder: Path) -> None:
    (folder / "new").write_bytes(b"CONTENT")
    shutil.copystat(path, folder / "new")
    (folder / "new").replace(path)


def touch(path: Path, _: Path) -> None:
    path.touch()


def shift(path: Path, _: Path) -> None:
    stamp = path.stat().st_mtime_ns
    os.utime(path, ns=(stamp, stamp + SECOND))


def forge(path: Path, folder: Path) -> None:
    """Write, and put back the whole seconds of the time only, as a tar file holds them."""
    seconds = path.stat().st_mtime_ns // SECOND
    overwrite(path, folder)
    os.utime(path, ns=(seconds * SECOND, seconds * SECOND))


def nothing(path: Path, folder: Path) -> None:
    """Change what does not matter."""
    path.chmod(0o400)
    (folder / "link").hardlink_to(path)
    path.read_bytes()


@pytest.mark.parametrize(
    ("harm", "known"),
    [
        (nothing, "and verified"),
        (cut_off, "not in the store"),
        *(
            (harm, "it is read before it is trusted")
            for harm in (
                overwrite,
                overwrite_with_the_same,
                rename_over,
                touch,
                shift,
                forge,
            )
        ),
    ],
)
def test_any_change_breaks_a_mark(
    wire: Wire, bundle: Bundle, tmp_path: Path, harm: Callable[[Path, Path], None], known: str
) -> None:
    folder = tmp_path / "d"
    get(wire, bundle.rows, folder)
    path = place(folder, bundle)
    harm(path, tmp_path)
    assert known in seen(wire, bundle, folder)
    good = path.read_bytes() == CONTENT
    report = get(wire, bundle.rows, folder)
    assert states(report) == {"a": "reused" if good else "downloaded", "b": "reused", "c": "reused"}
    assert path.read_bytes() == CONTENT
    assert "verified" in seen(wire, bundle, folder)


def test_a_mark_is_for_one_content_only(wire: Wire, bundle: Bundle, tmp_path: Path) -> None:
    get(wire, bundle.rows, tmp_path)
    first, second = place(tmp_path, bundle), place(tmp_path, bundle, 1)
    first.rename(tmp_path / "first")
    second.rename(first)
    (tmp_path / "first").rename(second)
    report = get(wire, bundle.rows, tmp_path)
    assert states(report) == {"a": "downloaded", "b": "downloaded", "c": "reused"}
    assert (first.read_bytes(), second.read_bytes()) == (CONTENT, b"another")
    assert set(tree(tmp_path)) == {"manifest.tsv"}
