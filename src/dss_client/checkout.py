"""Checkouts of bundles: a job is started, polled, and waited for; see `DSSClient.checkout`."""

from ._async.checkout import AsyncCheckoutJob
from ._checkout import CheckoutFailed, CheckoutState, CheckoutStatus, CheckoutTimeout
from ._sync.checkout import CheckoutJob

__all__ = [
    "AsyncCheckoutJob",
    "CheckoutFailed",
    "CheckoutJob",
    "CheckoutState",
    "CheckoutStatus",
    "CheckoutTimeout",
]
