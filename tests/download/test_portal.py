"""Manifests of the data portal: their URLs are all that is asked, and never with a credential."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from dss_client import DSSClient, RetryPolicy
from dss_client.download import (
    DownloadError,
    DownloadOptions,
    DownloadReport,
    ManifestError,
    repair_tree,
    verify_tree,
)
from dss_client.errors import InvalidArgument
from tests.drive import Driver

from .apart import FRUGAL
from .sample import table, tree
from .wire import Asked, Bundle, Step, Wire, head

TIME = "2019-01-01T00:00:00.000000Z"  # as the portal writes a version
NOWHERE = "http://127.0.0.1:9/v1"
FIRST, SECOND, THIRD = (f"{each * 8}-0000-4000-8000-000000000001" for each in "abc")
CONTENTS = {"a.fastq.gz": b"a" * 9, "b.pdf": b"b" * 400_000}


@pytest.fixture
def bundle(wire: Wire) -> Bundle:
    """A bundle that only the portal has: each file is prepared at first, and then redirects."""

    def portal(asked: Asked) -> Iterator[Step]:
        if not asked.path.startswith("/repository/files/"):
            yield from wire.serve(asked)
        elif "requestIndex" in asked.query:
            yield head(302, 0, Location=wire.url_of(asked.name, asked.turn))
        else:
            again = f"{wire.origin}{asked.path}?catalog=dcp1&requestIndex=1"
            yield head(301, 0, Location=again, Retry_After="0")

    wire.script = portal
    return wire.add_bundle(CONTENTS)


def rows_of(wire: Wire, bundle: Bundle, **cells: str) -> list[dict[str, str]]:
    """Return the rows of a bundle as the portal writes them, some cells of each replaced."""
    return [
        {
            "source_id": "s",
            **row,
            "bundle_version": TIME,
            "file_version": TIME,
            "file_url": f"{wire.origin}/repository/files/{row['file_uuid']}?catalog=dcp1",
            "file_drs_uri": "drs://tdr.example/1",
            **cells,
        }
        for row in bundle.rows
    ]


def write(path: Path, rows: Sequence[Mapping[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), dialect="excel-tab")
        writer.writeheader()
        writer.writerows(rows)
    return path


def get(rows: Any, folder: Path, **options: Any) -> DownloadReport:
    options = {"urls": "file_url", "download_dir": folder, **FRUGAL, **options}
    with DSSClient(NOWHERE, token="secret", retries=0) as dss:
        return dss.download_manifest(manifest=rows, **options)


def fail(rows: Any, folder: Path, **options: Any) -> DownloadReport:
    with pytest.raises(DownloadError) as caught:
        get(rows, folder, **options)
    return caught.value.report


@pytest.mark.parametrize("layout", ["none", "bundle"])
def test_it_is_downloaded_without_a_dss(
    drive: Driver, wire: Wire, bundle: Bundle, tmp_path: Path, layout: str
) -> None:
    manifest = write(tmp_path / "m.tsv", rows_of(wire, bundle))
    client = drive(url=NOWHERE, options={"token": "secret"})
    arguments = {"manifest": manifest, "urls": "file_url", "layout": layout, **FRUGAL}
    folder = tmp_path / "data"
    report = client.call("download_manifest", **arguments, download_dir=folder)
    assert [entry.state for entry in report.files] == ["downloaded"] * 2
    written = table(folder / "m.tsv")
    assert [Path(row["file_path"]).read_bytes() for row in written] == [*CONTENTS.values()]
    assert [row["bundle_version"] for row in written] == [TIME, TIME]
    expected = {f"{bundle.fqid}/{name}": body for name, body in CONTENTS.items()}
    expected = expected if layout == "bundle" else {}
    assert {k: v for k, v in tree(folder).items() if k != "m.tsv"} == expected
    assert wire.asked_api == []
    assert not any({"authorization", "cookie"} & asked.headers.keys() for asked in wire.asked)
    assert verify_tree(folder, manifest=manifest).ok

    count = len(wire.asked)
    again = client.call("download_manifest", **arguments, download_dir=folder)
    assert (again.count("reused"), len(wire.asked)) == (2, count)


def test_the_urls_may_lead_to_the_contents_themselves(
    wire: Wire, bundle: Bundle, tmp_path: Path
) -> None:
    rows = [row | {"u": wire.url_of(row["file_uuid"])} for row in rows_of(wire, bundle)]
    with ThreadPoolExecutor(1) as pool:
        report = get(rows, tmp_path, urls="u", executor=pool, layout="bundle")
    assert report.count("downloaded") == 2


def test_a_url_may_have_a_login(
    wire: Wire, bundle: Bundle, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def guarded(asked: Asked) -> Iterator[Step]:
        is_known = asked.headers.get("authorization") == "Basic bWU6cGFzc3cwcmQ="
        yield from wire.serve(asked) if is_known else [head(401, 0)]

    wire.script = guarded
    caplog.set_level("DEBUG")
    place = wire.origin.replace("//", "//me:passw0rd@")
    rows = [row | {"u": f"{place}/{row['file_uuid']}?key=passw0rd"} for row in bundle.rows]
    assert get(rows, tmp_path, urls="u").count("downloaded") == 2
    assert wire.origin in caplog.text
    assert "passw0rd" not in caplog.text


def test_what_is_prepared_may_be_elsewhere(wire: Wire, bundle: Bundle, tmp_path: Path) -> None:
    def moving(asked: Asked) -> Iterator[Step]:
        if asked.path.startswith("/repository/"):
            yield head(301, 0, Location=f"/prepared/{asked.name}", Retry_After="0")
        else:
            yield from wire.serve(asked)

    wire.script = moving
    report = get(rows_of(wire, bundle), tmp_path, num_retries=0)
    assert report.count("downloaded") == 2


def test_a_service_that_prepares_for_ever_is_not_asked_without_a_pause(
    wire: Wire, bundle: Bundle, tmp_path: Path
) -> None:
    wire.script = lambda _: iter([head(301, 0, Location="?again", Retry_After="0")])
    rows = rows_of(wire, bundle)[:1]
    policy = RetryPolicy(attempts=1, ready_timeout=0.9)
    with DSSClient(NOWHERE, retries=policy) as dss, pytest.raises(DownloadError) as caught:
        dss.download_manifest(manifest=rows, urls="file_url", download_dir=tmp_path)
    assert "still being checked out" in str(caught.value)
    assert len(wire.asked) < 120


def test_a_signed_url_that_expires_is_asked_for_again(
    wire: Wire, bundle: Bundle, tmp_path: Path
) -> None:
    portal = wire.script

    def expiring(asked: Asked) -> Iterator[Step]:
        assert portal is not None
        is_old = "repository" not in asked.path and asked.query["X-Amz-Signature"] == "1"
        yield from [head(403, 0)] if is_old else portal(asked)

    wire.script = expiring
    assert get(rows_of(wire, bundle), tmp_path).count("downloaded") == 2
    signed = {asked.query.get("X-Amz-Signature") for asked in wire.asked}
    assert signed == {None, "1", "3"}


def test_what_is_wrong_is_repaired_from_the_urls(
    wire: Wire, bundle: Bundle, tmp_path: Path
) -> None:
    manifest, folder = write(tmp_path / "m.tsv", rows_of(wire, bundle)), tmp_path / "data"
    get(manifest, folder, layout="bundle")
    path = folder / bundle.fqid / "a.fastq.gz"
    path.unlink()
    found = verify_tree(folder, manifest=manifest)
    assert [fault.path for fault in found.faults] == [path]
    options = DownloadOptions(replica="aws", durable=False)
    with DSSClient(NOWHERE, retries=0) as dss:
        report = repair_tree(dss, options, found, manifest=manifest, urls="file_url")
    assert (report.ok, path.read_bytes()) == (True, CONTENTS["a.fastq.gz"])


# A file in several bundles


def test_a_file_in_several_bundles_is_fetched_once(
    wire: Wire, bundle: Bundle, tmp_path: Path
) -> None:
    later = TIME.replace("2019", "2020")
    shared, single = rows_of(wire, bundle)
    shared["bundle_uuid"] = f"{FIRST} || {SECOND}"
    shared["bundle_version"] = f"{TIME} || {later}"  # sorted: the first bundle has the later one
    single["bundle_uuid"], single["bundle_version"] = FIRST, later
    manifest = write(tmp_path / "m.tsv", [shared, single])
    report = get(manifest, tmp_path / "data", layout="bundle")
    plain, later = TIME.replace(":", ""), later.replace(":", "")
    assert {name for name in tree(tmp_path / "data") if "/" in name} == {
        f"{FIRST}.{later}/a.fastq.gz",
        f"{FIRST}.{later}/b.pdf",
        f"{SECOND}.{plain}/a.fastq.gz",
    }
    assert len({asked.name for asked in wire.asked if "repository" in asked.path}) == 2
    assert sorted(entry.state for entry in report.files) == ["downloaded"] * 2 + ["reused"]
    assert len(table(tmp_path / "data" / "m.tsv")) == 2
    assert verify_tree(tmp_path / "data", manifest=manifest).ok


def test_bundles_of_one_version_belong_to_it(wire: Wire, bundle: Bundle, tmp_path: Path) -> None:
    rows = rows_of(wire, bundle, bundle_uuid=f"{FIRST} || {SECOND}")
    get(rows, tmp_path, layout="bundle")
    assert len([name for name in tree(tmp_path) if name.endswith("b.pdf")]) == 2


def test_versions_that_cannot_be_told_apart_are_not_guessed(
    wire: Wire, bundle: Bundle, tmp_path: Path
) -> None:
    shared, single = rows_of(wire, bundle)
    shared["bundle_uuid"] = f"{FIRST} || {SECOND} || {THIRD}"
    shared["bundle_version"] = f"{TIME} || {TIME.replace('2019', '2020')}"
    report = fail([shared, single], tmp_path, layout="bundle")
    assert "no other row tells which belong together" in str(report.errors[0])
    assert [entry.name for entry in report.files if entry.state == "downloaded"] == ["b.pdf"]
    assert get([shared, single], tmp_path, layout="none").ok


def test_names_of_a_bundle_that_clash(wire: Wire, bundle: Bundle, tmp_path: Path) -> None:
    rows = rows_of(wire, bundle)
    rows[0]["file_name"] = "B.PDF"
    assert fail(rows, tmp_path, layout="bundle").count("failed") == 2
    get(rows, tmp_path, layout="bundle", clash="rename")
    assert {name.partition("/")[2] for name in tree(tmp_path)} >= {"B.PDF", "b~2.pdf"}


# What goes wrong


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"file_sha256": "0" * 64}, f"expected sha256 {'0' * 64}, found"),
        ({"file_size": "10"}, "10"),
        ({"file_url": ""}, "the manifest's row with file_uuid UUID has no URL"),
        ({"file_url": "s3://bucket/key"}, "UUID has a URL of s3, not of http or https"),
        ({"file_url": "ORIGIN/repository/files/404"}, "404"),
        ({"file_url": "ORIGIN/repository/files/410"}, "410"),
        ({"file_url": "ORIGIN/repository/files/401"}, "No token is sent to another place"),
    ],
)
def test_a_fault_of_a_file_fails_that_file(
    wire: Wire, bundle: Bundle, tmp_path: Path, cells: dict[str, str], reason: str
) -> None:
    portal = wire.script

    def refusing(asked: Asked) -> Iterator[Step]:
        assert portal is not None
        yield from [head(int(asked.name), 0)] if asked.name.isdecimal() else portal(asked)

    wire.script = refusing
    bad, good = rows_of(wire, bundle)
    bad |= {name: text.replace("ORIGIN", wire.origin) for name, text in cells.items()}
    report = fail([bad, good], tmp_path)
    assert [entry.state for entry in report.files] == ["failed", "downloaded"]
    assert reason.replace("UUID", bad["file_uuid"]) in str(report.errors[0])
    assert "secret" not in str(report.errors[0])


def test_a_column_that_is_not_there(wire: Wire, bundle: Bundle, tmp_path: Path) -> None:
    rows = rows_of(wire, bundle)
    with pytest.raises(ManifestError) as caught:
        get(rows, tmp_path, urls="url")
    assert "lacks the columns url: it has source_id, " in str(caught.value)
    assert "file_url, file_drs_uri" in str(caught.value)
    with pytest.raises(InvalidArgument, match="cannot be used with urls"):
        get(rows, tmp_path, no_data=True, layout="bundle")


@pytest.mark.parametrize(
    ("layout", "column"),
    [("bundle", "bundle_uuid"), ("bundle", "bundle_version"), ("none", "file_version")],
)
@pytest.mark.parametrize("line", [1, 2])
def test_an_empty_cell_is_told_with_its_place(
    wire: Wire, bundle: Bundle, tmp_path: Path, layout: str, column: str, line: int
) -> None:
    rows = rows_of(wire, bundle)
    for row in rows:
        row["bundle_version"] = row["bundle_version"] if layout == "bundle" else ""
    rows[line - 1][column] = ""
    with pytest.raises(ManifestError, match=rf"line {line}: {column}: '' is not a valid"):
        get(rows, tmp_path, layout=layout)


def test_without_urls_a_replica_is_needed(dss: DSSClient, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="replica= is needed: 'aws' or 'gcp'; or urls="):
        dss.download_manifest(manifest=[], download_dir=tmp_path)
