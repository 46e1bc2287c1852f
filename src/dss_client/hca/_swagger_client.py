"""The base class of the client in `hca`, with the settings that programs change on it."""

import os
import warnings
from collections.abc import Iterable
from typing import Any, Protocol, cast, runtime_checkable

from .._options import Timeout
from .._retry import RetryPolicy as Retries

__all__ = ["DEFAULT_THREAD_COUNT", "RetryPolicy", "SwaggerClient", "policies"]

DEFAULT_THREAD_COUNT: int = 2 * (os.cpu_count() or 1)
"""What `hca` takes where a number of threads is needed."""

_RETRIED = frozenset({500, 502, 503, 504})


class RetryPolicy:
    """How often, and how soon, requests are tried again.

    The numbers of retries and `backoff_factor` have an effect; `dss_client.RetryPolicy` says which
    requests and answers that concerns.

    Args:
        total: Retries in all; None for as many as the others say.
        connect: Retries after errors of the connection.
        read: Retries after an answer that broke off, or did not come in time.
        status: Retries after an answer with a status that is worth it.
        backoff_factor: The first wait at most, in seconds; it doubles with each.
        status_forcelist: Taken for the sake of old programs; others than 500, 502, 503 and 504
            have no effect, which a warning tells.
        **others: Other arguments of `urllib3.util.Retry`, which have no effect; a warning tells.
    """

    def __init__(
        self,
        total: int | None = 10,
        connect: int | None = None,
        read: int | None = None,
        *,
        status: int | None = None,
        backoff_factor: float = 0.0,
        status_forcelist: frozenset[int] | set[int] | list[int] | tuple[int, ...] = _RETRIED,
        **others: object,
    ) -> None:
        self.total = total
        self.connect = connect
        self.read = read
        self.status = status
        self.backoff_factor = backoff_factor
        self.status_forcelist: frozenset[int] = frozenset(status_forcelist)
        for name in others:
            _warn(f"RetryPolicy({name}=...)")


class SwaggerClient:
    """The base class of `DSSClient`.

    Attributes:
        scheme: The scheme of URLs; another than https replaces it when a client is made.
        retry_policy: How often requests are tried again: a `RetryPolicy`, one of urllib3, or the
            number of retries. The argument ``retries`` of a client goes first.
        timeout_policy: Limits of time, in seconds: one for all, a pair for connecting and reading,
            one of urllib3, or None for no limit. The argument ``timeout`` of a client goes first.
    """

    scheme: str = "https"
    retry_policy: object = RetryPolicy(read=10, status=10, backoff_factor=0.1)
    timeout_policy: object = Timeout()


@runtime_checkable
class _AnyRetry(Protocol):
    """A retry policy of ours or of urllib3."""

    @property
    def total(self) -> int | None: ...
    @property
    def connect(self) -> int | None: ...
    @property
    def read(self) -> int | None: ...
    @property
    def status(self) -> int | None: ...
    @property
    def backoff_factor(self) -> float: ...
    @property
    def status_forcelist(self) -> Iterable[int]: ...


@runtime_checkable
class _AnyTimeout(Protocol):
    """Limits of time of urllib3."""

    @property
    def total(self) -> object: ...
    @property
    def connect_timeout(self) -> object: ...


_RETRY_POLICY = SwaggerClient.retry_policy
_TIMEOUT_POLICY = SwaggerClient.timeout_policy


def policies(client: SwaggerClient) -> dict[str, Any]:
    """Return the arguments of `dss_client.DSSClient` that the policies of a client stand for."""
    arguments: dict[str, Any] = {}
    if client.retry_policy is not _RETRY_POLICY:
        arguments["retries"] = _retries(client.retry_policy)
    if client.timeout_policy is not _TIMEOUT_POLICY:
        arguments["timeout"] = _timeout(client.timeout_policy)
    return arguments


def _retries(policy: object) -> Retries | int | None:
    if isinstance(policy, Retries | int):
        return policy
    if not isinstance(policy, _AnyRetry):
        _warn(f"retry_policy={policy!r}")
        return None
    if frozenset(policy.status_forcelist) != _RETRIED:
        _warn("retry_policy.status_forcelist other than 500, 502, 503 and 504")
    kinds = [each for each in (policy.connect, policy.read, policy.status) if each is not None]
    bounds = [] if policy.total is None else [int(policy.total)]
    bounds += [max(map(int, kinds))] if kinds else []
    return Retries(attempts=min(bounds, default=0) + 1, initial_delay=policy.backoff_factor)


def _timeout(policy: object) -> Timeout | None:
    if policy is None or isinstance(policy, Timeout | int | float):
        return Timeout.of(policy)
    pair = cast("tuple[object, ...]", policy) if isinstance(policy, tuple) else ()
    if isinstance(policy, _AnyTimeout):
        # With a bound for both together, that for reading is known only while a clock runs.
        read = policy.total if policy.total is not None else getattr(policy, "read_timeout", None)
        pair = (policy.connect_timeout, read)
    if len(pair) != 2:
        _warn(f"timeout_policy={policy!r}")
        return None
    usual = Timeout()
    return Timeout(connect=_limit(pair[0], usual.connect), read=_limit(pair[1], usual.read))


def _limit(given: object, usual: float | None) -> float | None:
    return given if isinstance(given, int | float | None) else usual


def _warn(what: str) -> None:
    warnings.warn(f"{what} has no effect here", UserWarning, stacklevel=4)
