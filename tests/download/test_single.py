"""One file to a path."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dss_client import DSSClient, DSSError, NotFound
from dss_client.download import FileDownloadError
from dss_client.errors import InvalidArgument
from dss_client.local import LocalDSS
from tests.drive import Driver

from .apart import FRUGAL
from .directory import rot
from .sample import sample_rows
from .wire import VERSION, Asked, Step, Wire, answer, head

LARGE = bytes(range(256)) * (6 << 10)
QUICK = {name: FRUGAL[name] for name in FRUGAL if name != "num_retries"}


@pytest.fixture
def uuid(wire: Wire) -> str:
    """A large file of the scripted service."""
    file = wire.add_bundle({"large": LARGE}).files[0]
    uuid = str(file["uuid"])

    def api(asked: Asked) -> Iterator[Step]:
        if "version" not in asked.query:  # what it is asked first
            facts = {"X_DSS_SIZE": str(file["size"]), "X_DSS_SHA256": str(file["sha256"])}
            yield head(200, 0, X_DSS_VERSION=VERSION, **facts)

    wire.api = api
    return uuid


def get(wire: Wire, uuid: str, path: Path | str, **options: Any) -> Any:
    with DSSClient(wire.url, retries=0) as dss:
        return dss.download_file(uuid=uuid, path=path, replica="aws", **{**FRUGAL, **options})


def test_it_is_put_there_and_nothing_else(
    drive: Driver, local_dss: LocalDSS, tmp_path: Path
) -> None:
    row = sample_rows(local_dss.url)[0]
    path = tmp_path / "new" / "name.json"
    arguments = {"uuid": row.file_uuid, "path": path, "replica": "aws", **QUICK}
    client = drive(url=local_dss.url)
    report = client.call("download_file", **arguments)
    assert (report.state, report.path, report.size) == ("downloaded", path, row.file_size)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == row.file_sha256 == report.sha256
    assert list(path.parent.iterdir()) == [path]
    assert report.version == row.file_version

    before = path.stat()
    again = client.call("download_file", **arguments, version=row.file_version)
    assert (again.state, path.stat()) == ("reused", before)


def test_the_next_run_goes_on(wire: Wire, uuid: str, tmp_path: Path) -> None:
    path = tmp_path / "large"

    def breaks(asked: Asked) -> Iterator[Step]:
        start, body = answer(LARGE, asked)
        yield start + body[: 5 << 18]
        yield "close"

    wire.script = breaks
    with pytest.raises(FileDownloadError, match="large"):
        get(wire, uuid, path, num_retries=0)
    assert not path.exists()
    wire.script = None
    wire.asked.clear()
    assert get(wire, uuid, path).state == "downloaded"
    assert path.read_bytes() == LARGE
    assert min(asked.first for asked in wire.asked) >= 1 << 20
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_wrong_never_gets_the_name(wire: Wire, uuid: str, tmp_path: Path) -> None:
    wire.script = lambda asked: iter(answer(LARGE[::-1], asked))
    with pytest.raises(FileDownloadError, match="expected sha256"):
        get(wire, uuid, tmp_path / "large")
    assert not (tmp_path / "large").exists()


@pytest.mark.parametrize("kind", ["shorter", "rotten", "link", "appears"])
def test_another_file_is_replaced_only_if_that_is_said(
    wire: Wire, uuid: str, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "large"

    def appears(asked: Asked) -> Iterator[Step]:
        path.write_bytes(b"mine")
        yield from wire.serve(asked)

    if kind == "shorter":
        path.write_bytes(b"mine")
    elif kind == "rotten":
        path.write_bytes(LARGE)
        rot(path)
    elif kind == "link":
        path.symlink_to(tmp_path / "elsewhere")
    else:
        wire.script = appears
    with pytest.raises(
        FileDownloadError, match=r"another file is at .*overwrite=True, --overwrite"
    ):
        get(wire, uuid, path)
    assert get(wire, uuid, path, overwrite=True).state == "downloaded"
    assert (path.read_bytes(), path.is_symlink()) == (LARGE, False)
    assert list(tmp_path.iterdir()) == [path]


def test_what_another_run_has_put_there_leaves_no_second_copy(
    wire: Wire, uuid: str, tmp_path: Path
) -> None:
    path = tmp_path / "large"

    def appears(asked: Asked) -> Iterator[Step]:
        path.write_bytes(LARGE)
        yield from wire.serve(asked)

    wire.script = appears
    get(wire, uuid, path)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("end", ["", "new/"])
def test_a_directory_is_no_name(wire: Wire, uuid: str, tmp_path: Path, end: str) -> None:
    with pytest.raises(InvalidArgument, match=r"is a directory, and .*: name the file, such as"):
        get(wire, uuid, f"{tmp_path}/{end}")
    assert wire.asked_api == []


def test_odd_names(wire: Wire, uuid: str, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xff")
    assert get(wire, uuid, path).path == path
    assert path.read_bytes() == LARGE
    for name in ("x" * 300, "a\0b"):
        with pytest.raises(DSSError):
            get(wire, uuid, tmp_path / name)
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_does_not_exist(wire: Wire, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        get(wire, "00000000-0000-4000-8000-000000000001", tmp_path / "x")
    assert list(tmp_path.iterdir()) == []
