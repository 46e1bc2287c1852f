"""Names: operations as in the reference client; classes and fields that Python accepts."""

import keyword
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from generator import naming
from generator.naming import TAKEN_CLASSES, class_name, field_name, headers_name, operation_name

TEMPLATES = Path(naming.__file__).parent / "templates"

# Behaviour reference §14.2.
OPERATIONS = {
    "post_search": "POST /search",
    "head_file": "HEAD /files/{uuid}",
    "get_file": "GET /files/{uuid}",
    "put_file": "PUT /files/{uuid}",
    "get_bundles_all": "GET /bundles/all",
    "get_bundle": "GET /bundles/{uuid}",
    "put_bundle": "PUT /bundles/{uuid}",
    "patch_bundle": "PATCH /bundles/{uuid}",
    "delete_bundle": "DELETE /bundles/{uuid}",
    "post_bundles_checkout": "POST /bundles/{uuid}/checkout",
    "get_bundles_checkout": "GET /bundles/checkout/{checkout_job_id}",
    "get_subscriptions": "GET /subscriptions",
    "put_subscription": "PUT /subscriptions",
    "get_subscription": "GET /subscriptions/{uuid}",
    "delete_subscription": "DELETE /subscriptions/{uuid}",
    "get_collections": "GET /collections",
    "put_collection": "PUT /collections",
    "get_collection": "GET /collections/{uuid}",
    "patch_collection": "PATCH /collections/{uuid}",
    "delete_collection": "DELETE /collections/{uuid}",
    "get_events": "GET /events",
    "get_event": "GET /events/{uuid}",
    # The rule, where the service does not use it.
    "get_a_b": "GET /a-b",
    "patch_things": "PATCH /things",
    "get_things": "GET /things/{id}",
    "get": "GET /",
}


@pytest.mark.parametrize(("name", "request_line"), OPERATIONS.items(), ids=OPERATIONS.keys())
def test_operation_name(name: str, request_line: str) -> None:
    method, path = request_line.split()
    assert operation_name(method, path) == name
    assert operation_name(method.lower(), path) == name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bundle_version", "BundleVersion"),
        ("BundleVersion", "BundleVersion"),
        ("get_bundle", "GetBundle"),
        ("EventsManifest", "EventsManifest"),
        ("HTTPThing", "HTTPThing"),
        ("a search hit", "ASearchHit"),
        ("3d", "Class3d"),
        ("none", "None_"),
        ("", "Class"),
    ],
)
def test_class_name(name: str, expected: str) -> None:
    assert class_name(name) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("uuid", "uuid"),
        ("content-type", "content_type"),
        ("timeDeleted", "time_deleted"),
        ("X-DSS-S3-ETAG", "s3_etag"),
        ("x-dss-creator-uid", "creator_uid"),
        ("X-OTHER", "x_other"),
        ("s3_etag", "s3_etag"),
        ("class", "class_"),
        ("self", "self_"),
        ("json", "json_"),
        ("str", "str_"),
        ("2nd", "field_2nd"),
        ("X-DSS-", "field_"),
        ("ü", "field_"),
    ],
)
def test_field_name(name: str, expected: str) -> None:
    assert field_name(name) == expected


def is_name(text: str) -> bool:
    return text.isidentifier() and not keyword.iskeyword(text)


@given(st.text() | st.sampled_from([*keyword.kwlist, *keyword.softkwlist]))
def test_class_names_are_names(name: str) -> None:
    assert is_name(class_name(name))
    assert class_name(name)[0].isupper()
    assert class_name(class_name(name)).removesuffix("_") == class_name(name).removesuffix("_")


@given(st.text() | st.sampled_from([*keyword.kwlist, *dir(BaseModel), "self"]))
def test_field_names_are_names(name: str) -> None:
    result = field_name(name)
    assert is_name(result)
    assert result not in {*dir(BaseModel), "self"}
    assert not result.startswith("_"), "pydantic would take it for private"


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/files/{uuid}", "FileHeaders"), ("/a-b/c", "ABHeaders"), ("/{uuid}", "RootHeaders")],
)
def test_headers_name(path: str, expected: str) -> None:
    assert headers_name(path) == expected


def test_no_class_can_be_called_as_what_the_templates_import() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in TEMPLATES.glob("*.jinja"))
    lines = re.findall(r"^from [\w.]+ import (?:\(([^)]*)\)|([^({\n]*))$", text, re.MULTILINE)
    imported = {name for pair in lines for name in re.findall(r"\w+", " ".join(pair))}
    classes = {name for name in imported if name[0].isupper() and name != "TYPE_CHECKING"}
    assert "RawResponse" in classes
    beside = {"AsyncTransport", "Methods", "Transport"}  # of modules that import or make them
    assert classes - beside == TAKEN_CLASSES - beside
