"""``dss upload``."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dss_client import DSSClient
from dss_client.local import LocalDSS
from tests.upload.service import BUCKET, Place, fill, running

from .conftest import Run, Spawn

UUID = "11111111-aaaa-4bbb-8ccc-222222222222"
VERSION = "2019-01-01T000000.000000Z"
FILES = {"cell.json": b'{"a": 1}', "d/reads.gz": b"ACGT" * 500}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv("DSS_STATE_DIR", str(tmp_path / "state"))
    for made in running(tmp_path / "place"):
        monkeypatch.setenv("DSS_URL", made.server.url)
        monkeypatch.setenv("DSS_TOKEN", made.server.mint_token())
        yield made


def test_a_missing_extra_is_named(
    run: Run, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    outcome = run("upload", fill(tmp_path / "src", FILES), "--staging-bucket", BUCKET)
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err == "Error: this upload needs boto3: pip install 'dss-client[upload]'\n"


@pytest.fixture
def words(place: Place, tmp_path: Path) -> list[object]:
    """The command and what it always needs."""
    src = fill(tmp_path / "src", FILES)
    return ["upload", src, "--staging-bucket", BUCKET, "--staging-dir", place.folder]


def test_a_directory(run: Run, place: Place, words: list[object]) -> None:
    outcome = run(*words, "-v")
    assert (outcome.status, outcome.err) == (0, "")
    *files, last = outcome.out.splitlines()
    assert [line.split() for line in files] == [
        ["uploaded", "8", "bytes", "cell.json"],
        ["uploaded", "2.0", "kB", "d/reads.gz"],
    ]
    said, _, bundle = last.rpartition(" ")
    assert said == "2 files, 2.0 kB (2 uploaded), in bundle"
    uuid, _, version = bundle.partition(".")
    stored = place.client.get_bundle(uuid=uuid, version=version, replica="aws").bundle
    assert [file.name for file in stored.files] == list(FILES)


def test_c13_everything_said(run: Run, place: Place, words: list[object]) -> None:
    options = ["--replica", "gcp", "--bundle-uuid", UUID, "--version", VERSION, "--fresh"]
    more = ["--creator-uid", 7, "--indexed", "*.gz", "--threads", 1, "--timeout-seconds", 5]
    document = run(*words, *options, *more, "--no-progress", "--json").document
    assert (document["bundle_uuid"], document["version"]) == (UUID, VERSION)
    assert (document["replica"], document["creator_uid"]) == ("gcp", 7)
    assert [(file["name"], file["indexed"]) for file in document["files"]] == [
        ("cell.json", False),
        ("d/reads.gz", True),
    ]
    assert len(place.client.get_bundle(uuid=UUID, replica="gcp").bundle.files) == 2


def test_refusals(run: Run, words: list[object], tmp_path: Path) -> None:
    for option, value in (("--bundle-uuid", "x"), ("--version", "today"), ("--threads", 0)):
        outcome = run(*words, option, value)
        assert outcome.status == 2
        assert str(value) in outcome.err
    assert run("upload", tmp_path / "none", "--staging-bucket", "x").status == 2
    (tmp_path / "empty").mkdir()
    outcome = run("upload", tmp_path / "empty", *words[2:])
    assert outcome.status == 1
    assert "nothing to upload" in outcome.err
    assert len(outcome.err.splitlines()) == 1


def test_no_token(
    run: Run, place: Place, words: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSS_TOKEN", "")
    outcome = run(*words)
    assert outcome.status == 1
    assert "needs a token: run dss login" in outcome.err
    assert list(place.folder.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_or_killed_and_continued(
    run: Run, spawn: Spawn, place: Place, words: list[object], tmp_path: Path, number: int
) -> None:
    fill(tmp_path / "src", {f"{number:03}": b"x" for number in range(150)})
    place.server.faults = [{"on": "put_file", "delay": 0.03}]
    process = spawn(*words, "--threads", 1)
    deadline = time.monotonic() + 30
    while len(list(place.folder.glob("*/0*"))) < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    # What a run that lives has sent is its own.
    assert "(152 uploaded)" in run(*words, "--threads", 8).out
    assert process.poll() is None
    os.kill(process.pid, number)
    _, err = process.communicate(timeout=30)
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert err == "interrupted; run the same command again to continue\n"
    place.server.faults = None
    outcome = run(*words, "--threads", 8)
    assert outcome.status == 0
    assert " reused)" in outcome.out
    assert outcome.out.startswith("152 files")


def test_without_a_terminal_nothing_is_drawn(
    spawn: Spawn, words: list[object], local_dss: LocalDSS
) -> None:
    process = spawn(*words)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert "(2 uploaded)" in out
    with DSSClient(local_dss.url) as dss:  # not where it went
        assert not [each for each in dss.get_bundles_all(replica="aws").bundles if each.uuid in out]
