"""The engine: what is shared, what stops it, what it foresees, and what it needs room for."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dss_client.download import (
    DiskFull,
    DownloadError,
    DownloadReport,
    InvalidChecksum,
    NameClash,
    ProgressEvent,
    SizeMismatch,
    journal,
)
from dss_client.download.filestore import FileStore
from dss_client.download.lanes import Limits
from dss_client.manifest import manifest_rows

from .by_keywords import download_bundle, download_manifest
from .scripted import BUNDLE, FQ, ScriptedSource, Try, broken, page_of, refusal, sha256
from .storage import Asked, End, Storage, answer, connect, serve

MIB = 1 << 20
LARGE = bytes(range(256)) * 4096 * 4


@pytest.fixture
def source() -> ScriptedSource:
    return ScriptedSource()


@pytest.fixture(params=["socket", "script"])
def storage(source: ScriptedSource, request: pytest.FixtureRequest) -> Iterator[None]:
    """Have contents come over sockets, in the loop or by the crew; or by the crew from a script."""
    if request.param == "script":
        yield
        return
    with Storage(serve(source)) as storage:
        connect(source, storage)
        yield


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the parts of large files small."""
    limits = partial(Limits, part_size=MIB)
    monkeypatch.setattr("dss_client.download.start.Limits", limits)


def get(source: ScriptedSource, directory: Path, **options: Any) -> DownloadReport:
    options = {"bundle_uuid": BUNDLE, "replica": "aws", "min_delay_seconds": 0, **options}
    return download_bundle(source, download_dir=directory, **options)


def get_rows(source: ScriptedSource, directory: Path, **options: Any) -> DownloadReport:
    """Download the manifest of the bundle."""
    rows = [row.model_dump() for row in manifest_rows(source.bundles[BUNDLE, None][0].bundle)]
    options = {"replica": "aws", "min_delay_seconds": 0, **options}
    return download_manifest(source, manifest=rows, download_dir=directory, **options)


def states(report: DownloadReport) -> dict[str, str]:
    return {entry.name: entry.state for entry in report.entries}


def written(directory: Path) -> list[str]:
    return [str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()]


def partials(directory: Path) -> list[Path]:
    return sorted((directory / ".hca" / "v2" / "partials").glob("*"))


class TestSharedContent:
    @pytest.mark.usefixtures("storage")
    def test_it_comes_once(self, source: ScriptedSource, tmp_path: Path) -> None:
        files = [source.add_file(f"f{number}", b"same") for number in range(20)]
        source.add_bundle(files)
        report = get(source, tmp_path)
        assert sorted(states(report).values()) == ["downloaded"] * 2 + ["reused"] * 19
        assert sum(entry.tries for entry in report.entries) == 1

    def test_when_one_file_cannot_be_had_another_one_brings_it(
        self, source: ScriptedSource, tmp_path: Path
    ) -> None:
        files = [source.add_file(f"f{number}", b"same") for number in range(4)]
        source.add_bundle(files)
        for file in files[:2]:
            source.tries[file.uuid] = [Try(refuse=refusal(404))]
        with pytest.raises(DownloadError) as caught:
            get(source, tmp_path)
        assert list(states(caught.value.report).values()) == [
            "downloaded",
            "failed",
            "failed",
            "downloaded",
            "reused",
        ]
        assert len(source.opened) == 3

    def test_a_size_that_is_wrong_fails_its_file_only(
        self, source: ScriptedSource, tmp_path: Path
    ) -> None:
        right = source.add_file("right", b"same")
        wrong = source.add_file("wrong", b"same", size=3)
        source.add_bundle([right, wrong, source.add_file("also right", b"same")])
        with pytest.raises(DownloadError) as caught:
            get(source, tmp_path)
        (error,) = caught.value.exceptions
        assert isinstance(error, SizeMismatch)
        assert error.name == "wrong"

    @pytest.mark.parametrize("dry_run", [False, True])
    def test_a_bad_sum_fails_its_files_only(
        self, source: ScriptedSource, tmp_path: Path, dry_run: bool
    ) -> None:
        bad = [source.add_file(f"bad{number}", b"x", sha="z" * 64) for number in range(3)]
        source.add_bundle([*bad, source.add_file("good", b"1")])
        with pytest.raises(DownloadError, match="3 of 5 files failed") as caught:
            get(source, tmp_path, dry_run=dry_run)
        assert {type(error) for error in caught.value.exceptions} == {InvalidChecksum}
        assert {entry.name for entry in caught.value.report.failed} == {"bad0", "bad1", "bad2"}

    def test_a_store_that_cannot_be_looked_into_fails_its_files(
        self, source: ScriptedSource, tmp_path: Path
    ) -> None:
        same = [source.add_file(f"f{number}", b"same") for number in range(3)]
        source.add_bundle([*same, source.add_file("good", b"1")])
        place = FileStore(tmp_path).path(sha256(b"same"))
        place.parents[1].parent.mkdir(parents=True)
        place.parents[1].write_text("in the way")
        with pytest.raises(DownloadError, match="3 of 5 files failed"):
            get(source, tmp_path)


class TestDryRun:
    def test_it_writes_nothing_and_says_why(self, source: ScriptedSource, tmp_path: Path) -> None:
        new, there, unsure = (source.add_file(name, name.encode()) for name in ("n", "t", "u"))
        source.add_bundle([there])
        get(source, tmp_path)
        place = FileStore(tmp_path).path(unsure.sha256)
        place.parent.mkdir(parents=True)
        place.write_bytes(b"u")
        source.add_bundle([new, there, unsure, source.add_file("left", b"out", indexed=True)])
        before = written(tmp_path)
        source.opened.clear()
        source.located.clear()
        report = get(source, tmp_path, dry_run=True, no_metadata=False, metadata_filter=())
        assert written(tmp_path) == before
        assert (source.opened, source.located, source.presigned[-1]) == ([], [], False)
        said = {entry.name: (entry.state, entry.reason) for entry in report.entries}
        assert said == {
            "bundle.json": ("planned", "not in the store"),
            "n": ("planned", "not in the store"),
            "t": ("reused", "in the store, and verified"),
            "u": ("reused", "in the store; it is read before it is trusted"),
            "left": ("skipped", "left out by the filters"),
        }
        assert report.bytes_planned == report.entries[0].size + 1

    def test_a_new_directory_is_not_made(self, source: ScriptedSource, tmp_path: Path) -> None:
        source.add_bundle([source.add_file("a", b"1")])
        for layout in ("none", "bundle"):
            report = get_rows(source, tmp_path / "new", dry_run=True, layout=layout)
            assert report.manifest_path is None
            assert set(states(report).values()) == {"planned"}
        assert not (tmp_path / "new").exists()
        assert source.opened == []

    def test_it_asks_for_no_room(
        self, source: ScriptedSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(0, 0, 0))
        source.add_bundle([source.add_file("a", b"1")])
        assert get(source, tmp_path, dry_run=True).bytes_planned > 0
        assert get_rows(source, tmp_path, dry_run=True).bytes_planned > 0


class TestVerify:
    @pytest.mark.parametrize(("verify", "state"), [("size", "reused"), ("sha256", "downloaded")])
    def test_what_is_looked_at_in_a_file_that_is_there(
        self, source: ScriptedSource, tmp_path: Path, verify: str, state: str
    ) -> None:
        source.add_bundle([source.add_file("a", b"data")])
        place = FileStore(tmp_path).path(sha256(b"data"))
        place.parent.mkdir(parents=True)
        place.write_bytes(b"DATA")
        report = get(source, tmp_path, verify=verify)
        assert states(report)["a"] == state
        assert place.read_bytes() == (b"DATA" if verify == "size" else b"data")

    def test_a_good_file_without_a_seal_is_read_and_kept(
        self, source: ScriptedSource, tmp_path: Path
    ) -> None:
        source.add_bundle([source.add_file("a", b"data")])
        place = FileStore(tmp_path).path(sha256(b"data"))
        place.parent.mkdir(parents=True)
        place.write_bytes(b"data")
        assert states(get(source, tmp_path))["a"] == "reused"
        assert source.opened == []
        assert FileStore(tmp_path).look(sha256(b"data"), 4) == "good"


class TestClashes:
    @pytest.fixture(autouse=True)
    def _bundle(self, source: ScriptedSource) -> None:
        source.add_bundle([source.add_file("a.txt", b"1"), source.add_file("A.txt", b"2")])

    def test_error(self, source: ScriptedSource, tmp_path: Path) -> None:
        with pytest.raises(NameClash, match="letter case"):
            get(source, tmp_path / "d")
        assert not (tmp_path / "d").exists()
        assert source.opened == []

    def test_rename(self, source: ScriptedSource, tmp_path: Path) -> None:
        report = get(source, tmp_path, clash="rename")
        assert (tmp_path / str(FQ) / "a.txt").read_bytes() == b"1"
        assert (tmp_path / str(FQ) / "A~2.txt").read_bytes() == b"2"
        assert report.entries[2].name == "A.txt"
        assert report.entries[2].path == tmp_path / str(FQ) / "A~2.txt"

    def test_skip(self, source: ScriptedSource, tmp_path: Path) -> None:
        report = get(source, tmp_path, clash="skip")
        assert states(report) == {
            "bundle.json": "downloaded",
            "a.txt": "downloaded",
            "A.txt": "skipped",
        }
        assert "letter case" in report.entries[2].reason
        assert not (tmp_path / str(FQ) / "A.txt").exists()


def room(free: int) -> Callable[[object], Any]:
    return lambda _: shutil._ntuple_diskusage(1 << 40, 0, free)


class TestRoom:
    @pytest.mark.usefixtures("storage")
    @pytest.mark.parametrize("content", [b"small", LARGE], ids=["small", "large"])
    @pytest.mark.parametrize("how", [get, get_rows], ids=["bundle", "manifest"])
    def test_it_is_asked_for_before_any_byte(
        self,
        source: ScriptedSource,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        content: bytes,
        how: Callable[..., DownloadReport],
    ) -> None:
        files = [source.add_file(f"f{n}", content + bytes([n])) for n in range(3)]
        source.add_bundle(files)
        size = sum(file.size for file in files)
        monkeypatch.setattr(shutil, "disk_usage", room(size - 1))
        with pytest.raises(DiskFull, match="make room, or choose another directory") as caught:
            how(source, tmp_path)
        assert (caught.value.free, caught.value.needed) == (size - 1, size)
        assert source.opened == []
        monkeypatch.setattr(shutil, "disk_usage", room(size))
        assert how(source, tmp_path).ok

    def test_what_is_there_needs_none(
        self, source: ScriptedSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        files = [source.add_file("a", b"123"), source.add_file("b", b"45")]
        source.add_bundle([files[0]])
        get(source, tmp_path)
        source.add_bundle(files)
        monkeypatch.setattr(shutil, "disk_usage", room(2))
        assert get_rows(source, tmp_path).ok

    @pytest.mark.usefixtures("parts")
    def test_the_part_that_is_there_needs_none(
        self, source: ScriptedSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = source.add_file("a", LARGE)
        source.add_bundle([file])
        source.tries[file.uuid] = [Try(cut=3 * MIB, fault=broken())]
        with pytest.raises(DownloadError):
            get(source, tmp_path, num_retries=0, threads=1)
        monkeypatch.setattr(shutil, "disk_usage", room(MIB))
        assert get_rows(source, tmp_path).ok
        assert source.offsets == [0, 3 * MIB]

    @pytest.mark.usefixtures("storage")
    def test_it_ends_in_the_middle_of_a_small_file(
        self, source: ScriptedSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source.add_bundle([source.add_file("small", b"1234"), source.add_file("other", b"1")])
        real = {name: getattr(os, name) for name in ("write", "pwrite")}

        def full(name: str) -> Callable[..., int]:
            def write(descriptor: int, data: bytes | memoryview, *rest: int) -> int:
                if len(data) == 4:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                written: int = real[name](descriptor, data, *rest)
                return written

            return write

        for name in real:
            monkeypatch.setattr(os, name, full(name))
        with pytest.raises(DownloadError, match=r"'small' of bundle .*No space left") as caught:
            get(source, tmp_path)
        assert states(caught.value.report)["other"] == "downloaded"
        assert partials(tmp_path) == []
        monkeypatch.undo()
        assert get(source, tmp_path).ok

    @pytest.mark.usefixtures("storage", "parts")
    def test_it_ends_in_the_middle_of_a_large_file(
        self, source: ScriptedSource, tmp_path: Path
    ) -> None:
        source.add_bundle([source.add_file("large", LARGE), source.add_file("other", b"1")])
        pwrite = os.pwrite

        def full(descriptor: int, data: memoryview, position: int) -> int:
            if position >= 3 * MIB:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return pwrite(descriptor, data, position)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "pwrite", full)
            with pytest.raises(DownloadError, match=r"'large' of bundle .*No space left") as caught:
                get(source, tmp_path, threads=1)
        assert states(caught.value.report)["other"] == "downloaded"
        assert [path.suffix for path in partials(tmp_path)] == [".journal", ".part"]
        source.opened.clear()
        assert get(source, tmp_path, threads=1).ok
        assert source.offsets == [3 * MIB]
        assert partials(tmp_path) == []


class TestProgress:
    @pytest.mark.usefixtures("storage")
    @pytest.mark.parametrize("content", [b"small", LARGE], ids=["small", "large"])
    def test_a_callback_that_raises_harms_nothing(
        self,
        source: ScriptedSource,
        tmp_path: Path,
        caplog: pytest.LogCaptureFixture,
        content: bytes,
    ) -> None:
        calls: list[ProgressEvent] = []

        def fail(event: ProgressEvent) -> None:
            calls.append(event)
            raise ZeroDivisionError

        source.add_bundle([source.add_file("a", content)])
        assert get(source, tmp_path, progress=fail).ok
        assert len(calls) == 1
        assert "the progress callback failed" in caplog.text

    @pytest.mark.usefixtures("storage")
    @pytest.mark.parametrize("kind", ["planned", "started", "advanced", "finished"])
    def test_a_callback_that_exits_ends_the_download(
        self, source: ScriptedSource, tmp_path: Path, kind: str
    ) -> None:
        def leave(event: ProgressEvent) -> None:
            if event.kind == kind:
                raise SystemExit(3)

        source.add_bundle([source.add_file("a", LARGE)])
        with pytest.raises(SystemExit):
            get(source, tmp_path, progress=leave)
        names = {path.name for path in partials(tmp_path)}
        assert not {name.replace(".part", ".journal") for name in names} - names

    @pytest.mark.usefixtures("storage")
    def test_it_adds_up(self, source: ScriptedSource, tmp_path: Path) -> None:
        files = [source.add_file(f"f{n}", bytes([n]) * 1000) for n in range(20)]
        files += [source.add_file("large", LARGE), source.add_file("again", LARGE)]
        source.add_bundle(files)
        events: list[ProgressEvent] = []
        report = get(source, tmp_path, progress=events.append)
        last = events[-1]
        assert last.bytes_done == last.bytes_total == report.bytes_total
        assert last.files_done == last.files_total == 23
        for name in states(report):
            mine = [event for event in events if event.name == name]
            assert [event.kind for event in mine if event.kind != "advanced"] == [
                "started",
                "finished",
            ]
            assert mine[-1].file_bytes_done == mine[-1].file_bytes_total


def interrupting(due: Callable[[ProgressEvent], bool]) -> Callable[[ProgressEvent], None]:
    """Return what interrupts the process at the first event that is due, and only then."""
    is_done = threading.Event()

    def take(event: ProgressEvent) -> None:
        if due(event) and not is_done.is_set():
            is_done.set()
            signal.raise_signal(signal.SIGINT)

    return take


class TestInterrupt:
    @pytest.mark.usefixtures("parts")
    @pytest.mark.parametrize("threads", [1, 4])
    def test_the_next_run_asks_for_what_is_missing(
        self, source: ScriptedSource, tmp_path: Path, threads: int
    ) -> None:
        halted = threading.Event()

        def script(asked: Asked) -> Iterator[bytes | End]:
            head, body = answer(source.contents[asked.name], asked)
            yield head
            first = asked.span[0] if asked.span else 0
            for start in range(0, len(body), MIB // 4):
                if first + start >= 2 * MIB:
                    halted.wait(10)
                yield body[start : start + MIB // 4]

        interrupt = interrupting(
            lambda event: event.kind == "advanced" and event.file_bytes_done >= 2 * MIB
        )
        source.add_bundle([source.add_file("large", LARGE)])
        with Storage(script) as storage:
            connect(source, storage, timeout=0.5)
            with pytest.raises(KeyboardInterrupt):
                get(source, tmp_path, progress=interrupt, threads=threads)
            halted.set()
        (left,) = (path for path in partials(tmp_path) if path.suffix == ".journal")
        found = journal.Journal.read(left)
        assert found is not None
        proven = {(each.start, each.end) for each in found.ranges}
        assert sum(end - start for start, end in proven) >= 2 * MIB
        source.opened.clear()
        with Storage(serve(source)) as storage:
            connect(source, storage)
            assert get(source, tmp_path, threads=threads).ok
        for span in storage.spans:
            assert span is not None
            first, last = span[0], len(LARGE) - 1 if span[1] is None else span[1]
            assert not any(start <= last and first < end for start, end in proven)
        assert partials(tmp_path) == []

    def test_no_thread_stays(self, source: ScriptedSource, tmp_path: Path) -> None:
        interrupt = interrupting(lambda event: event.kind == "finished")
        source.add_bundle([source.add_file(f"f{n}", bytes([n])) for n in range(50)])
        with Storage(serve(source)) as storage:
            connect(source, storage)
            with pytest.raises(KeyboardInterrupt):
                get(source, tmp_path, progress=interrupt)
        names = [thread.name for thread in threading.enumerate()]
        assert not [name for name in names if name.startswith(("dss-small", "dss-download"))]


class TestManyFiles:
    @pytest.mark.usefixtures("storage")
    def test_only_so_many_are_under_way(
        self, source: ScriptedSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("dss_client.download.engine._UNDER_WAY", 3)
        files = [source.add_file(f"f{n}", bytes([n % 40])) for n in range(60)]
        source.add_bundle(files)
        report = get_rows(source, tmp_path)
        assert report.count("downloaded") == 40
        assert report.count("reused") == 20
        assert get_rows(source, tmp_path, layout="bundle").ok

    def test_a_manifest_that_is_all_there_asks_for_nothing(
        self, source: ScriptedSource, tmp_path: Path
    ) -> None:
        contents = [b"%d" % number for number in range(300)]
        files = [source.add_file(f"f{n}", contents[n % 300]) for n in range(3000)]
        source.add_bundle(files)
        rows = [row.model_dump() for row in manifest_rows(page_of(files).bundle)]
        store = FileStore(tmp_path, durable=False)
        for content in contents:
            store.put(sha256(content), content)
        report = download_manifest(source, manifest=rows, download_dir=tmp_path, replica="aws")
        assert report.count("reused") == 3000
        assert (source.asked, source.located, source.opened) == ([], [], [])


class TestLeftovers:
    """What a run that was killed left in the directory for partial files."""

    @pytest.fixture
    def dead(self) -> str:
        """Return the tag of a process that is no more."""
        code = "from dss_client.download import journal; print(journal.tag())"
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        return ran.stdout.decode().strip()

    def test_the_useless_are_removed(
        self, source: ScriptedSource, tmp_path: Path, dead: str
    ) -> None:
        source.add_bundle([source.add_file("a", b"1")])
        folder = tmp_path / ".hca" / "v2" / "partials"
        folder.mkdir(parents=True)
        key, stored = sha256(b"?"), sha256(b"1")
        get(source, tmp_path)
        proven = journal.header(1, "") + journal.entry(journal.Range(0, 1, crc32=0))
        for name, text in {
            f"{dead}-x-1.tmp": b"",
            f"{key}.{dead}-a.part": b"",
            f"{key}.{dead}-b.journal": proven,
            f"{key}.{dead}-c.journal": b"torn",
            f"{key}.{dead}-c.part": b"",
            f"{stored}.{dead}-d.journal": proven,
            f"{stored}.{dead}-d.part": b"1",
        }.items():
            (folder / name).write_bytes(text)
        kept = {
            f"{key}.{dead}-e.journal": proven,
            f"{key}.{dead}-e.part": b"?",
            f"{journal.tag()}-x-1.tmp": b"",
            f"{key}.{journal.tag()}-f.part": b"",
            f"{key}.00000000-1-2-f.part": b"",
            "what else is here": b"",
        }
        for name, text in kept.items():
            (folder / name).write_bytes(text)
        get(source, tmp_path)
        assert {path.name for path in partials(tmp_path)} == set(kept)

    def test_a_dry_run_touches_none(
        self, source: ScriptedSource, tmp_path: Path, dead: str
    ) -> None:
        source.add_bundle([source.add_file("a", b"1")])
        folder = tmp_path / ".hca" / "v2" / "partials"
        folder.mkdir(parents=True)
        (folder / f"{dead}-x-1.tmp").write_bytes(b"")
        get(source, tmp_path, dry_run=True)
        assert len(partials(tmp_path)) == 1
