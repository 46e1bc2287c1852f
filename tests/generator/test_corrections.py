"""Corrections: merge patches, each of which changes something and says why."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator.__main__ import ROOT
from generator.corrections import CORRECTIONS, Correction, apply
from generator.errors import GeneratorError
from tests.generator.specs import Document

SPEC: Document = json.loads((ROOT / "specs" / "swagger.json").read_text(encoding="utf-8"))


def objects(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.dictionaries(st.sampled_from("abcd"), values, max_size=4)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | objects(inner),
    max_leaves=8,
)


def merged(target: Any, patch: Any) -> Any:
    """Apply `patch` to `target`, which lies in a document."""
    correction = Correction("/target", patch, "1", "A test.")
    return apply({"target": target}, (correction,))["target"]


@pytest.mark.parametrize("number", range(len(CORRECTIONS)))
def test_each_correction_changes_something(number: int) -> None:
    before = apply(SPEC, CORRECTIONS[:number])
    after = apply(before, (CORRECTIONS[number],))
    assert after != before


@pytest.mark.parametrize("correction", CORRECTIONS, ids=lambda correction: correction.pointer)
def test_each_correction_applies_to_the_specification_itself(correction: Correction) -> None:
    assert apply(SPEC, (correction,)) != SPEC


@pytest.mark.parametrize("correction", CORRECTIONS, ids=lambda correction: correction.pointer)
def test_each_correction_says_why(correction: Correction) -> None:
    section = r"\d+(\.\d+)?( \(S\d+\))?"
    assert re.fullmatch(rf"{section}(, {section})*", correction.section)
    assert correction.why.endswith(".")


def test_the_specification_itself_stays() -> None:
    before = json.dumps(SPEC)
    apply(SPEC, CORRECTIONS)
    assert json.dumps(SPEC) == before


# RFC 7396, appendix A, as far as the patch is an object.
@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch(target: Any, patch: Any, result: Any) -> None:
    assert merged(target, patch) == result


@given(target=objects(JSON), patch=objects(JSON))
def test_merge_patch_key_by_key(target: dict[str, Any], patch: dict[str, Any]) -> None:
    result = merged(target, patch)
    for key in target.keys() | patch.keys():
        if key not in patch:
            assert result[key] == target[key]
        elif patch[key] is None:
            assert key not in result
        elif isinstance(patch[key], dict):
            assert result[key] == merged(target.get(key), patch[key])
        else:
            assert result[key] == patch[key]
    assert merged(result, patch) == result


@given(target=objects(JSON))
def test_an_empty_patch_changes_nothing(target: dict[str, Any]) -> None:
    assert merged(target, {}) == target


def test_a_pointer_leads_through_lists_and_escapes() -> None:
    document = {"a/b": [{"c~d": {"old": 1}}]}
    correction = Correction("/a~1b/0/c~0d", {"new": 2}, "1", "A test.")
    assert apply(document, (correction,)) == {"a/b": [{"c~d": {"old": 1, "new": 2}}]}


@pytest.mark.parametrize("stale", ["/b", "/a/1", "/a/x", "/a/0/deeper", "/a/-"])
def test_a_pointer_that_leads_nowhere(stale: str) -> None:
    with pytest.raises(GeneratorError, match=f"^stale correction {stale} "):
        apply({"a": ["text"]}, (Correction(stale, {}, "1", "A test."),))
