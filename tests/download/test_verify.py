"""``verify_tree`` on what was downloaded: what is good, what is not, and what becomes of it."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dss_client import DSSClient
from dss_client.download import DownloadError, Fault, ProgressEvent, VerifyReport, verify_tree
from dss_client.errors import InvalidArgument
from dss_client.local import LocalDSS
from dss_client.manifest import ManifestError, write_manifest

from .directory import Tree, content_of, copied, rot, sha256_of
from .sample import ROWS, sample_rows

NAMES = ("a.txt", "dir/b.txt", "c.json")


@pytest.fixture
def tree(empty_dss: LocalDSS, tmp_path: Path) -> Tree:
    tree = Tree(empty_dss, tmp_path, NAMES)
    tree.download()
    return tree


def one(report: VerifyReport) -> Fault:
    (fault,) = report.faults
    assert not report.ok
    return fault


def test_all_is_good(tree: Tree) -> None:
    events: list[ProgressEvent] = []
    report = verify_tree(tree.root, progress=events.append)
    size = sum(map(len, NAMES))
    assert report.ok
    assert (report.bundles, report.files, report.bytes) == (1, 3, size)
    assert (report.contents, report.extra) == (4, ())
    assert report.content_bytes == size + (tree.folder / "bundle.json").stat().st_size
    assert events[-1].files_done == events[-1].files_total == 4
    assert events[-1].bytes_done == events[-1].bytes_total == report.content_bytes
    assert json.loads(report.to_json())["ok"] is True


def test_a_content_that_went_bad_is_no_longer_trusted(tree: Tree) -> None:
    path = tree.folder / "a.txt"
    stored = content_of(tree.root, path)
    os.utime(stored)
    assert verify_tree(tree.root).ok  # and so it is trusted, again
    rot(stored)
    assert tree.download().count("downloaded") == 0
    content, file = verify_tree(tree.root, threads=1).faults
    assert (content.path, content.kind) == (stored, "sha256")
    assert stored.name in content.expected
    assert sha256_of(stored) in content.found
    assert content.remedy == "it no longer counts as verified: the next download replaces it"
    assert (file.path, file.found) == (path, "a hard link of a content that is bad")
    assert file.remedy == "delete it, and run the download again"

    file.path.unlink()
    assert tree.download().count("downloaded") == 1
    assert verify_tree(tree.root).ok


def test_where_no_mark_can_be_changed(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    stored = content_of(tree.root, tree.folder / "a.txt")
    os.utime(content_of(tree.root, tree.folder / "c.json"))
    monkeypatch.setattr(os, "utime", refuse)
    assert verify_tree(tree.root).ok
    monkeypatch.undo()
    rot(stored)
    monkeypatch.setattr(os, "utime", refuse)
    content, _ = verify_tree(tree.root).faults
    assert content.remedy == "delete it, and run the download again"


def linked(path: Path) -> Path:
    path.unlink()
    path.symlink_to("c.json")
    return path


def cut(path: Path) -> Path:
    copied(path).write_bytes(b"shrt")
    return path


def removed(path: Path) -> Path:
    path.unlink()
    return path


def replaced(path: Path) -> Path:
    removed(path).mkdir()
    return path


@pytest.mark.parametrize(
    ("spoil", "kind", "found", "remedy"),
    [
        (removed, "missing", "nothing", "run the download again, or allow it"),
        (cut, "size", "4 bytes", "delete it"),
        (lambda path: rot(copied(path)), "sha256", "sha256 ", "delete it"),
        (linked, "irregular", "a symbolic link", "delete it"),
        (replaced, "irregular", "a directory", "delete it"),
    ],
)
def test_each_fault_of_a_file_has_its_words(
    tree: Tree, spoil: Callable[[Path], Path], kind: str, found: str, remedy: str
) -> None:
    path = spoil(tree.folder / "a.txt")
    report = verify_tree(tree.root)
    fault = one(report)
    assert (fault.path, fault.kind) == (path, kind)
    assert found in fault.found
    assert remedy in fault.remedy
    assert str(fault).startswith(f"{path}: expected ")
    (told,) = json.loads(report.to_json())["faults"]
    assert (told["path"], told["kind"]) == (str(path), kind)
    assert report.files == 2


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() == 0, reason="all files can be read by this user"
)
def test_what_cannot_be_read_is_no_success(tree: Tree) -> None:
    copied(tree.folder / "a.txt").chmod(0)
    fault = one(verify_tree(tree.root))
    assert fault.kind == "unreadable"
    assert "Permission denied" in fault.found
    (tree.root / ".hca" / "v2" / "files_2_4").chmod(0)
    with pytest.raises(PermissionError):
        verify_tree(tree.root)


def test_a_copy_is_as_good_as_a_link(tree: Tree) -> None:
    copied(tree.folder / "a.txt")
    copied(tree.folder / "bundle.json")
    assert verify_tree(tree.root).ok


def test_missing_files_can_be_allowed(tree: Tree) -> None:
    removed(tree.folder / "a.txt")
    report = verify_tree(tree.root, allow_missing=True)
    assert report.ok
    assert report.absent == (tree.folder / "a.txt",)
    shutil.rmtree(tree.root)
    tree.download(data_filter=("a*",), no_metadata=True)
    assert len(verify_tree(tree.root).faults) == 2
    assert verify_tree(tree.root, allow_missing=True).files == 1


def test_what_no_bundle_lists_is_no_fault(tree: Tree) -> None:
    name = "\udcff" if sys.platform == "linux" else "notes"
    extra = [tree.folder / "dir" / name, tree.store / "00" / "0000" / "x"]
    for path in extra:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    (tree.root / "other").mkdir()
    (tree.root / "other" / "file").touch()
    report = verify_tree(tree.root)
    assert report.ok
    assert set(report.extra) == set(extra)
    assert set(json.loads(report.to_json().encode())["extra"]) == set(map(str, extra))


@pytest.mark.parametrize(
    ("text", "kind", "found"),
    [
        (None, "missing", "nothing"),
        ("{", "description", "describes no bundle"),
        ("[]", "description", "describes no bundle"),
        ('{"bundle": {"uuid": "u", "version": "v", "files": []}}', "description", "bundle u.v"),
        ("same", "description", "which the store does not have"),
    ],
)
def test_the_description_itself_is_verified(
    tree: Tree, text: str | None, kind: str, found: str
) -> None:
    path = tree.folder / "bundle.json"
    content = path.read_text()
    path.unlink()
    if text is not None:
        path.write_text(f"{content} " if text == "same" else text)
    fault = one(verify_tree(tree.root))
    assert (fault.path, fault.kind) == (path, kind)
    assert found in fault.found


def test_bundles_without_a_store_and_a_store_without_bundles(tree: Tree) -> None:
    store = (tree.root / ".hca").rename(tree.root.parent / "store")
    report = verify_tree(tree.root)
    assert (report.ok, report.files, report.contents) == (True, 3, 0)
    store.rename(tree.root / ".hca")
    shutil.rmtree(tree.folder)
    report = verify_tree(tree.root)
    assert (report.ok, report.bundles, report.files, report.contents) == (True, 0, 0, 4)


@pytest.mark.parametrize(("clash", "files"), [("rename", 3), ("skip", 2)])
def test_names_that_clash(empty_dss: LocalDSS, tmp_path: Path, clash: str, files: int) -> None:
    tree = Tree(empty_dss, tmp_path, ("READ", "other", "read"))
    tree.download(clash=clash)
    report = verify_tree(tree.root)
    assert (report.ok, report.files, report.extra) == (True, files, ())
    if clash == "rename":
        rot(copied(tree.folder / "read~2"))
        assert one(verify_tree(tree.root)).path == tree.folder / "read~2"


def test_a_name_that_is_refused_is_missing(empty_dss: LocalDSS, tmp_path: Path) -> None:
    tree = Tree(empty_dss, tmp_path, ("a\N{RIGHT-TO-LEFT OVERRIDE}b", "c"))
    with pytest.raises(DownloadError, match="get this file alone by its uuid"):
        tree.download()
    fault = one(verify_tree(tree.root))
    assert fault.kind == "missing"
    assert "refused as a file name" in fault.found


def test_many_files(empty_dss: LocalDSS, tmp_path: Path) -> None:
    tree = Tree(empty_dss, tmp_path, tuple(f"file_{number}" for number in range(150)))
    tree.download()
    rot(content_of(tree.root, tree.folder / "file_149"))
    report = verify_tree(tree.root, threads=3)
    assert (report.contents, report.files, len(report.faults)) == (150, 149, 2)


def test_an_interrupt_ends_all_threads(tree: Tree) -> None:
    def interrupt(_: ProgressEvent) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verify_tree(tree.root, progress=interrupt)


def test_a_directory_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="is not a directory: expected the one"):
        verify_tree(tmp_path / "missing")
    with pytest.raises(InvalidArgument, match="holds neither a store"):
        verify_tree(tmp_path)


def test_files_of_collections(tree: Tree) -> None:
    folder = tree.root / "collection-00000000-0000-4000-8000-000000000001"
    folder.mkdir()
    shutil.copy(tree.folder / "a.txt", folder / "file")
    assert verify_tree(tree.root).files == 4
    (folder / "file").write_text("other")
    fault = one(verify_tree(tree.root))
    assert (fault.path, fault.expected) == (folder / "file", "a content of the store")


# Manifests


@pytest.mark.parametrize("layout", ["none", "bundle"])
@pytest.mark.parametrize("said", [True, False])
def test_what_a_manifest_lists(
    dss: DSSClient, manifest: Path, tmp_path: Path, layout: Any, said: bool
) -> None:
    data = tmp_path / "data"
    dss.download_manifest(manifest=manifest, replica="aws", layout=layout, download_dir=data)
    found = verify_tree(data, manifest=manifest, layout=layout if said else None)
    assert found.ok
    assert (found.bundles, found.files, found.extra) == (3, ROWS, ())
    other = verify_tree(data, manifest=manifest, layout="bundle")
    assert (other.ok, len(other.faults)) == ((True, 0) if layout == "bundle" else (False, 3))


def test_contents_that_a_manifest_lists(dss: DSSClient, manifest: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    dss.download_manifest(manifest=manifest, replica="aws", download_dir=data)
    stored = sorted(path for path in (data / ".hca").rglob("*") if path.is_file())
    stored[0].unlink()
    rot(stored[1])
    stored[2].write_bytes(b"")
    report = verify_tree(data, manifest=manifest)
    assert {(fault.path, fault.kind) for fault in report.faults} == {
        (stored[0], "missing"),
        (stored[1], "sha256"),
        (stored[2], "size"),
    }
    sized = next(fault for fault in report.faults if fault.kind == "size")
    assert (sized.found, sized.remedy) == ("0 bytes", "the next download replaces it")
    assert report.files == ROWS - 3
    again = dss.download_manifest(manifest=manifest, replica="aws", download_dir=data)
    assert again.count("downloaded") == 3
    assert verify_tree(data, manifest=manifest).ok


def test_rows_that_are_not_so(
    dss: DSSClient, local_dss: LocalDSS, manifest: Path, tmp_path: Path
) -> None:
    dss.download_manifest(manifest=manifest, replica="aws", layout="bundle", download_dir=tmp_path)
    rows = sample_rows(local_dss.url)
    odd = [
        rows[0].model_copy(update={"file_name": ""}),
        rows[0].model_copy(update={"file_name": "never/heard/of"}),
        rows[1].model_copy(update={"file_size": rows[1].file_size + 1}),
        rows[2].model_copy(update={"file_sha256": "0" * 64}),
    ]
    write_manifest(tmp_path / "odd.tsv", [*rows, *odd])
    report = verify_tree(tmp_path, manifest=tmp_path / "odd.tsv")
    assert sorted(fault.kind for fault in report.faults) == ["missing", "missing", "size"]
    assert (report.files, report.bundles) == (ROWS, 3)


def test_a_manifest_that_is_none(tree: Tree, tmp_path: Path) -> None:
    (tmp_path / "m.tsv").write_text("x\n")
    with pytest.raises(ManifestError):
        verify_tree(tree.root, manifest=tmp_path / "m.tsv")
