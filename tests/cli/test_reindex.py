"""``dss reindex``."""

import json
from pathlib import Path

import httpx

from dss_client.local import LocalDSS

from .conftest import Run


def make_root(tmp_path: Path) -> Path:
    """Return a root with one bundle of one file, that was searched once."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "cell_0.json").write_text('{"name": "old"}')
    root = tmp_path / "root"
    with LocalDSS(root) as dss:
        dss.load_bundle(tmp_path / "source")
        assert hits(dss, "old") == 1
    return root


def hits(dss: LocalDSS, name: str) -> int:
    body = {"es_query": {"query": {"match": {"files.cell_json.name": name}}}}
    total = httpx.post(f"{dss.url}/search", params={"replica": "aws"}, json=body).json()
    return int(total["total_hits"])


def test_it_finds_what_was_changed_in_place(run: Run, tmp_path: Path) -> None:
    root = make_root(tmp_path)
    [blob] = (root / "aws/main/blobs").iterdir()
    blob.write_text('{"name": "new"}')
    with LocalDSS(root) as dss:
        assert (hits(dss, "old"), hits(dss, "new")) == (1, 0)
    outcome = run("reindex", "--root", root)
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out == "aws: 1 bundle versions\ngcp: 0 bundle versions\n"
    with LocalDSS(root) as dss:
        assert (hits(dss, "old"), hits(dss, "new")) == (0, 1)


def test_json(run: Run, tmp_path: Path) -> None:
    outcome = run("reindex", "--root", make_root(tmp_path), "--json")
    assert outcome.document == {"aws": 1, "gcp": 0}
    assert json.loads(outcome.out) == outcome.document


def test_a_root_that_is_not_there(run: Run, tmp_path: Path) -> None:
    outcome = run("reindex", "--root", tmp_path / "nothing")
    assert outcome.status == 2
    assert "does not exist" in outcome.err


def test_a_root_that_is_served(run: Run, tmp_path: Path) -> None:
    with LocalDSS(tmp_path):
        outcome = run("reindex", "--root", tmp_path)
    assert (outcome.status, outcome.out) == (1, "")
    assert outcome.err.startswith("Error: another server works on ")
