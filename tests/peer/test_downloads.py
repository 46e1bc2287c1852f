"""Both clients download the same, byte for byte and link for link, and share one store."""

import csv
import logging
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from dss_client import DSSClient
from dss_client.local.sample import BUNDLES
from dss_client.manifest import COLUMNS
from tests.peer.peer_client import Peer
from tests.peer.trees import links, tree

Folders = tuple[Path, Path]
Requests = Callable[[], Counter[str]]

MANIFEST = "manifest.tsv"
BUNDLE = BUNDLES[0]


@pytest.fixture
def manifest(tmp_path: Path, ours: DSSClient) -> Path:
    """Return a manifest of all data files of all sample bundles."""
    path = tmp_path / MANIFEST
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, delimiter="\t")
        writer.writerow(COLUMNS)
        for bundle in BUNDLES:
            for file in ours.get_bundle.iterate(replica="aws", uuid=bundle.uuid):
                if not file.indexed:
                    place = [bundle.uuid, bundle.version, file.name]
                    writer.writerow([*place, file.uuid, file.version, file.sha256, file.size])
    return path


@pytest.fixture
def fetched(caplog: pytest.LogCaptureFixture) -> Requests:
    """Return how often each object was asked of the storage, since the last look."""
    name = "dss_client.local.storage.storage_app"
    caplog.set_level(logging.DEBUG, logger=name)

    def look() -> Counter[str]:
        seen = Counter(str(record.args) for record in caplog.records if record.name == name)
        caplog.clear()
        return seen

    return look


def same(folders: Folders) -> None:
    ours, theirs = folders
    assert tree(ours) == tree(theirs)
    assert links(ours) == links(theirs)


def bundles_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_dir() and path.name != ".hca"}


@pytest.mark.parametrize(("no_data", "no_metadata"), [(False, False), (True, False), (False, True)])
def test_a_bundle(
    no_data: bool,
    no_metadata: bool,
    peer: Peer,
    ours: DSSClient,
    folders: Folders,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(folders[0])
    ours.download(bundle_uuid=BUNDLE.uuid, replica="aws", no_data=no_data, no_metadata=no_metadata)
    peer.inside(
        folders[1],
        "download",
        bundle_uuid=BUNDLE.uuid,
        replica="aws",
        no_data=no_data,
        no_metadata=no_metadata,
    )
    same(folders)
    assert bundles_in(folders[1]) == {f"{BUNDLE.uuid}.{BUNDLE.version}"}


@pytest.mark.parametrize("layout", ["none", "bundle"])
def test_a_manifest(
    layout: str,
    peer: Peer,
    ours: DSSClient,
    manifest: Path,
    folders: Folders,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the current directory is the download directory, the output manifests are equal, too.

    All that both write is below that directory, and every row's file is downloaded; so the known
    difference C3 (see the next test) does not show.
    """
    monkeypatch.chdir(folders[0])
    download(ours, manifest, layout)
    peer.inside(
        folders[1], "download_manifest", manifest=str(manifest), replica="aws", layout=layout
    )
    same(folders)
    assert MANIFEST in tree(folders[1])
    assert len(bundles_in(folders[1])) == (len(BUNDLES) if layout == "bundle" else 0)


def test_the_known_differences_of_output_manifests(
    peer: Peer,
    ours: DSSClient,
    manifest: Path,
    folders: Folders,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """C3: theirs is in the current directory, and names a path for files that are not there.

    Ours is in the download directory, and `file_path` is empty where no file is. All else, also
    what lies in the download directory, is the same.
    """
    for folder in folders:
        (folder / "data").mkdir()
    monkeypatch.chdir(folders[0])
    download(ours, manifest, "bundle", "data", no_data=True)
    peer.inside(
        folders[1],
        "download_manifest",
        manifest=str(manifest),
        replica="aws",
        layout="bundle",
        download_dir="data",
        no_data=True,
    )
    written, theirs = tree(folders[0]), tree(folders[1])
    our_rows = read_rows(written.pop(f"data/{MANIFEST}"))
    their_rows = read_rows(theirs.pop(MANIFEST))
    assert written == theirs
    assert links(folders[0] / "data" / ".hca") == links(folders[1] / "data" / ".hca")
    assert {row.pop("file_path") for row in our_rows} == {""}
    paths = [Path(folders[1], row.pop("file_path")) for row in their_rows]
    assert not any(path.exists() for path in paths)
    assert our_rows == their_rows


@pytest.mark.parametrize("layout", ["none", "bundle"])
@pytest.mark.parametrize("ours_first", [True, False])
def test_a_store_is_shared(
    ours_first: bool,
    layout: str,
    peer: Peer,
    ours: DSSClient,
    manifest: Path,
    folders: Folders,
    fetched: Requests,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What one has downloaded the other takes from the store, without one storage request."""
    folder, _ = folders
    monkeypatch.chdir(folder)

    def with_ours() -> None:
        download(ours, manifest, layout)

    def with_theirs() -> None:
        peer.inside(
            folder, "download_manifest", manifest=str(manifest), replica="aws", layout=layout
        )

    first, second = (with_ours, with_theirs) if ours_first else (with_theirs, with_ours)
    first()
    once = fetched()
    before, linked = tree(folder), links(folder)
    assert len(once) == len(stored_contents(folder))
    assert set(once.values()) == {1}
    second()
    assert fetched() == Counter()
    assert tree(folder) == before
    assert links(folder) == linked


def stored_contents(folder: Path) -> list[Path]:
    """Return the files of a store that came from the storage: neither empty nor `bundle.json`."""
    made_here = {path.read_bytes() for path in folder.glob("*/bundle.json")} | {b""}
    files = (path for path in (folder / ".hca").rglob("*") if path.is_file())
    return [path for path in files if path.read_bytes() not in made_here]


def download(
    client: DSSClient,
    manifest: Path,
    layout: str,
    download_dir: str = "",
    *,
    no_data: bool = False,
) -> None:
    assert layout in {"none", "bundle"}
    client.download_manifest(
        manifest=manifest,
        replica="aws",
        layout="bundle" if layout == "bundle" else "none",
        download_dir=download_dir,
        no_data=no_data,
    )


def read_rows(content: bytes) -> list[dict[str, str]]:
    lines: Iterable[str] = content.decode().split("\r\n")
    return list(csv.DictReader(lines, delimiter="\t"))
