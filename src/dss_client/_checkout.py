"""The common parts of the checkouts of both clients: states, errors and polling."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from attrs import frozen

from ._redact import mask
from ._retry import RetryPolicy
from .errors import DSSError

if TYPE_CHECKING:
    from .models import GetBundlesCheckoutResponse

__all__ = [
    "POLLING",
    "CheckoutFailed",
    "CheckoutState",
    "CheckoutStatus",
    "CheckoutTimeout",
    "poll_delays",
]

CheckoutState = Literal["RUNNING", "SUCCEEDED", "FAILED"]

POLLING = RetryPolicy(initial_delay=1.0, max_delay=30.0)
"""The delays between polls of a job: doubling, with jitter, up to 30 s."""


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
    """The job still runs, and the time to wait is over.

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
        return cls(answer.status, answer.location, answer.cause and mask(answer.cause))

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


def poll_delays(job_id: str, timeout: float | None, polling: RetryPolicy) -> Iterator[float]:
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
