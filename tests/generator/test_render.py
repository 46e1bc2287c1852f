"""Python source: docstrings that hold any text within 100 columns, and types."""

import ast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from generator import render
from generator.ir import AnyValue, Array, Enum, Field, Map, OpenObject, Ref, Scalar, Type

TEXT = st.text(
    st.sampled_from(" \n\t*:") | st.characters(exclude_categories=["Cc", "Cs"]), max_size=400
) | st.text(st.sampled_from("ab\"'\\ \n"))


@given(text=TEXT, indent=st.sampled_from([0, 4, 8]))
@example(text='He said "yes"', indent=4)
@example(text='"""', indent=4)
@example(text='""""""', indent=0)
@example(text="a\\", indent=4)
@example(text="", indent=4)
@example(text="x" * 200, indent=4)
@example(text="word " * 80, indent=8)
def test_docstring(text: str, indent: int) -> None:
    pad = " " * indent
    literal = render.docstring(text, indent)
    source = f"class C:\n{pad or ' '}{literal}\n"
    definition = ast.parse(source).body[0]
    assert isinstance(definition, ast.ClassDef)
    held = ast.get_docstring(definition, clean=False)
    assert held is not None
    assert held.split() == text.split()
    for line in f"{pad}{literal}".splitlines():
        words = line.replace('"""', " ").split()
        assert len(line) <= 100 or len(words) == 1


def test_docstring_keeps_paragraphs_lists_and_sections() -> None:
    text = "Do it.\n\n* " + "one " * 30 + "\n\nArgs:\n    name: " + "two " * 30
    lines = render.docstring(text, 4).splitlines()
    assert lines[0] == '"""Do it.'
    assert lines[2].startswith("    * one")
    assert lines[3].startswith("      one")
    assert lines[5] == "    Args:"
    assert lines[6].startswith("        name: two")
    assert lines[7].startswith("            two")
    assert lines[-1] == '    """'


@given(st.text())
def test_string(text: str) -> None:
    assert ast.literal_eval(render.string(text)) == text


@pytest.mark.parametrize("text", ["aws", "it's", ""])
def test_string_has_double_quotes(text: str) -> None:
    assert render.string(text) == f'"{text}"'


@pytest.mark.parametrize(
    ("kind", "result", "argument"),
    [
        (Scalar("int"), "int", "int"),
        (Enum(("a", "b")), 'Literal["a", "b"] | str', 'Literal["a", "b"]'),
        (Array(Scalar("str")), "list[str]", "Sequence[str]"),
        (Map(Scalar("float")), "dict[str, float]", "Mapping[str, float]"),
        (Ref("Thing"), "Thing", "Thing | ThingDict"),
        (Array(Ref("Thing")), "list[Thing]", "Sequence[Thing | ThingDict]"),
        (OpenObject(), "JSONObject", "JSONMapping"),
        (AnyValue(), "Any", "object"),
    ],
)
def test_types(kind: Type, result: str, argument: str) -> None:
    assert render.result_type(kind) == result
    assert render.argument_type(kind) == argument


def test_no_result() -> None:
    assert render.result_type(None) == "None"


@pytest.mark.parametrize(("required", "entry"), [(True, "int"), (False, "NotRequired[int]")])
def test_entry_type(required: bool, entry: str) -> None:
    assert render.entry_type(Field("size", "size", Scalar("int"), required, "")) == entry
