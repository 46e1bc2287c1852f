"""Verification of what was downloaded: what is good, what is not, and what becomes of it."""

import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dss_client import DSSClient
from dss_client.download import (
    DownloadError,
    Fault,
    ProgressEvent,
    VerifyReport,
    inspect_files,
    verify_tree,
)
from dss_client.download.filestore import FileStore, sha256_of
from dss_client.errors import InvalidArgument
from dss_client.local import LocalDSS
from dss_client.manifest import ManifestError, write_manifest
from dss_client.transfer.cancel import Stopped
from dss_client.transfer.progress import Progress

from .by_keywords import download_bundle, download_manifest
from .sample import sample_rows, write_sample
from .scripted import BUNDLE, FQ, ScriptedSource

CONTENT = b"content of a file"
UUID = "00000000-0000-4000-8000-000000000001"


@pytest.fixture(autouse=True)
def _hard_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make hard links on every file system that knows them."""
    monkeypatch.setattr("dss_client.download.layout.Placer._reflink", lambda *_: False)


class Tree:
    """A bundle of three files that was downloaded to a directory."""

    def __init__(
        self, root: Path, names: tuple[str, ...] = ("a.txt", "dir/b.txt", "c.json")
    ) -> None:
        self.root = root
        self.source = ScriptedSource()
        self.source.add_bundle(
            [self.source.add_file(name, CONTENT + name.encode()) for name in names]
        )
        self.folder = root / str(FQ)
        self.store = FileStore(root)

    def download(self, **options: Any) -> None:
        """Download it, again perhaps."""
        download_bundle(
            self.source,
            bundle_uuid=BUNDLE,
            replica="aws",
            download_dir=self.root,
            durable=False,
            **options,
        )

    def stored(self, path: Path) -> Path:
        """Return the content of a file in the store."""
        return self.store.path(sha256_of(path))

    def sealed(self, path: Path) -> bool:
        """Tell whether a content in the store counts as verified."""
        return self.store.look(path.name, path.stat().st_size) == "good"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    tree = Tree(tmp_path / "data")
    tree.download()
    return tree


def rot(path: Path) -> None:
    """Change a byte, and nothing that one would notice it by."""
    times = path.stat()
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def one(report: VerifyReport) -> Fault:
    (fault,) = report.faults
    assert not report.ok
    return fault


def test_all_is_good(tree: Tree) -> None:
    events: list[ProgressEvent] = []
    report = verify_tree(tree.root, progress=events.append)
    size = sum(len(CONTENT) + len(name) for name in ("a.txt", "dir/b.txt", "c.json"))
    assert report.ok
    assert (report.bundles, report.files, report.bytes) == (1, 3, size)
    assert (report.contents, report.extra) == (4, ())
    assert report.content_bytes == size + (tree.folder / "bundle.json").stat().st_size
    assert events[-1].files_done == events[-1].files_total == 4
    assert events[-1].bytes_done == events[-1].bytes_total == report.content_bytes
    assert json.loads(report.to_json())["ok"] is True


def test_good_contents_get_their_seal_and_keep_it(tree: Tree) -> None:
    stored = tree.stored(tree.folder / "a.txt")
    os.utime(stored)
    assert not tree.sealed(stored)
    assert verify_tree(tree.root).ok
    assert tree.sealed(stored)
    before = stored.stat().st_mtime_ns
    assert verify_tree(tree.root, threads=1).ok
    assert stored.stat().st_mtime_ns == before


def test_a_content_that_went_bad_is_no_longer_trusted(tree: Tree) -> None:
    path = tree.folder / "a.txt"
    stored = tree.stored(path)
    rot(stored)
    assert tree.sealed(stored)  # so that a download would take it as it is
    report = verify_tree(tree.root)
    content, file = report.faults
    assert (content.path, content.kind) == (stored, "sha256")
    assert stored.name in content.expected
    assert sha256_of(stored) in content.found
    assert content.remedy == "it no longer counts as verified: the next download replaces it"
    assert file.path == path
    assert file.remedy == "delete it, and run the download again"
    assert not tree.sealed(stored)

    file.path.unlink()
    tree.download()
    assert verify_tree(tree.root).ok


def test_where_a_seal_cannot_be_broken_it_is_said(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = tree.stored(tree.folder / "a.txt")
    rot(stored)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "utime", refuse)
    content, _ = verify_tree(tree.root).faults
    assert content.remedy == "delete it, and run the download again"


def test_where_seals_cannot_be_written_good_files_are_good(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.utime(tree.stored(tree.folder / "a.txt"))

    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "utime", refuse)
    assert verify_tree(tree.root).ok


def copied(path: Path) -> Path:
    """Make a file a copy of its content, as on file systems without links."""
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    return path


def linked(path: Path) -> Path:
    path.unlink()
    path.symlink_to("c.json")
    return path


def cut(path: Path) -> Path:
    copied(path).write_bytes(b"short")
    return path


def removed(path: Path) -> Path:
    path.unlink()
    return path


def replaced(path: Path) -> Path:
    removed(path).mkdir()
    return path


def rotten_copy(path: Path) -> Path:
    rot(copied(path))
    return path


@pytest.mark.parametrize(
    ("spoil", "kind", "found", "remedy"),
    [
        (removed, "missing", "nothing", "run the download again, or allow it"),
        (cut, "size", "5 bytes", "delete it"),
        (rotten_copy, "sha256", "sha256 ", "delete it"),
        (linked, "irregular", "a symbolic link", "delete it"),
        (replaced, "irregular", "not a regular", "delete it"),
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
    assert report.to_dict()["faults"] == [fault.to_dict()]
    assert report.files == 2


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
    tree.download(data_filter=("a*",))
    assert len(verify_tree(tree.root).faults) == 2
    assert verify_tree(tree.root, allow_missing=True).files == 1


def test_what_nothing_speaks_of_is_no_fault(tree: Tree) -> None:
    extra = [tree.folder / "dir" / "notes", tree.store.root / "00" / "0000" / "x"]
    for path in extra:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    (tree.root / "other").mkdir()
    (tree.root / "other" / "file").touch()
    report = verify_tree(tree.root)
    assert report.ok
    assert set(report.extra) == set(extra)


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


def test_bundles_without_a_store(tree: Tree) -> None:
    shutil.rmtree(tree.root / ".hca")
    report = verify_tree(tree.root)
    assert report.ok
    assert (report.files, report.contents) == (3, 0)
    copied(tree.folder / "bundle.json").write_text("no")
    assert not verify_tree(tree.root).ok


def test_the_store_alone(tree: Tree) -> None:
    shutil.rmtree(tree.folder)
    report = verify_tree(tree.root)
    assert (report.ok, report.bundles, report.files, report.contents) == (True, 0, 0, 4)
    stored = next(path for path in tree.store.root.rglob("*") if path.is_file())
    stored.unlink()
    stored.symlink_to("nowhere")
    assert one(verify_tree(tree.root)).kind == "irregular"


@pytest.mark.parametrize(("clash", "files"), [("rename", 3), ("skip", 2)])
def test_names_that_clash(tmp_path: Path, clash: str, files: int) -> None:
    tree = Tree(tmp_path, ("read", "READ", "other"))
    tree.download(clash=clash)
    report = verify_tree(tmp_path)
    assert (report.ok, report.files, report.extra) == (True, files, ())
    if clash == "rename":
        rotten_copy(tree.folder / "READ~2")
        assert one(verify_tree(tmp_path)).path == tree.folder / "READ~2"


def test_a_name_that_is_refused_is_missing(tmp_path: Path) -> None:
    tree = Tree(tmp_path, ("../a", "b"))
    with pytest.raises(DownloadError):
        tree.download()
    fault = one(verify_tree(tmp_path))
    assert fault.kind == "missing"
    assert "refused as a file name" in fault.found


def test_a_file_that_cannot_be_read(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(inspect_files, "open", refuse, raising=False)
    faults = verify_tree(tree.root).faults
    assert {fault.kind for fault in faults} >= {"unreadable"}
    assert "make it readable" in faults[0].remedy
    assert "Permission denied" in faults[0].found


def test_a_file_that_changes_meanwhile(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect_files, "_TELL", 1)
    path = copied(tree.folder / "a.txt")
    writes = iter([path])

    def write(event: ProgressEvent) -> None:
        if event.kind == "advanced" and event.name == "a.txt":
            os.utime(next(writes), ns=(1, 1))

    fault = one(verify_tree(tree.root, progress=write))
    assert (fault.path, fault.kind) == (path, "changing")
    assert fault.remedy == "look again when nobody writes to it"


@pytest.mark.parametrize("batches", [0, 1 << 8])
def test_many_files_in_few_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batches: int
) -> None:
    monkeypatch.setattr(inspect_files, "_AHEAD", batches)
    monkeypatch.setattr(inspect_files, "_FILES", 2)
    tree = Tree(tmp_path, tuple(f"file_{number}" for number in range(25)))
    tree.download()
    assert verify_tree(tmp_path, threads=3).contents == 26


def test_an_interrupt_ends_all_threads(tree: Tree) -> None:
    def interrupt(_: ProgressEvent) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verify_tree(tree.root, progress=interrupt)


def test_threads_that_read_end_soon(tree: Tree) -> None:
    stop = threading.Event()
    stop.set()
    check = inspect_files.FileCheck(str(tree.folder / "a.txt"), "", 1)
    with pytest.raises(Stopped):
        list(inspect_files.inspect_all([check], threads=1, progress=Progress(None), stop=stop))


def test_a_directory_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="is not a directory: expected the one"):
        verify_tree(tmp_path / "missing")
    with pytest.raises(InvalidArgument, match="holds neither a store"):
        verify_tree(tmp_path)


def test_directories_that_cannot_be_read_are_no_success(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = os.scandir

    def refuse(path: Any) -> Any:
        if str(path).endswith("files_2_4"):
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PermissionError):
        verify_tree(tree.root)


def test_files_of_collections(tree: Tree) -> None:
    folder = tree.root / f"collection-{UUID}"
    folder.mkdir()
    shutil.copy(tree.folder / "a.txt", folder / "file")
    assert verify_tree(tree.root).files == 4
    (folder / "file").write_text("other")
    (tree.root / "collection-of-mine").mkdir()
    (tree.root / "collection-of-mine" / "file").touch()
    fault = one(verify_tree(tree.root))
    assert (fault.path, fault.expected) == (folder / "file", "a content that the store has")


# Manifests


@pytest.fixture
def dss(local_dss: LocalDSS) -> Iterator[DSSClient]:
    with DSSClient(local_dss.url) as client:
        yield client


@pytest.fixture
def manifest(local_dss: LocalDSS, tmp_path: Path) -> Path:
    return write_sample(tmp_path / "wanted.tsv", local_dss.url)


@pytest.mark.parametrize("layout", ["none", "bundle"])
@pytest.mark.parametrize("said", [True, False])
def test_what_a_manifest_lists(
    dss: DSSClient, manifest: Path, tmp_path: Path, layout: Any, said: bool
) -> None:
    data = tmp_path / "data"
    report = download_manifest(
        dss, manifest=manifest, replica="aws", layout=layout, download_dir=data
    )
    found = verify_tree(data, manifest=manifest, layout=layout if said else None)
    assert found.ok
    assert (found.bundles, found.files) == (3, 57)
    assert found.bytes <= report.bytes_done
    assert found.extra == ()


def test_a_manifest_as_it_was_not_downloaded(
    dss: DSSClient, manifest: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    download_manifest(dss, manifest=manifest, replica="aws", download_dir=data)
    report = verify_tree(data, manifest=manifest, layout="bundle")
    assert (report.files, report.bundles) == (0, 3)
    assert {fault.kind for fault in report.faults} == {"missing"}
    assert len(report.faults) == 57 + 3


def test_contents_that_a_manifest_lists(
    dss: DSSClient, manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    download_manifest(dss, manifest=manifest, replica="aws", download_dir=data)
    stored = sorted(path for path in (data / ".hca").rglob("*") if path.is_file())
    stored[0].unlink()
    rot(stored[1])
    stored[2].write_bytes(b"")
    monkeypatch.setattr("dss_client.download.check_tree._RECENT", 1)
    report = verify_tree(data, manifest=manifest)
    assert {(fault.path, fault.kind) for fault in report.faults} == {
        (stored[0], "missing"),
        (stored[1], "sha256"),
        (stored[2], "size"),
    }
    sized = next(fault for fault in report.faults if fault.kind == "size")
    assert (sized.found, sized.remedy) == ("0 bytes", "the next download replaces it")
    assert report.files == 57 - 3
    again = download_manifest(dss, manifest=manifest, replica="aws", download_dir=data)
    assert again.count("downloaded") == 3
    assert verify_tree(data, manifest=manifest).ok


def test_rows_of_all_kinds(
    dss: DSSClient, local_dss: LocalDSS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dss_client.download.check_tree._BUNDLES", 1)
    rows = sample_rows(local_dss.url)
    rows = sorted(rows, key=lambda row: row.file_uuid)
    unnamed = rows[0].model_copy(update={"file_name": ""})
    write_manifest(tmp_path / "m.tsv", rows)
    download_manifest(
        dss,
        manifest=tmp_path / "m.tsv",
        replica="aws",
        layout="bundle",
        download_dir=tmp_path,
    )
    odd = [
        unnamed,
        rows[0].model_copy(update={"file_name": "never/heard/of"}),
        rows[0].model_copy(update={"file_name": "../up"}),
        rows[1].model_copy(update={"file_size": rows[1].file_size + 1}),
    ]
    write_manifest(tmp_path / "odd.tsv", [*rows, *odd])
    report = verify_tree(tmp_path, manifest=tmp_path / "odd.tsv")
    assert sorted(fault.kind for fault in report.faults) == ["missing", "missing", "size"]
    assert report.files == 57
    assert report.bundles == 3


def test_a_manifest_that_is_none(tree: Tree, tmp_path: Path) -> None:
    (tmp_path / "m.tsv").write_text("x\n")
    with pytest.raises(ManifestError):
        verify_tree(tree.root, manifest=tmp_path / "m.tsv")
