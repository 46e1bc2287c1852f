"""What the place may do to a download: a disk that is full, read-only or foreign, and small limits.

The calls of the system fail in a process of its own; nothing of the client is replaced.
"""

import os
import resource
import shutil
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from .apart import Apart, Ended, Running, download, on_disk, partials, tree
from .directory import forget
from .forked import Break, limit_databases, limit_room, limit_threads, on_host, take_parts_of
from .wire import Asked, Bundle, Sends, Step, Wire, answer, contents, head

SMALL, LARGE = 1_000, 400_000
MiB = 1 << 20
LAYOUTS = ("bundle", "manifest", "manifest, bundles")


def wanted(bundle: Bundle, layout: str, folder: Path) -> tuple[str | Path, dict[str, Any]]:
    """Return what to download, and the options for a layout."""
    if layout == "bundle":
        return bundle.fqid, {}
    manifest = bundle.write_manifest(folder / "listed.tsv")
    return manifest, {"layout": "bundle"} if layout == "manifest, bundles" else {}


# A disk that is full


@pytest.mark.parametrize(
    ("call", "error"),
    [
        *((call, "ENOSPC") for call in ("create", "write", "mkdir", "fdatasync", "link")),
        *(("write", "EDQUOT"), ("create", "EROFS")),
    ],
)
@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["small", "large"])
def test_a_fault_of_the_place_ends_the_run_once(
    apart: Apart, wire: Wire, tmp_path: Path, call: str, error: str, size: int
) -> None:
    count = 100
    bundle = wire.add_bundle(contents(count, size))
    names = {"write": ["write", "pwrite"], "fdatasync": ["fsync", "fdatasync"]}.get(call, [call])
    breaks = [Break(name, error, first=12) for name in names]
    if call == "link":  # and no copy in its place
        breaks.append(Break("create", error, below=bundle.fqid))
    folder = tmp_path / "d"
    how = apart(download, wire.url, bundle.fqid, folder, breaks=breaks, threads=2, durable=True)
    assert not how.ok
    assert how.is_ours
    assert how.error != "DownloadError" or len(how.failed) < 10
    assert len(wire.asked) < count // 2
    assert str(folder) in how.message
    remedy = {"ENOSPC": "room", "EDQUOT": "quota", "EROFS": "read-only"}[error]
    assert remedy in how.message.lower()
    assert apart(download, wire.url, bundle.fqid, folder).ok
    assert len(tree(folder)) == count
    assert partials(folder) == []


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_there_needs_no_room_even_if_it_is_not_verified(
    apart: Apart, wire: Wire, tmp_path: Path, layout: str
) -> None:
    bundle = wire.add_bundle(contents(6, SMALL) | {"large": b"!" * LARGE})
    what, options = wanted(bundle, layout, tmp_path)
    folder = tmp_path / "d"
    assert apart(download, wire.url, what, folder, **options).ok
    forget(folder)
    before = partial(limit_room, folder, 0)
    again = apart(download, wire.url, what, folder, before=before, **options)
    assert again.ok
    assert again.downloaded == 0


@pytest.mark.parametrize("first", [True, False], ids=["first", "last"])
def test_a_bundle_that_is_too_large_fails_alone(
    apart: Apart, wire: Wire, tmp_path: Path, first: bool
) -> None:
    huge = wire.add_bundle({"huge": b"?"}, size=1 << 50)
    small = wire.add_bundle(contents(3, SMALL))
    fqids = [huge.fqid, small.fqid] if first else [small.fqid, huge.fqid]
    how = apart(download, wire.url, fqids, tmp_path, before=partial(limit_room, tmp_path, MiB))
    assert how.error == "DownloadError"
    assert set(tree(tmp_path)) == {f"{small.fqid}/f{number}" for number in range(3)}
    assert any("huge" in name or "huge" in text for name, text in how.failed.items())
    assert "free" in how.message
    assert huge.uuid_of("huge") not in {asked.name for asked in wire.asked}


def test_what_is_under_way_counts(apart: Apart, wire: Wire, tmp_path: Path) -> None:
    fqids = [wire.add_bundle({f"f{number}": bytes([number]) * MiB}).fqid for number in range(2)]

    def script(asked: Asked) -> Iterator[Step]:
        start, body = answer(wire.stored[asked.name].body, asked)
        yield start + body[:1000]
        until = time.monotonic() + 1  # as if the second had to wait for room
        while len(wire.asked) == 1 and time.monotonic() < until:
            yield 0.01
        yield body[1000:]

    wire.script = script
    before = partial(limit_room, tmp_path, MiB + 500_000)
    how = apart(download, wire.url, fqids, tmp_path, before=before)
    assert how.error == "DownloadError"
    assert len(how.failed) == 1
    assert len(wire.asked) == 1
    assert "free" in how.message


# A disk that is read-only


def read_only(error: str) -> list[Break]:
    """Return what fails where nothing can be written."""
    calls = ("create", "mkdir", "unlink", "rename", "replace", "link", "symlink", "utime", "chmod")
    return [Break(call, error) for call in calls]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("verified", [True, False], ids=["verified", "unverified"])
@pytest.mark.parametrize("error", ["EROFS", "EACCES"])
def test_a_complete_tree_where_nothing_can_be_written(
    apart: Apart, wire: Wire, tmp_path: Path, layout: str, verified: bool, error: str
) -> None:
    bundle = wire.add_bundle(contents(4, SMALL) | {"large": b"!" * LARGE, "empty": b""})
    what, options = wanted(bundle, layout, tmp_path)
    folder = tmp_path / "d"
    assert apart(download, wire.url, what, folder, **options).ok
    if not verified:
        forget(folder)
    how = apart(download, wire.url, what, folder, breaks=read_only(error), **options)
    assert how.failed == {}
    assert (how.error, how.message) == ("", "")
    assert set(how.states.values()) == {"reused"}


STRANGER = 54321


def as_stranger(url: str, what: str, folder: Path, **options: object) -> Ended:
    """Download as another user."""
    download(url, what, Path(tempfile.mkdtemp()))  # who cannot read what is imported only now
    os.umask(0o022)
    os.seteuid(STRANGER)
    try:
        return download(url, what, folder, **options)  # type: ignore[arg-type]  # passed on
    finally:
        os.seteuid(0)


def with_umask(umask: int, url: str, what: str, folder: Path) -> Ended:
    """Download with a umask."""
    os.umask(umask)
    return download(url, what, folder)


@pytest.fixture
def shared() -> Iterator[Path]:
    """A directory that other users can enter."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_a_complete_tree_of_another_user(apart: Apart, wire: Wire, shared: Path) -> None:
    bundle = wire.add_bundle(contents(4, SMALL) | {"large": b"!" * LARGE})
    assert apart(with_umask, 0o022, wire.url, bundle.fqid, shared / "d").ok
    forget(shared / "d")
    how = apart(as_stranger, wire.url, bundle.fqid, shared / "d")
    assert how.failed == {}
    assert set(how.states.values()) == {"reused"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
@pytest.mark.parametrize("call", ["listdir", "stat", "unlink"])
def test_partials_of_another_user_are_left_alone(
    apart: Apart, wire: Wire, shared: Path, call: str
) -> None:
    shared.chmod(0o777)
    bundle = wire.add_bundle({"large": BODY})
    left_behind(apart, wire, bundle, shared)
    for path in shared.rglob("*"):
        if path.is_dir():
            path.chmod(0o777)
    for path in partials(shared):
        path.chmod(0o600)
    how = apart(
        as_stranger, wire.url, bundle.fqid, shared, breaks=[Break(call, "EACCES", "partials")]
    )
    assert how.failed == {}
    assert how.ok


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
def test_files_have_the_permissions_of_the_umask(
    apart: Apart, wire: Wire, tmp_path: Path, umask: int
) -> None:
    bundle = wire.add_bundle(contents(2, SMALL) | {"large": b"!" * LARGE})
    folder = tmp_path / "d"
    assert apart(with_umask, umask, wire.url, bundle.fqid, folder).ok
    for path in folder.rglob("*"):
        allowed = 0o777 if path.is_dir() else 0o666
        assert path.stat().st_mode & 0o777 == allowed & ~umask, path


# Links


@pytest.mark.parametrize("error", ["EPERM", "EMLINK", "EXDEV", "EACCES", "ENOTSUP"])
@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["small", "large"])
def test_a_link_that_cannot_be_made_costs_one_copy(
    apart: Apart, wire: Wire, tmp_path: Path, error: str, size: int
) -> None:
    bundle = wire.add_bundle(contents(8, size))
    breaks = [Break("link", error, first=2, last=2)]
    assert apart(download, wire.url, bundle.fqid, tmp_path, breaks=breaks).ok
    links = [path.stat().st_nlink for path in (tmp_path / bundle.fqid).iterdir()]
    assert sorted(links) == [1] + [2] * 8


# Small limits


def few_descriptors(count: int) -> None:
    """Let this process have no more open files."""
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (count, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    )


LIMITS = {
    "64 descriptors": partial(few_descriptors, 64),
    **{f"{most} threads": partial(limit_threads, most) for most in (1, 2, 4, 8, 30)},
}


@pytest.mark.parametrize(
    ("way", "size", "limit"),
    [
        *(("sync", size, limit) for size in (SMALL, LARGE) for limit in LIMITS),
        *((way, LARGE, "64 descriptors") for way in ("async", "httpx")),
        *((way, SMALL, "4 threads") for way in ("async", "httpx")),
    ],
)
def test_small_limits(
    apart: Apart, wire: Wire, tmp_path: Path, limit: str, size: int, way: str
) -> None:
    count = 150 if size == SMALL else 40
    bundle = wire.add_bundle(contents(count, size))
    # Slow answers, so that many are wanted at once.
    wire.script = lambda asked: iter((0.02, *wire.serve(asked)))
    how = apart(
        download,
        wire.url,
        bundle.fqid,
        tmp_path,
        before=LIMITS[limit],
        is_async=way == "async",
        http=way == "httpx",
    )
    assert how.is_ours
    assert how.failed == {}
    assert how.ok or (limit in {"1 threads", "2 threads", "4 threads"} and "thread" in how.message)


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["small", "large"])
def test_no_more_connections_than_threads(
    apart: Apart, wire: Wire, tmp_path: Path, size: int
) -> None:
    with Wire() as storage:
        for name, body in contents(60, size).items():
            wire.add_bundle({name: body})
        for uuid, content in wire.stored.items():
            storage.stored[uuid] = content
            wire.origins[uuid] = storage.origin
        storage.script = lambda asked: iter((0.01, *storage.serve(asked)))
        wire.api = lambda asked: iter((0.01, *wire.right(asked)))
        assert apart(download, wire.url, wire.found, tmp_path, threads=3).ok
    assert storage.most <= 3
    assert wire.most <= 3


@pytest.mark.parametrize("layout", ["manifest", "manifest, bundles", "bundle"])
def test_a_small_temporary_directory(apart: Apart, wire: Wire, tmp_path: Path, layout: str) -> None:
    bundle = wire.add_bundle(dict.fromkeys(map("{:0200}".format, range(1500)), b"!"))
    what, options = wanted(bundle, layout, tmp_path)
    folder = tmp_path / "d"
    before = partial(limit_databases, folder, 16)
    how = apart(download, wire.url, what, folder, before=before, **options)
    assert (how.error, how.message) == ("", "")
    assert not list(folder.rglob("*sqlite*"))


def test_no_room_for_the_results_anywhere(apart: Apart, wire: Wire, tmp_path: Path) -> None:
    bundle = wire.add_bundle(dict.fromkeys(map("{:0200}".format, range(1500)), b"!"))
    before = partial(limit_databases, tmp_path / "none", 16)
    how = apart(download, wire.url, bundle.fqid, tmp_path / "d", before=before)
    assert not how.ok
    assert how.is_ours
    assert "room" in how.message


# Partial files of others


BODY = bytes(range(256)) * (4 * MiB // 256)


def in_small_parts(host: str) -> None:
    """Record what is there after each MiB, on some host."""
    take_parts_of(MiB)
    if host:
        on_host(host)


def left_behind(apart: Apart, wire: Wire, bundle: Bundle, folder: Path, host: str = "") -> None:
    """Kill a download of a bundle, on some host, as soon as it has left something."""
    wire.script = Sends(wire, 3 * MiB)
    running: Running[Ended] = apart.start(
        download, wire.url, bundle.fqid, folder, before=partial(in_small_parts, host), threads=1
    )
    running.until(lambda: on_disk(folder) > 2 * MiB)
    running.wait(0.3)
    running.kill()
    running.wait(5)
    assert partials(folder) != []
    wire.script = None
    wire.asked.clear()


@pytest.mark.parametrize(
    ("days", "goes_on", "left"),
    [(3, True, 0), (0, True, 2), (400, False, 0), (0, False, 2)],
    ids=["adopted", "copied", "removed", "left alone"],
)
def test_partials_of_another_host(
    apart: Apart, wire: Wire, tmp_path: Path, days: int, goes_on: bool, left: int
) -> None:
    bundle = wire.add_bundle({"large": BODY})
    left_behind(apart, wire, bundle, tmp_path, "another-host")
    for path in partials(tmp_path):
        os.utime(path, (time.time() - days * 86400,) * 2)
    wanted = bundle if goes_on else wire.add_bundle(contents(1, SMALL))
    assert apart(download, wire.url, wanted.fqid, tmp_path).ok
    assert (wire.asked[0].first > 0) == goes_on
    assert len(partials(tmp_path)) == left


# Exceptions of whatever is below


@pytest.fixture(scope="module")
def ascii_apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apart]:
    """Processes in a locale that knows no more than ASCII."""
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    with Apart(tmp_path_factory.mktemp("ascii"), **locale) as running:
        yield running


SLOW_DISK = [Break(call, "", seconds=0.005) for call in ("fsync", "fdatasync")]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_name_that_the_locale_cannot_say(
    ascii_apart: Apart, wire: Wire, tmp_path: Path, layout: str
) -> None:
    bundle = wire.add_bundle({"plain": b"1", "Größe 日": b"2" * SMALL, "大": b"3" * LARGE})
    what, options = wanted(bundle, layout, tmp_path)
    folder = tmp_path / "d"
    how = ascii_apart(download, wire.url, what, folder, durable=True, breaks=SLOW_DISK, **options)
    assert how.is_ours
    assert how.ok or set(how.failed) == {"Größe 日", "大"}
    assert how.states["plain"] == "downloaded"


@pytest.mark.parametrize("slow", [[], SLOW_DISK], ids=["fast", "slow"])
@pytest.mark.parametrize(
    "call", ["create", "write", "pwrite", "fdatasync", "utime", "replace", "mkdir", "link", "lstat"]
)
@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["small", "large"])
def test_no_exception_is_lost(
    apart: Apart, wire: Wire, tmp_path: Path, size: int, call: str, slow: list[Break]
) -> None:
    bundle = wire.add_bundle(contents(4, size))
    breaks = [Break(call, "RuntimeError", first=3, last=3), *slow]
    how = apart(download, wire.url, bundle.fqid, tmp_path, durable=True, breaks=breaks)
    if how.ok:  # by another way, as a copy for a link
        assert len(tree(tmp_path)) == 4
    else:
        assert how.failed or how.error == "RuntimeError"


@pytest.mark.parametrize("where", ["a file", "below a file", "a long name", "nul"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_directory_that_cannot_be(
    apart: Apart, wire: Wire, tmp_path: Path, where: str, layout: str
) -> None:
    bundle = wire.add_bundle(contents(2, SMALL))
    what, options = wanted(bundle, layout, tmp_path)
    (tmp_path / "file").touch()
    place = {"a file": "file", "below a file": "file/x", "a long name": "x" * 300, "nul": "a\0b"}
    how = apart(download, wire.url, what, tmp_path / place[where], **options)
    assert not how.ok
    assert how.is_ours
    assert len(how.message.splitlines()) == 1


@pytest.mark.parametrize("error", ["EACCES", "ENOSPC", "EROFS", "EIO"])
@pytest.mark.parametrize("call", ["create", "replace"])
def test_an_output_manifest_that_cannot_be_written(
    apart: Apart, wire: Wire, tmp_path: Path, call: str, error: str
) -> None:
    bundle = wire.add_bundle(contents(2, SMALL))
    manifest = bundle.write_manifest(tmp_path / "listed.tsv")
    folder = tmp_path / "d"
    calls = ["create"] if call == "create" else ["replace", "rename", "link"]
    breaks = [Break(each, error, below="/out/") for each in calls]
    how = apart(download, wire.url, manifest, folder, breaks=breaks, output_dir=folder / "out")
    assert not how.ok
    assert how.is_ours
    assert "listed.tsv" in how.message


def fail_and_count(url: str, what: str, folder: Path, breaks: list[Break]) -> list[int]:
    """Download three times in vain; count the open descriptors after the last two."""
    counts = []
    for _ in range(3):
        download(url, what, folder, breaks=breaks)
        counts.append(len(list(Path("/proc/self/fd").iterdir())))
    return counts[1:]


@pytest.mark.parametrize(
    "fault", ["create", "write", "mkdir", "link", "lstat", "listdir", "stat", 404, 500]
)
def test_no_descriptor_is_left_open(
    apart: Apart, wire: Wire, tmp_path: Path, fault: str | int
) -> None:
    bundle = wire.add_bundle(contents(3, SMALL) | {"large": b"!" * LARGE})
    breaks = [Break(fault, "EIO", first=2)] if isinstance(fault, str) else []
    if isinstance(fault, int):
        wire.api = lambda asked: iter((head(fault, 0),))
    first, second = apart(fail_and_count, wire.url, bundle.fqid, tmp_path, breaks)
    assert first == second


# Durability


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["small", "large"])
def test_each_name_is_on_the_disk_before_the_end(
    apart: Apart, wire: Wire, tmp_path: Path, size: int
) -> None:
    bundle = wire.add_bundle(contents(3, size) | {"below/x": b"x" * size})
    how = apart(download, wire.url, bundle.fqid, tmp_path / "d", durable=True)
    assert how.ok
    kept = {str(path) for path in (tmp_path / "d").rglob("*") if "files_2_4" in path.parts}
    named: set[str] = set()
    for call, path in how.trace:
        if call in {"rename", "replace", "link", "mkdir"} and path in kept:
            named.add(str(Path(path).parent))
        elif call in {"fsync", "fdatasync"}:
            named.discard(path)
    assert named == set()


@pytest.fixture(scope="module")
def macos_apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apart]:
    """Processes on a system whose plain flush does not reach the disk."""
    with Apart(tmp_path_factory.mktemp("macos"), F_FULLFSYNC="1") as running:
        yield running


@pytest.mark.parametrize("durable", [True, False], ids=["durable", "not"])
@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["small", "large"])
def test_contents_reach_the_disk_of_macos(
    macos_apart: Apart, wire: Wire, tmp_path: Path, size: int, durable: bool
) -> None:
    bundle = wire.add_bundle(contents(3, size))
    how = macos_apart(download, wire.url, bundle.fqid, tmp_path, durable=durable)
    assert how.ok
    flushed = {call: how.calls.get(call, 0) for call in ("F_FULLFSYNC", "fsync", "fdatasync")}
    assert flushed["F_FULLFSYNC"] >= 4 if durable else not any(flushed.values())
