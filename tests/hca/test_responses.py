"""Responses of the facade, and the exception that is made of one."""

import pickle
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from dss_client.hca.dss import DSSClient
from dss_client.hca.util.exceptions import SwaggerAPIException
from dss_client.local.sample import BUNDLES
from tests.conftest import Origins
from tests.origin import Reply

ABSENT = "00000000-0000-4000-8000-000000000000"
PROBLEM = b'{"code": "not_found", "title": "Gone.", "stacktrace": ""}'
Answered = Callable[..., Any]


@pytest.fixture
def answered(origins: Origins) -> Iterator[Answered]:
    """Return a maker of open responses."""
    with ExitStack() as resources:

        def answer(body: bytes = b"", **headers: str) -> Any:
            origin = origins(Reply(200, headers, body))
            dss = DSSClient(swagger_url=f"{origin.url}/v1/swagger.json")
            stream = dss.get_subscriptions.stream(replica="aws")
            return resources.enter_context(stream)

        yield answer


@pytest.fixture
def file(dss: DSSClient) -> str:
    return dss.get_bundle(uuid=BUNDLES[0].uuid, replica="aws")["bundle"]["files"][0]["uuid"]


@pytest.fixture
def refusal(dss: DSSClient) -> SwaggerAPIException:
    with pytest.raises(SwaggerAPIException) as caught:
        dss.get_bundle(uuid=ABSENT, replica="aws")
    return caught.value


def test_raise_for_status(dss: DSSClient, file: str, refusal: SwaggerAPIException) -> None:
    dss.head_file(uuid=file, replica="aws").raise_for_status()
    with pytest.raises(SwaggerAPIException, match="not_found") as caught:
        refusal.response.raise_for_status()
    assert (caught.value.code, caught.value.reason) == (404, "not_found")


def test_headers_show_their_values(dss: DSSClient, file: str) -> None:
    headers = dss.head_file(uuid=file, replica="aws").headers
    assert f"'x-dss-size': '{headers['X-DSS-SIZE']}'" in str(headers).lower()
    assert repr(headers) == str(headers)


def test_where_storage_is_does_not_show(answered: Answered) -> None:
    headers = answered(location="https://s.example/x?X-Amz-Signature=5ec7e7").headers
    assert "5ec7e7" not in str(headers)
    assert headers["Location"].endswith("5ec7e7")


def test_links(answered: Answered) -> None:
    link = """<https://h.example/v1/x?a=b,c>; rel="next", <https://h.example/y>; rel='last'"""
    assert answered(link=link).links == {
        "next": {"url": "https://h.example/v1/x?a=b,c", "rel": "next"},
        "last": {"url": "https://h.example/y", "rel": "last"},
    }
    assert answered().links == {}
    assert answered(link="nonsense").links == {}


@pytest.mark.parametrize(
    "body",
    [b"", b"one", b"one\ntwo\r\n\nlast", b"\r\n\r\n", b"\xc3\xa4\n" * 2000],
    ids=["empty", "one", "some", "ends", "many"],
)
@pytest.mark.parametrize("read", [False, True])
def test_lines_and_pieces(answered: Answered, body: bytes, read: bool) -> None:
    def response() -> Any:
        made = answered(body)
        assert not read or made.content == body
        return made

    assert list(response().iter_lines()) == body.splitlines()
    assert list(response().iter_lines(chunk_size=1)) == body.splitlines()
    assert list(response().iter_lines(decode_unicode=True)) == body.decode().splitlines()
    assert b"".join(response()) == body
    assert b"".join(response().iter_content(3)) == body


def test_one_can_be_closed(dss: DSSClient, file: str) -> None:
    with dss.get_file.stream(uuid=file, replica="aws") as response:
        response.close()
        assert response.raw.closed
    read = dss.head_file(uuid=file, replica="aws")
    read.close()
    assert (read.content, read.text) == (b"", "")


def test_one_of_an_exception_knows_the_url(dss: DSSClient, refusal: SwaggerAPIException) -> None:
    assert refusal.response.url == f"{dss.host}/bundles/{ABSENT}?replica=aws"


class Other:
    """A response of another library."""

    status_code = 404
    reason = "Not Found"
    content = PROBLEM
    text = PROBLEM.decode()

    def json(self) -> Any:
        return {"code": "not_found", "title": "Gone.", "stacktrace": ""}


@pytest.mark.parametrize("args", [(), ("Nothing there",), (2, "Nothing there")])
def test_programs_make_exceptions(args: tuple[object, ...], refusal: SwaggerAPIException) -> None:
    for response in (refusal.response, Other()):
        error = SwaggerAPIException(*args, response=response)
        assert (error.code, error.reason) == (404, "not_found")
        assert str(error).startswith(f"not_found: {error.title} (HTTP 404). Details:\n{{")
        assert error.response is response
        assert error.args == (args or (str(error),))
        again = pickle.loads(pickle.dumps(error))
        assert (str(again), again.args, again.code) == (str(error), error.args, 404)


def test_an_exception_needs_a_response() -> None:
    with pytest.raises(TypeError, match="response"):
        SwaggerAPIException("Nothing there")  # type: ignore[call-arg]
