"""Bundles, hits and reports as tables, tables as manifests, and what notebooks show."""

import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa  # type: ignore[import-untyped]
import pytest

from dss_client import AsyncDSSClient, DownloadReport, DSSClient, InvalidArgument
from dss_client.local import LocalDSS
from dss_client.local.sample import BUNDLES, sample_files
from dss_client.manifest import COLUMNS, ManifestError, manifest_rows
from dss_client.search import hits_frame

BUNDLE = BUNDLES[0]
SPECIES = "files.donor_organism_json.genus_species.text"


@pytest.fixture(scope="module")
def service() -> Iterator[LocalDSS]:
    with LocalDSS(sample=True) as server:
        yield server


@pytest.fixture
def dss(service: LocalDSS) -> Iterator[DSSClient]:
    with DSSClient(service.url) as client:
        yield client


@pytest.fixture
def bundle(dss: DSSClient) -> Any:
    return dss.get_bundle(uuid=BUNDLE.uuid, replica="aws").bundle


def test_files_of_a_bundle_are_rows_of_pandas_by_themselves(bundle: Any) -> None:
    frame = pd.DataFrame(bundle.files)
    assert list(frame["name"]) == [file.name for file in bundle.files]
    assert set(frame.columns) == set(type(bundle.files[0]).model_fields)
    assert frame["size"].sum() == sum(file.size for file in bundle.files)


def test_a_bundle_is_a_table_whose_rows_are_those_of_a_manifest(bundle: Any) -> None:
    frame = bundle.to_frame()
    listed = [row.model_dump() for row in manifest_rows(bundle)]
    assert frame[list(COLUMNS)].to_dict("records") == listed
    assert set(frame["file_content_type"]) == {file.content_type for file in bundle.files}


def test_hits_are_a_table_with_the_fields_that_are_chosen(dss: DSSClient) -> None:
    page = dss.post_search(replica="aws", es_query={}, output_format="raw")
    frame = page.to_frame([SPECIES, "files.nothing"])
    assert list(frame.columns) == ["bundle_uuid", "bundle_version", SPECIES, "files.nothing"]
    assert set(frame["bundle_uuid"]) == {each.uuid for each in BUNDLES}
    assert set(frame[SPECIES]) <= {"Homo sapiens", "Mus musculus"}
    assert set(frame["files.nothing"]) == {""}
    hits = dss.post_search.iterate(replica="aws", es_query={}, output_format="raw")
    assert hits_frame(hits, [SPECIES]).equals(frame.drop(columns="files.nothing"))
    nulls = page.results[0].model_copy(update={"metadata": {"a": [None, {"b": 1}], "c": None}})
    assert hits_frame([nulls], ["a.b", "a", "c"]).iloc[0, 2:].to_list() == ["1", '{"b": 1}', ""]


def test_fields_of_hits_without_metadata_are_refused(dss: DSSClient) -> None:
    page = dss.post_search(replica="aws", es_query={})
    assert len(page.to_frame()) == len(BUNDLES)
    with pytest.raises(InvalidArgument, match="output_format='raw'"):
        page.to_frame([SPECIES])


async def test_bundles_that_are_found_are_one_table(service: LocalDSS, dss: DSSClient) -> None:
    frame = dss.search_bundles(replica="aws", es_query={}).to_frame()
    assert len(frame) == sum(len(sample_files(each)) for each in BUNDLES)
    async with AsyncDSSClient(service.url) as client:
        found = client.search_bundles(replica="aws", es_query={})
        assert (await found.to_frame()).equals(frame)
    nothing = {"query": {"match": {"files.x": "y"}}}
    empty = dss.search_bundles(replica="aws", es_query=nothing).to_frame()
    assert list(empty.columns) == list(frame.columns)


def polars_frame(rows: pd.DataFrame) -> Any:
    return pl.DataFrame(rows.to_dict("list"))


def arrow_table(rows: pd.DataFrame) -> Any:
    return pa.table(rows.to_dict("list"))


@pytest.mark.parametrize("made", [pd.DataFrame, polars_frame, arrow_table])
def test_a_table_is_a_manifest(dss: DSSClient, bundle: Any, tmp_path: Path, made: Any) -> None:
    frame = bundle.to_frame()
    chosen = frame[frame["file_indexed"]]
    report = dss.download_manifest(manifest=made(chosen), replica="aws", download_dir=tmp_path)
    names = {file.name for file in report.files}
    assert names == {name for name in sample_files(BUNDLE) if name.endswith(".json")}
    assert list(report.to_frame()["state"]) == [file.state for file in report.files]
    assert (tmp_path / "manifest.tsv").exists()


def test_missing_cells_of_pandas_are_empty(dss: DSSClient, bundle: Any, tmp_path: Path) -> None:
    frame = bundle.to_frame().assign(name="x", read=None).astype({"file_size": float})
    frame.loc[0, "name"] = None
    report = dss.download_manifest(manifest=frame, replica="aws", download_dir=tmp_path)
    assert report.ok
    text = (tmp_path / "manifest.tsv").read_text()
    assert "nan" not in text.lower()
    assert ".0\t" not in text


def repeated_in_arrow(frame: Any) -> Any:
    table = pa.Table.from_pandas(frame)
    return table.append_column("file_name", table["file_name"])


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (lambda frame: pd.concat([frame, frame[["file_name"]]], axis=1), "twice: file_name"),
        (repeated_in_arrow, "twice: file_name"),
        (lambda frame: frame.rename(columns={"file_sha1": 5}), "keys are texts"),
        (lambda frame: frame.to_numpy().tolist(), "expected a path, .* rows as mappings"),
        (lambda frame: io.BytesIO(frame.to_csv(sep="\t").encode()), "is a file of bytes: expected"),
        (lambda _: None, "has None: expected a path"),
        (lambda _: DownloadReport([]), "has <DownloadRepo.*: expected a path"),
    ],
)
def test_what_is_no_manifest_is_told(
    dss: DSSClient, bundle: Any, tmp_path: Path, made: Any, reason: str
) -> None:
    with pytest.raises(ManifestError, match=reason):
        dss.download_manifest(
            manifest=made(bundle.to_frame()), replica="aws", download_dir=tmp_path
        )


def test_without_pandas_the_error_names_the_extra(
    bundle: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"pip install 'dss-client\[pandas\]'"):
        bundle.to_frame()


def test_what_is_shown_is_one_line(dss: DSSClient, bundle: Any, tmp_path: Path) -> None:
    report = dss.download(bundle_uuid=BUNDLE.uuid, replica="aws", download_dir=tmp_path)
    page = dss.post_search(replica="aws", es_query={})
    job = dss.checkout(uuid=BUNDLE.uuid, replica="aws")
    shown = {
        repr(bundle): rf"<BundleVersion {BUNDLE.uuid}\.{BUNDLE.version}: 16 files, \d+\.\d kB>",
        repr(report): r"<DownloadReport: 17 downloaded; \d+\.\d kB in place>",
        repr(page): r"<SearchResult: 3 of 3 hits>",
        repr(job): rf"CheckoutJob\(.*'{job.job_id}', replica='aws'\)",
        repr(dss.get_bundle): r"<GetBundle: GET /bundles/\{uuid\}>",
    }
    for text, wanted in shown.items():
        assert re.fullmatch(wanted, text), text


def test_a_notebook_shows_tables_with_nothing_of_their_own(bundle: Any) -> None:
    first = bundle.files[0].model_copy(update={"name": "<script>&"})
    page = bundle.model_copy(update={"files": [first] * 25})._repr_html_()
    assert "&lt;script&gt;&amp;" in page
    assert page.count("<tr>") == 21
    assert "and 5 more" in page


def test_a_notebook_shows_the_arguments_of_an_operation(dss: DSSClient) -> None:
    page: str = dss.get_bundle._repr_html_()
    assert "GET /bundles/{uuid}" in page
    assert page.count("<tr>") == 1 + len(dss.get_bundle.endpoint.parameters)
