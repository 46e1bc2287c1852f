"""Bundles become tasks."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from dss_client.download import FileDownloadError, ManifestMismatch, NameClash, UnsafeName
from dss_client.download.plan import (
    FILES_OF_A_BUNDLE,
    BundlePlan,
    BundleRule,
    Filter,
    failed_plan,
    filters,
    plan_bundle,
    plan_rows,
)
from dss_client.download.responses import BundleFile, BundlePage
from dss_client.download.results import ManifestEntry
from dss_client.download.urls import BundleSize
from dss_client.errors import DSSError, InvalidArgument, NotFound
from dss_client.models import FileVersion
from dss_client.types import Replica
from dss_client.versions import InvalidVersion

from .scripted import (
    BUNDLE,
    FQ,
    LATER,
    VERSION,
    ScriptedSource,
    broken,
    page_of,
    refusal,
    sha256,
    stalled,
)

FIRST = 3 * FILES_OF_A_BUNDLE


@pytest.fixture
def source() -> ScriptedSource:
    return ScriptedSource()


@pytest.fixture
def rule(tmp_path: Path) -> BundleRule:
    return BundleRule(replica="aws", download_dir=tmp_path)


Plan = Callable[..., BundlePlan]


@pytest.fixture
def plan(source: ScriptedSource, rule: BundleRule) -> Plan:
    def expand(
        version: str | None = VERSION,
        *,
        wanted: Filter | None = None,
        many: bool = True,
        **changes: Any,
    ) -> BundlePlan:
        return plan_bundle(
            source,
            evolve(rule, **changes),
            3,
            BUNDLE,
            version,
            wanted or filters(("*",), ("*",)),
            many=many,
        )

    return expand


def listed(file: FileVersion) -> BundleFile:
    """Return a file as a bundle lists it."""
    return BundleFile.model_validate(file.model_dump(by_alias=True))


class TestFilters:
    @pytest.mark.parametrize(
        ("metadata", "data", "taken"),
        [
            (("*",), ("*",), {"a.json", "x/b.json", "A.json", "r1.gz", "x/r2.gz", "[1].gz"}),
            (("*",), (), {"a.json", "x/b.json", "A.json"}),
            (("",), ("*",), {"r1.gz", "x/r2.gz", "[1].gz"}),
            (("a*",), ("r*",), {"a.json", "r1.gz"}),
            (("*b.json",), ("*2.gz",), {"x/b.json", "x/r2.gz"}),
            (
                ("A.json", "a.json"),
                ("r?.gz", "x/[rs]2.gz"),
                {"A.json", "a.json", "r1.gz", "x/r2.gz"},
            ),
            ((), ("1.gz", "[[]1].gz"), {"[1].gz"}),
            ((), (), set()),
        ],
    )
    def test_they_are_patterns(
        self,
        source: ScriptedSource,
        metadata: tuple[str, ...],
        data: tuple[str, ...],
        taken: set[str],
    ) -> None:
        files = [
            listed(source.add_file(name, b"", indexed=name.endswith(".json")))
            for name in ("a.json", "x/b.json", "A.json", "r1.gz", "x/r2.gz", "[1].gz")
        ]
        wanted = filters(metadata, data)
        assert {file.name for file in files if wanted(file)} == taken

    def test_switches(self, source: ScriptedSource) -> None:
        metadata = listed(source.add_file("m", b"", indexed=True))
        data = listed(source.add_file("d", b""))
        no_data = filters(("*",), ("*",), no_data=True)
        no_metadata = filters(("*",), ("*",), no_metadata=True)
        assert (no_data(metadata), no_data(data)) == (True, False)
        assert (no_metadata(metadata), no_metadata(data)) == (False, True)
        assert filters(("x",), ("*",), no_data=True)(metadata) is False

    @pytest.mark.parametrize("switch", ["no_data", "no_metadata"])
    def test_a_switch_contradicts_its_filter(self, switch: str) -> None:
        with pytest.raises(InvalidArgument, match=f"{switch}=True contradicts"):
            filters(
                ("x",), ("x",), no_data=switch == "no_data", no_metadata=switch == "no_metadata"
            )

    def test_one_text_is_none(self) -> None:
        with pytest.raises(TypeError, match=r"data_filter='\*\.gz' is one text"):
            filters(("*",), "*.gz")


class TestBundles:
    def test_all_pages_make_one_document(self, source: ScriptedSource, plan: Plan) -> None:
        one, two = source.add_file("z", b"1", indexed=True), source.add_file("a", b"22")
        source.add_bundle([one], [two], [])
        made = plan(None)
        assert made.bundle == FQ
        assert [task.name for task in made.wanted] == ["bundle.json", "z", "a"]
        content = made.wanted[0].content
        whole = page_of([one, two]).model_dump(mode="json", by_alias=True, exclude_unset=True)
        assert content == json.dumps(whole, indent=4, sort_keys=True).encode()
        assert (made.wanted[0].sha256, made.wanted[0].size) == (sha256(content), len(content))
        assert made.wanted[0].uuid is None
        assert made.whole == BundleSize(2, 3)

    def test_tasks_say_what_is_wanted_and_where(self, source: ScriptedSource, plan: Plan) -> None:
        file = source.add_file("x/a.gz", b"content")
        upper = file.model_copy(update={"uuid": file.uuid.upper(), "sha256": file.sha256.upper()})
        source.add_bundle([upper])
        task = plan().wanted[1]
        assert (task.name, task.target) == ("x/a.gz", f"{FQ}/x/a.gz")
        assert (task.uuid, task.version) == (file.uuid, VERSION)
        assert (task.sha256, task.size) == (file.sha256, 7)
        assert (task.bundle, task.content) == (FQ, None)

    def test_they_are_numbered_within_their_bundle(
        self, source: ScriptedSource, plan: Plan
    ) -> None:
        source.add_bundle([source.add_file(name, b"", indexed=name == "b") for name in "abc"])
        made = plan(wanted=filters((), ("*",)))
        assert [task.number - FIRST for task in made.wanted] == [0, 1, 3]
        assert [task.number - FIRST for task, _ in made.others] == [2]
        assert made.others[0][1].state == "skipped"
        assert made.others[0][1].reason == "left out by the filters"

    def test_unknown_fields_are_kept_in_the_document(
        self, source: ScriptedSource, plan: Plan
    ) -> None:
        source.add_bundle([source.add_file("a", b"").model_copy(update={"new": [1]})])
        document = json.loads(plan().wanted[0].content or b"")
        assert document["bundle"]["files"][0]["new"] == [1]
        assert "url" not in document["bundle"]["files"][0]

    def test_upper_case_is_lower_case(self, source: ScriptedSource, plan: Plan) -> None:
        source.bundles[BUNDLE, None] = [page_of([], uuid=BUNDLE.upper())]
        assert plan(None).bundle == FQ

    def test_one_that_changes_between_pages_is_refused(
        self, source: ScriptedSource, plan: Plan
    ) -> None:
        source.add_bundle([])
        source.bundles[BUNDLE, None].append(page_of([], version=LATER))
        with pytest.raises(FileDownloadError, match=LATER):
            plan(None)

    def test_c2_another_version_than_asked_for_is_refused(
        self, source: ScriptedSource, plan: Plan
    ) -> None:
        source.bundles[BUNDLE, VERSION] = [page_of([], version=LATER)]
        with pytest.raises(FileDownloadError, match=LATER):
            plan()

    def test_another_bundle_than_asked_for_is_refused(
        self, source: ScriptedSource, plan: Plan
    ) -> None:
        source.bundles[BUNDLE, None] = [page_of([], uuid=BUNDLE.replace("a", "b"))]
        with pytest.raises(FileDownloadError, match="answered with bundle bbbbbbbb"):
            plan(None)

    def test_an_ill_formed_version_is_refused(self, source: ScriptedSource, plan: Plan) -> None:
        source.bundles[BUNDLE, None] = [page_of([], version="../x")]
        with pytest.raises(InvalidVersion):
            plan(None)

    @pytest.mark.parametrize("version", [None, VERSION])
    def test_no_page_at_all_is_refused(
        self, source: ScriptedSource, plan: Plan, version: str | None
    ) -> None:
        source.bundles[BUNDLE, version] = []
        with pytest.raises(FileDownloadError, match="sent no page"):
            plan(version)

    @pytest.mark.parametrize("version", [None, VERSION])
    def test_an_unknown_one_is_not_found(
        self, source: ScriptedSource, plan: Plan, version: str | None
    ) -> None:
        with pytest.raises(NotFound):
            plan(version)
        assert len(source.asked) == 1

    @pytest.mark.parametrize("name", ["../../x", "/x", ""])
    def test_c5_an_unsafe_name_fails_alone(
        self, source: ScriptedSource, plan: Plan, name: str
    ) -> None:
        source.add_bundle([source.add_file("a", b"1")], [source.add_file(name, b"2")])
        made = plan()
        assert [task.name for task in made.wanted] == ["bundle.json", "a"]
        ((task, result),) = made.others
        assert (task.name, task.target, result.state) == (name, None, "failed")
        assert isinstance(result.error, UnsafeName)
        assert str(FQ) in str(result.error)
        assert repr(name) in str(result.error)

    def test_c5_an_unsafe_name_can_be_filtered_out(
        self, source: ScriptedSource, plan: Plan
    ) -> None:
        source.add_bundle([source.add_file("a", b"1"), source.add_file("../x", b"2")])
        made = plan(wanted=filters((), ("[!.]*",)))
        assert [(task.name, result.state) for task, result in made.others] == [("../x", "skipped")]

    @pytest.mark.parametrize("size", [(1 << 50) + 1, 10**30])
    def test_a_size_that_cannot_be_fails_alone(
        self, source: ScriptedSource, plan: Plan, size: int
    ) -> None:
        odd = source.add_file("odd", b"2").model_copy(update={"size": size})
        source.add_bundle([source.add_file("a", b"1"), odd])
        made = plan()
        assert [task.name for task in made.wanted] == ["bundle.json", "a"]
        ((task, result),) = made.others
        assert (task.name, task.size, result.state) == ("odd", 0, "failed")
        assert f"{size} bytes" in str(result.error)

    def test_clashes_count_whether_wanted_or_not(self, source: ScriptedSource, plan: Plan) -> None:
        source.add_bundle([source.add_file("a", b"1")], [source.add_file("A", b"2")])
        with pytest.raises(NameClash, match=r"'A' of bundle .*'a'"):
            plan(wanted=filters((), ("a",)))

    def test_a_clashing_name_can_be_left_out(self, source: ScriptedSource, plan: Plan) -> None:
        source.add_bundle([source.add_file("a", b"1"), source.add_file("A", b"2")])
        made = plan(clash="skip")
        assert [task.name for task in made.wanted] == ["bundle.json", "a"]
        ((task, result),) = made.others
        assert (task.name, result.state) == ("A", "skipped")
        assert "letter case" in result.reason

    def test_a_clashing_name_can_be_changed(self, source: ScriptedSource, plan: Plan) -> None:
        source.add_bundle([source.add_file("a", b"1"), source.add_file("A", b"2")])
        made = plan(clash="rename")
        assert [(task.name, task.target) for task in made.wanted[1:]] == [
            ("a", f"{FQ}/a"),
            ("A", f"{FQ}/A~2"),
        ]


class TestUrls:
    @pytest.fixture(autouse=True)
    def files(self, source: ScriptedSource) -> list[FileVersion]:
        """Hold a bundle of two pages."""
        files = [source.add_file(name, b"1") for name in "abc"]
        source.add_bundle(files[:2], files[2:])
        return files

    def test_they_come_with_the_bundle(self, plan: Plan, files: list[FileVersion]) -> None:
        made = plan()
        assert set(made.known) == {(file.uuid, VERSION) for file in files}
        assert files[0].uuid in made.known[files[0].uuid, VERSION]
        assert "url" not in json.loads(made.wanted[0].content or b"")["bundle"]["files"][0]

    def test_and_are_no_part_of_its_description(self, plan: Plan) -> None:
        assert plan().wanted[0] == plan(many=False).wanted[0]

    def test_an_upper_case_id_is_the_same(
        self, source: ScriptedSource, plan: Plan, files: list[FileVersion]
    ) -> None:
        upper = files[0].uuid.upper()
        source.add_bundle([files[0].model_copy(update={"uuid": upper})])
        assert set(plan().known) == {(files[0].uuid, VERSION)}

    def test_those_that_must_not_be_followed_are_left_out(
        self, source: ScriptedSource, plan: Plan, files: list[FileVersion]
    ) -> None:
        source.bases[files[1].uuid] = "ftp://storage"
        assert set(plan().known) == {(files[n].uuid, VERSION) for n in (0, 2)}

    def test_a_service_may_not_know_of_them(self, source: ScriptedSource, plan: Plan) -> None:
        source.presigns = False
        assert plan().known == {}

    @pytest.mark.parametrize("many", [True, False])
    @pytest.mark.parametrize("ask_urls", [True, False])
    @pytest.mark.parametrize("there", [True, False])
    def test_they_are_asked_for_where_it_pays(
        self,
        source: ScriptedSource,
        plan: Plan,
        tmp_path: Path,
        many: bool,
        ask_urls: bool,
        there: bool,
    ) -> None:
        if there:
            (tmp_path / str(FQ)).mkdir()
        plan(many=many, ask_urls=ask_urls)
        assert source.presigned == [many and ask_urls and not there]

    @pytest.mark.parametrize("error", [refusal(500), refusal(403), stalled()], ids=str)
    def test_where_they_cannot_be_had_the_bundle_can(
        self, source: ScriptedSource, plan: Plan, error: DSSError, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pages = source.bundle_pages

        def asked(
            *, uuid: str, version: str | None, replica: Replica, presigned: bool = False
        ) -> Iterator[BundlePage]:
            for page in pages(uuid=uuid, version=version, replica=replica, presigned=presigned):
                yield page
                if presigned:
                    raise error

        monkeypatch.setattr(ScriptedSource, "bundle_pages", lambda _, **named: asked(**named))
        made = plan()
        assert source.presigned == [True, False]
        assert made.known == {}
        assert len(made.wanted) == 4

    def test_where_nobody_answers_nobody_is_asked_again(
        self, plan: Plan, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        calls = []

        def broken_off(*_: object, **named: object) -> Iterator[BundlePage]:
            calls.append(named["presigned"])
            raise broken()

        monkeypatch.setattr(ScriptedSource, "bundle_pages", broken_off)
        with pytest.raises(DSSError):
            plan()
        assert calls == [True]


def row_of(number: int, file: FileVersion, **changes: Any) -> ManifestEntry:
    row = ManifestEntry(number, file.name, file.uuid, file.version, file.sha256, file.size)
    return evolve(row, **changes)


class TestRows:
    @pytest.fixture
    def files(self, source: ScriptedSource) -> list[FileVersion]:
        """Hold a bundle."""
        files = [
            source.add_file("meta.json", b"m", indexed=True),
            source.add_file("a", b"1"),
            source.add_file("b", b"22"),
        ]
        source.add_bundle(files, latest=False)
        return files

    @pytest.fixture
    def of_rows(self, source: ScriptedSource, rule: BundleRule) -> Plan:
        def expand(
            *rows: ManifestEntry,
            no_metadata: bool = False,
            no_data: bool = False,
            **changes: Any,
        ) -> BundlePlan:
            return plan_rows(
                source,
                evolve(rule, **changes),
                3,
                FQ,
                rows,
                no_metadata=no_metadata,
                no_data=no_data,
            )

        return expand

    @pytest.mark.parametrize(
        ("no_metadata", "no_data", "taken"),
        [
            (False, False, ["bundle.json", "meta.json", "a"]),
            (True, False, ["bundle.json", "a"]),
            (False, True, ["bundle.json", "meta.json"]),
            (True, True, ["bundle.json"]),
        ],
    )
    def test_metadata_comes_whole_and_data_by_name(
        self,
        of_rows: Plan,
        files: list[FileVersion],
        no_metadata: bool,
        no_data: bool,
        taken: list[str],
    ) -> None:
        made = of_rows(row_of(0, files[1]), no_metadata=no_metadata, no_data=no_data)
        assert [task.name for task in made.wanted] == taken
        assert {result.state for _, result in made.others} == {"skipped"}

    def test_a_row_may_stand_for_its_bundle(self, of_rows: Plan, files: list[FileVersion]) -> None:
        made = of_rows(ManifestEntry(0, "", "", "", "", 0))
        assert [task.name for task in made.wanted] == ["bundle.json", "meta.json"]

    def test_c2_the_version_is_that_of_the_row(
        self, source: ScriptedSource, of_rows: Plan, files: list[FileVersion]
    ) -> None:
        of_rows(row_of(0, files[1]))
        assert source.asked == [(BUNDLE, VERSION, "aws")]

    @pytest.mark.parametrize(("count", "presigned"), [(1, False), (2, True)])
    def test_urls_come_along_where_more_than_one_is_named(
        self,
        source: ScriptedSource,
        of_rows: Plan,
        files: list[FileVersion],
        count: int,
        presigned: bool,
    ) -> None:
        of_rows(*(row_of(n, file) for n, file in enumerate(files[1 : 1 + count])))
        assert source.presigned == [presigned]

    @pytest.mark.parametrize(
        ("changes", "why"),
        [
            ({"uuid": BUNDLE}, f"uuid {BUNDLE} in the manifest, ffffffff-"),
            ({"version": LATER}, f"version {LATER} in the manifest, {VERSION} in the bundle"),
            ({"sha256": "0" * 64}, "sha256 000"),
            ({"size": 9}, "size 9 in the manifest, 1 in the bundle"),
            ({"name": "c"}, "the bundle has no file of that name"),
            ({"size": 9, "version": LATER}, "; size 9"),
        ],
    )
    def test_a_contradiction_fails_its_row_alone(
        self,
        of_rows: Plan,
        files: list[FileVersion],
        changes: dict[str, str | int],
        why: str,
    ) -> None:
        made = of_rows(row_of(0, files[1], **changes), row_of(1, files[2]))
        assert [task.name for task in made.wanted] == ["bundle.json", "meta.json", "b"]
        failed = [(task, result) for task, result in made.others if result.state == "failed"]
        ((task, result),) = failed
        assert isinstance(result.error, ManifestMismatch)
        assert why in str(result.error)
        assert str(FQ) in str(result.error)
        assert task.target is None
        numbers = [task.number for task in (*made.wanted, *(each for each, _ in made.others))]
        assert len(set(numbers)) == len(numbers)
        assert all(FIRST <= number < FIRST + FILES_OF_A_BUNDLE for number in numbers)

    def test_metadata_is_compared_too(self, of_rows: Plan, files: list[FileVersion]) -> None:
        made = of_rows(row_of(0, files[0], size=9))
        assert [task.name for task in made.wanted] == ["bundle.json"]
        assert [result.state for task, result in made.others if task.name == "meta.json"] == [
            "failed"
        ]

    def test_rows_that_come_twice_are_one_file(
        self, of_rows: Plan, files: list[FileVersion]
    ) -> None:
        made = of_rows(row_of(0, files[1]), row_of(7, files[1]))
        assert [task.name for task in made.wanted] == ["bundle.json", "meta.json", "a"]

    def test_files_of_one_name_are_each_compared_with_their_row(
        self, source: ScriptedSource, of_rows: Plan
    ) -> None:
        files = [source.add_file("a", b"%d" % number) for number in range(3)]
        source.add_bundle(files)
        made = of_rows(
            row_of(0, files[0]), row_of(1, files[1]), row_of(2, files[2], size=9), clash="rename"
        )
        assert [task.target for task in made.wanted[1:]] == [f"{FQ}/a", f"{FQ}/a~2"]
        ((task, result),) = made.others
        assert (task.name, result.state) == ("a", "failed")
        assert "size 9 in the manifest, 1 in the bundle" in str(result.error)

    def test_a_bundle_that_cannot_be_had_fails_its_rows(
        self, source: ScriptedSource, of_rows: Plan, files: list[FileVersion]
    ) -> None:
        source.bundles.clear()
        made = of_rows(row_of(0, files[1]), ManifestEntry(1, "", "", "", "", 0))
        assert made.bundle == FQ
        assert made.wanted == ()
        assert [(task.name, result.state) for task, result in made.others] == [
            ("bundle.json", "failed"),
            ("a", "failed"),
        ]
        assert [task.number - FIRST for task, _ in made.others] == [0, 1]
        for task, result in made.others:
            assert isinstance(result.error, FileDownloadError)
            assert isinstance(result.error.cause, NotFound)
            assert (result.error.name, result.error.bundle) == (task.name, FQ)
            assert "its bundle cannot be downloaded" in str(result.error)

    def test_so_does_a_clash(self, source: ScriptedSource, of_rows: Plan) -> None:
        files = [source.add_file("a", b"1"), source.add_file("A", b"2")]
        source.add_bundle(files)
        made = of_rows(row_of(0, files[0]), row_of(1, files[1]))
        assert [task.name for task, _ in made.others] == ["bundle.json", "a", "A"]
        assert isinstance(made.others[2][1].error, NameClash)

    def test_a_bundle_that_is_gone_may_be_left_out(self) -> None:
        made = failed_plan(3, FQ, refusal(404), skip="it is gone")
        ((task, result),) = made.others
        assert (task.name, task.number, result.state) == ("bundle.json", FIRST, "skipped")
        assert (result.reason, result.error) == ("it is gone", None)
