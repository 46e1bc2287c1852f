"""The reasons to refuse a notification: one class for each."""

from typing import ClassVar

from dss_client.errors import DSSError

__all__ = [
    "AlreadyProcessed",
    "BodyMalformed",
    "BodyTooLarge",
    "BodyUnsupported",
    "DateMalformed",
    "DateOutOfWindow",
    "DigestMismatch",
    "HeaderMissing",
    "HeaderNotSigned",
    "HeaderRepeated",
    "KeyUnknown",
    "ReplayGuardFull",
    "SignatureMalformed",
    "SignatureMismatch",
    "SignatureMissing",
    "SignatureUnsupported",
    "StillProcessing",
    "WebhookError",
    "shown",
]

_MOST_SHOWN = 60


def shown(text: str) -> str:
    """Return what the other side sent as it may stand in a message: short, and ASCII only."""
    return ascii(text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "...")


class WebhookError(DSSError):
    """Base of the refusals. They hold neither the secret nor the right signature.

    Attributes:
        reason: The reason, in one line; it may be sent back.
        status: The HTTP status to answer with. After 2xx the service is done; after any other it
            sends the notification again later.
    """

    status: ClassVar[int] = 401

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class SignatureMissing(WebhookError):
    """There is no ``Authorization`` header, or it holds no signature."""


class SignatureMalformed(WebhookError):
    """The ``Authorization`` header is not written as a signature is."""


class SignatureUnsupported(WebhookError):
    """The signature is of another algorithm, or over something that is not a header."""


class SignatureMismatch(WebhookError):
    """The signature is wrong for these headers and this key."""


class HeaderNotSigned(WebhookError):
    """The signature does not cover the date or the digest."""


class HeaderMissing(WebhookError):
    """A header that the signature covers was not sent."""


class HeaderRepeated(WebhookError):
    """A header that must be there once came several times."""


class KeyUnknown(WebhookError):
    """There is no secret for the key that the signature names."""


class DateMalformed(WebhookError):
    """The ``Date`` header is not a valid HTTP date."""


class DateOutOfWindow(WebhookError):
    """The request is too old, or from the future: a replay, or one of the clocks is wrong."""


class DigestMismatch(WebhookError):
    """The digest is not that of the body, or not a SHA-256."""


class BodyTooLarge(WebhookError):
    """The body has more bytes than are taken."""

    status = 413


class BodyUnsupported(WebhookError):
    """The body is neither JSON nor a form, or it is encoded."""

    status = 415


class BodyMalformed(WebhookError):
    """The body is not what its type says, or not a notification."""

    status = 400


class AlreadyProcessed(WebhookError):
    """This notification was processed before. Answering with success ends the repetition."""

    status = 200


class StillProcessing(WebhookError):
    """This notification is being processed; it may come again if that fails."""

    status = 503


class ReplayGuardFull(WebhookError):
    """The replay guard has no room to remember one more."""

    status = 503
