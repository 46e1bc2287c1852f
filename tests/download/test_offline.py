"""What is all there needs no service: a version of a bundle, or of a file, never changes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dss_client import DSSConnectionError
from dss_client.download import DownloadReport
from tests.drive import Driver

from .directory import rot, stored
from .fetching import fail, get
from .wire import VERSION, Asked, Bundle, Step, Wire, stall

FILES = {"a": b"1", "below/b": b"22", "c": b"333", "d": b"4444"}


@pytest.fixture
def bundle(wire: Wire, tmp_path: Path) -> Bundle:
    """A bundle that was downloaded before the service was switched off."""
    bundle = wire.add_bundle(FILES)
    get(wire, bundle, tmp_path)
    wire.api = off
    wire.script = stall
    wire.asked_api.clear()
    return bundle


def off(_: Asked) -> Iterator[Step]:
    yield "close"


@pytest.mark.parametrize("way", ["a bundle", "bundles", "manifest", "rows of bundles", "dry run"])
def test_a_complete_tree_is_complete(
    drive: Driver, wire: Wire, bundle: Bundle, tmp_path: Path, way: str
) -> None:
    calls: dict[str, tuple[str, dict[str, Any]]] = {
        "a bundle": ("download", {"bundle_uuid": bundle.uuid, "version": VERSION}),
        "bundles": ("download_bundles", {"bundles": [bundle.fqid]}),
        "manifest": ("download_manifest", {"manifest": bundle.rows}),
        "rows of bundles": ("download_manifest", {"manifest": bundle.rows, "layout": "bundle"}),
        "dry run": ("download_bundles", {"bundles": [bundle.fqid], "dry_run": True}),
    }
    name, arguments = calls[way]
    report: DownloadReport = drive(url=wire.url).call(
        name, **arguments, replica="aws", download_dir=tmp_path
    )
    assert {entry.state for entry in report.files} == {"reused"}
    assert len(report.files) == (4 if way == "manifest" else 5)
    assert wire.asked_api == []


def test_rows_are_compared_with_what_is_there(wire: Wire, bundle: Bundle, tmp_path: Path) -> None:
    rows = bundle.rows
    rows[0]["file_size"] = "99"
    report = fail(wire, rows, tmp_path, layout="bundle")
    assert "size 99 in the manifest, 1 in the bundle" in str(report.errors[0])


def test_the_latest_version_is_asked_for(wire: Wire, bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(DSSConnectionError):
        get(wire, bundle, tmp_path)


@pytest.mark.parametrize("how", ["rotten", "forged", "another bundle's", "no JSON", "missing"])
def test_a_description_that_is_not_as_it_was_left_is_not_trusted(
    wire: Wire, bundle: Bundle, tmp_path: Path, how: str
) -> None:
    path = tmp_path / bundle.fqid / "bundle.json"
    document = json.loads(path.read_bytes())
    path.unlink()
    if how == "forged":
        del document["bundle"]["files"][0]
        path.write_text(json.dumps(document))
    elif how == "no JSON":
        path.write_bytes(b"\xff[")
    elif how == "another bundle's":
        wire.api = wire.script = None
        other = wire.add_bundle(FILES)
        get(wire, other, tmp_path)
        path.write_bytes((tmp_path / other.fqid / "bundle.json").read_bytes())
    elif how == "rotten":
        path.write_text(json.dumps(document))
        rot(path)
    wire.api = wire.script = None
    wire.asked_api.clear()
    run = get if how == "missing" else fail
    report = run(wire, bundle, tmp_path, version=VERSION)
    assert [asked.path for asked in wire.asked_api] == [f"/v1/bundles/{bundle.uuid}"]
    assert report.count("reused") == (5 if how == "missing" else 4)
    get(wire, bundle, tmp_path, version=VERSION, overwrite=True)
    wire.asked_api.clear()
    assert get(wire, bundle, tmp_path, version=VERSION).count("reused") == 5
    assert wire.asked_api == []


def test_only_what_is_missing_is_asked_for(wire: Wire, bundle: Bundle, tmp_path: Path) -> None:
    sha256 = next(str(file["sha256"]) for file in bundle.files if file["name"] == "c")
    stored(tmp_path, sha256).unlink()
    (tmp_path / bundle.fqid / "c").unlink()
    wire.api = wire.script = None
    report = get(wire, bundle, tmp_path, version=VERSION)
    assert (report.count("downloaded"), report.count("reused")) == (1, 4)
    assert [asked.path for asked in wire.asked_api] == [f"/v1/files/{bundle.uuid_of('c')}"]
