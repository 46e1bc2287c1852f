"""Subscriptions that are checked before they are sent, over a socket."""

from collections.abc import Iterator
from typing import Any

import pytest
from elasticsearch.dsl import Search
from hypothesis import given
from hypothesis import strategies as st

from dss_client import InvalidArgument, NotFound
from dss_client.local import LocalDSS, LocalSettings
from dss_client.models import SubscriptionAttachment
from dss_client.subscriptions import Subscribed, subscription_arguments
from tests.conftest import Origins
from tests.drive import Drive, Driver
from tests.origin import Reply

UUID = "11111111-2222-4333-8444-555555555555"
CALLBACK = "http://127.0.0.1:9/hook"
ALL: dict[str, Any] = {"query": {"match_all": {}}}
NOTHING: dict[str, Any] = {
    "callback_url": CALLBACK,
    "jmespath_query": None,
    "es_query": None,
    "method": None,
    "encoding": None,
    "form_fields": None,
    "payload_form_field": None,
    "hmac_secret_key": None,
    "hmac_key_id": None,
    "attachments": None,
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDSS]:
    root = tmp_path_factory.mktemp("root")
    with LocalDSS(root, settings=LocalSettings(retry_after=0)) as dss:
        yield dss


@pytest.fixture
def client(served: LocalDSS, drive: Driver, request: pytest.FixtureRequest) -> Drive:
    """A client of somebody who has no subscription yet."""
    email = f"{abs(hash(request.node.nodeid))}@example.org"
    made: Drive = drive(url=served.url, options={"token": served.mint_token(email=email)})
    return made


def subscribe(client: Drive, **arguments: Any) -> Subscribed:
    made: Subscribed = client.call(
        "subscribe", **{"callback_url": CALLBACK, "replica": "aws", **arguments}
    )
    return made


def stored(client: Drive, made: Subscribed) -> Any:
    return client.call(
        "get_subscription",
        uuid=made.uuid,
        replica=made.replica,
        subscription_type=made.subscription_type,
    )


def test_all_that_is_said_is_stored_but_the_secret(client: Drive) -> None:
    made = subscribe(
        client,
        jmespath_query="event_type",
        method="PUT",
        encoding="multipart/form-data",
        form_fields={"a": "b"},
        payload_form_field="p",
        hmac_secret_key="5ec7e7",
        hmac_key_id="k",
        attachments={
            "text": "a.b",
            "mapping": {"type": "jmespath", "expression": "c"},
            "model": SubscriptionAttachment(type="jmespath", expression="d"),
        },
    )
    found = stored(client, made)
    assert made.subscription_type == "jmespath"
    assert (found.jmespath_query, found.method, found.hmac_key_id) == ("event_type", "PUT", "k")
    assert (found.form_fields, found.payload_form_field) == ({"a": "b"}, "p")
    expressions = {name: each.expression for name, each in found.attachments.items()}
    assert expressions == {"text": "a.b", "mapping": "c", "model": "d"}
    assert "5ec7e7" not in repr((made, found))


@pytest.mark.parametrize("query", [ALL, Search().query("match_all")], ids=["mapping", "object"])
def test_queries_of_elasticsearch_make_the_other_kind(client: Drive, query: Any) -> None:
    made = subscribe(client, es_query=query)
    assert made.subscription_type == "elasticsearch"
    assert stored(client, made).es_query == ALL


def test_s29_a_form_has_all_that_it_needs(client: Drive) -> None:
    found = stored(client, subscribe(client, encoding="multipart/form-data"))
    assert (found.form_fields, found.payload_form_field) == ({}, "payload")


def test_both_kinds_are_listed(client: Drive) -> None:
    assert client.call("list_subscriptions", replica="aws") == []
    one, other = subscribe(client), subscribe(client, es_query=ALL)
    subscribe(client, replica="gcp")
    found = client.call("list_subscriptions", replica="aws")
    assert [each.uuid for each in found] == [one.uuid, other.uuid]
    for made in (one, other):
        kind = made.subscription_type
        (each,) = client.call("list_subscriptions", replica="aws", subscription_type=kind)
        assert each.uuid == made.uuid


@pytest.mark.parametrize("query", [None, ALL], ids=["jmespath", "elasticsearch"])
@pytest.mark.parametrize("named", [True, False])
def test_they_end_whatever_their_kind(client: Drive, query: Any, named: bool) -> None:
    made = subscribe(client, es_query=query)
    kind = made.subscription_type if named else None
    client.call("unsubscribe", uuid=made.uuid, replica="aws", subscription_type=kind)
    assert client.call("list_subscriptions", replica="aws") == []


def test_what_is_not_there_cannot_end(client: Drive) -> None:
    made = subscribe(client, es_query=ALL)
    with pytest.raises(NotFound):
        client.call("unsubscribe", uuid=UUID, replica="aws")
    with pytest.raises(NotFound):
        client.call("unsubscribe", uuid=made.uuid, replica="aws", subscription_type="jmespath")
    assert len(client.call("list_subscriptions", replica="aws")) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"callback_url": "ftp://h/"}, "must be http"),
        ({"callback_url": "see http://h/"}, "must be http"),
        ({"callback_url": " http://h/"}, "must be http"),
        ({"callback_url": "http://h/a\n"}, "must be http"),
        ({"callback_url": "http:///x"}, "must be http"),
        ({"callback_url": "http://h:0/"}, "must be http"),
        ({"callback_url": "http://[h/"}, "must be http"),
        ({"jmespath_query": "a", "es_query": ALL}, "not both"),
        ({"jmespath_query": ""}, "jmespath_query is empty"),
        ({"es_query": {}}, "an empty es_query"),
        ({"form_fields": {"a": "b"}}, "are part of a form"),
        ({"payload_form_field": "p", "encoding": "application/json"}, "are part of a form"),
        ({"hmac_secret_key": ""}, "hmac_secret_key is empty"),
        ({"hmac_key_id": "k"}, "give hmac_secret_key"),
        ({"attachments": {"_a": "b"}}, "attachment '_a' must not start"),
    ],
)
def test_what_would_go_wrong_is_not_sent(
    origins: Origins, drive: Driver, arguments: dict[str, Any], said: str
) -> None:
    origin = origins(script=lambda _: Reply(500))
    with pytest.raises(InvalidArgument, match=said):
        subscribe(drive(url=f"{origin.url}/v1"), **arguments)
    assert origin.seen == []


def test_a_refusal_shows_no_secret() -> None:
    with pytest.raises(InvalidArgument) as refused:
        subscription_arguments(
            **{
                **NOTHING,
                "callback_url": "ftp://u:5ec7e7@h/?key=5ec7e7",
                "hmac_secret_key": "5ec7e7",
            }
        )
    assert "5ec7e7" not in str(refused.value)


@given(st.text())
def test_any_url_is_taken_or_refused(url: str) -> None:
    try:
        sent = subscription_arguments(**{**NOTHING, "callback_url": url})
    except InvalidArgument:
        return
    assert sent["callback_url"] == url
    assert url.lower().startswith(("http://", "https://"))


def test_s20_an_answer_with_the_secret_shows_none(origins: Origins, drive: Driver) -> None:
    body = b'{"uuid": "u", "hmac_secret_key": "5ec7e7"}'
    url = f"{origins(script=lambda _: Reply(201, body=body)).url}/v1"
    client: Drive = drive(url=url, options={"token": "t"})
    made = subscribe(client, hmac_secret_key="5ec7e7")
    plain = client.call(
        "put_subscription", callback_url=CALLBACK, replica="aws", hmac_secret_key="5ec7e7"
    )
    assert made.uuid == plain.uuid == "u"
    assert "5ec7e7" not in repr((made, plain))
