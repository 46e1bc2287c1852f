"""Receives the notifications of subscriptions.

`verify` reads a signed request and proves its signature; `parse` reads one without a signature.
Neither does any I/O: they fit every web framework, and load no HTTP library.

Example:
    ::

        from dss_client import webhooks

        guard = webhooks.MemoryReplayGuard()


        def receive(headers, body):
            try:
                notification = webhooks.verify(
                    headers, body, secrets={"my-key": "my secret"}, replay_guard=guard
                )
            except webhooks.WebhookError as error:
                return error.status, error.reason
            with webhooks.processing(notification, guard):
                print(notification.match.fqid, notification.attachments)
            return 200, ""
"""

from .errors import (
    AlreadyProcessed,
    BodyMalformed,
    BodyTooLarge,
    BodyUnsupported,
    DateMalformed,
    DateOutOfWindow,
    DigestMismatch,
    HeaderMissing,
    HeaderNotSigned,
    HeaderRepeated,
    KeyUnknown,
    ReplayGuardFull,
    SignatureMalformed,
    SignatureMismatch,
    SignatureMissing,
    SignatureUnsupported,
    StillProcessing,
    WebhookError,
)
from .headers import Headers, HeadersLike, wsgi_headers
from .notification import AttachmentErrors, Notification, NotificationMatch
from .receive import MAX_AGE, MAX_BODY, parse, verify
from .replay import Claim, MemoryReplayGuard, ReplayGuard, processing
from .signature import Secret, Secrets

__all__ = [
    "MAX_AGE",
    "MAX_BODY",
    "AlreadyProcessed",
    "AttachmentErrors",
    "BodyMalformed",
    "BodyTooLarge",
    "BodyUnsupported",
    "Claim",
    "DateMalformed",
    "DateOutOfWindow",
    "DigestMismatch",
    "HeaderMissing",
    "HeaderNotSigned",
    "HeaderRepeated",
    "Headers",
    "HeadersLike",
    "KeyUnknown",
    "MemoryReplayGuard",
    "Notification",
    "NotificationMatch",
    "ReplayGuard",
    "ReplayGuardFull",
    "Secret",
    "Secrets",
    "SignatureMalformed",
    "SignatureMismatch",
    "SignatureMissing",
    "SignatureUnsupported",
    "StillProcessing",
    "WebhookError",
    "parse",
    "processing",
    "verify",
    "wsgi_headers",
]
