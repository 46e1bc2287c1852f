"""How the parts of a request are written on the wire."""

import json
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dss_client import InvalidArgument
from dss_client._request import Request, encode_body, encode_path, encode_query
from dss_client.models import BundleFile

texts = st.text(min_size=1).filter(lambda text: text not in {".", ".."})


def request(path: str = "/x", query: tuple[tuple[str, str], ...] = ()) -> Request:
    return Request(operation="op", method="GET", path=path, query=query)


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
        assert encode_path("/files/{uuid}", {"uuid": value}) == path

    @pytest.mark.parametrize("value", ["", ".", ".."])
    def test_what_would_name_another_resource_is_refused(self, value: str) -> None:
        with pytest.raises(InvalidArgument, match=r"uuid must not be .* /files/"):
            encode_path("/files/{uuid}", {"uuid": value})

    @given(texts)
    def test_the_service_reads_the_value_back(self, value: str) -> None:
        url = httpx.URL(request(encode_path("/files/{uuid}", {"uuid": value})).url("https://h/v1"))
        start, _, last = url.raw_path.decode("ascii").rpartition("/")
        assert (start, unquote(last, errors="strict")) == ("/v1/files", value)


class TestQuery:
    def test_values_are_written_as_the_service_reads_them(self) -> None:
        assert encode_query(
            {"a": "x", "b": True, "c": False, "d": 0, "e": None, "f": "", "g": 1.5}
        ) == (
            ("a", "x"),
            ("b", "true"),
            ("c", "false"),
            ("d", "0"),
            ("f", ""),
            ("g", "1.5"),
        )

    def test_a_request_without_query_has_no_question_mark(self) -> None:
        assert request().url("https://h/v1") == "https://h/v1/x"

    @given(st.dictionaries(texts, st.text()))
    def test_the_service_reads_the_values_back(self, values: dict[str, str]) -> None:
        url = httpx.URL(request(query=encode_query(values)).url("https://h/v1"))
        assert dict(parse_qsl(urlsplit(str(url)).query, keep_blank_values=True)) == values


class TestBody:
    def test_what_was_not_given_is_left_out(self) -> None:
        assert encode_body({"a": None, "b": {"c": None}, "d": [], "e": "å"}) == (
            b'{"b":{"c":null},"d":[],"e":"\\u00e5"}'
        )

    def test_models_and_sequences_of_any_kind_are_written(self) -> None:
        model = BundleFile(uuid="u", version="v", name="n", indexed=False)
        given_ = {"files": (model, {"uuid": "w"}), "m": MappingProxyType({"k": iter([1])})}
        assert json.loads(encode_body(given_)) == {
            "files": [{"uuid": "u", "version": "v", "name": "n", "indexed": False}, {"uuid": "w"}],
            "m": {"k": [1]},
        }

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), b"x", object(), {("a",): 1}])
    def test_what_has_no_json_form_is_refused(self, value: Any) -> None:
        with pytest.raises(InvalidArgument, match="cannot be written as JSON"):
            encode_body({"a": value})

    def test_a_circle_is_refused(self) -> None:
        circle: list[Any] = []
        circle.append(circle)
        with pytest.raises(InvalidArgument):
            encode_body({"a": circle})

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
        assert json.loads(encode_body(values)) == values


def test_a_request_does_not_show_its_body() -> None:
    secret = Request(operation="o", method="PUT", path="/x", body=b'{"hmac_secret_key": "k"}')
    assert "hmac" not in repr(secret)
