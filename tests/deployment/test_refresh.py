"""``refresh_swagger``, and a deployment that has gone on meanwhile."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from dss_client import NotFound, _spec
from dss_client.deployment.facts import SpecificationError
from dss_client.local import LocalDSS
from tests.cli.conftest import Outcome
from tests.conftest import Origins
from tests.drive import Driver
from tests.origin import Origin, Reply, Seen

UUID = "0a6f2b1c-3d4e-4f50-8a61-72b3c4d5e6f7"
VERSION = "2019-01-01T000000.000000Z"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("platformdirs.user_cache_path", lambda *_, **__: tmp_path / "cache")
    return tmp_path / "cache"


def serving(document: object) -> Reply:
    return Reply(body=json.dumps(document).encode())


def test_the_embedded_one_has_the_same(drive: Driver, local_dss: LocalDSS, cache: Path) -> None:
    report = drive(url=local_dss.url).call("refresh_swagger")
    assert (report.same, report.ok, report.changes, report.is_new) == (True, True, (), True)
    assert str(report) == f"{local_dss.url}/swagger.json: the same API as this client's"
    assert report.path.is_relative_to(cache)
    assert json.loads(report.path.read_bytes())["swagger"] == "2.0"
    assert not drive(url=local_dss.url).call("refresh_swagger").is_new
    assert list(report.path.parent.iterdir()) == [report.path]


def test_it_is_asked_without_a_token(origins: Origins, drive: Driver) -> None:
    origin = origins(serving(_spec.load()))
    drive(url=f"{origin.url}/v1", options={"token": "t0ken"}).call("refresh_swagger")
    (seen,) = origin.seen
    assert seen.target == "/v1/swagger.json"
    assert "authorization" not in seen.headers


def test_the_copy_can_be_removed(drive: Driver, local_dss: LocalDSS) -> None:
    report = drive(url=local_dss.url).call("refresh_swagger")
    assert drive(url=local_dss.url).call("clear_cache") is True
    assert not report.path.exists()
    assert drive(url=local_dss.url).call("clear_cache") is False


def grown() -> dict[str, Any]:
    """Return the specification of a deployment that has more than this client knows."""
    document = copy.deepcopy(_spec.load())
    document["definitions"]["bundle_version"]["properties"]["colour"] = {"type": "string"}
    document["parameters"]["replica"]["enum"].append("azure")
    document["paths"]["/things"] = {"get": {"responses": {"200": {"description": "Things."}}}}
    document["paths"]["/bundles/{uuid}"]["get"]["parameters"].append(
        {"name": "colour", "in": "query", "type": "string", "required": False}
    )
    return document


@pytest.fixture
def later(origins: Origins) -> Origin:
    """A deployment of a later version, which answers with what is new."""
    file = {
        "name": "a.json", "uuid": UUID, "version": VERSION, "size": 1, "indexed": True,
        "content-type": "application/json", "crc32c": "0" * 8, "s3_etag": "0" * 32,
        "sha1": "0" * 40, "sha256": "0" * 64, "colour": "red",
    }  # fmt: skip
    bundle = {"uuid": UUID, "version": VERSION, "creator_uid": 1, "files": [file], "colour": "red"}

    def answer(seen: Seen) -> Reply:
        if seen.target.endswith("/swagger.json"):
            return serving(grown())
        return serving({"bundle": bundle, "novelty": {"a": 1}})

    return origins(script=answer)


def test_a_deployment_that_has_more_still_works(later: Origin, drive: Driver) -> None:
    url = f"{later.url}/v1"
    bundle = drive(url=url).call("get_bundle", uuid=UUID, replica="aws").bundle
    assert bundle.files[0].size == 1
    assert (bundle.model_extra, bundle.files[0].model_extra) == ({"colour": "red"},) * 2
    report = drive(url=url).call("refresh_swagger")
    assert report.ok
    assert not report.same
    assert {change.kind for change in report.changes} == {"added", "changed"}
    assert "added GET /things" in str(report)
    assert "none breaking" in str(report)


def test_one_that_has_less_is_told(origins: Origins, drive: Driver) -> None:
    document = copy.deepcopy(_spec.load())
    del document["paths"]["/events"]
    origin = origins(serving(document))
    report = drive(url=f"{origin.url}/v1").call("refresh_swagger")
    assert not report.ok
    assert [str(change) for change in report.breaking] == ["removed GET /events (calls of it fail)"]
    assert json.loads(report.to_json())["changes"][0]["breaking"] is True
    assert str(report).startswith(f"{origin.url}/v1/swagger.json: 1 difference, 1 of them breaking")


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(body=b"<html>"), "not JSON: is this the URL of a DSS"),
        (Reply(body=b"[]"), "not a JSON object"),
        (Reply(body=b"{}"), '/swagger: expected "2.0"'),
        (Reply(body=b" " * ((1 << 24) + 1)), "not a valid specification"),
    ],
)
def test_what_is_none_is_refused_and_not_kept(
    origins: Origins, drive: Driver, reply: Reply, said: str, cache: Path
) -> None:
    origin = origins(reply)
    with pytest.raises(SpecificationError) as refused:
        drive(url=f"{origin.url}/v1").call("refresh_swagger")
    assert said in str(refused.value)
    assert str(refused.value).startswith(f"{origin.url}/v1/swagger.json: ")
    assert not cache.exists()


def test_there_may_be_none(origins: Origins, drive: Driver) -> None:
    with pytest.raises(NotFound):
        drive(url=f"{origins(Reply(404)).url}/v1").call("refresh_swagger")


class TestCommand:
    @staticmethod
    def run(capsys: pytest.CaptureFixture[str], *words: str) -> Outcome:
        from dss_client.cli import main

        with pytest.raises(SystemExit) as ended:
            main(["refresh-swagger", *words])
        printed = capsys.readouterr()
        return Outcome(int(ended.value.code or 0), printed.out, printed.err)

    def test_it_says_so(self, local_dss: LocalDSS, capsys: pytest.CaptureFixture[str]) -> None:
        done = self.run(capsys, "--url", local_dss.url)
        assert done.status == 0
        assert "the same API" in done.out
        assert done.out.splitlines()[-1].startswith("kept in ")

    def test_what_breaks_is_its_status(
        self, origins: Origins, capsys: pytest.CaptureFixture[str]
    ) -> None:
        document = copy.deepcopy(_spec.load())
        del document["paths"]["/search"]
        origin = origins(serving(document))
        failed = self.run(capsys, "--url", f"{origin.url}/v1", "--json")
        assert failed.status == 1
        assert failed.document["ok"] is False
