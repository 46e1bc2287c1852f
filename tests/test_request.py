"""How the parts of a request are written on the wire."""

import json
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from uuid import UUID

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dss_client import InvalidArgument
from dss_client._request import Endpoint, Parameter, Request
from dss_client.models import BundleFile

texts = st.text(min_size=1).filter(lambda text: text not in {".", ".."})


def sent(place: Any, values: dict[str, Any], path: str = "/x") -> Request:
    """Return a request with parameters of these names, all in one place."""
    parameters = tuple(
        Parameter(name=f"p{number}", wire_name=name, place=place, type="string")
        for number, name in enumerate(values)
    )
    endpoint = Endpoint(name="op", method="GET", path=path, summary="", parameters=parameters)
    return endpoint.request(**{f"p{number}": each for number, each in enumerate(values.values())})


def path_of(value: object) -> str:
    return sent("path", {"uuid": value}, "/files/{uuid}").path


def body_of(values: dict[str, Any]) -> bytes:
    body = sent("body", values).body
    assert body is not None
    return body


class TestPath:
    @pytest.mark.parametrize(
        ("value", "path"),
        [
            ("a-b_c.d~e", "/files/a-b_c.d~e"),
            ("a/b", "/files/a%2Fb"),
            ("../x", "/files/..%2Fx"),
            ("a b?c#d%2F", "/files/a%20b%3Fc%23d%252F"),
            ("å", "/files/%C3%A5"),
            ("{uuid}", "/files/%7Buuid%7D"),
        ],
    )
    def test_values_are_quoted(self, value: str, path: str) -> None:
        assert path_of(value) == path

    @pytest.mark.parametrize("value", ["", ".", ".."])
    def test_what_would_name_another_resource_is_refused(self, value: str) -> None:
        with pytest.raises(InvalidArgument, match=r"uuid must not be .* /files/"):
            path_of(value)

    @given(texts)
    def test_the_service_reads_the_value_back(self, value: str) -> None:
        url = httpx.URL(sent("path", {"uuid": value}, "/files/{uuid}").url("https://h/v1"))
        start, _, last = url.raw_path.decode("ascii").rpartition("/")
        assert (start, unquote(last, errors="strict")) == ("/v1/files", value)


class TestQuery:
    def test_values_are_written_as_the_service_reads_them(self) -> None:
        assert sent(
            "query", {"a": "x", "b": True, "c": False, "d": 0, "e": None, "f": "", "g": 1.5}
        ).query == (
            ("a", "x"),
            ("b", "true"),
            ("c", "false"),
            ("d", "0"),
            ("f", ""),
            ("g", "1.5"),
        )

    def test_a_request_without_query_has_no_question_mark(self) -> None:
        assert sent("query", {}).url("https://h/v1") == "https://h/v1/x"

    @given(st.dictionaries(texts, st.text()))
    def test_the_service_reads_the_values_back(self, values: dict[str, str]) -> None:
        url = httpx.URL(sent("query", values).url("https://h/v1"))
        assert dict(parse_qsl(urlsplit(str(url)).query, keep_blank_values=True)) == values


class TestBody:
    def test_what_was_not_given_is_left_out(self) -> None:
        assert body_of({"a": None, "b": {"c": None}, "d": [], "e": "å"}) == (
            b'{"b":{"c":null},"d":[],"e":"\\u00e5"}'
        )

    def test_models_and_sequences_of_any_kind_are_written(self) -> None:
        model = BundleFile(uuid="u", version="v", name="n", indexed=False)
        given_ = {"files": (model, {"uuid": "w"}), "m": MappingProxyType({"k": iter([1])})}
        assert json.loads(body_of(given_)) == {
            "files": [{"uuid": "u", "version": "v", "name": "n", "indexed": False}, {"uuid": "w"}],
            "m": {"k": [1]},
        }

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), b"x", object(), {("a",): 1}])
    def test_what_has_no_json_form_is_refused(self, value: Any) -> None:
        with pytest.raises(InvalidArgument, match="cannot be written as JSON"):
            body_of({"a": value})

    def test_uuids_are_texts(self) -> None:
        uuid = UUID("0a6f2b1c-3d4e-4f50-8a61-72b3c4d5e6f7")
        assert json.loads(body_of({"a": uuid, "b": [uuid]})) == {"a": str(uuid), "b": [str(uuid)]}
        assert path_of(uuid) == f"/files/{uuid}"
        assert sent("query", {"u": uuid}).query == (("u", str(uuid)),)

    def test_a_circle_is_refused(self) -> None:
        circle: list[Any] = []
        circle.append(circle)
        with pytest.raises(InvalidArgument):
            body_of({"a": circle})

    @given(
        st.dictionaries(
            st.text(),
            st.recursive(
                st.booleans()
                | st.integers()
                | st.text()
                | st.floats(allow_nan=False, allow_infinity=False),
                lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
                max_leaves=5,
            ),
        )
    )
    def test_json_is_read_back(self, values: dict[str, Any]) -> None:
        assert not values or json.loads(body_of(values)) == values


def test_a_request_does_not_show_its_body() -> None:
    secret = sent("body", {"hmac_secret_key": "k"})
    assert "hmac" not in repr(secret)
