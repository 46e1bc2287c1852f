"""What a service is asked to serve: its own layout, a raw bucket, nothing yet, or a mistake."""

import importlib
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from dss_client import DSSClient, MissingExtra
from dss_client.local import LocalDSS, LocalSettings, RootError
from dss_client.local.sample import BUNDLES, sample_files

from .writing import writer

fsspec: Any = importlib.import_module("fsspec")
REGISTRY: Any = importlib.import_module("fsspec.registry")._registry  # of the schemes in use
BUNDLE = BUNDLES[0]
READ_ONLY = LocalSettings(read_only=True)


def store_at(url: str) -> tuple[Any, str]:
    """Return the file system of a root, and its path there."""
    system, path = fsspec.url_to_fs(url, use_listings_cache=False)
    return system, path


def objects_at(url: str) -> set[str]:
    system, path = store_at(url)
    return {name for name in system.find(path) if "/.dss/" not in name}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bucket with the sample, as it is copied from a cloud."""
    root = tmp_path_factory.mktemp("made") / "root"
    LocalDSS(root, sample=True).start().stop()
    return root / "aws" / "main"


@pytest.fixture
def raw(root: str, made: Path) -> str:
    """The same at every kind of place."""
    system, path = store_at(root)
    for file in sorted(made.rglob("*")):
        if file.is_file():
            target = f"{path}/{file.relative_to(made).as_posix()}"
            system.makedirs(target.rpartition("/")[0], exist_ok=True)
            system.put_file(str(file), target)
    return root


def test_a_raw_bucket_is_served_as_one_replica_and_left_as_it_is(raw: str, tmp_path: Path) -> None:
    before = objects_at(raw)
    with LocalDSS(raw) as dss, DSSClient(dss.url) as client:
        assert (dss.archive, dss.is_new) == ("aws", False)
        assert dss.bundle_counts() == {"aws": len(BUNDLES), "gcp": 0}
        assert client.post_search(replica="aws", es_query={}).total_hits == len(BUNDLES)
        assert client.post_search(replica="gcp", es_query={}).total_hits == 0
        report = client.download(bundle_uuid=BUNDLE.uuid, replica="aws", download_dir=tmp_path)
        assert report.ok
        file = client.get_bundle(uuid=BUNDLE.uuid, replica="aws").bundle.files[0]
        assert len(client.get_file(uuid=file.uuid, replica="aws")) == file.size
        with writer(dss) as http:
            one = f"/bundles/{BUNDLE.uuid}?replica=aws&version={BUNDLE.version}"
            assert http.patch(one, json={}).json()["code"] == "read_only"
        with pytest.raises(RootError, match="only read"):
            dss.load_bundle(tmp_path)
        with pytest.raises(RootError, match="only read"):
            dss.reset()
    downloaded = tmp_path / f"{BUNDLE.uuid}.{BUNDLE.version}"
    for name, content in sample_files(BUNDLE).items():
        assert (downloaded / name).read_bytes() == content
    assert objects_at(raw) == before


def test_a_root_with_replicas_is_served_from_everywhere(root: str) -> None:
    LocalDSS(root, sample=True).start().stop()
    with LocalDSS(root) as dss:
        assert (dss.archive, dss.is_new) == (None, False)
        assert dss.bundle_counts() == {"aws": len(BUNDLES), "gcp": 0}


def test_a_raw_bucket_of_google_is_the_replica_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(REGISTRY, "gs", type(fsspec.filesystem("memory")))
    gs = f"gs://{uuid4()}"
    system, path = store_at(gs)
    for key in ("bundles/x", "blobs/x"):
        system.pipe_file(f"{path}/{key}", b"")
    assert LocalDSS(gs).archive == "gcp"


def test_contents_that_a_raw_bucket_lacks_are_named(raw: str) -> None:
    system, path = store_at(raw)
    for blob in system.find(f"{path}/blobs")[1:]:
        system.rm_file(blob)
    with LocalDSS(raw) as dss:
        files = f"{dss.url}/bundles/{BUNDLE.uuid}?replica=aws"
        uuids = [file["uuid"] for file in httpx.get(files).json()["bundle"]["files"]]
        with httpx.Client(follow_redirects=True) as http:
            gone = [http.get(f"{dss.url}/files/{uuid}?replica=aws") for uuid in uuids]
    assert {each.json()["title"].split()[-1] for each in gone if each.status_code == 500} == {
        "missing."
    }


@pytest.mark.parametrize("create", [None, True])
def test_a_directory_that_is_missing_or_empty_is_a_new_root(
    tmp_path: Path, create: bool | None
) -> None:
    for place in (tmp_path / "missing", tmp_path / "missing"):
        assert LocalDSS(place, create=create).is_new
        assert place.is_dir()


def mistakes(folder: Path) -> dict[str, tuple[Path | str, str]]:
    """Return what is taken for a root by mistake, and what its error says."""
    (folder / "file").touch()
    names = ("other/reads", "other/notes", "cloud/aws/bundles", "cloud/aws/blobs", "empty")
    for name in (*names, "copies/prod/bundles", "copies/prod/blobs", f"raw/blobs/{'0' * 200}"):
        (folder / name).mkdir(parents=True)
    return {
        "missing": (folder / "typo", "there is no directory .*typo: expected aws/main/ or .*mkdir"),
        "far away": (folder / "no/where", "there is no directory .*where: .*mkdir -p"),
        "a file": (folder / "file", "file is not a directory"),
        "other things": (folder / "other", "other holds no data of a DSS but notes, reads: expect"),
        "a bucket below": (folder / "copies", "copies/prod is a bucket: serve that itself"),
        "part of a bucket": (
            folder / "raw/blobs",
            r"blobs holds no data of a DSS but 0{40}\.\.\.: .*name the bucket: .*raw$",
        ),
        "too deep": (folder / "cloud", "cloud/aws is a bucket .* serve that itself, or .*aws/main"),
        "a URL": (f"memory://{uuid4()}/typo", "there is nothing at memory://.*typo: expected"),
        "a file's URL": ((folder / "typo").as_uri(), "there is no directory file://.*typo"),
        "half a URL": ("github://here", "github://here cannot be read .*repo"),
        "no scheme": ("nothing://here", "nothing://here cannot be read .*nothing"),
    }


@pytest.mark.parametrize(
    "kind",
    [
        *("missing", "far away", "a file", "other things", "too deep"),
        *("a bucket below", "part of a bucket"),
        *("a URL", "a file's URL", "half a URL", "no scheme"),
    ],
)
def test_a_mistake_is_named_with_what_was_expected(tmp_path: Path, kind: str) -> None:
    place, message = mistakes(tmp_path)[kind]
    with pytest.raises(RootError, match=message):
        LocalDSS(place, create=False)
    assert not (tmp_path / "typo").exists()


def test_nothing_is_begun_where_nothing_can_be_put(tmp_path: Path) -> None:
    with pytest.raises(RootError, match="there is no directory"):
        LocalDSS(tmp_path / "typo", settings=READ_ONLY)
    with pytest.raises(RootError, match="is empty, and read-only: expected"):
        LocalDSS(tmp_path, settings=READ_ONLY)
    assert list(tmp_path.iterdir()) == []


def test_s3_says_why_it_refuses(
    s3: str, s3_root: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    httpx.post(f"{s3}/moto-api/reset-auth", content=b"0")
    try:
        with pytest.raises(RootError, match=r"cannot be read \(Forbidden\): check .* credentials"):
            LocalDSS(s3_root)
    finally:
        httpx.post(f"{s3}/moto-api/reset-auth", content=b"inf")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    systems = importlib.import_module("s3fs").S3FileSystem
    systems.clear_instance_cache()  # they keep the credentials that they were made with
    with pytest.raises(RootError, match="Unable to locate credentials"):
        LocalDSS(s3_root)
    systems.clear_instance_cache()


@pytest.mark.parametrize(
    ("url", "library", "extra"), [("s3://b", "s3fs", "s3"), ("gs://b", "gcsfs", "gcs")]
)
def test_a_missing_library_names_the_extra(
    url: str, library: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(REGISTRY, url.partition(":")[0], raising=False)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtra, match=rf"pip install 'dss-client\[{extra}\]'"):
        LocalDSS(url)
