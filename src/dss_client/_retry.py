"""The retry policy: how often, with which delays, and when to give up."""

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime

from attrs import field, frozen, validators

__all__ = ["RetryPolicy", "parse_retry_after"]

_not_negative = validators.ge(0.0)


@frozen(kw_only=True)
class RetryPolicy:
    """When a request is sent again.

    Idempotent requests (GET, HEAD, PUT, DELETE and POST /search) are repeated after connection
    errors, timeouts, 429 and 5xx; PATCH and the other POSTs only where the request cannot have
    reached the service. The service asks for 10 s between attempts, or 600 s in read-only mode.

    Attributes:
        attempts: Attempts in all, including the first; 1 means no retries.
        initial_delay: Upper bound of the first wait, in seconds; it doubles with each failure and
            the wait is drawn from between 0 and the bound (full jitter).
        max_delay: Where the doubling stops, in seconds.
        max_retry_after: A ``Retry-After`` of the service is honoured up to this, in seconds.
        deadline: Seconds that one call may take with all attempts and waits; None for no limit.
            It is checked before each wait; a running request is limited by the timeout.
        ready_timeout: Seconds to wait for content that the service is still checking out (301).
    """

    attempts: int = field(default=6, validator=validators.ge(1))
    initial_delay: float = field(default=0.5, validator=_not_negative)
    max_delay: float = field(default=60.0, validator=_not_negative)
    max_retry_after: float = field(default=600.0, validator=_not_negative)
    deadline: float | None = field(default=None, validator=validators.optional(_not_negative))
    ready_timeout: float = field(default=3600.0, validator=_not_negative)

    @classmethod
    def of(cls, retries: "RetryPolicy | int") -> "RetryPolicy":
        """Accept a policy, or the number of retries."""
        if isinstance(retries, RetryPolicy):
            return retries
        return cls(attempts=retries + 1)

    def delay(
        self,
        failures: int,
        retry_after: float | None = None,
        *,
        draw: Callable[[], float] = random.random,
    ) -> float:
        """Return the seconds to wait after the given number of failures (1 or more).

        Args:
            failures: Number of attempts that have failed.
            retry_after: What the service asked for, in seconds; replaces the backoff.
            draw: Source of randomness in [0, 1).
        """
        if retry_after is not None:
            return min(retry_after, self.max_retry_after)
        doublings = min(failures - 1, 60)
        return min(self.initial_delay * 2.0**doublings, self.max_delay) * draw()


def parse_retry_after(value: str | None, *, now: Callable[[], float] = time.time) -> float | None:
    """Read a ``Retry-After`` header: seconds or an HTTP date. What is neither counts as absent."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    from email.utils import parsedate_to_datetime  # dates are rare, and its import is not cheap

    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.fromtimestamp(now(), UTC)).total_seconds())
