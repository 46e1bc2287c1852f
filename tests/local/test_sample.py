"""The sample: the same bytes everywhere, and real data in them."""

import gzip
import hashlib
import json
import struct
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from dss_client.local import LocalDSS, load_sample
from dss_client.local.gzip_stored import gzip_stored
from dss_client.local.sample import BUNDLES, SampleBundle, sample_files
from dss_client.local.storage.names import check_name

MANIFESTS_SHA256 = "d78e401c3714df486a1e54f33d98c745b207d57f81f004baa3b75410f74f4a35"
each_bundle = pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.organ)


def documents(bundle: SampleBundle) -> dict[str, dict[str, Any]]:
    return {
        name: json.loads(content)
        for name, content in sample_files(bundle).items()
        if name.endswith(".json")
    }


def test_the_same_manifests_everywhere(tmp_path: Path) -> None:
    dss = LocalDSS(tmp_path)
    loaded = load_sample(dss)
    digest = hashlib.sha256()
    for bundle in loaded:
        digest.update((tmp_path / "aws/main/bundles" / bundle.fqid).read_bytes())
    assert digest.hexdigest() == MANIFESTS_SHA256
    assert load_sample(dss) == []


@each_bundle
def test_names(bundle: SampleBundle) -> None:
    files = sample_files(bundle)
    assert len(documents(bundle)) == 14
    assert sum(len(content) for content in files.values()) < 1_000_000
    for name in files:
        check_name(name)


@each_bundle
def test_every_document_says_what_it_is(bundle: SampleBundle) -> None:
    for name, document in documents(bundle).items():
        kind = name.removesuffix(".json").rpartition("_")[0] or "links"
        assert document["describedBy"].startswith("https://schema.humancellatlas.org/")
        assert document["describedBy"].endswith(f"/{kind}")
        assert document["schema_type"]
        if kind != "links":
            assert set(document["provenance"]) == {
                "document_id",
                "submission_date",
                "update_date",
            }


@each_bundle
def test_links_connect_the_entities(bundle: SampleBundle) -> None:
    entities = {
        document["provenance"]["document_id"]: name
        for name, document in documents(bundle).items()
        if name != "links.json"
    }
    steps = documents(bundle)["links.json"]["links"]
    linked: set[str] = set()
    for step in steps:
        linked |= {step["process"], *step["inputs"], *step["outputs"]}
        linked |= {protocol["protocol_id"] for protocol in step["protocols"]}
    assert {entities[document_id] for document_id in linked} == set(entities.values()) - {
        "project_0.json"
    }
    for before, after in pairwise(steps):
        assert before["outputs"] == after["inputs"]


@each_bundle
def test_fastq_files_are_real_pairs(bundle: SampleBundle) -> None:
    files = sample_files(bundle)
    names: list[list[str]] = []
    for read, name in enumerate(bundle.read_names, start=1):
        lines = gzip.decompress(files[name]).decode("ascii").splitlines()
        assert len(lines) == 4 * 300
        assert all(line.startswith("@") and f" {read}:N:0:" in line for line in lines[::4])
        assert all(set(line) <= set("ACGT") for line in lines[1::4])
        assert set(lines[2::4]) == {"+"}
        assert all(set(line) <= {chr(code) for code in range(33, 75)} for line in lines[3::4])
        assert [len(line) for line in lines[1::4]] == [len(line) for line in lines[3::4]]
        names.append([line.split()[0] for line in lines[::4]])
    assert names[0] == names[1]
    assert len(set(names[0])) == 300


def test_the_matrix_is_a_flattened_zarr_store() -> None:
    [bundle] = [bundle for bundle in BUNDLES if bundle.has_matrix]
    store = {
        name.removeprefix("matrix.zarr!").replace("!", "/"): content
        for name, content in sample_files(bundle).items()
        if name.startswith("matrix.zarr!")
    }
    assert json.loads(store[".zgroup"]) == {"zarr_format": 2}
    array = json.loads(store["expression/.zarray"])
    rows, columns = array["chunks"]
    chunks = [name for name in store if name.startswith("expression/") and name[-1] != "y"]
    assert len(chunks) * rows == array["shape"][0]
    for name in chunks:
        values = struct.unpack(f"<{rows * columns}f", store[name])
        assert set(values) <= {0.0, 1.0, 2.0, 3.0}
    for name, width in (("gene_id", 15), ("cell_id", 16)):
        [length] = json.loads(store[f"{name}/.zarray"])["shape"]
        assert len(store[f"{name}/0"]) == length * width


@pytest.mark.parametrize("content", [b"", b"a", b"x" * 65535, b"x" * 65536, bytes(200_000)])
def test_stored_gzip(content: bytes) -> None:
    assert gzip.decompress(gzip_stored(content)) == content


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
