"""Reports, errors and progress: what they say of a download, and that they are plain values."""

import hashlib
import json
import logging
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

from dss_client import FQID, DSSConnectionError, NotFound
from dss_client.download import (
    ChecksumMismatch,
    DiskFull,
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
from dss_client.errors import DSSError, RequestInfo

from .fetching import fail, get, mixed
from .sample import tree
from .wire import VERSION, Asked, Bundle, Step, Wire, answer, head

DESCRIPTION = "bundle.json"
STATES = {
    DESCRIPTION: "downloaded",
    "a": "failed",
    "b": "downloaded",
    "c": "failed",
    "d": "failed",
    "e": "reused",
    "m": "skipped",
}


@pytest.fixture
def bundle(wire: Wire) -> Bundle:
    """A bundle of which files come, are there, fail, or are not wanted."""
    files = {"a": b"a", "b": b"bb", "c": b"ccc", "d": b"dddd", "e": b"bb"}
    bundle = mixed(wire, {"m": b"mmmmmm"}, files)
    bundle.files.append(bundle.files.pop(0))
    lost, flipped, broken = (bundle.uuid_of(name) for name in "acd")

    def script(asked: Asked) -> Iterator[Step]:
        if asked.name == lost:
            yield head(404, 0)
        elif asked.name == broken:
            yield "reset"
        else:
            first, body = answer(wire.stored[asked.name].body, asked)
            yield first + (b"???" if asked.name == flipped else body)

    wire.script = script
    return bundle


@pytest.fixture
def report(wire: Wire, bundle: Bundle, tmp_path: Path) -> DownloadReport:
    """The report of its download."""
    return fail(wire, bundle, tmp_path, no_metadata=True)


def test_one_failed_file_does_not_stop_the_rest(
    bundle: Bundle, report: DownloadReport, tmp_path: Path
) -> None:
    assert {entry.name: entry.state for entry in report.files} in (
        STATES,
        STATES | {"b": "reused", "e": "downloaded"},
    )
    assert [entry.name for entry in report.failed] == ["a", "c", "d"]
    assert [type(error) for error in report.errors] == [
        FileDownloadError,
        ChecksumMismatch,
        FileDownloadError,
    ]
    assert isinstance(report.errors[0].cause, NotFound)
    assert isinstance(report.errors[2].cause, DSSConnectionError)
    assert all(bundle.fqid in str(error) for error in report.errors)
    assert [(entry.path, entry.link) for entry in report.failed] == [(None, None)] * 3
    assert [entry.tries for entry in report.failed] == [1, 2, 3]
    assert set(tree(tmp_path / bundle.fqid)) == {DESCRIPTION, "b", "e"}


def test_totals(report: DownloadReport) -> None:
    size = report.files[0].size
    assert not report.ok
    assert (report.files_total, report.files_done) == (6, 3)
    assert (report.bytes_total, report.bytes_done) == (size + 12, size + 4)
    assert (report.bytes_downloaded, report.bytes_planned) == (size + 2, 0)
    assert [report.count(state) for state in ("failed", "skipped", "planned")] == [3, 1, 0]
    assert DownloadReport(()).ok
    assert DownloadReport(()).files_total == 0


def test_json(bundle: Bundle, report: DownloadReport, tmp_path: Path) -> None:
    document = json.loads(report.to_json())
    assert list(document)[-1] == "files"
    assert (document["ok"], document["files_failed"], document["files_skipped"]) == (False, 3, 1)
    assert document["manifest_path"] is None
    first = document["files"][0]
    assert isinstance(first.pop("seconds"), float)
    assert first == {
        "bundle": bundle.fqid,
        "name": DESCRIPTION,
        "uuid": None,
        "version": None,
        "sha256": report.files[0].sha256,
        "size": report.files[0].size,
        "path": str(tmp_path / bundle.fqid / DESCRIPTION),
        "state": "downloaded",
        "link": report.files[0].link,
        "tries": 0,
        "reason": None,
        "error": None,
    }
    assert document["files"][1]["error"].startswith(f"'a' of bundle {bundle.fqid}: ")
    assert document["files"][-1]["reason"] == "left out by the filters"
    assert (first["uuid"], document["files"][1]["version"]) == (None, VERSION)


def test_a_long_report_is_as_a_short_one(wire: Wire, tmp_path: Path) -> None:
    """Its entries are read as they are asked for."""
    count = 1100
    files = {f"f{number}": b"" for number in range(count)}
    bundle = mixed(wire, {"m": b""}, files | {"lost": b"lost"})
    wire.script = lambda asked: iter((head(404, 0),))
    report = fail(wire, bundle, tmp_path, no_metadata=True)
    entries, others = report.files, list(report.files)
    assert not isinstance(entries, tuple)
    assert len(entries) == len(others) == count + 3
    short = DownloadReport(tuple(others))
    assert report.to_dict() == short.to_dict()
    assert (report.failed, report.in_state("skipped")) == (short.failed, short.in_state("skipped"))
    assert [str(error) for error in DownloadError(report).exceptions] == [str(report.errors[0])]
    for index in (0, 7, -1, -len(entries)):
        assert entries[index] == others[index]
    for some in (slice(1, 3), slice(None, None, -300), slice(-2, 9999), slice(5, 1)):
        assert list(entries[some]) == others[some]
    for index in (len(entries), -len(entries) - 1):
        with pytest.raises(IndexError, match=f"no entry {index}: it has {count + 3}"):
            entries[index]
    assert next(reversed(entries)) == others[-1]
    assert others[3] in entries
    again = pickle.loads(pickle.dumps(report))
    assert isinstance(again.files, tuple)
    assert again.to_dict() == report.to_dict()


def test_they_pickle_as_values(report: DownloadReport) -> None:
    assert pickle.loads(pickle.dumps(report)).to_dict() == report.to_dict()
    error = pickle.loads(pickle.dumps(DownloadError(report)))
    assert [str(each) for each in error.exceptions] == [str(each) for each in report.errors]


def test_the_error_holds_every_failure(report: DownloadReport) -> None:
    error = DownloadError(report)
    assert isinstance(error, DSSError)
    assert [each.args for each in error.exceptions] == [each.args for each in report.errors]
    assert error.report is report
    assert "3 of 6 files failed" in str(error)
    assert "'a'" in str(error)
    mismatches = error.subgroup(ChecksumMismatch)
    assert mismatches is not None
    assert len(mismatches.exceptions) == 1


def message(*errors: FileDownloadError) -> list[str]:
    """Return the lines of the error of a download in which these files failed."""
    entries = tuple(FileReport(name=each.name, state="failed", error=each) for each in errors)
    return str(DownloadError(DownloadReport(entries))).split(" (8 sub-exc")[0].splitlines()


def test_one_cause_of_many_failures_is_one_line() -> None:
    first, *lines = message(*(FileDownloadError(f"f{n}", "no network") for n in range(1234)))
    assert first == "1234 of 1234 files failed"
    (line,) = lines
    assert line.startswith("  1,234 files: no network ('f0', 'f1', 'f2' and 1,231 more)")


def test_only_some_of_many_causes_are_told() -> None:
    lines = message(*(FileDownloadError(f"f{n}", "reason " + "x" * n) for n in range(8)))
    assert lines[1:] == [
        *(f"  'f{n}': reason {'x' * n}" for n in range(5)),
        "  and 3 more, for other reasons",
    ]


@pytest.mark.parametrize(
    "reason",
    [
        "expected {number} bytes, found {number}",
        "expected sha256 {sha256}, found {sha256}",
        "the content ended after {number} of {number} bytes",
        "GET http://h:80/blobs/{sha256}?a={number}: 403: no such key (request id {uuid}). Sorry",
        "GET http://h/v1/files/{uuid}: refused (tried {number} times in {number} s). Is http://h/v1?",
        "[Errno 13] Permission denied: '/d/{uuid}.2019-05-16T{number:06}.{number:06}Z/{name}'",
        "[Errno 5] Input/output error: '/d/.hca/v2/files_2_4/{pair}/{four}/{sha256}'",
    ],
)
def test_causes_are_the_same_but_for_what_is_particular_to_a_file(reason: str) -> None:
    errors: list[FileDownloadError] = []
    for number in (3, 14, 150):
        sha256 = hashlib.sha256(bytes([number])).hexdigest()
        name = f"{number}.json"
        uuid = f"aaaaaaaa-0000-4000-8000-{number:012}"
        parts = {"pair": sha256[:2], "four": sha256[2:6], "sha256": sha256, "uuid": uuid}
        errors.append(FileDownloadError(name, reason.format(number=number, name=name, **parts)))
    _, line = message(*errors)
    assert line.startswith("  3 files: ")
    assert "('3.json', '14.json', '150.json')" in line


def test_other_causes_stay_apart() -> None:
    reasons = ["GET http://h/x: 403: no", "GET http://h/x: 404: no", "GET http://other/x: 403: no"]
    assert len(message(*(FileDownloadError("f", reason) for reason in reasons))) == 4


def test_files_that_fail_together_are_named_each(
    wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dss_client.download.room.free_space", lambda _: 0)
    bundle = wire.add_bundle({"a": b"a", "b": b"bb"})
    report = fail(wire, bundle, tmp_path)
    assert [each.name for each in report.errors] == [each.name for each in report.failed]
    reason = "3 bytes are to be written and 0 are free: make room, or choose another directory"
    assert f"2 files: {reason} ('a' of bundle" in str(DownloadError(report))


@pytest.mark.parametrize(
    "error",
    [
        FileDownloadError(
            "gone",
            "broken",
            bundle=FQID("aaaaaaaa-0000-4000-8000-000000000001", VERSION),
            cause=DSSConnectionError("it broke", request=RequestInfo("GET", "http://x/y")),
        ),
        NameClash("a", "A", "letter case"),
        UnsafeName("../x", "no"),
        InvalidChecksum("", "no"),
        SizeMismatch("f", 3, None),
        ChecksumMismatch("f", "a", "b"),
        DiskFull.before("d", 9, 3),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_pickle(error: DSSError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (type(error), str(error))
    assert again.__dict__.keys() == error.__dict__.keys()


# Progress


def test_progress_counts_files_and_bytes(wire: Wire, bundle: Bundle, tmp_path: Path) -> None:
    events: list[ProgressEvent] = []
    report = fail(wire, bundle, tmp_path, no_metadata=True, progress=events.append)
    assert events[0].kind == "planned"
    last = events[-1]
    assert (last.files_done, last.files_total) == (report.files_total, report.files_total)
    assert (last.bytes_done, last.bytes_total) == (report.bytes_done, report.bytes_total)
    for name, end in (("b", "finished"), ("c", "failed")):
        of_file = [event for event in events if event.name == name]
        assert (of_file[0].kind, of_file[-1].kind) == ("started", end)
        assert {(event.bundle, event.file_bytes_total) for event in of_file} == {
            (FQID(bundle.uuid, VERSION), 2 if name == "b" else 3)
        }


def test_progress_of_a_file_that_starts_over_goes_back(wire: Wire, tmp_path: Path) -> None:
    def script(asked: Asked) -> Iterator[Step]:
        first, body = answer(wire.stored[asked.name].body, asked)
        yield first + (body if asked.turn else body[:-1] + b"?")

    wire.script = script
    done: list[int] = []
    bundle = wire.add_bundle({"f": b"f" * 400_000})
    get(
        wire,
        bundle,
        tmp_path,
        progress=lambda e: done.append(e.file_bytes_done) if e.name == "f" else None,
    )
    assert done != sorted(done)
    assert (done[0], max(done), done[-1]) == (0, 400_000, 400_000)


def test_a_failing_callback_is_logged_and_not_called_again(
    wire: Wire, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[ProgressEvent] = []

    def broken(event: ProgressEvent) -> None:
        calls.append(event)
        raise RuntimeError("no terminal")

    with caplog.at_level(logging.ERROR, logger="dss_client"):
        assert get(wire, wire.add_bundle({"a": b"1"}), tmp_path, progress=broken).ok
    assert len(calls) == 1
    assert "not called again" in caplog.text
    assert "no terminal" in caplog.text


def test_events_come_one_by_one(wire: Wire, tmp_path: Path) -> None:
    inside, sums = 0, []

    def watch(event: ProgressEvent) -> None:
        nonlocal inside
        inside += 1
        assert inside == 1
        sums.append(event.bytes_done)
        inside -= 1

    bundle = wire.add_bundle({f"f{number}": bytes([number]) * 300_000 for number in range(12)})
    report = get(wire, bundle, tmp_path, progress=watch)
    assert sums == sorted(sums)
    assert sums[-1] == report.bytes_total
