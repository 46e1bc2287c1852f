"""Checkout jobs: started, polled, waited for, given up, taken up again."""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

from dss_client import (
    AsyncCheckoutJob,
    AsyncDSSClient,
    CheckoutFailed,
    CheckoutJob,
    CheckoutStatus,
    CheckoutTimeout,
    DSSClient,
    DSSDecodeError,
    NotFound,
    RetryPolicy,
)
from tests.conftest import Origins
from tests.drive import INSTANT, Mode
from tests.operations.cases import FILE, UUID, VERSION
from tests.origin import Origin, Reply, Seen

if TYPE_CHECKING:
    from dss_client.local import LocalDSS

LOCATION = f"s3://bucket/bundles/{UUID}.{VERSION}"
NOW = RetryPolicy(initial_delay=0)


def origin_of(origins: Origins, *states: Mapping[str, Any]) -> Origin:
    """Start a service whose job goes through the given states; the last one stays."""
    left = list(states)

    def script(seen: Seen) -> Reply:
        if seen.method == "POST":
            return Reply(body=json.dumps({"checkout_job_id": FILE}).encode())
        state = left.pop(0) if len(left) > 1 else left[0]
        return Reply(body=json.dumps(state).encode())

    return origins(script=script)


class Jobs:
    """The blocking and the asynchronous jobs behind one face."""

    def __init__(self, mode: Mode, url: str) -> None:
        self.mode = mode
        self.url = url

    def wait(self, start: Callable[[Any], Any], **options: Any) -> str:
        """Start or attach to a job with `start` and wait for it."""
        if self.mode == "sync":
            with DSSClient(self.url, retries=INSTANT) as dss:
                place: str = start(dss).wait(polling=NOW, **options)
                return place
        return asyncio.run(self._wait(start, options))

    async def _wait(self, start: Callable[[Any], Any], options: Mapping[str, Any]) -> str:
        async with AsyncDSSClient(self.url, retries=INSTANT) as dss:
            job = start(dss)
            if not isinstance(job, AsyncCheckoutJob):
                job = await job
            place: str = await job.wait(polling=NOW, **options)
            return place


@pytest.fixture
def jobs(mode: Mode) -> Callable[[str], Jobs]:
    return lambda url: Jobs(mode, url)


def ask(dss: Any) -> Any:
    return dss.checkout(uuid=UUID, replica="aws")


def attach(dss: Any) -> Any:
    kind = CheckoutJob if isinstance(dss, DSSClient) else AsyncCheckoutJob
    return kind.attach(dss, FILE, replica="gcp")


def test_it_polls_until_the_copy_is_there(jobs: Callable[[str], Jobs], origins: Origins) -> None:
    running = {"status": "RUNNING"}
    done = {"status": "SUCCEEDED", "location": LOCATION}
    api = origin_of(origins, running, running, running, done)
    assert jobs(api.url).wait(ask) == LOCATION
    assert [seen.method for seen in api.seen] == ["POST", *["GET"] * 4]
    assert api.seen[0].target == f"/v1/bundles/{UUID}/checkout?replica=aws"
    assert {seen.target for seen in api.seen[1:]} == {f"/v1/bundles/checkout/{FILE}?replica=aws"}


def test_a_body_is_always_sent(jobs: Callable[[str], Jobs], origins: Origins) -> None:
    api = origin_of(origins, {"status": "SUCCEEDED", "location": LOCATION})
    jobs(api.url).wait(ask)
    assert api.seen[0].body == b"{}"
    assert api.seen[0].headers["content-type"] == "application/json"


def test_all_arguments_are_sent(jobs: Callable[[str], Jobs], origins: Origins) -> None:
    api = origin_of(origins, {"status": "SUCCEEDED", "location": LOCATION})
    jobs(api.url).wait(
        lambda dss: dss.checkout(
            uuid=UUID, replica="gcp", version=VERSION, destination="mine", email="a@b"
        )
    )
    assert "replica=gcp&version=2019" in api.seen[0].target
    assert json.loads(api.seen[0].body) == {"destination": "mine", "email": "a@b"}
    assert api.seen[1].target.endswith("?replica=gcp")


@pytest.mark.parametrize(
    ("state", "cause", "words"),
    [
        ({"status": "FAILED", "cause": "bucket not there"}, "bucket not there", "bucket not there"),
        ({"status": "FAILED"}, None, "gives no cause"),
        ({"status": "SUCCEEDED"}, None, "SUCCEEDED without a location"),
        ({"status": "UNKNOWN_JOB_ID"}, None, "UNKNOWN_JOB_ID"),
        ({"status": "PAUSED", "cause": "why not"}, "why not", "why not"),
        ({"status": "PAUSED"}, None, "PAUSED without a location"),
    ],
)
def test_a_job_without_a_copy_has_failed(
    state: Mapping[str, str],
    cause: str | None,
    words: str,
    jobs: Callable[[str], Jobs],
    origins: Origins,
) -> None:
    api = origin_of(origins, {"status": "RUNNING"}, state)
    with pytest.raises(CheckoutFailed, match=words) as caught:
        jobs(api.url).wait(ask)
    assert caught.value.job_id == FILE
    assert FILE in str(caught.value)
    if cause is not None:
        assert caught.value.cause == cause


@pytest.mark.parametrize("timeout", [0, 0.03])
def test_a_job_that_takes_too_long_can_be_taken_up_again(
    timeout: float, jobs: Callable[[str], Jobs], origins: Origins
) -> None:
    api = origin_of(origins, {"status": "RUNNING"})
    with pytest.raises(CheckoutTimeout, match="attach") as caught:
        jobs(api.url).wait(ask, timeout=timeout)
    error = caught.value
    assert error.job_id == FILE
    assert error.seconds >= timeout
    assert api.seen[-1].method == "GET"

    done = origin_of(origins, {"status": "SUCCEEDED", "location": LOCATION})
    assert jobs(done.url).wait(attach) == LOCATION
    assert [(seen.method, seen.target) for seen in done.seen] == [
        ("GET", f"/v1/bundles/checkout/{FILE}?replica=gcp")
    ]


def test_it_may_wait_for_ever(jobs: Callable[[str], Jobs], origins: Origins) -> None:
    done = {"status": "SUCCEEDED", "location": LOCATION}
    api = origin_of(origins, *[{"status": "RUNNING"}] * 5, done)
    assert jobs(api.url).wait(ask, timeout=None) == LOCATION


def test_an_unknown_job_is_not_found(jobs: Callable[[str], Jobs], origins: Origins) -> None:
    api = origins(Reply(404, body=b'{"code": "not_found", "title": "No such job."}'))
    with pytest.raises(NotFound, match="No such job"):
        jobs(api.url).wait(attach)


def test_an_answer_without_a_job_is_refused(jobs: Callable[[str], Jobs], origins: Origins) -> None:
    api = origins(Reply(body=b"{}"))
    with pytest.raises(DSSDecodeError, match="checkout_job_id"):
        jobs(api.url).wait(ask)


@pytest.mark.parametrize(
    ("state", "done"), [("RUNNING", False), ("SUCCEEDED", True), ("FAILED", True), ("ODD", True)]
)
def test_only_running_goes_on(state: str, *, done: bool) -> None:
    assert CheckoutStatus(state).is_done is done


@pytest.fixture(scope="module")
def server() -> "Iterator[LocalDSS]":
    from dss_client.local import LocalDSS, LocalSettings

    with LocalDSS(sample=True, settings=LocalSettings(checkout_polls=3)) as server:
        yield server


class TestServed:
    """Against the embedded DSS, whose jobs stay RUNNING for some polls."""

    def test_a_bundle_is_checked_out(self, server: "LocalDSS", jobs: Callable[[str], Jobs]) -> None:
        place = jobs(server.url).wait(ask)
        assert place.startswith("s3://")
        assert place.endswith(f"/bundles/{UUID}.{VERSION}")

    def test_running_can_be_seen(self, server: "LocalDSS") -> None:
        with DSSClient(server.url) as dss:
            job = dss.checkout(uuid=UUID, replica="aws")
            states = [job.status().state for _ in range(4)]
        assert states == ["RUNNING"] * 3 + ["SUCCEEDED"]

    def test_a_bundle_that_is_not_there(
        self, server: "LocalDSS", jobs: Callable[[str], Jobs]
    ) -> None:
        with pytest.raises(NotFound):
            jobs(server.url).wait(lambda dss: dss.checkout(uuid=FILE[:-1] + "0", replica="aws"))

    def test_a_job_is_known_in_its_replica_only(
        self, server: "LocalDSS", jobs: Callable[[str], Jobs]
    ) -> None:
        with DSSClient(server.url) as dss:
            job = dss.checkout(uuid=UUID, replica="aws")
            elsewhere = CheckoutJob.attach(dss, job.job_id, replica="gcp")
            with pytest.raises(NotFound):
                elsewhere.status()
