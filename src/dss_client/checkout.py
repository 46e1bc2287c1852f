"""Bundle checkouts: start one, poll it, and wait for where the copy lies.

A job is RUNNING from the moment it was asked for, and ends as SUCCEEDED with a location or FAILED
with a cause (behaviour reference, sections 8.9 and 9). It can be picked up again by its id, in the
replica it was asked of.
"""

import asyncio
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from attrs import frozen

from ._retry import RetryPolicy
from .errors import DSSError

if TYPE_CHECKING:
    from .client import AsyncDSSClient, DSSClient
    from .models import GetBundlesCheckoutResponse

__all__ = [
    "AsyncCheckoutJob",
    "CheckoutFailed",
    "CheckoutJob",
    "CheckoutState",
    "CheckoutStatus",
    "CheckoutTimeout",
]

CheckoutState = Literal["RUNNING", "SUCCEEDED", "FAILED"]
Replica = Literal["aws", "gcp"]

_POLLING = RetryPolicy(initial_delay=1.0, max_delay=30.0)


class CheckoutFailed(DSSError):
    """The job ended without a copy.

    Attributes:
        job_id: Id of the job.
        cause: What the service says; None where it says nothing.
    """

    def __init__(self, job_id: str, cause: str | None) -> None:
        super().__init__(f"checkout job {job_id} failed: {cause or 'the service gives no cause'}")
        self.job_id = job_id
        self.cause = cause


class CheckoutTimeout(DSSError, TimeoutError):
    """The job still runs when the time to wait for it is over.

    Attributes:
        job_id: Id of the job; ``CheckoutJob.attach`` goes on with it.
        seconds: How long it was waited for.
    """

    def __init__(self, job_id: str, seconds: float) -> None:
        super().__init__(
            f"checkout job {job_id} still runs after {seconds:.1f} s;"
            f" go on later with CheckoutJob.attach(client, {job_id!r}, replica=...)"
        )
        self.job_id = job_id
        self.seconds = seconds


@frozen
class CheckoutStatus:
    """What the service says of a job.

    Attributes:
        state: RUNNING, SUCCEEDED or FAILED; any other word is one this version does not know.
        location: Where the copy is, ``s3://...`` or ``gs://...``, once SUCCEEDED.
        cause: Why it FAILED.
    """

    state: CheckoutState | str
    location: str | None = None
    cause: str | None = None

    @classmethod
    def of(cls, answer: "GetBundlesCheckoutResponse") -> "CheckoutStatus":
        """Read the service's answer."""
        return cls(answer.status, answer.location, answer.cause)

    @property
    def is_done(self) -> bool:
        """Whether the job has ended, well or not."""
        return self.state != "RUNNING"

    def result(self, job_id: str) -> str:
        """Return the location of a job that has ended.

        Raises:
            CheckoutFailed: It ended without one.
        """
        if self.state == "SUCCEEDED" and self.location is not None:
            return self.location
        if self.state == "FAILED":
            raise CheckoutFailed(job_id, self.cause)
        raise CheckoutFailed(job_id, self.cause or f"it ended as {self.state} without a location")


def _delays(job_id: str, timeout: float | None, polling: RetryPolicy) -> Iterator[float]:
    """Yield the waits between polls, never past the deadline; then raise CheckoutTimeout."""
    started = time.monotonic()
    polls = 0
    while True:
        polls += 1
        delay = polling.delay(polls)
        if timeout is not None:
            left = started + timeout - time.monotonic()
            if left <= 0:
                raise CheckoutTimeout(job_id, time.monotonic() - started)
            delay = min(delay, left)
        yield delay


@frozen
class CheckoutJob:
    """A checkout at the service.

    Attributes:
        client: The client that polls it.
        job_id: Its id.
        replica: The replica it was asked of; its status can only be read there.
    """

    client: "DSSClient"
    job_id: str
    replica: Replica

    @classmethod
    def start(
        cls,
        client: "DSSClient",
        *,
        uuid: str,
        replica: Replica,
        version: str | None = None,
        destination: str | None = None,
        email: str | None = None,
    ) -> "CheckoutJob":
        """Ask for a checkout; see `DSSClient.checkout`."""
        answer = client.post_bundles_checkout(
            uuid=uuid, replica=replica, version=version, destination=destination, email=email
        )
        return cls(client, answer.checkout_job_id, replica)

    @classmethod
    def attach(cls, client: "DSSClient", job_id: str, *, replica: Replica) -> "CheckoutJob":
        """Go on with a job that was started elsewhere or earlier; nothing is sent yet."""
        return cls(client, job_id, replica)

    def status(self) -> CheckoutStatus:
        """Ask once how the job stands.

        Raises:
            NotFound: This replica knows no such job.
        """
        answer = self.client.get_bundles_checkout(checkout_job_id=self.job_id, replica=self.replica)
        return CheckoutStatus.of(answer)

    def wait(self, timeout: float | None = 3600.0, *, polling: RetryPolicy = _POLLING) -> str:
        """Poll until the job has ended, and return where the copy is.

        Args:
            timeout: Seconds to wait; None for ever. The job is always asked at least once.
            polling: Its delays are those between polls: doubling, with jitter, up to a cap.

        Raises:
            CheckoutFailed: The job ended without a copy.
            CheckoutTimeout: It still runs.
        """
        delays = _delays(self.job_id, timeout, polling)
        while not (status := self.status()).is_done:
            time.sleep(next(delays))
        return status.result(self.job_id)


@frozen
class AsyncCheckoutJob:
    """A checkout at the service.

    Attributes:
        client: The client that polls it.
        job_id: Its id.
        replica: The replica it was asked of; its status can only be read there.
    """

    client: "AsyncDSSClient"
    job_id: str
    replica: Replica

    @classmethod
    async def start(
        cls,
        client: "AsyncDSSClient",
        *,
        uuid: str,
        replica: Replica,
        version: str | None = None,
        destination: str | None = None,
        email: str | None = None,
    ) -> "AsyncCheckoutJob":
        """Ask for a checkout; see `AsyncDSSClient.checkout`."""
        answer = await client.post_bundles_checkout(
            uuid=uuid, replica=replica, version=version, destination=destination, email=email
        )
        return cls(client, answer.checkout_job_id, replica)

    @classmethod
    def attach(
        cls, client: "AsyncDSSClient", job_id: str, *, replica: Replica
    ) -> "AsyncCheckoutJob":
        """Go on with a job that was started elsewhere or earlier; nothing is sent yet."""
        return cls(client, job_id, replica)

    async def status(self) -> CheckoutStatus:
        """Ask once how the job stands.

        Raises:
            NotFound: This replica knows no such job.
        """
        answer = await self.client.get_bundles_checkout(
            checkout_job_id=self.job_id, replica=self.replica
        )
        return CheckoutStatus.of(answer)

    async def wait(self, timeout: float | None = 3600.0, *, polling: RetryPolicy = _POLLING) -> str:
        """Poll until the job has ended, and return where the copy is.

        Args:
            timeout: Seconds to wait; None for ever. The job is always asked at least once.
            polling: Its delays are those between polls: doubling, with jitter, up to a cap.

        Raises:
            CheckoutFailed: The job ended without a copy.
            CheckoutTimeout: It still runs.
        """
        delays = _delays(self.job_id, timeout, polling)
        while not (status := await self.status()).is_done:
            await asyncio.sleep(next(delays))
        return status.result(self.job_id)
