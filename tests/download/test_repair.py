"""What a verification finds is fetched anew, and nothing else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dss_client import DSSClient
from dss_client.download import DownloadOptions, VerifyReport, repair_tree, verify_tree

from .apart import FRUGAL
from .directory import content_of, copied, hard_links, rot, stored
from .sample import sample_rows

OPTIONS: dict[str, Any] = {"replica": "aws", **FRUGAL}


@pytest.fixture
def root(dss: DSSClient, tmp_path: Path) -> Path:
    """A directory with all bundles of the sample, as hard links."""
    root = tmp_path / "data"
    dss.download_search(es_query={}, download_dir=root, **OPTIONS)
    hard_links(root)
    return root


def repaired(dss: DSSClient, root: Path, **arguments: Any) -> VerifyReport:
    found = verify_tree(root, **arguments)
    assert not found.ok
    options = DownloadOptions(download_dir="elsewhere", **OPTIONS)
    report = repair_tree(dss, options, found, **arguments)
    assert {*report.faults, *report.repaired} == {*found.faults}
    return report


def some_file(root: Path) -> Path:
    return next(path for path in sorted(root.glob("*.*Z/*")) if path.name == "project_0.json")


def link(path: Path) -> None:
    path.unlink()
    path.symlink_to("elsewhere")


DAMAGES: dict[str, Callable[[Path], object]] = {
    "a content and its hard links": rot,
    "a copy": lambda path: rot(copied(path)),
    "missing": Path.unlink,
    "a link": link,
    "shorter": lambda path: copied(path).write_bytes(b"x"),
    "its content": lambda path: rot(content_of(path.parents[1], copied(path))),
    "no description": lambda path: (path.parent / "bundle.json").unlink(),
    "a bad description": lambda path: copied(path.parent / "bundle.json").write_text("{}"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_all_that_is_wrong_is_repaired(dss: DSSClient, root: Path, damage: str) -> None:
    DAMAGES[damage](some_file(root))
    report = repaired(dss, root)
    assert (report.ok, report.faults) == (True, ())
    assert report.repaired
    again = verify_tree(root)
    assert (again.ok, again.extra) == (True, ())


@pytest.mark.parametrize("layout", ["none", "bundle"])
def test_what_a_manifest_lists_is_repaired(
    dss: DSSClient, manifest: Path, tmp_path: Path, layout: Any
) -> None:
    root = tmp_path / "data"
    dss.download_manifest(manifest=manifest, layout=layout, download_dir=root, **OPTIONS)
    hard_links(root)
    row = sample_rows(dss.url)[0]
    rot(stored(root, row.file_sha256))
    stored(root, sample_rows(dss.url)[1].file_sha256).unlink()
    assert repaired(dss, root, manifest=manifest).ok
    assert verify_tree(root, manifest=manifest, layout=layout).ok
    assert {path.name for path in root.glob("*.tsv")} == {manifest.name}


def test_what_was_left_out_stays_out(dss: DSSClient, root: Path) -> None:
    path = some_file(root)
    (path.parent / "links.json").unlink()
    for damage in (rot, lambda path: (path.parent / "bundle.json").unlink()):
        damage(path)
        assert repaired(dss, root, allow_missing=True).ok
        assert not (path.parent / "links.json").exists()
    assert repaired(dss, root).ok
    assert (path.parent / "links.json").exists()


def test_a_file_of_a_collection(dss: DSSClient, root: Path) -> None:
    row = sample_rows(dss.url)[0]
    folder = root / "collection-00000000-0000-4000-8000-000000000001"
    folder.mkdir()
    path = folder / f"{row.file_uuid}.{row.file_version}"
    path.write_bytes(b"wrong")
    (folder / "mine").write_bytes(b"of nobody")
    report = repaired(dss, root)
    assert [fault.path for fault in report.repaired] == [path]
    assert [fault.path for fault in report.faults] == [folder / "mine"]
    assert path.read_bytes() == stored(root, row.file_sha256).read_bytes()


def test_what_cannot_be_fetched_is_still_a_fault(dss: DSSClient, root: Path) -> None:
    rot(some_file(root))
    orphan = stored(root, "0" * 64)
    orphan.parent.mkdir(parents=True)
    orphan.write_bytes(b"listed nowhere")
    with DSSClient("http://127.0.0.1:9/v1", retries=0) as off:
        report = repaired(off, root)
    assert (report.ok, report.repaired) == (False, ())
    left = repaired(dss, root).faults
    assert [fault.path for fault in left] == [orphan]
