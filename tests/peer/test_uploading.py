"""The reference client uploads a directory, over S3, to the embedded DSS."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dss_client import DSSClient
from dss_client.local import LocalDSS, LocalSettings
from dss_client.local.sample import BUNDLES, sample_files, write_files
from tests.peer.peer_client import Peer
from tests.s3_service import ENVIRON, make_bucket, s3_service


@pytest.fixture
def storage() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch, s3_service() as service:
        for name, text in ENVIRON.items():
            patch.setenv(name, text)
        yield service


def test_both_make_the_same_of_a_directory(
    storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, home = tmp_path / "source", tmp_path / "home"
    for folder in (source / "d", home):
        folder.mkdir(parents=True)
    for name in ("a.json", "d/r1.fastq.gz", "d/notes.txt", "d/plain", "table.tsv", "p.pdf"):
        (source / name).write_text(name)
    environ = {**ENVIRON, "AWS_ENDPOINT_URL": storage}
    monkeypatch.setenv("AWS_ENDPOINT_URL", storage)
    monkeypatch.setenv("DSS_STATE_DIR", str(tmp_path / "state"))
    how = {"src_dir": str(source), "replica": "aws", "staging_bucket": make_bucket(storage)}
    settings = LocalSettings(retry_after=0, s3_endpoint=storage)
    with LocalDSS(settings=settings) as dss, DSSClient(dss.url, token=dss.mint_token()) as ours:
        with Peer(dss.url, home, dss.mint_token(), **environ) as peer:
            theirs = peer("upload", no_progress=True, **how)
        report = ours.upload(src_dir=source, replica="aws", staging_bucket=how["staging_bucket"])
        bundles = [
            ours.get_bundle(uuid=uuid, replica="aws").bundle.files
            for uuid in (theirs["bundle_uuid"], report.bundle_uuid)
        ]
    exclude = {"uuid", "version"}
    by_name = [{file.name: file.model_dump(exclude=exclude) for file in files} for files in bundles]
    assert by_name[0] == by_name[1]
    assert theirs.keys() <= report.to_dict().keys()


def test_it_uploads_a_directory(storage: str, tmp_path: Path) -> None:
    bundle = BUNDLES[0]
    source, home, target = (tmp_path / name for name in ("source", "home", "target"))
    for folder in (source, home):
        folder.mkdir()
    write_files(bundle, source)
    settings = LocalSettings(retry_after=0, s3_endpoint=storage)
    environ = {**ENVIRON, "AWS_ENDPOINT_URL": storage}
    with (
        LocalDSS(settings=settings) as dss,
        Peer(dss.url, home, dss.mint_token(), **environ) as peer,
        DSSClient(dss.url) as ours,
    ):
        uploaded = peer(
            "upload",
            src_dir=str(source),
            replica="aws",
            staging_bucket=make_bucket(storage),
            no_progress=True,
        )
        uuid, version = uploaded["bundle_uuid"], uploaded["version"]
        ours.download(bundle_uuid=uuid, replica="aws", download_dir=target)
    for name, content in sample_files(bundle).items():
        assert (target / f"{uuid}.{version}" / name).read_bytes() == content
