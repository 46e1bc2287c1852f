"""Reports, errors and progress as values."""

import json
import logging
import pickle
from pathlib import Path

import pytest

from dss_client.download import (
    ChecksumMismatch,
    DownloadError,
    DownloadReport,
    FileDownloadError,
    FileReport,
    InvalidChecksum,
    NameClash,
    ProgressEvent,
    SizeMismatch,
    UnsafeName,
)
from dss_client.download.progress import Progress
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
        FileReport(name="left", size=17, state="skipped"),
    ),
    Path("d/m.tsv"),
)


def test_totals() -> None:
    assert [entry.name for entry in REPORT.failed] == ["gone", "a"]
    assert REPORT.errors == (GONE, CLASH)
    assert not REPORT.ok
    assert (REPORT.files_total, REPORT.files_done) == (4, 2)
    assert (REPORT.bytes_done, REPORT.bytes_downloaded) == (12, 5)
    assert DownloadReport(()).ok


def test_json() -> None:
    document = json.loads(REPORT.to_json())
    assert document["manifest_path"] == "d/m.tsv"
    assert (document["ok"], document["files_failed"]) == (False, 2)
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
        "error": None,
    }
    assert document["files"][2]["error"] == f"'gone' of bundle {FQ}: broken"
    assert json.loads(DownloadReport(()).to_json(indent=None))["manifest_path"] is None


def test_the_error_holds_every_failure() -> None:
    error = DownloadError(REPORT)
    assert isinstance(error, DSSError)
    assert error.exceptions == (GONE, CLASH)
    assert error.report is REPORT
    assert "2 of 4 files failed" in str(error)
    assert "'gone'" in str(error)
    clashes = error.subgroup(NameClash)
    assert clashes is not None
    assert clashes.exceptions == (CLASH,)


def test_the_error_names_only_some() -> None:
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
        DownloadError(REPORT),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_pickle(error: DSSError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (type(error), str(error))
    if isinstance(error, DownloadError):
        assert again.report == REPORT
        assert [str(one) for one in again.exceptions] == [str(GONE), str(CLASH)]
    else:
        assert again.__dict__.keys() == error.__dict__.keys()


def test_progress_counts() -> None:
    events: list[ProgressEvent] = []
    progress = Progress(events.append)
    progress.planned(2, 30)
    one = progress.file("one", FQ, 10)
    one.advance_to(4)
    two = progress.file("two", None, 20)
    two.advance_to(20)
    one.finish()
    two.fail()
    assert [
        (event.kind, event.name, event.file_bytes_done, event.bytes_done, event.files_done)
        for event in events
    ] == [
        ("planned", "", 0, 0, 0),
        ("started", "one", 0, 0, 0),
        ("advanced", "one", 4, 4, 0),
        ("started", "two", 0, 4, 0),
        ("advanced", "two", 20, 24, 0),
        ("finished", "one", 10, 30, 1),
        ("failed", "two", 0, 10, 2),
    ]
    assert {(event.files_total, event.bytes_total) for event in events} == {(2, 30)}
    assert (events[1].bundle, events[1].file_bytes_total) == (FQ, 10)


def test_a_failing_callback_is_logged_and_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    calls: list[ProgressEvent] = []

    def fail(event: ProgressEvent) -> None:
        calls.append(event)
        raise RuntimeError("no terminal")

    progress = Progress(fail)
    with caplog.at_level(logging.ERROR, logger="dss_client"):
        progress.planned(1, 1)
        progress.file("f", None, 1).finish()
    assert len(calls) == 1
    assert "not called again" in caplog.text
