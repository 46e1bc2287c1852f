"""The content of a notification (docs/behaviour.md 11.3)."""

from collections.abc import Mapping
from typing import Any, Literal, cast

from attrs import field, frozen
from pydantic import Field, PrivateAttr

from dss_client._model import Model
from dss_client.versions import FQID

__all__ = ["AttachmentErrors", "Notification", "NotificationMatch"]

_ERRORS = "_errors"


class NotificationMatch(Model, frozen=True):
    """The bundle that something happened to.

    Attributes:
        bundle_uuid: Its id.
        bundle_version: Its version.
    """

    bundle_uuid: str
    bundle_version: str

    @property
    def fqid(self) -> FQID:
        """Id and version as one.

        Raises:
            InvalidUUID, InvalidVersion: The service sent something else. Use this property before
                the id becomes part of a path.
        """
        return FQID(self.bundle_uuid, self.bundle_version)


@frozen
class AttachmentErrors:
    """Why attachments are missing. False where none is missing.

    Attributes:
        by_name: For each attachment that could not be made, why.
        whole: Why all attachments are missing, such as that they are too large; else None.
    """

    by_name: Mapping[str, str] = field(factory=dict[str, str])
    whole: str | None = None

    def __bool__(self) -> bool:
        return bool(self.by_name) or self.whole is not None


class Notification(Model, frozen=True):
    """A notification. Unknown fields are kept.

    Attributes:
        transaction_id: Id of the notification. Of a `jmespath` subscription each attempt to deliver
            has its own; of an `elasticsearch` one all attempts have the same.
        subscription_id: Id of the subscription.
        match: The bundle.
        event_type: What happened; None for an `elasticsearch` subscription.
        event_timestamp: When the notification was made, as a DSS_VERSION; None as above.
        dss_api: Base URL of the deployment, without the API's path; None as above.
        bundle_url: URL of the bundle. It names no replica, which the API asks for. None as above.
        jmespath_query: The query of a `jmespath` subscription, if it has one.
        es_query: The query of an `elasticsearch` subscription.
        sent_attachments: The attachments as they were sent, with `_errors` among them; see
            `attachments` and `attachment_errors`.
    """

    transaction_id: str
    subscription_id: str
    match: NotificationMatch
    event_type: Literal["CREATE", "TOMBSTONE", "DELETE"] | str | None = None  # noqa: PYI051 - open
    event_timestamp: str | None = None
    dss_api: str | None = None
    bundle_url: str | None = None
    jmespath_query: str | None = None
    es_query: dict[str, Any] | None = None
    sent_attachments: dict[str, Any] | None = Field(
        default=None, validation_alias="attachments", serialization_alias="attachments"
    )
    _form_fields: dict[str, str] = PrivateAttr(default_factory=dict[str, str])

    @property
    def kind(self) -> Literal["jmespath", "elasticsearch"]:
        """The kind of the subscription."""
        return "jmespath" if self.es_query is None else "elasticsearch"

    @property
    def attachments(self) -> dict[str, Any]:
        """The attachments by name; None if nothing was found, absent if it failed."""
        sent = self.sent_attachments or {}
        return {name: value for name, value in sent.items() if name != _ERRORS}

    @property
    def attachment_errors(self) -> AttachmentErrors:
        """Why attachments are missing."""
        found: object = (self.sent_attachments or {}).get(_ERRORS)
        if found is None:
            return AttachmentErrors()
        if isinstance(found, dict):
            named = cast("dict[str, object]", found)
            return AttachmentErrors({name: str(text) for name, text in named.items()})
        return AttachmentErrors(whole=str(found))

    @property
    def form_fields(self) -> dict[str, str]:
        """The other fields of the form; none where the notification came as JSON."""
        return dict(self._form_fields)

    @classmethod
    def of(cls, content: bytes, form_fields: Mapping[str, str] | None = None) -> "Notification":
        """Read a payload.

        Args:
            content: The payload, as JSON.
            form_fields: The other fields of the form that it came in.

        Raises:
            pydantic.ValidationError: It is not JSON, or not a notification.
        """
        notification = cls.model_validate_json(content)
        notification._form_fields.update(form_fields or {})
        return notification
