"""``dss search`` and ``dss get-bundle``."""

import io
import json
from pathlib import Path

import pytest

from dss_client import DSSClient
from dss_client.local import LocalDSS

from .conftest import ANSI, Run, Spawn, fill

HUMAN = {"query": {"match": {"files.donor_organism_json.biomaterial_core.ncbi_taxon_id": 9606}}}
SPECIES = "files.donor_organism_json.genus_species.text"
UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def first(local_dss: LocalDSS) -> str:
    """FQID of the first bundle found."""
    with DSSClient(local_dss.url) as dss:
        return dss.post_search(replica="aws", es_query={}).results[0].bundle_fqid


def test_search_prints_a_line_for_each_bundle(run: Run, local_dss: LocalDSS, first: str) -> None:
    outcome = run("search", "--url", local_dss.url)
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.splitlines()[0] == first
    assert len(outcome.out.splitlines()) == 3


TWICE = ("--field", SPECIES, "--field", "bundle_uuid")


def test_search_prints_a_table_with_fields_of_the_metadata(run: Run, local_dss: LocalDSS) -> None:
    outcome = run("search", "--url", local_dss.url, "--field", SPECIES, *TWICE, "--limit", "2")
    header, *rows = (line.split("\t") for line in outcome.out.splitlines())
    assert header == ["bundle_uuid", "bundle_version", SPECIES]
    assert len(rows) == 2
    assert all(len(uuid) == 36 for uuid, _, _ in rows)
    assert all(species in {"Homo sapiens", "Mus musculus"} for _, _, species in rows)
    both = run("search", "--url", local_dss.url, "--table", "--json")
    assert both.status == 2
    assert "--table and --json exclude each other" in both.err


def test_search_takes_a_query_from_argument_file_and_standard_input(
    run: Run, local_dss: LocalDSS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "query.json"
    file.write_text(json.dumps(HUMAN))
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(HUMAN)))
    found = [
        run("search", "--url", local_dss.url, query).out
        for query in (json.dumps(HUMAN), f"@{file}", "-")
    ]
    assert len(found[0].splitlines()) == 2
    assert found == [found[0]] * 3


def test_a_search_without_hits_says_so_beside_its_output(run: Run, local_dss: LocalDSS) -> None:
    words = ("search", '{"query": {"match": {"a": "b"}}}', "--url", local_dss.url, "--replica")
    outcome = run(*words, "gcp")
    assert (outcome.status, outcome.out) == (0, "")
    assert outcome.err == "no bundle of replica gcp matches\n"
    assert run(*words, "aws", "--json").err == ""


@pytest.mark.parametrize("query", ["foo", "{query: {}}", "@nothing.json", "query.json", "[]"])
def test_the_example_of_a_message_is_a_query(
    run: Run, local_dss: LocalDSS, query: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = run("search", query, "--url", local_dss.url)
    assert refused.status == 2
    assert "or @FILE" in refused.err
    example = refused.err.split("'{")[1].split("}'")[0]
    assert len(run("search", f"{{{example}}}", "--url", local_dss.url).out.splitlines()) == 1


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("{", "the query is not JSON"),
        ("[]", "the query is not a JSON object"),
        ("@missing.json", "missing.json cannot be read: No such file or directory"),
        ("@latin.json", "latin.json is not UTF-8 text"),
    ],
)
def test_a_bad_query_is_wrong_usage(
    run: Run, query: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("latin.json").write_bytes(b"\xe9")
    outcome = run("search", query)
    assert outcome.status == 2
    assert message in outcome.err


def test_search_as_json_is_the_answer_of_the_service(run: Run, local_dss: LocalDSS) -> None:
    document = run("search", json.dumps(HUMAN), "--url", local_dss.url, "--json").document
    assert document["es_query"] == HUMAN
    assert document["total_hits"] == len(document["results"]) == 2
    assert {"bundle_fqid", "bundle_url"} <= set(document["results"][0])


@pytest.mark.parametrize("limit", [1, 2, 11, 500])
def test_search_goes_over_pages_up_to_the_limit(
    run: Run, empty_dss: LocalDSS, tmp_path: Path, limit: int
) -> None:
    loaded = fill(empty_dss, tmp_path / "bundle", 12)
    words = ("search", "--url", empty_dss.url, "--limit", limit, "--output-format")
    lines = run(*words, "raw").out.splitlines()  # in pages of ten
    assert len(lines) == min(limit, 12)
    assert all("files" in json.loads(line) for line in lines)
    assert run(*words, "summary").out.splitlines() == sorted(loaded, reverse=True)[:limit]
    assert len(run(*words, "raw", "--json").document["results"]) == min(limit, 12)


def test_get_bundle_for_people(run: Run, local_dss: LocalDSS, first: str) -> None:
    uuid, version = first.split(".", 1)
    outcome = run("get-bundle", uuid, "--url", local_dss.url)
    lines = outcome.out.splitlines()
    assert outcome.status == 0
    assert lines[0].split() == ["bundle", uuid]
    assert lines[1].split() == ["version", version]
    assert lines[2].startswith("files ")
    (links,) = (line for line in lines[4:] if line.endswith("  links.json"))
    with DSSClient(local_dss.url) as dss:
        files = dss.get_bundle(uuid=uuid, version=version, replica="aws").bundle.files
    assert next(file.uuid for file in files if file.name == "links.json") in links
    assert ANSI not in outcome.out


@pytest.mark.parametrize("form", ["fqid", "option", "both"])
def test_a_bundle_can_be_named_with_its_version(
    run: Run, local_dss: LocalDSS, first: str, form: str
) -> None:
    uuid, version = first.split(".", 1)
    words = {
        "fqid": [first],
        "option": [uuid, "--version", version],
        "both": [first, "--version", version],
    }[form]
    document = run("get-bundle", *words, "--url", local_dss.url, "--json").document
    assert (document["bundle"]["uuid"], document["bundle"]["version"]) == (uuid, version)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nonsense"], "'nonsense' is not a valid DSS uuid"),
        ([f"{UNKNOWN}.yesterday"], "'yesterday' is not a valid DSS version"),
        ([UNKNOWN, "--version", "today"], "'today' is not a valid DSS version"),
        (
            [f"{UNKNOWN}.2019-01-01T000000.000000Z", "--version", "2020-01-01T000000.000000Z"],
            "contradicts",
        ),
        ([UNKNOWN, "--replica", "azure"], "'azure' is not one of 'aws', 'gcp'"),
    ],
)
def test_a_badly_named_bundle_is_wrong_usage(run: Run, words: list[str], message: str) -> None:
    outcome = run("get-bundle", *words)
    assert outcome.status == 2
    assert message in outcome.err


def test_pages_of_a_bundle_are_merged_where_they_belong(
    run: Run, empty_dss: LocalDSS, tmp_path: Path
) -> None:
    fqid = fill(empty_dss, tmp_path / "bundle", bundles=1, files=503)[0]
    document = run("get-bundle", fqid, "--url", empty_dss.url, "--json").document
    assert set(document) == {"bundle"}
    names = [file["name"] for file in document["bundle"]["files"]]
    assert names == [f"{number:04}.json" for number in range(503)]
    assert "files    503, " in run("get-bundle", fqid, "--url", empty_dss.url).out


def test_no_colour_codes_in_a_pipe(spawn: Spawn, local_dss: LocalDSS, first: str) -> None:
    process = spawn("get-bundle", first, DSS_URL=local_dss.url)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert "links.json" in out
    assert ANSI not in out
