"""What a download directory does not need: found, and removed when told to."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dss_client import DSSClient
from dss_client.download import (
    DownloadUnderWay,
    GarbageReport,
    collect_garbage,
    journal,
    verify_tree,
)
from dss_client.download.filestore import FileStore, sha256_of
from dss_client.errors import InvalidArgument
from dss_client.local import LocalDSS
from dss_client.manifest import ManifestError, write_manifest

from .sample import table, write_sample

SHA256 = "a" * 64
UUID = "00000000-0000-4000-8000-000000000001"
DAYS = 200_000.0  # seconds


@pytest.fixture(autouse=True)
def _hard_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make hard links on every file system that knows them."""
    monkeypatch.setattr("dss_client.download.layout.Placer._reflink", lambda *_: False)


@pytest.fixture
def dss(local_dss: LocalDSS) -> Iterator[DSSClient]:
    with DSSClient(local_dss.url) as client:
        yield client


@pytest.fixture
def manifest(local_dss: LocalDSS, tmp_path: Path) -> Path:
    return write_sample(tmp_path / "wanted.tsv", local_dss.url)


@pytest.fixture
def bundles(dss: DSSClient, tmp_path: Path) -> Path:
    """A directory with the sample bundles."""
    dss.download_search(es_query={}, replica="aws", download_dir=tmp_path / "data", durable=False)
    return tmp_path / "data"


@pytest.fixture
def contents(dss: DSSClient, manifest: Path, tmp_path: Path) -> Path:
    """A directory with the sample contents alone."""
    dss.download_manifest(
        manifest=manifest, replica="aws", download_dir=tmp_path / "data", durable=False
    )
    return tmp_path / "data"


@pytest.fixture
def partials(tmp_path: Path) -> Path:
    """The directory of partial files, of a store that is empty otherwise."""
    path = FileStore(tmp_path).partials
    path.mkdir(parents=True)
    return path


def names(report: GarbageReport, kind: Any) -> set[str]:
    return {item.path.name for item in report.of_kind(kind)}


def stored(root: Path) -> set[str]:
    return {path.name for path in FileStore(root).root.rglob("*") if path.is_file()}


def age(path: Path, seconds: float = DAYS) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


def copied(folder: Path) -> None:
    """Make all files of a directory copies, as on file systems without links."""
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            path.unlink()
            path.write_bytes(content)


def test_what_is_linked_stays(bundles: Path) -> None:
    report = collect_garbage(bundles, dry_run=False)
    assert (report.items, report.linked, report.listed, report.ok) == ((), 60, 0, True)
    assert verify_tree(bundles).ok


def test_a_bundle_that_was_removed(bundles: Path) -> None:
    gone, *left = sorted(path for path in bundles.iterdir() if path.name != ".hca")
    keys = {sha256_of(path) for path in gone.rglob("*") if path.is_file()}
    kept = {sha256_of(each) for path in left for each in path.rglob("*") if each.is_file()}
    shutil.rmtree(gone)
    seen = collect_garbage(bundles)
    assert names(seen, "content") == keys - kept
    assert seen.dry_run
    assert stored(bundles) == keys | kept
    assert not any(item.removed for item in seen.items)

    done = collect_garbage(bundles, dry_run=False)
    assert done.bytes == seen.bytes > 0
    assert all(item.removed for item in done.items)
    assert {(item.path, item.kind) for item in done.items} == {
        (item.path, item.kind) for item in seen.items
    }
    assert stored(bundles) == kept
    assert not [path for path in FileStore(bundles).root.rglob("*") if not any_in(path)]
    assert verify_tree(bundles).ok
    assert done.to_dict()["ok"] is True
    assert collect_garbage(bundles).items == ()


def any_in(path: Path) -> bool:
    return path.is_file() or any(path.iterdir())


def test_copies_are_known_by_the_description_of_their_bundle(bundles: Path) -> None:
    for path in bundles.iterdir():
        if path.name != ".hca":
            copied(path)
    report = collect_garbage(bundles, dry_run=False)
    assert (report.linked, report.listed, report.items) == (0, 60, ())


@pytest.mark.parametrize("text", [None, "{"])
def test_copies_without_a_description_are_read(bundles: Path, text: str | None) -> None:
    folder = next(path for path in bundles.iterdir() if path.name != ".hca")
    copied(folder)
    description = folder / "bundle.json"
    key = sha256_of(description)
    description.unlink()
    if text is not None:
        description.write_text(text)
    assert names(collect_garbage(bundles), "content") == {key}


def test_copies_of_a_collection_are_read(contents: Path) -> None:
    (output,) = contents.glob("*.tsv")
    output.unlink()
    path = next(path for path in FileStore(contents).root.rglob("*") if path.is_file())
    folder = contents / f"collection-{UUID}"
    folder.mkdir()
    shutil.copy(path, folder / "file")
    (folder / "link").symlink_to("file")
    report = collect_garbage(contents)
    assert path.name not in names(report, "content")
    assert report.listed == 1


def test_contents_of_the_output_manifest_stay(contents: Path, manifest: Path) -> None:
    report = collect_garbage(contents, dry_run=False)
    assert report.manifests == (contents / "wanted.tsv",)
    assert report.items == ()
    assert report.listed == len(stored(contents))


def test_a_manifest_elsewhere_is_named(contents: Path, manifest: Path, tmp_path: Path) -> None:
    output = contents / "wanted.tsv"
    elsewhere = output.rename(tmp_path / "moved.tsv")
    everything = stored(contents)
    assert names(collect_garbage(contents), "content") == everything
    for path in (elsewhere, manifest):  # the second one has no paths: each row counts
        assert collect_garbage(contents, keep=[path]).items == ()


def test_a_row_without_a_path_stands_for_nothing(contents: Path, tmp_path: Path) -> None:
    output = contents / "wanted.tsv"
    rows = table(output)
    lines = output.read_text(encoding="utf-8").splitlines()
    output.write_text("\n".join([*lines[:-1], lines[-1].rpartition("\t")[0] + "\t"]) + "\n")
    gone = rows[-1]["file_sha256"]
    others = {row["file_sha256"] for row in rows[:-1]}
    assert names(collect_garbage(contents), "content") == {gone} - others
    shutil.copy(output, tmp_path / "keep.tsv")
    report = collect_garbage(contents, keep=[tmp_path / "keep.tsv"])
    assert names(report, "content") == {gone} - others


def test_other_tables_are_no_concern_and_damaged_manifests_stop_it(contents: Path) -> None:
    (contents / "a.tsv").write_text("my\ttable\n1\t2\n")
    (contents / "b.tsv").write_bytes(b"")
    (contents / "c.tsv").write_bytes(b"\xff\xfe\t\n")
    assert collect_garbage(contents).items == ()
    (contents / "d.tsv").write_text("file_path\tother\n")
    with pytest.raises(ManifestError, match=r"d\.tsv.*lacks the columns"):
        collect_garbage(contents)


def test_the_manifest_that_was_given_need_have_no_paths(
    contents: Path, manifest: Path, local_dss: LocalDSS
) -> None:
    (contents / "wanted.tsv").unlink()
    write_manifest(contents / "input.tsv", [])
    report = collect_garbage(contents)
    assert report.manifests == ()
    assert names(report, "content") == stored(contents)


def test_what_else_is_in_the_store_is_left_alone(contents: Path) -> None:
    odd = FileStore(contents).root / "00" / "README"
    odd.parent.mkdir(exist_ok=True)
    odd.touch()
    link = FileStore(contents).path("0" * 64)
    link.parent.mkdir(parents=True)
    link.symlink_to("nowhere")
    assert collect_garbage(contents, dry_run=False).items == ()
    assert odd.exists()


def test_a_directory_without_a_store(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"holds no store \(\.hca\)"):
        collect_garbage(tmp_path)


# Leftovers


def dead() -> str:
    """Return an owner that was alive a moment ago."""
    code = "from dss_client.download import journal; print(journal.owner())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def partial(partials: Path, run: str, owner: str) -> tuple[str, str]:
    """Make a partial file and its journal; return their names."""
    path = partials / f"{SHA256}.{run}.journal"
    path.write_bytes(journal.line({"format": 1, "size": 9, "etag": "", "owner": owner}))
    path.with_suffix(".part").write_bytes(b"123456789")
    return path.name, path.with_suffix(".part").name


def test_partial_files_of_the_dead_go(partials: Path, tmp_path: Path) -> None:
    of_dead = partial(partials, "1", dead())
    of_living = partial(partials, "2", journal.owner())
    of_others = partial(partials, "3", "another machine#1#")
    for name in (*of_living, *of_others):
        age(partials / name, 1000)
    report = collect_garbage(tmp_path, dry_run=False)
    assert names(report, "partial") == set(of_dead)
    assert {path.name for path in partials.iterdir()} == {*of_living, *of_others}


def test_nothing_is_removed_under_a_download(partials: Path, tmp_path: Path) -> None:
    partial(partials, "1", journal.owner())
    assert collect_garbage(tmp_path).items == ()
    with pytest.raises(DownloadUnderWay, match=r"may be running: try again when it has ended"):
        collect_garbage(tmp_path, dry_run=False)


def test_temporary_files_go_when_they_are_old(partials: Path, tmp_path: Path) -> None:
    bundle = tmp_path / f"{UUID}.2019-01-01T000000.000000Z" / "dir"
    bundle.mkdir(parents=True)
    elsewhere = tmp_path / "mine"
    elsewhere.mkdir()
    torn = partials / f"{SHA256}.1.journal"
    torn.write_text("torn")
    paths = [
        partials / "abc-1.tmp",
        partials / f"{SHA256}.2.part",
        torn,
        tmp_path / f".{'0' * 16}.part",
        bundle / f".{'1' * 16}.part",
    ]
    others = [
        partials / "notes",
        elsewhere / f".{'2' * 16}.part",
        bundle / "file.part",
        tmp_path / "file",
    ]
    for path in (*paths, *others):
        path.write_bytes(b"12345")
    assert collect_garbage(tmp_path).items == ()
    for path in (*paths, *others):
        age(path)
    report = collect_garbage(tmp_path, dry_run=False)
    assert {item.path for item in report.items} == set(paths)
    assert not any(path.exists() for path in paths)
    assert all(path.exists() for path in others)


def test_what_cannot_be_removed_is_said(contents: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (contents / "wanted.tsv").unlink()
    first, second, *_ = sorted(
        path for path in FileStore(contents).root.rglob("*") if path.is_file()
    )
    unlink = Path.unlink

    def refuse(path: Path, *, missing_ok: bool = False) -> None:
        if path == first:
            os.link(second, contents / "link")
            raise PermissionError(13, "Permission denied", str(path))
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    report = collect_garbage(contents, dry_run=False)
    assert not report.ok
    assert {item.path: item.error for item in report.items if item.error} == {
        first: "Permission denied",
        second: "it has come into use meanwhile",
    }
    assert stored(contents) == {first.name, second.name}


def test_a_directory_that_fills_meanwhile_stays(
    partials: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = FileStore(tmp_path).path(SHA256).parent
    folder.mkdir(parents=True)
    remove = Path.rmdir

    def fill(path: Path) -> None:
        if path == folder:
            (folder / SHA256).touch()
        remove(path)

    monkeypatch.setattr(Path, "rmdir", fill)
    assert names(collect_garbage(tmp_path), "directory") == {"aa", "aaaa"}
    assert collect_garbage(tmp_path, dry_run=False).items == ()
    assert folder.is_dir()
