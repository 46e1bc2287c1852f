"""What is kept of an upload, and who may go on with it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from dss_client.transfer.checked_lines import line
from dss_client.transfer.owner import owner
from dss_client.upload.checksums import Checksums
from dss_client.upload.journal import Bundle, Journal, SentPart, journal_folder
from dss_client.upload.walk import SourceFile

BUNDLE = Bundle(uuid="u", version="v", creator_uid=1)
SUMS = Checksums(sha256="a", sha1="b", crc32c="c", s3_etag="d")
DEAD = f"{owner().partition('#')[0]}#{2**22 + 1}#"  # no process has such an id
ONE = SourceFile("d/one", Path("/src/d/one"), 10, 11, 12)
TWO = SourceFile("two", Path("/src/two"), 20, 21, 22)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journals"


@pytest.fixture
def written(folder: Path) -> Journal:
    """A journal with every kind of step, closed."""
    journal = Journal.start(folder, BUNDLE)
    one, two = journal.add(ONE), journal.add(TWO)
    journal.begun(one, "upload", 5)
    journal.part_sent(one, 2, SentPart("md5-2", "etag-2"))
    journal.part_sent(one, 1, SentPart("md5-1", "etag-1"))
    journal.sent(two, SUMS)
    journal.stored(two)
    journal.closing()
    journal.close()
    return journal


def test_what_is_written_is_read(folder: Path, written: Journal) -> None:
    (taken,) = Journal.take_over(folder)
    assert taken.bundle == BUNDLE
    assert taken.files == written.files
    assert taken.is_closing
    assert list(folder.iterdir()) == []
    again = Journal.start(folder, BUNDLE, found=taken)
    again.close()
    (third,) = Journal.take_over(folder)
    assert (third.files, third.is_closing) == (written.files, True)


def test_one_that_is_open_is_left_alone(folder: Path) -> None:
    journal = Journal.start(folder, BUNDLE)
    assert Journal.take_over(folder) == []
    journal.close()
    journal.close()
    assert len(Journal.take_over(folder)) == 1


def test_the_last_comes_first(folder: Path) -> None:
    for number, name in enumerate(("old", "older", "oldest")):
        journal = Journal.start(folder, evolve(BUNDLE, uuid=name))
        journal.close()
        os.utime(journal.path.with_suffix(".left"), ns=(0, 10**18 - number * 10**9))
    assert [each.bundle.uuid for each in Journal.take_over(folder)] == ["old", "older", "oldest"]


def write(folder: Path, *lines: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "other.journal"
    path.write_bytes(b"".join(lines))
    return path


def head(of: str, format: int = 1) -> bytes:  # noqa: A002 - as it is called there
    return line({"format": format, "owner": of, "uuid": "u", "version": "v", "creator_uid": 1})


def test_one_of_a_process_that_lives_is_left_alone(folder: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        machine = owner().partition("#")[0]
        write(folder, head(f"{machine}#{process.pid}#"))
        assert Journal.take_over(folder) == []
        process.kill()
    assert len(Journal.take_over(folder)) == 1


def test_one_of_another_machine_is_left_alone_until_it_is_left(folder: Path) -> None:
    path = write(folder, head("elsewhere#1#1"))
    assert Journal.take_over(folder) == []
    path.rename(path.with_suffix(".left"))
    assert len(Journal.take_over(folder)) == 1


def test_one_that_is_being_started_is_left_alone(folder: Path) -> None:
    path = write(folder, head(DEAD)[:20])
    assert Journal.take_over(folder) == []
    assert path.exists()


@pytest.mark.parametrize(
    "text",
    [
        head(DEAD, format=2),
        line({"format": 1, "owner": DEAD}),
        line({"format": 1, "owner": DEAD, "uuid": "u"}),
    ],
)
def test_one_of_another_format_is_dropped(folder: Path, text: bytes) -> None:
    write(folder, text)
    assert Journal.take_over(folder) == []
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    "step",
    [
        {"stored": "unknown"},
        {"what": "is this"},
        {"sent": "two", "sha256": "x"},
        {"file": "x", "uuid": "u", "path": "/x"},
    ],
)
def test_steps_after_one_that_makes_no_sense_do_not_count(
    folder: Path, step: dict[str, object]
) -> None:
    journal = Journal.start(folder, BUNDLE)
    journal.add(TWO)
    journal.close()
    with journal.path.with_suffix(".left").open("ab") as stream:
        stream.write(line(step) + line({"stored": "two"}))
    (taken,) = Journal.take_over(folder)
    assert list(taken.files) == ["two"]
    assert not taken.files["two"].stored


@given(st.data())
def test_a_torn_journal_says_less_and_nothing_wrong(data: st.DataObject) -> None:
    text = head(DEAD) + b"".join(
        line(step)
        for step in (
            {"file": "two", "uuid": "u", "path": "/two", "size": 2, "mtime_ns": 3, "inode": 4},
            {"begun": "two", "upload": "x", "step": 1},
            {"part": "two", "number": 1, "md5": "a", "etag": "b"},
            {"part": "two", "number": 2, "md5": "c", "etag": "d"},
        )
    )
    cut = data.draw(st.integers(0, len(text)))
    flip = data.draw(st.integers(0, max(cut - 1, 0)))
    torn = bytearray(text[:cut])
    if torn:
        torn[flip] ^= data.draw(st.integers(0, 255))
    path = Path(os.devnull)
    whole = Journal.parse(path, text)
    assert whole is not None
    read = Journal.parse(path, bytes(torn))
    if read is not None and read.files:
        parts = read.files["two"].parts
        assert parts.items() <= whole.files["two"].parts.items()
        assert sorted(parts) == list(range(1, len(parts) + 1))


def test_where_journals_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DSS_STATE_DIR", str(tmp_path))
    assert journal_folder(url="x").parent == tmp_path / "uploads"
    monkeypatch.delenv("DSS_STATE_DIR")
    assert "dss-client" in journal_folder(url="x").parts


def test_the_folder_is_of_one_upload() -> None:
    one = journal_folder(src_dir="/a", url="http://x", bucket="b")
    assert one == journal_folder(bucket="b", url="http://x", src_dir="/a")
    assert one != journal_folder(bucket="b", url="http://x", src_dir="/b")
    assert one.parent.name == "uploads"


def test_removed_with_its_folder(folder: Path) -> None:
    one, other = (Journal.start(folder, BUNDLE) for _ in range(2))
    one.remove()
    assert folder.is_dir()
    other.remove()
    assert not folder.exists()
