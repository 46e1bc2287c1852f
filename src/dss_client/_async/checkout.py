"""Checkouts of bundles: start one, poll it, and wait for where the copy lies.

A job is RUNNING from the moment it was asked for, and ends as SUCCEEDED with a location or FAILED
with a cause. It can be picked up again by its id, in the replica that it was asked of.
"""

from uuid import UUID

from attrs import frozen

from .._backend.asynchronous import sleep
from .._checkout import POLLING, CheckoutStatus, poll_delays
from .._retry import RetryPolicy
from ..types import Replica
from .operations import AsyncOperations

__all__ = ["AsyncCheckoutJob"]


@frozen
class AsyncCheckoutJob:
    """A checkout at the service.

    Attributes:
        client: The client that polls it.
        job_id: Its id.
        replica: The replica it was asked of; its status can only be read there.
    """

    client: AsyncOperations
    job_id: str
    replica: Replica

    @classmethod
    async def start(
        cls,
        client: AsyncOperations,
        *,
        uuid: UUID | str,
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
        cls, client: AsyncOperations, job_id: str, *, replica: Replica
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

    async def wait(self, timeout: float | None = 3600.0, *, polling: RetryPolicy = POLLING) -> str:
        """Poll until the job has ended, and return where the copy is.

        Args:
            timeout: Seconds to wait; None for ever. The job is always asked at least once.
            polling: Its delays are those between polls: doubling, with jitter, up to a cap.

        Raises:
            CheckoutFailed: The job ended without a copy.
            CheckoutTimeout: It still runs.
        """
        delays = poll_delays(self.job_id, timeout, polling)
        while not (status := await self.status()).is_done:
            await sleep(next(delays))
        return status.result(self.job_id)
