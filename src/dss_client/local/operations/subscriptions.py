"""The four /subscriptions operations (docs/behaviour.md 8.11, S5, S9, S20)."""

from urllib.parse import urlsplit
from uuid import uuid4

import jmespath
from jmespath.exceptions import JMESPathError
from starlette.responses import Response

from dss_client.types import JSONObject
from dss_client.versions import create_version

from ..errors import Problem, illegal_arguments, not_found
from ..notify.notifications import parse_es_query
from ..notify.subscription_store import Subscription, SubscriptionKind
from ..search.query import QueryError
from ..service import Call, json_response
from ..storage.documents import as_object


def get_subscriptions(call: Call) -> Response:
    """Answer with the caller's subscriptions of one kind in one replica."""
    return json_response({"subscriptions": [each.public for each in _own(call, _kind(call))]})


def put_subscription(call: Call) -> Response:
    """Make a subscription; a non-empty `es_query` decides its kind."""
    body = call.arguments.body
    own = {"uuid": str(uuid4()), "owner": call.email, "replica": call.replica.name}
    subscription = Subscription({**body, **own})
    by_query = subscription.kind == "elasticsearch"
    _check_callback(body["callback_url"])
    if by_query:
        _check_attachments(body)
    _check_limit(call, subscription.kind)
    if by_query:
        _check_es_query(body["es_query"])
    else:
        if "jmespath_query" in body:
            _check_expression(body["jmespath_query"], "jmespath_query", "invalid_jmespath")
        _check_attachments(body)
    call.service.subscriptions.add(subscription)
    return json_response({"uuid": subscription.uuid} if by_query else subscription.public, 201)


def get_subscription(call: Call) -> Response:
    """Answer with a subscription as it is stored, without its secret."""
    return json_response(_find(call).public)


def delete_subscription(call: Call) -> Response:
    """Delete a subscription; what is queued for it is not sent any more."""
    call.service.subscriptions.remove(_find(call).uuid)
    return json_response({"timeDeleted": create_version()})


def _kind(call: Call) -> SubscriptionKind:
    kind: SubscriptionKind = call.query("subscription_type")
    return kind


def _own(call: Call, kind: SubscriptionKind) -> list[Subscription]:
    found = call.service.subscriptions.of(call.replica.name, kind)
    return [each for each in found if each.owner == call.email]


def _find(call: Call) -> Subscription:
    found = call.service.subscriptions.get(call.uuid)
    if found is not None and (found.kind, found.replica) == (_kind(call), call.replica.name):
        if found.owner == call.email:
            return found
        if found.kind == "elasticsearch":
            raise Problem(403, "Forbidden", "This subscription belongs to someone else.")
    raise not_found("There is no such subscription of this kind in this replica.")


def _check_callback(url: str) -> None:
    """Refuse a URL that has no scheme, host or real port (docs/behaviour.md S9)."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise illegal_arguments(
            "The callback_url must be http:// or https://, a host, and a port if any."
        )


def _check_limit(call: Call, kind: SubscriptionKind) -> None:
    limit = call.service.settings.subscription_limit
    if len(_own(call, kind)) >= limit:
        title = f"You have {limit} subscriptions, and no more are allowed; delete one first."
        raise Problem(406, "not_acceptable", title)


def _check_attachments(body: JSONObject) -> None:
    for name, attachment in (as_object(body.get("attachments")) or {}).items():
        if name.startswith("_"):
            title = f"The name of attachment {name!r} must not start with an underscore."
            raise Problem(400, "invalid_attachment_name", title)
        what = f"expression of attachment {name!r}"
        _check_expression(attachment["expression"], what, "invalid_attachment_expression")


def _check_expression(expression: str, what: str, code: str) -> None:
    try:
        jmespath.compile(expression)
    except (JMESPathError, RecursionError) as error:
        reason = str(error) or type(error).__name__
        title = f"The {what} is not a valid JMESPath expression: {reason}"
        raise Problem(400, code, title) from error


def _check_es_query(es_query: JSONObject) -> None:
    try:
        parse_es_query(es_query)
    except (QueryError, RecursionError) as error:
        # The original says 500, which makes clients send the same refused query again and again.
        raise Problem(400, "elasticsearch_error", f"The es_query is refused: {error}.") from error
