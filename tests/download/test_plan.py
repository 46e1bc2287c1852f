"""Bundles become tasks."""

import json

import pytest

from dss_client.download import FileDownloadError, NameClash, UnsafeName
from dss_client.download.plan import BundlePlan, filters, plan_bundle
from dss_client.errors import InvalidArgument, NotFound
from dss_client.versions import InvalidVersion

from .scripted import BUNDLE, FQ, LATER, VERSION, ScriptedSource, page_of, sha256

WANT_ALL = filters(("*",), ("*",))


@pytest.fixture
def source() -> ScriptedSource:
    return ScriptedSource()


def plan(source: ScriptedSource, version: str | None = None) -> BundlePlan:
    return plan_bundle(source, uuid=BUNDLE, version=version, replica="aws", wanted=WANT_ALL)


@pytest.mark.parametrize(
    ("metadata", "data", "taken"),
    [
        (("*",), ("*",), {"a.json", "x/b.json", "A.json", "r1.gz", "x/r2.gz", "[1].gz"}),
        (("*",), (), {"a.json", "x/b.json", "A.json"}),
        (("",), ("*",), {"r1.gz", "x/r2.gz", "[1].gz"}),
        (("a*",), ("r*",), {"a.json", "r1.gz"}),
        (("*b.json",), ("*2.gz",), {"x/b.json", "x/r2.gz"}),
        (("A.json", "a.json"), ("r?.gz", "x/[rs]2.gz"), {"A.json", "a.json", "r1.gz", "x/r2.gz"}),
        ((), ("1.gz", "[[]1].gz"), {"[1].gz"}),
        ((), (), set()),
    ],
)
def test_filters(
    source: ScriptedSource, metadata: tuple[str, ...], data: tuple[str, ...], taken: set[str]
) -> None:
    files = [
        source.add_file(name, b"", indexed=name.endswith(".json"))
        for name in ("a.json", "x/b.json", "A.json", "r1.gz", "x/r2.gz", "[1].gz")
    ]
    wanted = filters(metadata, data)
    assert {file.name for file in files if wanted(file)} == taken


def test_switches(source: ScriptedSource) -> None:
    metadata, data = source.add_file("m", b"", indexed=True), source.add_file("d", b"")
    no_data = filters(("*",), ("*",), no_data=True)
    no_metadata = filters(("*",), ("*",), no_metadata=True)
    assert (no_data(metadata), no_data(data)) == (True, False)
    assert (no_metadata(metadata), no_metadata(data)) == (False, True)
    assert filters(("x",), ("*",), no_data=True)(metadata) is False


@pytest.mark.parametrize("switch", ["no_data", "no_metadata"])
def test_a_switch_contradicts_its_filter(switch: str) -> None:
    with pytest.raises(InvalidArgument, match=f"{switch}=True contradicts"):
        filters(("x",), ("x",), no_data=switch == "no_data", no_metadata=switch == "no_metadata")


def test_one_text_is_no_filter() -> None:
    with pytest.raises(TypeError, match=r"data_filter='\*\.gz' is one text"):
        filters(("*",), "*.gz")


def test_all_pages_make_one_document(source: ScriptedSource) -> None:
    one, two = source.add_file("z", b"1", indexed=True), source.add_file("a", b"2")
    source.add_bundle([one], [two], [])
    made = plan(source)
    assert made.fqid == FQ
    assert [task.name for task in made.tasks] == ["bundle.json", "z", "a"]
    content = made.tasks[0].content
    whole = page_of([one, two]).model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert content == json.dumps(whole, indent=4, sort_keys=True).encode()
    assert (made.tasks[0].sha256, made.tasks[0].size) == (sha256(content), len(content))
    assert made.tasks[0].uuid is None


def test_unknown_fields_are_kept_in_the_document(source: ScriptedSource) -> None:
    source.add_bundle([source.add_file("a", b"").model_copy(update={"new": [1]})])
    document = json.loads(plan(source).tasks[0].content or b"")
    assert document["bundle"]["files"][0]["new"] == [1]
    assert "url" not in document["bundle"]["files"][0]


def test_upper_case_is_lower_case(source: ScriptedSource) -> None:
    source.add_bundle([], uuid=BUNDLE)
    source.bundles[BUNDLE, None] = [page_of([], uuid=BUNDLE.upper())]
    assert plan(source).fqid == FQ


def test_a_bundle_that_changes_between_pages_is_refused(source: ScriptedSource) -> None:
    source.add_bundle([])
    source.bundles[BUNDLE, None].append(page_of([], version=LATER))
    with pytest.raises(FileDownloadError, match=LATER):
        plan(source)


def test_c2_another_version_than_asked_for_is_refused(source: ScriptedSource) -> None:
    source.bundles[BUNDLE, VERSION] = [page_of([], version=LATER)]
    with pytest.raises(FileDownloadError, match=LATER):
        plan(source, VERSION)


def test_an_ill_formed_version_is_refused(source: ScriptedSource) -> None:
    source.bundles[BUNDLE, None] = [page_of([], version="../x")]
    with pytest.raises(InvalidVersion):
        plan(source)


def test_no_page_at_all_is_refused(source: ScriptedSource) -> None:
    source.bundles[BUNDLE, None] = []
    with pytest.raises(FileDownloadError, match="sent no page"):
        plan(source)


def test_an_unknown_bundle_is_not_found(source: ScriptedSource) -> None:
    with pytest.raises(NotFound):
        plan(source)


@pytest.mark.parametrize("name", ["../../x", "/x", ""])
def test_c5_unsafe_names_are_refused_with_their_bundle(source: ScriptedSource, name: str) -> None:
    source.add_bundle([source.add_file("a", b"1")], [source.add_file(name, b"2")])
    with pytest.raises(UnsafeName) as caught:
        plan(source)
    assert str(FQ) in str(caught.value)
    assert repr(name) in str(caught.value)


def test_c5_an_unsafe_name_can_be_filtered_out(source: ScriptedSource) -> None:
    source.add_bundle([source.add_file("a", b"1"), source.add_file("../x", b"2")])
    made = plan_bundle(
        source, uuid=BUNDLE, version=None, replica="aws", wanted=filters((), ("[!.]*",))
    )
    assert [task.name for task in made.tasks] == ["bundle.json", "a"]
    assert [task.name for task in made.skipped] == ["../x"]


def test_clashes_count_whether_wanted_or_not(source: ScriptedSource) -> None:
    source.add_bundle([source.add_file("a", b"1")], [source.add_file("A", b"2")])
    with pytest.raises(NameClash, match=r"'A'.*'a'"):
        plan_bundle(source, uuid=BUNDLE, version=None, replica="aws", wanted=filters((), ("a",)))
