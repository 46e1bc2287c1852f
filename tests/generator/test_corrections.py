"""Corrections: merge patches, each of which changes something and says why."""

import json
from typing import Any

import pytest

from generator.__main__ import PINNED
from generator.corrections import CORRECTIONS, Correction, apply
from generator.errors import GeneratorError
from tests.generator.specs import Document

SPEC: Document = json.loads(PINNED.read_text(encoding="utf-8"))


def test_each_correction_changes_the_specification_and_says_why() -> None:
    before = SPEC
    for correction in CORRECTIONS:
        after = apply(before, (correction,))
        assert before != after, correction
        assert apply(SPEC, (correction,)) != SPEC, correction
        assert correction.why.endswith("."), correction
        before = after
    assert json.loads(PINNED.read_text(encoding="utf-8")) == SPEC


# RFC 7396, appendix A, as far as the patch is an object.
@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch(target: Any, patch: Any, result: Any) -> None:
    document = {"a/b": [{"c~d": target}]}
    correction = Correction("/a~1b/0/c~0d", patch, "1", "A test.")
    assert apply(document, (correction,)) == {"a/b": [{"c~d": result}]}


@pytest.mark.parametrize("stale", ["/b", "/a/1", "/a/x", "/a/0/deeper", "/a/-"])
def test_a_pointer_that_leads_nowhere(stale: str) -> None:
    with pytest.raises(GeneratorError) as refused:
        apply({"a": ["text"]}, (Correction(stale, {}, "8.12", "A test."),))
    assert str(refused.value) == (
        f"stale correction {stale} (docs/behaviour.md 8.12):"
        " the specification has nothing there; see generator/corrections.py"
    )
