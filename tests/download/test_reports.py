"""Reports and errors as values."""

import json
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve

from dss_client.download import (
    ChecksumMismatch,
    DiskFull,
    DownloadError,
    DownloadReport,
    FileDownloadError,
    FileReport,
    InvalidChecksum,
    NameClash,
    SizeMismatch,
    UnsafeName,
)
from dss_client.download.errors import file_error
from dss_client.download.report import State, StoredEntries
from dss_client.download.results import ResultStore
from dss_client.download.task import FileTask
from dss_client.errors import DSSError

from .scripted import FQ, broken

CLASH = NameClash("a", "A", "letter case")
GONE = FileDownloadError("gone", "broken", bundle=FQ, cause=broken())
REPORT = DownloadReport(
    (
        FileReport(
            bundle=FQ,
            name="new",
            sha256="0" * 64,
            size=5,
            path=Path("d/new"),
            state="downloaded",
            link="hardlink",
            tries=2,
            seconds=1.23456,
        ),
        FileReport(name="old", size=7, path=Path("d/old"), state="reused", link="copy"),
        FileReport(name="gone", size=11, state="failed", error=GONE),
        FileReport(name="a", size=13, state="failed", error=CLASH),
        FileReport(name="left", size=17, state="skipped", reason="left out"),
        FileReport(name="later", size=19, state="planned"),
    ),
    Path("d/m.tsv"),
)


@pytest.fixture
def stored() -> Iterator[DownloadReport]:
    """Return the same report, its files in a store."""
    results = ResultStore()
    results.record(
        (
            FileTask(
                number=number,
                bundle=entry.bundle,
                name=entry.name,
                uuid=None,
                version=None,
                sha256=entry.sha256,
                size=entry.size,
                target=entry.name,
            ),
            entry,
        )
        for number, entry in enumerate(REPORT.entries)
    )
    yield DownloadReport(StoredEntries(results), REPORT.manifest_path)
    results.close()


STATES: list[State] = ["downloaded", "reused", "failed", "skipped", "planned"]


class TestReports:
    def test_totals(self) -> None:
        assert [entry.name for entry in REPORT.failed] == ["gone", "a"]
        assert REPORT.errors == (GONE, CLASH)
        assert not REPORT.ok
        assert (REPORT.files_total, REPORT.files_done) == (5, 2)
        assert (REPORT.bytes_total, REPORT.bytes_done) == (55, 12)
        assert (REPORT.bytes_downloaded, REPORT.bytes_planned) == (5, 19)

    def test_an_empty_one_is_fine(self) -> None:
        empty = DownloadReport(())
        assert empty.ok
        assert (empty.files_total, empty.bytes_total, empty.errors) == (0, 0, ())

    def test_json(self) -> None:
        document = json.loads(REPORT.to_json())
        assert list(document)[-1] == "files"
        assert document["manifest_path"] == "d/m.tsv"
        assert (document["ok"], document["files_failed"]) == (False, 2)
        assert (document["files_planned"], document["files_skipped"]) == (1, 1)
        assert document["files"][0] == {
            "bundle": str(FQ),
            "name": "new",
            "uuid": None,
            "version": None,
            "sha256": "0" * 64,
            "size": 5,
            "path": "d/new",
            "state": "downloaded",
            "link": "hardlink",
            "tries": 2,
            "seconds": 1.235,
            "reason": None,
            "error": None,
        }
        assert document["files"][2]["error"] == f"'gone' of bundle {FQ}: broken"
        assert document["files"][4]["reason"] == "left out"
        assert json.loads(DownloadReport(()).to_json(indent=None))["manifest_path"] is None


class TestStoredReports:
    def test_they_are_as_others(self, stored: DownloadReport) -> None:
        assert list(stored.entries) == list(REPORT.entries)
        assert stored.to_dict() == REPORT.to_dict()
        assert stored.totals() == REPORT.totals()
        assert (stored.failed, stored.errors) == (REPORT.failed, REPORT.errors)
        for state in STATES:
            assert stored.in_state(state) == REPORT.in_state(state)
            assert stored.count(state) == REPORT.count(state)

    def test_entries_can_be_picked(self, stored: DownloadReport) -> None:
        entries, others = stored.entries, REPORT.entries
        assert len(entries) == 6
        for index in range(-6, 6):
            assert entries[index] == others[index]
        for some in (slice(1, 3), slice(None), slice(None, None, -2), slice(-2, 99), slice(5, 1)):
            assert list(entries[some]) == list(others[some])
        for index in (6, -7, 10**9):
            with pytest.raises(IndexError, match=f"no entry {index}: it has 6"):
                entries[index]

    def test_they_can_be_read_again_and_at_once(self, stored: DownloadReport) -> None:
        names = [(one.name, two.name) for one in stored.entries for two in stored.entries]
        assert len(set(names)) == 36
        assert evolve(stored.entries[0]) in stored.entries
        assert next(reversed(stored.entries)).name == "later"

    def test_they_pickle_as_values(self, stored: DownloadReport) -> None:
        again = pickle.loads(pickle.dumps(stored))
        assert again == REPORT
        assert again.totals() == REPORT.totals()
        assert isinstance(again.entries, tuple)


class TestErrors:
    def test_the_error_holds_every_failure(self) -> None:
        error = DownloadError(REPORT)
        assert isinstance(error, DSSError)
        assert error.exceptions == (GONE, CLASH)
        assert error.report is REPORT
        assert "2 of 5 files failed" in str(error)
        assert "'gone'" in str(error)
        clashes = error.subgroup(NameClash)
        assert clashes is not None
        assert clashes.exceptions == (CLASH,)

    def test_so_does_that_of_a_stored_one(self, stored: DownloadReport) -> None:
        assert DownloadError(stored).exceptions == (GONE, CLASH)

    def test_it_names_only_some(self) -> None:
        entries = [
            FileReport(name=f"f{n}", state="failed", error=FileDownloadError(f"f{n}", "x"))
            for n in range(8)
        ]
        text = str(DownloadError(DownloadReport(tuple(entries))))
        assert "'f4'" in text
        assert "'f5'" not in text
        assert "and 3 more" in text

    @pytest.mark.parametrize(
        "error",
        [
            GONE,
            CLASH,
            UnsafeName("../x", "no"),
            InvalidChecksum("", "no"),
            SizeMismatch("f", 3, None),
            ChecksumMismatch("f", "a", "b"),
            DiskFull.before("d", 9, 3),
            DownloadError(REPORT),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_errors_pickle(self, error: DSSError) -> None:
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again)) == (type(error), str(error))
        if isinstance(error, DownloadError):
            assert again.report == REPORT
            assert [str(one) for one in again.exceptions] == [str(GONE), str(CLASH)]
        else:
            assert again.__dict__.keys() == error.__dict__.keys()

    def test_any_error_becomes_that_of_its_file(self) -> None:
        task = FileTask(bundle=FQ, name="f", uuid=None, version=None, sha256="", size=0)
        cause = broken()
        error = file_error(task.name, task.bundle, cause)
        assert (error.name, error.bundle, error.cause) == ("f", FQ, cause)
        mismatch = SizeMismatch("other", 3, 4)
        assert file_error(task.name, task.bundle, mismatch) is mismatch
        assert (mismatch.name, mismatch.bundle) == ("f", FQ)
