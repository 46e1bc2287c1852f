"""``dss checkout``."""

import signal
import sys

import pytest

from dss_client import DSSClient
from dss_client.local import LocalDSS, LocalSettings

from .conftest import Run, Spawn

VERSION = "2019-01-01T000000.000000Z"
UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def fqid(slow_dss: LocalDSS) -> str:
    with DSSClient(slow_dss.url) as dss:
        return dss.post_search(replica="aws", es_query={}).results[0].bundle_fqid


def test_it_waits_and_prints_the_place(run: Run, local_dss: LocalDSS, fqid: str) -> None:
    outcome = run("checkout", fqid, "--url", local_dss.url)
    assert outcome.status == 0
    assert outcome.out.startswith("s3://")
    assert outcome.out.endswith(f"/bundles/{fqid}\n")
    assert outcome.err.startswith("checkout job ")


def test_a_job_can_be_started_and_gone_on_with(run: Run, slow_dss: LocalDSS, fqid: str) -> None:
    started = run("checkout", fqid, "--no-wait", "--url", slow_dss.url)
    job = started.out.strip()
    assert (started.status, started.err) == (0, "")
    look = ("checkout", "--job", job, "--no-wait", "--url", slow_dss.url)
    assert run(*look).out == "RUNNING\n"
    place = run("checkout", "--job", job, "--url", slow_dss.url)
    assert place.out.endswith(f"/bundles/{fqid}\n")
    assert run(*look).out == place.out
    assert run(*look, "--json").document == {
        "job_id": job,
        "replica": "aws",
        "state": "SUCCEEDED",
        "location": place.out.strip(),
    }


def test_json_of_a_job_just_started(run: Run, slow_dss: LocalDSS, fqid: str) -> None:
    document = run("checkout", fqid, "--no-wait", "--url", slow_dss.url, "--json").document
    assert (document["state"], document["location"]) == ("RUNNING", None)


def test_a_timeout_says_how_to_go_on(run: Run, slow_dss: LocalDSS, fqid: str) -> None:
    outcome = run("checkout", fqid, "--timeout", 0, "--url", slow_dss.url)
    assert (outcome.status, outcome.out) == (1, "")
    job = outcome.err.splitlines()[0].removeprefix("checkout job ")
    assert outcome.err.endswith(f"go on with: dss checkout --job {job} --replica aws\n")


@pytest.mark.parametrize("wait", [[], ["--no-wait"]])
def test_a_failed_job_says_why(run: Run, slow_dss: LocalDSS, fqid: str, wait: list[str]) -> None:
    words = ("checkout", fqid, "--destination", "nowhere", "--no-wait", "--url", slow_dss.url)
    job = run(*words).out.strip()
    look = ("checkout", "--job", job, "--url", slow_dss.url)
    run(*look, "--no-wait")  # the job runs for one poll
    outcome = run(*look, *wait)
    assert (outcome.status, outcome.out) == (1, "")
    assert f"checkout job {job} failed: " in outcome.err
    assert "nowhere" in outcome.err


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_an_interrupt_ends_the_wait(spawn: Spawn) -> None:
    with LocalDSS(sample=True, settings=LocalSettings(checkout_polls=1000)) as server:
        with DSSClient(server.url) as dss:
            fqid = dss.post_search(replica="aws", es_query={}).results[0].bundle_fqid
        process = spawn("checkout", fqid, "--url", server.url)
        assert process.stderr is not None
        assert process.stderr.readline().startswith("checkout job ")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, "", "Interrupted.\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name a bundle, or continue with a job"),
        ([UNKNOWN, "--job", "1"], "leave out the bundle"),
        (["--job", "1", "--version", VERSION], "leave out --version"),
        (["--job", "1", "--destination", "bucket"], "leave out --destination"),
        (["--job", ""], "checkout_job_id must not be ''"),
    ],
)
def test_what_makes_no_sense_is_wrong_usage(
    run: Run, local_dss: LocalDSS, words: list[str], message: str
) -> None:
    outcome = run("checkout", "--url", local_dss.url, *words)
    assert outcome.status == 2
    assert message in outcome.err
