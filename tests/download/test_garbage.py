"""What a download directory does not need: found, and removed when told to."""

import os
import shutil
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dss_client import DSSClient
from dss_client.download import GarbageReport, collect_garbage, verify_tree
from dss_client.errors import InvalidArgument
from dss_client.manifest import ManifestError

from .directory import copied, hard_links, sha256_of

NOW = timedelta()
SHA256 = "a" * 64
BUNDLE = "00000000-0000-4000-8000-000000000001.2019-01-01T000000.000000Z"


@pytest.fixture
def bundles(dss: DSSClient, tmp_path: Path) -> Path:
    """A directory with the sample bundles."""
    data = tmp_path / "data"
    dss.download_search(es_query={}, replica="aws", download_dir=data, durable=False)
    hard_links(data)
    return data


@pytest.fixture
def contents(dss: DSSClient, manifest: Path, tmp_path: Path) -> Path:
    """A directory with the sample contents alone."""
    data = tmp_path / "data"
    dss.download_manifest(manifest=manifest, replica="aws", download_dir=data, durable=False)
    return data


def names(report: GarbageReport, kind: Any) -> set[str]:
    return {item.path.name for item in report.of_kind(kind)}


def stored(root: Path) -> dict[str, Path]:
    store = root / ".hca" / "v2" / "files_2_4"
    return {path.name: path for path in store.rglob("*") if path.is_file()}


def bundles_of(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.name != ".hca")


def hashes_of(*folders: Path) -> set[str]:
    return {sha256_of(path) for each in folders for path in each.rglob("*") if path.is_file()}


def age(path: Path, days: float) -> Path:
    then = time.time() - days * 86_400
    os.utime(path, (then, then))
    return path


def test_a_bundle_that_was_removed(bundles: Path) -> None:
    done = collect_garbage(bundles, older_than=NOW, dry_run=False)
    assert (done.items, done.linked, done.listed, done.recent, done.ok) == ((), 60, 0, 0, True)
    gone, *left = bundles_of(bundles)
    removed, kept = hashes_of(gone), hashes_of(*left)
    shutil.rmtree(gone)
    assert collect_garbage(bundles).items == ()
    assert collect_garbage(bundles).recent == len(removed - kept)
    seen = collect_garbage(bundles, older_than=NOW)
    assert names(seen, "content") == removed - kept
    assert seen.dry_run
    assert set(stored(bundles)) == removed | kept
    assert not any(item.removed for item in seen.items)

    done = collect_garbage(bundles, older_than=NOW, dry_run=False)
    assert done.bytes == seen.bytes > 0
    assert all(item.removed for item in done.items)
    assert set(stored(bundles)) == kept
    store = bundles / ".hca" / "v2" / "files_2_4"
    assert all(any(path.iterdir()) for path in store.rglob("*") if path.is_dir())
    assert verify_tree(bundles).ok
    assert done.to_dict()["ok"] is True
    assert collect_garbage(bundles, older_than=NOW).items == ()


def test_copies_are_known_by_the_description_of_their_bundle(bundles: Path) -> None:
    for folder in bundles_of(bundles):
        for path in folder.rglob("*"):
            if path.is_file():
                copied(path)
    report = collect_garbage(bundles, older_than=NOW, dry_run=False)
    assert (report.linked, report.listed, report.items) == (0, 60, ())
    first, *others = bundles_of(bundles)
    only_here = hashes_of(first) - hashes_of(*others)
    (first / "bundle.json").write_text("{")
    assert names(collect_garbage(bundles, older_than=NOW), "content") == only_here


def test_a_download_of_the_last_days_stays(contents: Path, manifest: Path) -> None:
    """Nothing links to its contents, and nobody said which manifest it was."""
    everything = stored(contents)
    assert collect_garbage(contents, dry_run=False).recent == len(everything)
    old, six_days, *_ = everything.values()
    age(old, days=8)
    age(six_days, days=6)
    assert names(collect_garbage(contents), "content") == {old.name}
    report = collect_garbage(contents, older_than=timedelta(days=5))
    assert names(report, "content") == {old.name, six_days.name}
    report = collect_garbage(contents, keep=[manifest], older_than=NOW)
    assert (report.items, report.listed) == ((), len(everything))
    (manifest.parent / "damaged.tsv").write_text("file_path\tother\n")
    with pytest.raises(ManifestError, match=r"damaged\.tsv.*lacks the columns"):
        collect_garbage(contents, keep=[manifest.parent / "damaged.tsv"])
    assert set(stored(contents)) == set(everything)


def test_what_else_is_in_the_store_is_left_alone(contents: Path, manifest: Path) -> None:
    odd = contents / ".hca" / "v2" / "files_2_4" / "00" / "README"
    odd.parent.mkdir(exist_ok=True)
    odd.touch()
    link = odd.parent / "0000" / ("0" * 64)
    link.parent.mkdir()
    link.symlink_to("nowhere")
    for path in (odd, link):
        os.utime(path, (0, 0), follow_symlinks=False)
    assert collect_garbage(contents, keep=[manifest], older_than=NOW, dry_run=False).items == ()
    assert odd.exists()


def test_a_directory_without_a_store(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"holds no store \(\.hca\)"):
        collect_garbage(tmp_path)


def test_what_interrupted_downloads_left_goes_when_it_is_old(tmp_path: Path) -> None:
    partials = tmp_path / ".hca" / "v2" / "partials"
    partials.mkdir(parents=True)
    (tmp_path / BUNDLE / "dir").mkdir(parents=True)
    (tmp_path / "mine").mkdir()
    leftovers = [
        partials / f"{SHA256}.1.part",
        partials / "abc-1.tmp",
        tmp_path / f".{'0' * 16}.part",
        tmp_path / BUNDLE / "dir" / f".{'1' * 16}.part",
    ]
    others = [
        tmp_path / "mine" / f".{'2' * 16}.part",
        tmp_path / BUNDLE / "dir" / "file.part",
        tmp_path / "file",
    ]
    for path in (*leftovers, *others):
        path.write_bytes(b"12345")
    assert collect_garbage(tmp_path).items == ()
    for path in (*leftovers, *others):
        age(path, days=8)
    report = collect_garbage(tmp_path, dry_run=False)
    assert {item.path for item in report.items} == set(leftovers)
    assert names(report, "partial") == {path.name for path in leftovers[:2]}
    assert not any(path.exists() for path in leftovers)
    assert all(path.exists() for path in others)


def test_what_cannot_be_removed_is_said(contents: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, *_ = sorted(stored(contents).values())
    unlink = Path.unlink

    def refuse(path: Path, *, missing_ok: bool = False) -> None:
        if path == first:
            os.link(second, contents / "link")
            raise PermissionError(13, "Permission denied", str(path))
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    report = collect_garbage(contents, older_than=NOW, dry_run=False)
    assert not report.ok
    assert {item.path: item.error for item in report.items if item.error} == {
        first: "Permission denied",
        second: "it has come into use meanwhile",
    }
    assert set(stored(contents)) == {first.name, second.name}
