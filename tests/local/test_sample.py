"""The sample: the same bytes everywhere, and real data in them."""

import gzip
import hashlib
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import zarr

from dss_client.local import LocalDSS, load_sample
from dss_client.local.sample import BUNDLES, SampleBundle, sample_files

MANIFESTS_SHA256 = "15ff3bc223726a20794fbe91e98f6eb58b4aa9163f67061d8f9a314332448581"
each_bundle = pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.organ)


def test_the_same_manifests_everywhere(tmp_path: Path) -> None:
    dss = LocalDSS(tmp_path)
    digest = hashlib.sha256()
    for bundle in load_sample(dss):
        digest.update((tmp_path / "aws/main/bundles" / bundle.fqid).read_bytes())
    assert digest.hexdigest() == MANIFESTS_SHA256
    assert load_sample(dss) == []


@each_bundle
def test_the_documents_say_what_they_are_and_are_linked(bundle: SampleBundle) -> None:
    documents: dict[str, Any] = {
        name: json.loads(content)
        for name, content in sample_files(bundle).items()
        if name.endswith(".json")
    }
    assert len(documents) == 14
    for name, document in documents.items():
        kind = name.removesuffix(".json").rpartition("_")[0] or "links"
        assert document["describedBy"].startswith("https://schema.humancellatlas.org/")
        assert document["describedBy"].endswith(f"/{kind}")
        assert document["schema_type"]
    links = documents.pop("links.json")
    provenance = {name: document["provenance"] for name, document in documents.items()}
    for each in provenance.values():
        assert set(each) == {"document_id", "submission_date", "update_date"}
    linked: set[str] = set()
    for step in links["links"]:
        linked |= {step["process"], *step["inputs"], *step["outputs"]}
        linked |= {protocol["protocol_id"] for protocol in step["protocols"]}
    names = {each["document_id"]: name for name, each in provenance.items()}
    assert {names[document_id] for document_id in linked} == {*documents} - {"project_0.json"}
    for before, after in pairwise(links["links"]):
        assert before["outputs"] == after["inputs"]


@each_bundle
def test_fastq_files_are_real_pairs(bundle: SampleBundle) -> None:
    names: list[list[str]] = []
    for read, name in enumerate(bundle.read_names, start=1):
        lines = gzip.decompress(sample_files(bundle)[name]).decode("ascii").splitlines()
        assert len(lines) == 4 * 300
        assert all(line.startswith("@") and f" {read}:N:0:" in line for line in lines[::4])
        assert all(set(line) <= set("ACGT") for line in lines[1::4])
        assert set(lines[2::4]) == {"+"}
        assert all(set(line) <= {chr(code) for code in range(33, 75)} for line in lines[3::4])
        assert [len(line) for line in lines[1::4]] == [len(line) for line in lines[3::4]]
        names.append([line.split()[0] for line in lines[::4]])
    assert names[0] == names[1]
    assert len(set(names[0])) == 300


def test_the_matrix_is_a_flattened_zarr_store(tmp_path: Path) -> None:
    [bundle] = [bundle for bundle in BUNDLES if bundle.has_matrix]
    for name, content in sample_files(bundle).items():
        path = tmp_path / name.replace("!", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    store = zarr.open_group(tmp_path / "matrix.zarr", mode="r")
    genes, cells, expression = (
        np.asarray(store[name]) for name in ("gene_id", "cell_id", "expression")
    )
    assert expression.shape == (len(cells), len(genes))
    assert set(expression.flat) <= {0.0, 1.0, 2.0, 3.0}
    assert genes[0] == b"ENSG00000000001"
    assert len(set(cells)) == len(cells)


def test_every_file_can_be_fetched(api: httpx.Client) -> None:
    fetched = 0
    for sample in BUNDLES:
        query = {"replica": "aws", "presignedurls": "true"}
        bundle = api.get(f"/bundles/{sample.uuid}", params=query).json()["bundle"]
        expected = sample_files(sample)
        assert [file["name"] for file in bundle["files"]] == sorted(expected)
        for file in bundle["files"]:
            content = httpx.get(file["url"]).content
            assert content == expected[file["name"]]
            assert hashlib.sha256(content).hexdigest() == file["sha256"]
            fetched += 1
    assert fetched == 57
