"""The exceptions of the facade: what they say, and who catches them."""

import json
import pickle

import pytest

from dss_client import DSSConnectionError, DSSError, DSSTimeout, NotFound, ServerError
from dss_client.hca.dss import DSSClient
from dss_client.hca.util.exceptions import ConnectionFailed, SwaggerAPIException, TimedOut
from tests.conftest import Origins
from tests.drive import INSTANT
from tests.origin import Reply

ABSENT = "00000000-0000-4000-8000-000000000000"


def refused(url: str) -> SwaggerAPIException:
    dss = DSSClient(swagger_url=f"{url}/v1/swagger.json", retries=INSTANT)
    with pytest.raises(SwaggerAPIException) as caught:
        dss.get_bundle(uuid=ABSENT, replica="aws")
    return caught.value


def test_a_refusal_has_the_attributes_that_scripts_read(dss: DSSClient) -> None:
    with pytest.raises(SwaggerAPIException) as caught:
        dss.get_bundle(uuid=ABSENT, replica="aws")
    error = caught.value
    assert (error.code, error.reason, error.stacktrace) == (404, "not_found", "")
    assert error.title is not None
    assert error.details == json.loads(error.response.text)
    assert error.response.status_code == 404
    assert error.response.headers["X-AWS-REQUEST-ID"]
    assert str(error).startswith(f"not_found: {error.title} (HTTP 404). Details:\n{{")
    assert isinstance(error, OSError)
    assert isinstance(error, DSSError)
    assert isinstance(error.__cause__, NotFound)


def test_a_refusal_without_a_body_has_the_usual_words(dss: DSSClient) -> None:
    with pytest.raises(SwaggerAPIException, match=r"^Not Found, code 404$") as caught:
        dss.head_file(uuid=ABSENT, replica="aws")
    assert (caught.value.reason, caught.value.details) == ("Not Found", None)


def test_c8_the_problem_is_kept_after_retries(origins: Origins) -> None:
    body = b'{"code": "unhandled_exception", "title": "Sorry.", "stacktrace": "Traceback ..."}'
    origin = origins(Reply(502, body=body))
    error = refused(origin.url)
    assert len(origin.seen) == INSTANT.attempts
    assert (error.code, error.reason, error.title) == (502, "unhandled_exception", "Sorry.")
    assert str(error) == "unhandled_exception: Sorry. (HTTP 502). Details:\nTraceback ..."
    assert isinstance(error.__cause__, ServerError)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"[1]", "Bad Request: None (HTTP 400). Details:\n[1]"),
        (b'{"code": 7}', 'None: None (HTTP 400). Details:\n{"code": 7}'),
        (b"<p>" + b"x" * 500, f"Bad Request: None (HTTP 400). Details:\n<p>{'x' * 197}"),
    ],
)
def test_a_body_of_any_kind_is_told(origins: Origins, body: bytes, text: str) -> None:
    assert str(refused(origins(Reply(400, body=body)).url)) == text


def test_a_redirect_does_not_tell_where_to(origins: Origins) -> None:
    secret = "https://s.example/x?X-Amz-Signature=5ec7e7"
    origin = origins(Reply(307, {"location": secret}, f'{{"url": "{secret}"}}'.encode()))
    dss = DSSClient(swagger_url=f"{origin.url}/v1/swagger.json", token="t")
    with pytest.raises(SwaggerAPIException) as caught:
        dss.delete_subscription(uuid=ABSENT, replica="aws", subscription_type="jmespath")
    error = caught.value
    assert "5ec7e7" not in f"{error} {error!r} {error.details} {dict(error.response.headers)}"


def test_a_refusal_travels_between_processes(dss: DSSClient) -> None:
    with pytest.raises(SwaggerAPIException) as caught:
        dss.get_bundle(uuid=ABSENT, replica="aws")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.code, again.details) == (
        str(caught.value),
        404,
        caught.value.details,
    )


def test_a_broken_connection_is_a_connection_error(origins: Origins) -> None:
    origin = origins(Reply(drop=True))
    dss = DSSClient(swagger_url=f"{origin.url}/v1/swagger.json", retries=0)
    with pytest.raises(ConnectionFailed, match="GET http://127") as caught:
        dss.get_bundle(uuid=ABSENT, replica="aws")
    assert isinstance(caught.value, ConnectionError)
    assert isinstance(caught.value, DSSConnectionError)
    assert caught.value.request.method == "GET"


def test_a_page_that_fails_is_translated_as_well(origins: Origins) -> None:
    dss = DSSClient(swagger_url=f"{origins(Reply(400)).url}/v1/swagger.json")
    with pytest.raises(SwaggerAPIException):
        list(dss.post_search.iterate(replica="aws", es_query={}))
    with pytest.raises(SwaggerAPIException), dss.get_file.stream(uuid=ABSENT, replica="aws"):
        pass


def test_no_answer_in_time_is_a_timeout_error() -> None:
    import socket

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1/swagger.json"
        dss = DSSClient(swagger_url=url, retries=0, timeout=0.05)
        with pytest.raises(TimedOut) as caught:
            dss.get_bundle(uuid=ABSENT, replica="aws")
    assert isinstance(caught.value, TimeoutError)
    assert isinstance(caught.value, DSSTimeout)
