"""Names: operations as in the reference client; classes and fields that Python accepts."""

import ast
import keyword
from collections.abc import Callable

from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel

from generator.naming import TAKEN_CLASSES, class_name, field_name, headers_name, operation_name

EXAMPLES: dict[Callable[[str], str], dict[str, str]] = {
    class_name: {
        "bundle_version": "BundleVersion",
        "HTTPThing": "HTTPThing",
        "a search hit": "ASearchHit",
        "3d": "Class3d",
        "none": "None_",
    },
    field_name: {
        "timeDeleted": "time_deleted",
        "X-DSS-S3-ETAG": "s3_etag",
        "X-OTHER": "x_other",
        "class": "class_",
        "json": "json_",
        "2nd": "field_2nd",
        "ü": "field_",
    },
    headers_name: {"/files/{uuid}": "FileHeaders", "/a-b/c": "ABHeaders", "/{id}": "RootHeaders"},
    # docs/behaviour.md 14.2
    lambda line: operation_name(*line.split()): {
        "GET /bundles/all": "get_bundles_all",
        "get /bundles/{uuid}": "get_bundle",
        "POST /bundles/{uuid}/checkout": "post_bundles_checkout",
        "GET /bundles/checkout/{checkout_job_id}": "get_bundles_checkout",
        "PUT /subscriptions": "put_subscription",
        "GET /subscriptions": "get_subscriptions",
        "GET /a-b": "get_a_b",
        "GET /": "get",
    },
}


def test_examples() -> None:
    for rule, examples in EXAMPLES.items():
        assert {text: rule(text) for text in examples} == examples


def is_name(text: str) -> bool:
    return text.isidentifier() and not keyword.iskeyword(text)


@given(st.text() | st.sampled_from([*keyword.kwlist, *keyword.softkwlist]))
@example("")
def test_class_names_are_names(name: str) -> None:
    assert is_name(class_name(name))
    assert class_name(name)[0].isupper()
    assert class_name(class_name(name)).removesuffix("_") == class_name(name).removesuffix("_")


@given(st.text() | st.sampled_from([*keyword.kwlist, *dir(BaseModel), "self"]))
@example("X-DSS-")
def test_field_names_are_names(name: str) -> None:
    result = field_name(name)
    assert is_name(result)
    assert result not in {*dir(BaseModel), "self"}
    assert not result.startswith("_"), "pydantic would take it for private"


def test_no_class_can_be_called_as_what_stands_beside_models(generated: dict[str, str]) -> None:
    trees = {name: ast.parse(text) for name, text in generated.items()}
    models = {node.name for node in trees["models.py"].body if isinstance(node, ast.ClassDef)}
    beside: set[str] = set()
    for name, tree in trees.items():
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        names = {alias.name for node in imports for alias in node.names}
        if names & models or name in ("models.py", "hca/types.py"):
            beside |= {name for name in names - models if class_name(name) == name}
    blocking = {name.replace("Async", "", 1) for name in beside if name != "AsyncIterator"}
    assert {"RawResponse", "AsyncOperation"} <= beside
    assert beside | blocking <= TAKEN_CLASSES
