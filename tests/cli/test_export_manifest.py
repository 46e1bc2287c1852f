"""``dss export-manifest``: curl downloads what it prints, and the checksums are right."""

import shutil
import subprocess
from pathlib import Path

import pytest

from dss_client import DSSClient
from dss_client.local import LocalDSS
from dss_client.local.sample import BUNDLES, sample_files
from dss_client.manifest import manifest_rows, write_manifest

from .conftest import Run

BUNDLE = BUNDLES[1]


@pytest.fixture
def manifest(local_dss: LocalDSS, tmp_path: Path) -> Path:
    path = tmp_path / "manifest.tsv"
    with DSSClient(local_dss.url) as dss:
        bundle = dss.get_bundle(uuid=BUNDLE.uuid, replica="aws").bundle
        write_manifest(path, manifest_rows(bundle))
    return path


def test_curl_downloads_what_is_listed(
    run: Run, local_dss: LocalDSS, manifest: Path, tmp_path: Path
) -> None:
    if shutil.which("curl") is None:
        pytest.skip("there is no curl here")
    listed = run("export-manifest", "--url", local_dss.url, "--manifest", manifest, "--to", "curl")
    (tmp_path / "list").write_text(listed.out)
    subprocess.run(["curl", "--silent", "--config", "list"], cwd=tmp_path, check=True, timeout=60)
    folder = tmp_path / f"{BUNDLE.uuid}.{BUNDLE.version}"
    files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.*")}
    assert files == sample_files(BUNDLE)
    sums = run("export-manifest", "--manifest", manifest, "--to", "sha256sum").out
    subprocess.run(
        ["sha256sum", "--check", "--quiet"], input=sums, text=True, cwd=tmp_path, check=True
    )


def test_aria2_is_told_checksums_and_places(run: Run, local_dss: LocalDSS, manifest: Path) -> None:
    listed = run("export-manifest", "--url", local_dss.url, "--manifest", manifest, "--to", "aria2")
    lines = listed.out.splitlines()
    assert len(lines) == 3 * len(sample_files(BUNDLE))
    assert lines[0].startswith(f"{local_dss.url}/files/")
    assert lines[1].startswith(f"  out={BUNDLE.uuid}.{BUNDLE.version}/")
    assert lines[2].startswith("  checksum=sha-256=")


@pytest.mark.parametrize(
    "url", ["", "s3://bucket/key", 'https://h/"\noutput = "/tmp/x', "https://h/x?key=passw0rd y"]
)
def test_a_cell_that_is_no_url_is_refused(
    run: Run, manifest: Path, tmp_path: Path, url: str
) -> None:
    header, first, *_ = manifest.read_text().splitlines()
    quoted = url.replace('"', '""')
    manifest.write_text(f'{header}\tfile_url\n{first}\t"{quoted}"\n')
    done = run("export-manifest", "--manifest", manifest, "--to", "curl", "--urls", "file_url")
    assert done.status == 1
    assert "is not a valid URL" in done.err
    assert "/tmp/x" not in done.out
    assert "passw0rd" not in done.err


def test_the_urls_of_a_column_need_no_service_and_joined_rows_go_to_each_bundle(
    run: Run, manifest: Path
) -> None:
    header, first, *_ = manifest.read_text().splitlines()
    cells = first.split("\t")
    other = "11111111-2222-4333-8444-555555555555"
    joined = "\t".join([f"{cells[0]} || {other}", *cells[1:], " HTTPS://h/x "])
    manifest.write_text(f"{header}\tfile_url\n{joined}\n")
    listed = run("export-manifest", "--manifest", manifest, "--to", "aria2", "--urls", "file_url")
    assert [line for line in listed.out.splitlines() if "out=" in line] == [
        f"  out={bundle}.{cells[1]}/{cells[2]}" for bundle in (cells[0], other)
    ]
