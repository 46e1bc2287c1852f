"""The two checkout operations (docs/behaviour.md 8.9, 9)."""

import json
import time
import uuid
from pathlib import Path

import httpx
import pytest

from dss_client.local import LoadedBundle, LocalDSS, LocalSettings
from tests.local.calls import AWS, UUID, Load, expect
from tests.local.calls import V1 as VERSION
from tests.local.webhook import PATIENCE


@pytest.fixture
def bundle(dss: LocalDSS, load: Load) -> LoadedBundle:
    return load(dss, {"a.json": {"a": 1}, "sub/b": b"content"}, UUID, VERSION)


def post(client: httpx.Client, body: dict[str, str] | None = None, **query: str) -> httpx.Response:
    return client.post(f"/bundles/{UUID}/checkout", params={**AWS, **query}, json=body or {})


def status(client: httpx.Client, started: httpx.Response, **query: str) -> dict[str, str]:
    job_id = started.json()["checkout_job_id"]
    answer = client.get(f"/bundles/checkout/{job_id}", params={**AWS, **query})
    body: dict[str, str] = answer.json()
    return body


def test_a_job(dss: LocalDSS, client: httpx.Client, bundle: LoadedBundle) -> None:
    started = post(client)
    assert started.status_code == 200
    job_id = started.json()["checkout_job_id"]
    assert uuid.UUID(job_id).version == 4
    assert status(client, started) == {
        "status": "SUCCEEDED",
        "location": f"s3://dss-local-checkout-aws/bundles/{bundle.fqid}",
    }
    checkout = dss.root / "aws" / "checkout"
    assert (checkout / "bundles" / bundle.fqid / "sub/b").read_bytes() == b"content"
    stored = json.loads((checkout / f"checkout/status/{job_id}.json").read_text())
    assert stored == status(client, started)


def test_jobs_run_for_as_many_polls_as_asked_and_end_with_the_service(
    tmp_path: Path, load: Load
) -> None:
    settings = LocalSettings(checkout_polls=2)
    with LocalDSS(tmp_path, settings=settings) as dss, httpx.Client(base_url=dss.url) as client:
        load(dss, {"a": b""}, UUID)
        ended, running = post(client), post(client)
        states = [status(client, ended)["status"] for _ in range(4)]
        assert states == ["RUNNING", "RUNNING", "SUCCEEDED", "SUCCEEDED"]
    with LocalDSS(tmp_path) as dss, httpx.Client(base_url=dss.url) as client:
        assert status(client, ended)["status"] == "SUCCEEDED"
        lost = status(client, running)
    assert lost["status"] == "FAILED"
    assert "start a new one" in lost["cause"]


def test_a_foreign_job_is_as_its_status_object_says(dss: LocalDSS, client: httpx.Client) -> None:
    path = dss.root / f"aws/checkout/checkout/status/{UUID}.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"status": "RUNNING"}')
    for _ in range(2):
        assert client.get(f"/bundles/checkout/{UUID}", params=AWS).json() == {"status": "RUNNING"}


def test_jobs_and_requests_that_are_refused(client: httpx.Client, bundle: LoadedBundle) -> None:
    assert status(client, post(client), replica="gcp")["code"] == "not_found"
    for job_id, expected in ((UUID, 404), (UUID.upper(), 404), ("none", 400)):
        expect(client, "GET", f"/bundles/checkout/{job_id}", expected, params=AWS)
    for body, query, code in (
        ({"destination": "a/b"}, {}, "illegal_arguments"),
        ({"email": "nobody"}, {}, "illegal_arguments"),
        ({}, {"version": "2019"}, "not_found"),
        ({}, {"replica": "gcp"}, "not_found"),
    ):
        assert post(client, body, **query).json()["code"] == code
    expect(client, "POST", f"/bundles/{UUID}/checkout", 400, params=AWS)


def test_destinations(dss: LocalDSS, client: httpx.Client, bundle: LoadedBundle) -> None:
    (dss.root / "mine").mkdir()
    done = status(client, post(client, {"destination": "mine"}))
    assert done["location"] == f"s3://mine/bundles/{bundle.fqid}"
    assert (dss.root / "mine/bundles" / bundle.fqid / "sub/b").read_bytes() == b"content"
    (dss.root / ".staging").mkdir(exist_ok=True)
    for name in ("nowhere", "aws", "..", ".staging", "a\\b"):
        done = status(client, post(client, {"destination": name}))
        assert done["status"] == "FAILED"
        assert done["cause"].endswith("(FAILED)")
        assert "bucket" in done["cause"]


def test_names_that_cannot_be_files(
    dss: LocalDSS, client: httpx.Client, bundle: LoadedBundle
) -> None:
    path = dss.root / f"aws/main/bundles/{bundle.fqid}"
    path.write_text(path.read_text().replace("sub/b", "../../../../outside"))
    done = status(client, post(client))
    assert done["status"] == "FAILED"
    assert str(dss.root) not in done["cause"]
    assert not list(dss.root.parent.rglob("outside"))


@pytest.mark.parametrize(("destination", "subject"), [("", "complete"), ("nowhere", "failed")])
def test_mail(
    tmp_path: Path,
    load: Load,
    caplog: pytest.LogCaptureFixture,
    destination: str,
    subject: str,
) -> None:
    settings = LocalSettings(email_dir=tmp_path / "mail")
    body = {"email": "me@example.org\nSubject: fake", "destination": destination}
    with (
        LocalDSS(tmp_path / "root", settings=settings) as dss,
        httpx.Client(base_url=dss.url) as client,
    ):
        bundle = load(dss, {"a": b""}, UUID)
        started = post(client, body)
        done = status(client, started)
        [mail] = (tmp_path / "mail").iterdir()
        lines = mail.read_text().splitlines()
        mail.unlink()
        mail.parent.rmdir()
        mail.parent.touch()  # the next one cannot be written
        assert status(client, post(client, body))["status"] == done["status"]
    assert "could not be written" in caplog.text
    assert mail.stem == started.json()["checkout_job_id"]
    assert lines[0].startswith("From: ")
    assert lines[1] == "To: me@example.org Subject: fake"
    assert f"Subject: Bundle checkout {subject}" in lines
    assert bundle.fqid in lines[-1]
    assert (done.get("location") or done["cause"]) in lines[-1]


@pytest.mark.parametrize(("days", "renewed"), [(6, False), (8, True), (13.99, True)])
def test_checkouts_age(tmp_path: Path, load: Load, days: float, renewed: bool) -> None:
    now = [time.time()]
    settings = LocalSettings(clock=lambda: now[0])
    with LocalDSS(tmp_path, settings=settings) as dss, httpx.Client(base_url=dss.url) as client:
        bundle = load(dss, {"a": b""}, UUID)
        query = {**AWS, "presignedurls": "true"}
        client.get(f"/bundles/{UUID}", params=query)
        copy = dss.root / "aws/checkout/bundles" / bundle.fqid / "a"
        before = copy.stat().st_mtime_ns
        now[0] += days * 24 * 3600
        assert client.get(f"/bundles/{UUID}", params=query).status_code == 200
        until = time.monotonic() + PATIENCE  # the job that renews may begin after the answer
        while renewed and copy.stat().st_mtime_ns == before and time.monotonic() < until:
            time.sleep(0.01)
    assert (copy.stat().st_mtime_ns != before) is renewed
