"""Whole downloads of bundles and manifests, from a scripted source."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from dss_client.download import (
    ChecksumMismatch,
    DownloadError,
    DownloadReport,
    FileDownloadError,
    InvalidChecksum,
    ManifestError,
    ManifestMismatch,
    NameClash,
    ProgressEvent,
    SizeMismatch,
    UnsafeName,
)
from dss_client.download.store import FileStore
from dss_client.errors import DSSConnectionError, InvalidArgument, NotFound
from dss_client.manifest import COLUMNS, ManifestRow, manifest_rows, write_manifest
from dss_client.models import FileVersion
from dss_client.versions import FQID, InvalidUUID, InvalidVersion

from .by_keywords import download_bundle, download_manifest
from .scripted import (
    BUNDLE,
    FQ,
    LATER,
    VERSION,
    ScriptedSource,
    Try,
    broken,
    page_of,
    sha256,
)

OTHER = "bbbbbbbb-0000-4000-8000-000000000002"
EMPTY = sha256(b"")


@pytest.fixture
def source() -> ScriptedSource:
    return ScriptedSource()


def get(source: ScriptedSource, directory: Path, **options: Any) -> DownloadReport:
    options = {"bundle_uuid": BUNDLE, "replica": "aws", "min_delay_seconds": 0, **options}
    return download_bundle(source, download_dir=directory, **options)


def get_rows(
    source: ScriptedSource, directory: Path, manifest: Any, **options: Any
) -> DownloadReport:
    options = {"replica": "aws", "min_delay_seconds": 0, **options}
    return download_manifest(source, manifest=manifest, download_dir=directory, **options)


def rows_of(*files: FileVersion, uuid: str = BUNDLE, version: str = VERSION) -> list[Any]:
    page = page_of(list(files), uuid=uuid, version=version)
    return [row.model_dump() for row in manifest_rows(page.bundle)]


def names_below(directory: Path) -> list[str]:
    return sorted(
        path.relative_to(directory).as_posix()
        for path in directory.rglob("*")
        if not path.is_dir() and not path.relative_to(directory).parts[0].startswith(".")
    )


def states(report: DownloadReport) -> dict[str, str]:
    return {entry.name: entry.state for entry in report.entries}


class TestBundle:
    def test_layout_and_store(self, source: ScriptedSource, tmp_path: Path) -> None:
        data = source.add_file("reads/r1.gz", b"data")
        metadata = source.add_file("cell.json", b"{}", indexed=True)
        source.add_bundle([data], [metadata])
        report = get(source, tmp_path)
        assert names_below(tmp_path) == [
            f"{FQ}/bundle.json",
            f"{FQ}/cell.json",
            f"{FQ}/reads/r1.gz",
        ]
        store = FileStore(tmp_path)
        for entry in report.entries:
            assert entry.path == tmp_path / str(FQ) / entry.name
            assert store.path(entry.sha256).read_bytes() == entry.path.read_bytes()
            assert (entry.state, entry.bundle) == ("downloaded", FQ)
            assert entry.link in {"hardlink", "reflink"}
            assert sha256(entry.path.read_bytes()) == entry.sha256
        assert [entry.tries for entry in report.entries] == [0, 1, 1]
        assert report.manifest_path is None
        text = (tmp_path / str(FQ) / "bundle.json").read_text()
        assert list(json.loads(text)["bundle"]) == ["creator_uid", "files", "uuid", "version"]
        assert text.startswith('{\n    "bundle": {\n        "creator_uid"')
        assert not text.endswith("\n")

    def test_a_second_run_asks_for_nothing(self, source: ScriptedSource, tmp_path: Path) -> None:
        source.add_bundle([source.add_file("a", b"1"), source.add_file("b", b"")])
        get(source, tmp_path)
        opened = list(source.opened)
        report = get(source, tmp_path)
        assert set(states(report).values()) == {"reused"}
        assert source.opened == opened

    def test_without_a_directory_it_is_the_current_one(
        self, source: ScriptedSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        source.add_bundle([source.add_file("a", b"1")])
        report = download_bundle(source, bundle_uuid=BUNDLE.upper(), replica="gcp")
        assert report.entries[1].path == Path(str(FQ), "a")
        assert source.asked == [(BUNDLE, None, "gcp")]

    def test_the_replica_is_asked_for_urls_too(
        self, source: ScriptedSource, tmp_path: Path
    ) -> None:
        source.presigns = False
        file = source.add_file("a", b"1")
        source.add_bundle([file])
        get(source, tmp_path, replica="gcp")
        assert source.located == [(file.uuid, VERSION, "gcp")]

    def test_c2_the_version_asked_for_is_taken(
        self, source: ScriptedSource, tmp_path: Path
    ) -> None:
        source.add_bundle([source.add_file("old", b"1")])
        source.add_bundle([source.add_file("new", b"2")], version=LATER)
        get(source, tmp_path, version=VERSION)
        assert names_below(tmp_path) == [f"{FQ}/bundle.json", f"{FQ}/old"]

    def test_c14_empty_files_need_no_request(self, source: ScriptedSource, tmp_path: Path) -> None:
        source.add_bundle([source.add_file("empty", b"")])
        report = get(source, tmp_path)
        assert (tmp_path / str(FQ) / "empty").read_bytes() == b""
        assert (states(report)["empty"], source.located, source.opened) == ("downloaded", [], [])

    def test_an_empty_file_has_its_checksum(self, source: ScriptedSource, tmp_path: Path) -> None:
        source.add_bundle([source.add_file("empty", b"", sha=sha256(b"x"))])
        with pytest.raises(DownloadError) as caught:
            get(source, tmp_path)
        (error,) = caught.value.exceptions
        assert isinstance(error, ChecksumMismatch)
        assert (error.expected, error.actual) == (sha256(b"x"), EMPTY)

    @pytest.mark.parametrize("bad", [b"", b"dat", b"DATA", b"data and more"])
    def test_c1_a_bad_stored_file_is_replaced(
        self, source: ScriptedSource, tmp_path: Path, bad: bytes
    ) -> None:
        source.add_bundle([source.add_file("a", b"data")])
        path = FileStore(tmp_path).path(sha256(b"data"))
        path.parent.mkdir(parents=True)
        path.write_bytes(bad)
        report = get(source, tmp_path)
        assert states(report)["a"] == "downloaded"
        assert (tmp_path / str(FQ) / "a").read_bytes() == b"data"

    def test_a_description_that_is_there_stays_the_same_file(
        self, source: ScriptedSource, tmp_path: Path
    ) -> None:
        """As the reference client leaves it: in the store, and not known to be verified."""
        source.add_bundle([source.add_file("empty", b"")])
        first = get(source, tmp_path)
        for entry in first.entries:
            FileStore(tmp_path).path(entry.sha256).touch()
        again = get(source, tmp_path)
        assert set(states(again).values()) == {"reused"}
        for entry in again.entries:
            assert entry.path is not None
            assert entry.path.samefile(FileStore(tmp_path).path(entry.sha256))

    def test_c21_the_size_of_a_stored_file_is_checked(
        self, source: ScriptedSource, tmp_path: Path
    ) -> None:
        source.add_bundle(
            [source.add_file("right", b"data"), source.add_file("wrong", b"data", size=3)]
        )
        with pytest.raises(DownloadError) as caught:
            get(source, tmp_path, threads=1)
        (error,) = caught.value.exceptions
        assert isinstance(error, SizeMismatch)
        assert (error.name, error.expected, error.actual) == ("wrong", 3, 4)
        assert len(source.opened) == 1

    def test_c1_a_spoilt_link_is_left_to_its_owner(
        self, source: ScriptedSource, tmp_path: Path
    ) -> None:
        source.add_bundle([source.add_file("a", b"data")])
        path = get(source, tmp_path).entries[1].path
        assert path is not None
        path.write_bytes(b"edited")
        with pytest.raises(DownloadError, match=r"another file is at .* run again"):
            get(source, tmp_path)
        assert path.read_bytes() == b"edited"
        path.unlink()
        assert states(get(source, tmp_path)) == {"bundle.json": "reused", "a": "reused"}
        assert path.read_bytes() == b"data"

    def test_shared_content_comes_once(self, source: ScriptedSource, tmp_path: Path) -> None:
        files = [source.add_file(f"f{number}", b"same") for number in range(20)]
        source.add_bundle(files)
        report = get(source, tmp_path)
        assert len(source.opened) == 1
        assert sorted(states(report).values()) == ["downloaded"] * 2 + ["reused"] * 19

    def test_a_lasting_failure_of_shared_content_is_tried_once(
        self, source: ScriptedSource, tmp_path: Path
    ) -> None:
        one = source.add_file("one", b"same")
        source.add_bundle([one, one.model_copy(update={"name": "two"})])
        source.tries[one.uuid] = [Try(refuse=broken())] * 9
        with pytest.raises(DownloadError) as caught:
            get(source, tmp_path, num_retries=1)
        assert len(source.opened) == 2
        assert [entry.name for entry in caught.value.report.failed] == ["one", "two"]
        assert [type(error.cause) for error in caught.value.report.errors] == [
            DSSConnectionError,
            FileDownloadError,
        ]

    def test_one_failed_file_does_not_stop_the_rest(
        self, source: ScriptedSource, tmp_path: Path
    ) -> None:
        files = [source.add_file(f"f{number}", bytes([number])) for number in range(6)]
        files.append(source.add_file("bad sum", b"0", sha="z" * 64))
        source.add_bundle(files)
        source.tries[files[1].uuid] = [Try(refuse=broken())] * 3
        source.tries[files[2].uuid] = [Try(content=b"?")] * 2
        del source.contents[files[3].uuid]
        with pytest.raises(DownloadError, match="4 of 8 files failed") as caught:
            get(source, tmp_path, num_retries=2, threads=2)
        report = caught.value.report
        assert [entry.name for entry in report.failed] == ["f1", "f2", "f3", "bad sum"]
        kinds = [type(error) for error in report.errors]
        assert kinds == [FileDownloadError, ChecksumMismatch, FileDownloadError, InvalidChecksum]
        assert isinstance(report.errors[2].cause, NotFound)
        assert all(str(FQ) in str(error) for error in report.errors)
        assert [entry.path for entry in report.failed] == [None] * 4
        assert [entry.tries for entry in report.failed] == [3, 2, 1, 0]
        assert names_below(tmp_path) == [
            f"{FQ}/{name}" for name in ("bundle.json", "f0", "f4", "f5")
        ]

    def test_nothing_half_is_left(self, source: ScriptedSource, tmp_path: Path) -> None:
        file = source.add_file("a", b"content")
        source.add_bundle([file])
        source.tries[file.uuid] = [Try(cut=3, fault=broken())]
        with pytest.raises(DownloadError):
            get(source, tmp_path, num_retries=0)
        assert [path.name for path in tmp_path.rglob("*") if path.is_file()] != []
        assert not list(tmp_path.rglob("*.part"))
        assert not FileStore(tmp_path).path(file.sha256).exists()

    def test_no_secret_in_messages(self, source: ScriptedSource, tmp_path: Path) -> None:
        file = source.add_file("a", b"content")
        source.add_bundle([file])
        source.tries[file.uuid] = [Try(headers={"content-length": "99"})]
        with pytest.raises(DownloadError) as caught:
            get(source, tmp_path)
        assert "signature" not in caught.value.report.to_json() + repr(caught.value)

    def test_filters_leave_out(self, source: ScriptedSource, tmp_path: Path) -> None:
        source.add_bundle(
            [source.add_file("m.json", b"{}", indexed=True), source.add_file("d.gz", b"1")]
        )
        report = get(source, tmp_path, no_data=True)
        assert names_below(tmp_path) == [f"{FQ}/bundle.json", f"{FQ}/m.json"]
        assert states(report)["d.gz"] == "skipped"
        assert (report.files_total, report.ok) == (2, True)
        get(source, tmp_path, metadata_filter=("",))
        assert names_below(tmp_path)[1:] == [f"{FQ}/d.gz", f"{FQ}/m.json"]

    @pytest.mark.parametrize("name", ["../../x", "/tmp/x", "a/../../../x"])
    def test_c5_nothing_is_written_outside(
        self, source: ScriptedSource, tmp_path: Path, name: str
    ) -> None:
        source.add_bundle([source.add_file(name, b"2"), source.add_file("a", b"1")])
        with pytest.raises(DownloadError) as caught:
            get(source, tmp_path / "in")
        (error,) = caught.value.exceptions
        assert isinstance(error, UnsafeName)
        assert (error.name, error.bundle) == (name, FQ)
        assert len(source.opened) == 1
        assert [path.name for path in tmp_path.iterdir()] == ["in"]
        assert names_below(tmp_path / "in") == [f"{FQ}/a", f"{FQ}/bundle.json"]

    def test_an_unsafe_name_that_is_not_wanted_harms_nobody(
        self, source: ScriptedSource, tmp_path: Path
    ) -> None:
        source.add_bundle([source.add_file("../x", b"2"), source.add_file("a", b"1")])
        assert states(get(source, tmp_path, data_filter=("a",)))["../x"] == "skipped"

    def test_c5_a_planted_directory_link_fails_its_files(
        self, source: ScriptedSource, tmp_path: Path
    ) -> None:
        (tmp_path / "out").mkdir()
        (tmp_path / "in" / str(FQ)).mkdir(parents=True)
        (tmp_path / "in" / str(FQ) / "sub").symlink_to(tmp_path / "out")
        source.add_bundle([source.add_file("a", b"1"), source.add_file("sub/b", b"2")])
        with pytest.raises(DownloadError) as caught:
            get(source, tmp_path / "in")
        (error,) = caught.value.exceptions
        assert isinstance(error, UnsafeName)
        assert (error.name, error.bundle) == ("sub/b", FQ)
        assert list((tmp_path / "out").iterdir()) == []

    def test_c6_a_file_named_bundle_json_is_refused_first(
        self, source: ScriptedSource, tmp_path: Path
    ) -> None:
        source.add_bundle([source.add_file("a", b"1"), source.add_file("bundle.json", b"2")])
        with pytest.raises(NameClash, match="description of the bundle"):
            get(source, tmp_path)
        assert source.opened == []
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        ("options", "error"),
        [
            ({"bundle_uuid": "x"}, InvalidUUID),
            ({"version": "latest"}, InvalidVersion),
            ({"version": ""}, InvalidVersion),
            ({"no_data": True, "data_filter": ("x",)}, InvalidArgument),
            ({"num_retries": -1}, InvalidArgument),
            ({"min_delay_seconds": -0.5}, InvalidArgument),
            ({"threads": 0}, InvalidArgument),
        ],
    )
    def test_bad_arguments_ask_for_nothing(
        self,
        source: ScriptedSource,
        tmp_path: Path,
        options: dict[str, Any],
        error: type[Exception],
    ) -> None:
        with pytest.raises(error):
            get(source, tmp_path, **options)
        assert source.asked == []

    def test_progress(self, source: ScriptedSource, tmp_path: Path) -> None:
        good, bad = source.add_file("good", b"12345678"), source.add_file("bad", b"1")
        source.add_bundle([good, bad])
        source.tries[bad.uuid] = [Try(refuse=broken())]
        events: list[ProgressEvent] = []
        with pytest.raises(DownloadError):
            get(source, tmp_path, progress=events.append, num_retries=0)
        assert events[0].kind == "planned"
        assert (events[0].files_total, events[-1].files_done) == (3, 3)
        assert events[-1].bytes_done == events[-1].bytes_total - 1
        of_good = [event.kind for event in events if event.name == "good"]
        assert of_good == ["started", "finished"]
        assert [event.kind for event in events if event.name == "bad"] == ["started", "failed"]


def read_output(report: DownloadReport) -> list[dict[str, str]]:
    assert report.manifest_path is not None
    with report.manifest_path.open(newline="") as file:
        return list(csv.DictReader(file, dialect="excel-tab"))


class TestManifest:
    def test_layout_none(self, source: ScriptedSource, tmp_path: Path) -> None:
        one, two = source.add_file("a", b"1"), source.add_file("b", b"")
        write_manifest(tmp_path / "m.tsv", [ManifestRow(**row) for row in rows_of(one, two)])
        report = get_rows(source, tmp_path / "d", tmp_path / "m.tsv")
        assert names_below(tmp_path / "d") == ["m.tsv"]
        assert [entry.path for entry in report.entries] == [
            FileStore(tmp_path / "d").path(file.sha256) for file in (one, two)
        ]
        assert all(entry.path and entry.path.is_file() for entry in report.entries)
        assert [entry.link for entry in report.entries] == [None, None]
        assert source.asked == []

    def test_c3_the_output_is_beside_the_data(self, source: ScriptedSource, tmp_path: Path) -> None:
        rows = [{**row, "note": "kept"} for row in rows_of(source.add_file("a", b"1"))]
        manifest = tmp_path / "m.tsv"
        write_manifest(manifest, [ManifestRow(**row) for row in rows])
        given = manifest.read_bytes()
        report = get_rows(source, tmp_path / "d", str(manifest))
        assert report.manifest_path == tmp_path / "d" / "m.tsv"
        path = FileStore(tmp_path / "d").path(sha256(b"1")).as_posix()
        header, line, end = report.manifest_path.read_bytes().decode().split("\r\n")
        assert header.split("\t") == [*COLUMNS, "note", "file_path"]
        assert line == given.decode().split("\r\n")[1] + f"\t{path}"
        assert end == ""
        assert manifest.read_bytes() == given

    def test_c3_or_where_it_is_wanted(self, source: ScriptedSource, tmp_path: Path) -> None:
        manifest = tmp_path / "m.tsv"
        write_manifest(
            manifest, [ManifestRow(**row) for row in rows_of(source.add_file("a", b"1"))]
        )
        report = download_manifest(
            source,
            manifest=manifest,
            replica="aws",
            download_dir=tmp_path / "d",
            output_dir=tmp_path / "out",
        )
        assert report.manifest_path == tmp_path / "out" / "m.tsv"
        assert not (tmp_path / "d" / "m.tsv").exists()

    def test_c3_a_path_only_where_there_is_a_file(
        self, source: ScriptedSource, tmp_path: Path
    ) -> None:
        good, bad = source.add_file("good", b"1"), source.add_file("bad", b"2")
        del source.contents[bad.uuid]
        with pytest.raises(DownloadError) as caught:
            get_rows(source, tmp_path, rows_of(good, bad))
        assert caught.value.report.manifest_path == tmp_path / "manifest.tsv"
        paths = [row["file_path"] for row in read_output(caught.value.report)]
        assert paths == [FileStore(tmp_path).path(good.sha256).as_posix(), ""]

    def test_c3_the_manifest_itself_is_never_overwritten(
        self, source: ScriptedSource, tmp_path: Path
    ) -> None:
        manifest = tmp_path / "m.tsv"
        write_manifest(manifest, [ManifestRow(**row) for row in rows_of(source.add_file("a", b""))])
        given = manifest.read_bytes()
        report = get_rows(source, tmp_path, manifest)
        assert manifest.read_bytes() == given
        assert report.manifest_path == tmp_path / "m.downloaded.tsv"
        again = get_rows(source, tmp_path, report.manifest_path)
        assert again.manifest_path == tmp_path / "m.downloaded.downloaded.tsv"
        assert again.manifest_path.read_bytes() == report.manifest_path.read_bytes()

    def test_paths_are_relative_to_where_one_is(
        self, source: ScriptedSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        report = get_rows(source, Path(), rows_of(source.add_file("a", b"1")))
        (row,) = read_output(report)
        assert row["file_path"].startswith("./.hca/v2/files_2_4/6b/86b2/6b86b2")
        assert Path(row["file_path"]).read_bytes() == b"1"

    def test_c14_c25_a_bad_manifest_asks_for_nothing(
        self, source: ScriptedSource, tmp_path: Path
    ) -> None:
        good = rows_of(source.add_file("a", b"1"))
        for bad in ({**good[0], "file_size": "1.5"}, {"bundle_uuid": BUNDLE}):
            with pytest.raises(ManifestError, match="line 2"):
                get_rows(source, tmp_path / "d", [*good, bad])
        assert (source.asked, source.located, source.opened) == ([], [], [])
        assert not (tmp_path / "d").exists()

    def test_c14_empty_files_need_no_request(self, source: ScriptedSource, tmp_path: Path) -> None:
        report = get_rows(source, tmp_path, rows_of(source.add_file("a", b"")))
        assert report.entries[0].path is not None
        assert report.entries[0].path.read_bytes() == b""
        assert source.located == []

    def test_layout_bundle(self, source: ScriptedSource, tmp_path: Path) -> None:
        one, two, other = (source.add_file(name, name.encode()) for name in ("a[1]", "a1", "x"))
        metadata = source.add_file("m.json", b"{}", indexed=True)
        source.add_bundle([one, two, metadata])
        source.add_bundle([other], uuid=OTHER)
        rows = rows_of(one) + rows_of(other, uuid=OTHER)
        report = get_rows(source, tmp_path, rows, layout="bundle")
        second = FQID(OTHER, VERSION)
        assert names_below(tmp_path) == [
            f"{FQ}/a[1]",
            f"{FQ}/bundle.json",
            f"{FQ}/m.json",
            f"{second}/bundle.json",
            f"{second}/x",
            "manifest.tsv",
        ]
        assert states(report)["a1"] == "skipped"
        paths = [row["file_path"] for row in read_output(report)]
        assert paths == [FileStore(tmp_path).path(file.sha256).as_posix() for file in (one, other)]

    def test_c2_layout_bundle_takes_the_version_of_the_row(
        self, source: ScriptedSource, tmp_path: Path
    ) -> None:
        old, new = source.add_file("a", b"old"), source.add_file("a", b"new")
        source.add_bundle([old])
        source.add_bundle([new], version=LATER)
        get_rows(source, tmp_path, rows_of(old), layout="bundle")
        assert (tmp_path / str(FQ) / "a").read_bytes() == b"old"
        assert source.asked == [(BUNDLE, VERSION, "aws")]

    def test_unnamed_rows_bring_metadata_only(self, source: ScriptedSource, tmp_path: Path) -> None:
        data, metadata = source.add_file("d", b"1"), source.add_file("m", b"2", indexed=True)
        source.add_bundle([data, metadata])
        row = {**dict.fromkeys(COLUMNS, ""), "bundle_uuid": BUNDLE, "bundle_version": VERSION}
        report = get_rows(source, tmp_path, [row], layout="bundle")
        assert names_below(tmp_path)[:-1] == [f"{FQ}/bundle.json", f"{FQ}/m"]
        assert read_output(report) == [{**row, "file_path": ""}]
        with pytest.raises(ManifestError, match="file_name is empty"):
            get_rows(source, tmp_path, [row])

    @pytest.mark.parametrize(
        ("switch", "left"),
        [("no_data", ["bundle.json", "m"]), ("no_metadata", ["bundle.json", "d"])],
    )
    def test_switches(
        self, source: ScriptedSource, tmp_path: Path, switch: str, left: list[str]
    ) -> None:
        files = [source.add_file("d", b"1"), source.add_file("m", b"2", indexed=True)]
        source.add_bundle(files)
        get_rows(source, tmp_path, rows_of(*files), layout="bundle", **{switch: True})
        assert names_below(tmp_path)[:-1] == [f"{FQ}/{name}" for name in left]

    def test_a_bundle_that_cannot_be_planned_fails_its_rows(
        self, source: ScriptedSource, tmp_path: Path
    ) -> None:
        good = source.add_file("good", b"1")
        source.add_bundle([good])
        twice = [source.add_file("b", b"2"), source.add_file("B", b"3")]
        source.add_bundle(twice, uuid=OTHER)
        gone = OTHER.replace("b", "c")
        rows = rows_of(*twice, uuid=OTHER) + rows_of(good) + rows_of(good, uuid=gone)
        with pytest.raises(DownloadError) as caught:
            get_rows(source, tmp_path, rows, layout="bundle")
        report = caught.value.report
        failed = [(entry.bundle and entry.bundle.uuid, entry.name) for entry in report.failed]
        assert failed == [
            (OTHER, "bundle.json"),
            (OTHER, "b"),
            (OTHER, "B"),
            (gone, "bundle.json"),
            (gone, "good"),
        ]
        assert all(
            isinstance(error, NameClash) or isinstance(error.cause, NameClash)
            for error in report.errors[:3]
        )
        assert "its bundle cannot be downloaded" in str(report.errors[1])
        assert isinstance(report.errors[3].cause, NotFound)
        assert names_below(tmp_path)[:-1] == [f"{FQ}/bundle.json", f"{FQ}/good"]

    def test_rows_that_contradict_their_bundle_fail(
        self, source: ScriptedSource, tmp_path: Path
    ) -> None:
        files = [source.add_file(name, name.encode()) for name in "abc"]
        source.add_bundle(files)
        rows = rows_of(*files)
        rows[0]["file_sha256"] = sha256(b"?")
        rows[1]["file_name"] = "x"
        with pytest.raises(DownloadError) as caught:
            get_rows(source, tmp_path, rows, layout="bundle")
        assert all(isinstance(error, ManifestMismatch) for error in caught.value.exceptions)
        text = str(caught.value)
        assert f"sha256 {sha256(b'?')} in the manifest, {sha256(b'a')} in the bundle" in text
        assert "'x' of bundle" in text
        assert "has no file of that name" in text
        assert names_below(tmp_path)[:-1] == [f"{FQ}/bundle.json", f"{FQ}/c"]

    @pytest.mark.parametrize(
        "options",
        [
            {"layout": "flat"},
            {"no_data": True},
            {"no_metadata": True},
            {"threads": 0},
        ],
    )
    def test_bad_arguments(
        self, source: ScriptedSource, tmp_path: Path, options: dict[str, Any]
    ) -> None:
        with pytest.raises(InvalidArgument, match=next(iter(options))):
            get_rows(source, tmp_path, [], **options)

    def test_an_empty_manifest(self, source: ScriptedSource, tmp_path: Path) -> None:
        report = get_rows(source, tmp_path, [])
        assert (report.entries, report.ok) == ((), True)
        assert read_output(report) == []


def test_reports_are_values(source: ScriptedSource, tmp_path: Path) -> None:
    source.add_bundle([source.add_file("a", b"1")])
    first, second = get(source, tmp_path), get(source, tmp_path)
    still = [evolve(entry, seconds=0.0, state="reused", tries=0) for entry in first.entries]
    assert still == [evolve(entry, seconds=0.0) for entry in second.entries]
