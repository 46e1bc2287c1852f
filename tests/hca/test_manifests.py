"""``download_manifest`` as scripts for `hca` know it: what it takes, writes and says."""

import logging
import os
import pickle
import re
from pathlib import Path
from typing import Any

import pytest

from dss_client import FQID, DownloadError, DSSError
from dss_client.hca import tsv
from dss_client.hca.dss import DSSClient
from dss_client.hca.util.exceptions import DownloadFailed
from dss_client.local.sample import BUNDLES

ABSENT = "00000000-0000-4000-8000-000000000000"
SHA = "0" * 64
FOUR = ("bundle_uuid", "bundle_version", "file_name", "file_sha256")
FILE = ("file_name", "file_uuid", "file_version", "file_sha256", "file_size")
Row = dict[str, Any]


@pytest.fixture
def rows(dss: DSSClient) -> list[Row]:
    """Return what a full manifest says of two bundles."""
    made: list[Row] = []
    for each in BUNDLES[:2]:
        bundle = dss.get_bundle(uuid=each.uuid, replica="aws")["bundle"]
        for file in bundle["files"]:
            row: Row = {f"file_{name}": file[name] for name in ("name", "uuid", "version")}
            row |= {"file_sha256": file["sha256"], "file_size": file["size"]}
            made.append({"bundle_uuid": bundle["uuid"], "bundle_version": bundle["version"], **row})
    return made


def write(path: Path, rows: list[Row], columns: tuple[str, ...] = ()) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = tsv.DictWriter(file, columns or tuple(rows[0]))
        writer.writeheader()
        writer.writerows({name: row[name] for name in writer.fieldnames} for row in rows)
    return path


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(tsv.DictReader(file))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("layout", "columns"),
    [
        ("bundle", FOUR),
        ("bundle", (*FOUR, "file_uuid", "file_size")),
        ("none", FILE),
    ],
    ids=["of its tests", "as documented", "without bundles"],
)
def test_manifests_are_taken_as_the_reference_takes_them(
    dss: DSSClient, here: Path, rows: list[Row], layout: Any, columns: tuple[str, ...]
) -> None:
    dss.download_manifest(str(write(here / "m.tsv", rows, columns)), "aws", layout)
    assert all(Path(row["file_path"]).is_file() for row in read(here / "m.tsv"))
    bundles = {f"{row['bundle_uuid']}.{row['bundle_version']}" for row in rows}
    assert names(here) == {".hca", "m.tsv"} | (bundles if layout == "bundle" else set())


@pytest.mark.parametrize(
    "stale",
    [
        {"file_name": "gone.txt"},
        {"file_sha256": SHA},
        {"file_size": 7},
        {"file_version": "2001-01-01T000000.000000Z"},
        {"file_uuid": ABSENT},
    ],
    ids=lambda stale: next(iter(stale)),
)
def test_of_a_stale_row_the_bundle_has_the_last_word(
    dss: DSSClient, here: Path, rows: list[Row], stale: Row
) -> None:
    data = next(row for row in rows if not row["file_name"].endswith(".json"))
    manifest = write(here / "m.tsv", [{**row, **stale} if row is data else row for row in rows])
    dss.download_manifest(str(manifest), "aws", "bundle")
    place = here / f"{data['bundle_uuid']}.{data['bundle_version']}" / data["file_name"]
    assert place.exists() is ("file_name" not in stale)
    assert len(read(manifest)) == len(rows)
    with pytest.raises(DownloadError, match=r"^1 of"):  # the client itself compares them
        dss._client.download_manifest(manifest=manifest, replica="aws", layout="bundle")


@pytest.mark.parametrize("layout", ["none", "bundle"])
@pytest.mark.parametrize("elsewhere", [False, True])
def test_files_of_the_user_stay(
    dss: DSSClient, here: Path, tmp_path: Path, rows: list[Row], layout: Any, elsewhere: bool
) -> None:
    manifest = write((tmp_path if elsewhere else here) / "m.tsv", rows)
    mine = {"m.downloaded.tsv", "m.tsv.part", ".m.tsv"}
    for name in mine:
        (here / name).write_text("mine")
    dss.download_manifest(manifest, "aws", layout, download_dir="data")
    assert all((here / name).read_text() == "mine" for name in mine)
    assert names(here) == mine | {"m.tsv", "data"}
    failing = [{**rows[0], "file_uuid": ABSENT, "bundle_uuid": ABSENT, "file_sha256": SHA}]
    write(manifest, failing)
    before = (here / "m.tsv").read_bytes()
    with pytest.raises(DownloadFailed):
        dss.download_manifest(manifest, "aws", layout, download_dir="data", num_retries=0)
    assert (here / "m.tsv").read_bytes() == before
    assert all((here / name).read_text() == "mine" for name in mine)
    assert names(here) == mine | {"m.tsv", "data"}


def test_overwriting_is_told_when_it_is_done(
    dss: DSSClient, here: Path, tmp_path: Path, rows: list[Row], caplog: pytest.LogCaptureFixture
) -> None:
    manifest = write(tmp_path / "m.tsv", rows)
    dss.download_manifest(manifest, "aws")
    assert caplog.messages == []
    dss.download_manifest(manifest, "aws")
    assert caplog.messages == ["Overwriting manifest m.tsv"]
    caplog.clear()
    write(manifest, [{**rows[0], "file_uuid": ABSENT, "file_sha256": SHA}])
    with pytest.raises(DownloadFailed):
        dss.download_manifest(manifest, "aws", num_retries=0)
    assert not any("Overwriting" in message for message in caplog.messages)


def test_a_directory_in_the_place_of_the_copy_is_refused_at_once(
    dss: DSSClient, here: Path, tmp_path: Path, rows: list[Row]
) -> None:
    (here / "m.tsv").mkdir()
    with pytest.raises(DSSError, match=r"m\.tsv is a directory"):
        dss.download_manifest(write(tmp_path / "m.tsv", rows), "aws", download_dir="data")
    assert names(here) == {"m.tsv"}


@pytest.mark.parametrize("layout", ["none", "bundle"])
@pytest.mark.parametrize("spelled", ["", ".", "./data", "data/", "a//b", "a/../data", Path("data")])
def test_paths_are_spelled_as_the_reference_spells_them(
    dss: DSSClient, here: Path, rows: list[Row], layout: Any, spelled: str
) -> None:
    (here / "a").mkdir()
    dss.download_manifest(write(here / "m.tsv", rows), "aws", layout, download_dir=spelled)
    for row in read(here / "m.tsv"):
        key = row["file_sha256"].lower()
        parts = (".hca", "v2", "files_2_4", key[:2], key[2:6], key)
        assert row["file_path"] == os.path.join(spelled, *parts)  # noqa: PTH118


class TestFailures:
    def test_the_text_is_that_of_the_reference(
        self, dss: DSSClient, here: Path, rows: list[Row], caplog: pytest.LogCaptureFixture
    ) -> None:
        bad = [{**row, "file_uuid": ABSENT, "file_sha256": SHA} for row in rows[:2]]
        manifest = write(here / "m.tsv", [*bad, *rows[2:]])
        with pytest.raises(RuntimeError) as caught:
            dss.download_manifest(manifest, "aws", num_retries=0, min_delay_seconds=0)
        error = caught.value
        assert isinstance(error, DownloadFailed)
        assert error.args == ("2 download task(s) failed.",)
        assert str(error) == "2 download task(s) failed."
        assert [entry.name for entry in error.report.failed] == [row["file_name"] for row in bad]
        warned = [record for record in caplog.records if record.levelno == logging.WARNING]
        assert {record.name for record in warned} == {"dss_client.hca"}
        assert len(warned) == 2
        for record, row in zip(warned, bad, strict=True):
            text = record.getMessage()
            assert re.match(f"Download task failed: {row['file_name']!r}.*not_found", text)

    def test_a_bad_bundle_counts_once(
        self, dss: DSSClient, here: Path, rows: list[Row], caplog: pytest.LogCaptureFixture
    ) -> None:
        uuid = rows[0]["bundle_uuid"]
        bad = [
            {**row, "bundle_uuid": ABSENT} if row["bundle_uuid"] == uuid else row for row in rows
        ]
        with pytest.raises(RuntimeError, match=r"^1 download task\(s\) failed\.$") as caught:
            dss.download_manifest(write(here / "m.tsv", bad), "aws", "bundle")
        assert isinstance(caught.value, DownloadFailed)
        (failed,) = caught.value.report.failed
        assert failed.bundle == FQID(ABSENT, rows[0]["bundle_version"])
        assert len(caplog.messages) == 1
        good = {f"{row['bundle_uuid']}.{row['bundle_version']}" for row in rows[-1:]}
        assert names(here) == {".hca", "m.tsv", *good}

    def test_it_travels_between_processes(
        self, dss: DSSClient, here: Path, rows: list[Row]
    ) -> None:
        bad = [{**rows[0], "file_uuid": ABSENT, "file_sha256": SHA}]
        with pytest.raises(DownloadFailed) as caught:
            dss.download_manifest(write(here / "m.tsv", bad), "aws", num_retries=0)
        again = pickle.loads(pickle.dumps(caught.value))
        assert again.args == caught.value.args
        assert [entry.name for entry in again.report.failed] == [rows[0]["file_name"]]
