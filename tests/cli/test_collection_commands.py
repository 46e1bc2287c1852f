"""``dss create-collection``, ``update-collection`` and ``clear-cache``."""

import json
from pathlib import Path

import pytest

from dss_client import DSSClient
from dss_client.local import LocalDSS

from .conftest import Run


@pytest.fixture
def dss(own_dss: LocalDSS, monkeypatch: pytest.MonkeyPatch) -> LocalDSS:
    monkeypatch.setenv("DSS_URL", own_dss.url)
    monkeypatch.setenv("DSS_TOKEN", own_dss.mint_token())
    return own_dss


@pytest.fixture
def items(dss: LocalDSS) -> list[str]:
    with DSSClient(dss.url) as client:
        return [
            json.dumps({"type": "bundle", "uuid": each.uuid, "version": each.version})
            for each in client.get_bundles_all(replica="aws").bundles
        ]


def test_one_is_made_and_changed(run: Run, dss: LocalDSS, items: list[str], tmp_path: Path) -> None:
    path = tmp_path / "items.json"
    path.write_text(f"[{items[0]}, {items[1]}]")
    made = run("create-collection", "--name", "n", "--contents", f"@{path}", "--details", "{}")
    assert (made.status, made.err) == (0, "")
    changed = run(
        "update-collection", made.out.strip(), "--add", items[2], "--remove", items[0], "--json"
    )
    assert (changed.status, changed.err) == (0, "")
    with DSSClient(dss.url) as client:
        uuid, version = changed.document["uuid"], changed.document["version"]
        found = client.get_collection(uuid=uuid, version=version, replica="aws").contents
    expected = [json.loads(item)["uuid"] for item in items[1:]]
    assert [each.uuid for each in found] == expected


def test_a_change_names_its_version(run: Run, dss: LocalDSS) -> None:
    failed = run("update-collection", "11111111-2222-4333-8444-555555555555")
    assert failed.status == 2
    assert "UUID.VERSION" in failed.err


def test_the_copy_of_the_specification_goes(
    run: Run, dss: LocalDSS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platformdirs.user_cache_path", lambda *_, **__: tmp_path / "cache")
    assert run("refresh-swagger").status == 0
    assert run("clear-cache").out == "The copy was removed.\n"
    assert run("clear-cache", "--json").document == {"removed": False}
