"""Places inside JSON files: pointers, names, and what is downloaded of them."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dss_client.download.fragment import FragmentOrder, InvalidPointer, fragment_name, resolve
from dss_client.download.want import BundleRule, Expanded
from dss_client.transfer.names import settle_names

from .scripted import ScriptedSource, Try

# The examples of RFC 6901, section 5.
EXAMPLE = {
    "foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\j": 5, 'k"l': 6,
    " ": 7, "m~n": 8,
}  # fmt: skip


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("", EXAMPLE),
        ("/foo", ["bar", "baz"]),
        ("/foo/0", "bar"),
        ("/", 0),
        ("/a~1b", 1),
        ("/c%d", 2),
        ("/e^f", 3),
        ("/g|h", 4),
        ("/i\\j", 5),
        ('/k"l', 6),
        ("/ ", 7),
        ("/m~0n", 8),
    ],
)
def test_pointers_lead_where_the_standard_says(pointer: str, value: object) -> None:
    assert resolve(EXAMPLE, pointer) == value


@pytest.mark.parametrize(
    "pointer", ["foo", "/foo/2", "/foo/-", "/foo/01", "/foo/\u0661", "/none", "/ /x", "/~", "/~2"]
)
def test_others_are_refused(pointer: str) -> None:
    with pytest.raises(InvalidPointer) as refused:
        resolve(EXAMPLE, pointer)
    assert repr(pointer) in str(refused.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


def pointers(value: Any, pointer: str = "") -> list[tuple[str, Any]]:
    found = [(pointer, value)]
    members = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else []
    )
    for name, each in members:
        escaped = str(name).replace("~", "~0").replace("/", "~1")
        found += pointers(each, f"{pointer}/{escaped}")
    return found


@given(JSON)
def test_every_place_is_found(document: Any) -> None:
    for pointer, value in pointers(document):
        assert resolve(document, pointer) is value


@given(JSON, st.text())
def test_any_pointer_leads_somewhere_or_is_refused(document: Any, pointer: str) -> None:
    with suppress(InvalidPointer):
        resolve(document, pointer)


@given(st.lists(st.text(), unique=True, max_size=6))
def test_names_are_safe_and_apart(texts: list[str]) -> None:
    names = [fragment_name("u", "v", text) for text in texts]
    settled = settle_names(names, "error")
    assert [each.target for each in settled] == names


class TestOrder:
    @pytest.fixture
    def source(self) -> ScriptedSource:
        return ScriptedSource()

    @staticmethod
    def expand(source: ScriptedSource, content: bytes, pointer: str, folder: Path) -> Expanded:
        file = source.add_file("a.json", content)
        order = FragmentOrder(
            number=1, uuid=file.uuid, version=file.version, pointer=pointer, folder="c"
        )
        return order.expand(source, BundleRule(replica="aws", download_dir=folder))

    def test_a_part_is_a_content_that_is_known(
        self, source: ScriptedSource, tmp_path: Path
    ) -> None:
        found = self.expand(source, b'{"a": [1, {"b": "x"}]}', "/a/1", tmp_path)
        (task,) = found.wanted
        assert json.loads(task.content or b"") == {"b": "x"}
        assert task.target is not None
        assert task.target.startswith("c/")

    @pytest.mark.parametrize(
        ("content", "pointer", "said"),
        [
            (b"not json", "", "is not JSON"),
            (b"{}", "/a", "leads nowhere"),
            (b"{}", "a", "not a valid JSON pointer"),
        ],
    )
    def test_what_is_not_there_fails_alone(
        self, source: ScriptedSource, tmp_path: Path, content: bytes, pointer: str, said: str
    ) -> None:
        ((_, result),) = self.expand(source, content, pointer, tmp_path).others
        assert result.state == "failed"
        assert said in str(result.error)

    def test_so_does_a_file_that_is_too_large(
        self, source: ScriptedSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("dss_client.download.fragment._MAX_SIZE", 3)
        ((_, result),) = self.expand(source, b'{"a": 1}', "", tmp_path).others
        assert "too large" in str(result.error)

    def test_and_one_that_came_wrong(self, source: ScriptedSource, tmp_path: Path) -> None:
        file = source.add_file("a.json", b"{}")
        source.tries[file.uuid] = [Try(content=b"[]")]
        order = FragmentOrder(
            number=1, uuid=file.uuid, version=file.version, pointer="", folder="c"
        )
        found = order.expand(source, BundleRule(replica="aws", download_dir=tmp_path))
        ((_, result),) = found.others
        assert "expected sha256" in str(result.error)
