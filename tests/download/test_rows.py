"""Manifests on their way into the ledger, and out again with the paths of their files."""

import csv
import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dss_client.download.filestore import FileStore
from dss_client.download.ledger import Ledger
from dss_client.download.report import FileReport, StoredEntries
from dss_client.download.rows import ListedBundles, ListedFiles
from dss_client.download.task import FileResult
from dss_client.manifest import COLUMNS, ManifestError, ManifestReader, ManifestSource
from dss_client.versions import FQID

from .sample import table
from .scripted import BUNDLE, LATER, VERSION, sha256

OTHER = BUNDLE.replace("a", "b")
CONTENT = b"content"


class Made:
    """A manifest on its way, and all it goes through."""

    def __init__(
        self,
        kind: type[ListedFiles] | type[ListedBundles],
        folder: Path,
        source: ManifestSource,
        resources: ExitStack,
    ) -> None:
        self.folder = folder
        self.reader = resources.enter_context(ManifestReader(source, allow_unnamed=True))
        self.store = FileStore(folder, durable=False)
        self.ledger = Ledger(self.store.place)
        resources.callback(self.ledger.close)
        self.listed = kind(self.reader, self.ledger, self.store, folder)

    def written(self) -> str:
        """Return the text that is written at the end."""
        with self.listed.write(self.folder / "out").open(newline="", encoding="utf-8") as file:
            return file.read()

    def table(self) -> list[dict[str, str]]:
        return table(self.listed.write(self.folder / "out"))


Make = Callable[..., Made]


@pytest.fixture
def resources() -> Iterator[ExitStack]:
    with ExitStack() as held:
        yield held


@pytest.fixture
def files(tmp_path: Path, resources: ExitStack) -> Make:
    def make(source: ManifestSource, folder: Path = tmp_path, *, enter: bool = True) -> Made:
        made = Made(ListedFiles, folder, source, resources)
        if enter:
            made.listed.enter()
        return made

    return make


@pytest.fixture
def bundles(tmp_path: Path, resources: ExitStack) -> Make:
    def make(source: ManifestSource, folder: Path = tmp_path, *, enter: bool = True) -> Made:
        made = Made(ListedBundles, folder, source, resources)
        if enter:
            made.listed.enter()
        return made

    return make


def row(number: int, content: bytes = CONTENT, **changes: str) -> dict[str, str]:
    return {
        "bundle_uuid": BUNDLE,
        "bundle_version": VERSION,
        "file_name": f"f{number}",
        "file_uuid": f"ffffffff-0000-4000-8000-{number:012d}",
        "file_version": VERSION,
        "file_sha256": sha256(content),
        "file_size": str(len(content)),
        **changes,
    }


def text_of(
    rows: Sequence[Mapping[str, str]], end: str = "\n", columns: Sequence[str] = COLUMNS
) -> io.StringIO:
    lines: list[str] = []
    for cells in [dict(zip(columns, columns, strict=True)), *rows]:
        line = io.StringIO(newline="")
        csv.DictWriter(line, columns, dialect="excel-tab").writerow(cells)
        lines.append(line.getvalue().removesuffix("\r\n") + end)
    return io.StringIO("".join(lines), newline="")


def reports(made: Made) -> list[FileReport]:
    assert isinstance(made.listed, ListedFiles)
    return list(made.listed.reports())


class TestFiles:
    def test_what_is_missing_is_pending(self, files: Make) -> None:
        made = files(text_of([row(0), row(1, b"there"), row(2)]), enter=False)
        made.store.put(sha256(b"there"), b"there")
        made.listed.enter()
        assert [task.number for task in made.ledger.pending()] == [0, 2]
        first, _ = made.ledger.pending()
        assert (first.name, first.uuid, first.version) == ("f0", row(0)["file_uuid"], VERSION)
        assert (first.sha256, first.size, first.target) == (sha256(CONTENT), 7, None)
        assert first.bundle == FQID(BUNDLE, VERSION)

    def test_what_is_not_sealed_is_pending_too(self, files: Make) -> None:
        made = files(text_of([row(0)]), enter=False)
        path = made.store.path(sha256(CONTENT))
        path.parent.mkdir(parents=True)
        path.write_bytes(CONTENT)
        made.listed.enter()
        assert len(list(made.ledger.pending())) == 1

    def test_empty_contents_are_always_pending(self, files: Make) -> None:
        made = files(text_of([row(0, b"")]), enter=False)
        made.store.put(sha256(b""), b"")
        made.listed.enter()
        assert len(list(made.ledger.pending())) == 1

    @pytest.mark.parametrize("missing", [0, 1])
    def test_the_report_has_all_of_them(self, files: Make, missing: int) -> None:
        rows = [row(number, b"%d" % number) for number in range(2_300)]
        made = files(text_of(rows), enter=False)
        for number in range(missing, 2_300):
            made.store.put(sha256(b"%d" % number), b"%d" % number)
        made.listed.enter()
        assert isinstance(made.listed, ListedFiles)
        assert len(made.listed) == 2_300
        entries = StoredEntries(made.listed)
        assert [entry.name for entry in entries] == [f"f{number}" for number in range(2_300)]
        assert [entry.name for entry in entries[998:1003]] == [f"f{n}" for n in range(998, 1003)]
        last = entries[-1]
        assert last == list(entries)[-1]
        assert (last.state, last.bundle) == ("reused", FQID(BUNDLE, VERSION))
        assert (last.uuid, last.version) == (row(2_299)["file_uuid"], VERSION)
        assert (last.sha256, last.size) == (sha256(b"2299"), 4)
        assert last.path == made.store.path(last.sha256)
        totals = made.listed.totals()
        assert totals.files["reused"] == 2_300 - missing
        assert sum(totals.files.values()) == 2_300
        assert sum(totals.bytes.values()) == sum(len(str(n)) for n in range(2_300))

    def test_the_report_can_be_read_by_state(self, files: Make) -> None:
        made = files(text_of([row(n, b"%d" % n) for n in range(4)]), enter=False)
        for number in (1, 3):
            made.store.put(sha256(b"%d" % number), b"%d" % number)
        made.listed.enter()
        made.ledger.settle([FileResult(0, "downloaded", "/p"), FileResult(2, "reused")])
        listed = made.listed
        assert isinstance(listed, ListedFiles)
        assert [each.name for each in listed.reports("reused")] == ["f1", "f2", "f3"]
        assert [each.name for each in listed.reports("downloaded")] == ["f0"]
        assert list(listed.reports("failed")) == []
        assert listed.totals().files == {"downloaded": 1, "reused": 3}

    def test_paths_are_those_of_files_that_are_there(self, files: Make) -> None:
        made = files(text_of([row(n, b"%d" % n) for n in range(4)]), enter=False)
        made.store.put(sha256(b"1"), b"1")
        made.listed.enter()
        made.ledger.settle([FileResult(0, "downloaded"), FileResult(2, "failed")])
        place = made.store.place
        assert [each["file_path"] for each in made.table()] == [
            place(sha256(b"0")),
            place(sha256(b"1")),
            "",
            "",
        ]

    def test_many_rows_keep_their_order_and_paths(self, files: Make) -> None:
        rows = [
            row(n, b"%d" % (n % 50), bundle_uuid=OTHER if n % 2 else BUNDLE) for n in range(2500)
        ]
        made = files(text_of(rows), enter=False)
        for number in range(0, 50, 3):
            made.store.put(sha256(b"%d" % number), b"%d" % number)
        made.listed.enter()
        made.ledger.settle(
            [FileResult(task.number, "downloaded") for task in made.ledger.pending()]
        )
        assert len(made.ledger) == 2500 - 50 * 17
        written = made.table()
        assert [{**each, "file_path": ""} for each in written] == [
            {**each, "file_path": ""} for each in rows
        ]
        assert [each["file_path"] for each in written] == [
            made.store.place(each["file_sha256"]) for each in rows
        ]
        assert list(made.ledger.bundles()) == [
            (1, FQID(OTHER, VERSION)),
            (2, FQID(BUNDLE, VERSION)),
        ]

    def test_upper_case_is_kept_in_the_text_only(self, files: Make) -> None:
        upper = row(0, file_sha256=sha256(CONTENT).upper(), file_uuid=row(0)["file_uuid"].upper())
        made = files(text_of([upper]), enter=False)
        made.store.put(sha256(CONTENT), CONTENT)
        made.listed.enter()
        (report,) = reports(made)
        assert (report.uuid, report.sha256) == (row(0)["file_uuid"], sha256(CONTENT))
        assert report.path == made.store.path(sha256(CONTENT))
        (written,) = made.table()
        assert written == {**upper, "file_path": str(report.path)}

    @pytest.mark.parametrize("size", ["9" * 19, "9" * 40, "9" * 5000, str(2**63)])
    def test_sizes_are_those_of_files(self, files: Make, size: str) -> None:
        with pytest.raises(ManifestError, match="line 2: file_size"):
            files(text_of([row(0, file_size=size)]))

    def test_a_bad_row_ends_it(self, files: Make) -> None:
        with pytest.raises(ManifestError, match="line 3: file_version"):
            files(text_of([row(0), row(1, file_version="x")]))


NAMES = ["a\tb", 'a"b', '"ab"', "a\nb", "a\rb", "a\r\nb", "'", "ä", " a ", "a,b", "a\\b", "\u2028"]
KINDS: dict[str, type[ListedFiles] | type[ListedBundles]] = {
    "files": ListedFiles,
    "bundles": ListedBundles,
}


class TestTexts:
    @pytest.fixture(params=["files", "bundles"])
    def make(self, request: pytest.FixtureRequest, files: Make, bundles: Make) -> Make:
        return files if request.param == "files" else bundles

    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    @pytest.mark.parametrize("there", [True, False])
    @pytest.mark.parametrize("name", NAMES)
    def test_any_cell_comes_out_as_it_went_in(
        self, make: Make, name: str, there: bool, end: str
    ) -> None:
        rows = [row(0), {**row(1), "file_name": name}, {**row(2), "file_version": LATER}]
        made = make(text_of(rows, end), enter=False)
        if there:
            made.store.put(sha256(CONTENT), CONTENT)
        made.listed.enter()
        place = made.store.place(sha256(CONTENT)) if there else ""
        assert made.table() == [{**each, "file_path": place} for each in rows]

    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_lines_end_with_crlf(self, make: Make, end: str) -> None:
        made = make(text_of([row(0), row(1)], end))
        lines = made.written().split("\r\n")
        assert lines == [
            "\t".join([*COLUMNS, "file_path"]),
            "\t".join([*row(0).values(), ""]),
            "\t".join([*row(1).values(), ""]),
            "",
        ]

    def test_an_empty_manifest_has_its_header(self, make: Make) -> None:
        assert make(text_of([])).written() == "\t".join([*COLUMNS, "file_path"]) + "\r\n"

    @pytest.mark.parametrize("at", [0, 3, 7])
    @pytest.mark.parametrize("there", [True, False])
    @pytest.mark.parametrize("note", ["x", 'a "note"', "a\tnote", "two\nlines", ""])
    def test_a_column_of_paths_keeps_its_place(
        self, make: Make, at: int, there: bool, note: str
    ) -> None:
        columns = [*COLUMNS[:at], "file_path", *COLUMNS[at:], "note"]
        rows = [{**row(n), "file_path": "/old\t/place", "note": note} for n in range(3)]
        made = make(text_of(rows, columns=columns), enter=False)
        if there:
            made.store.put(sha256(CONTENT), CONTENT)
        made.listed.enter()
        place = made.store.place(sha256(CONTENT)) if there else ""
        written = made.table()
        assert list(written[0]) == columns
        assert written == [{**each, "file_path": place} for each in rows]

    def test_other_columns_are_kept(self, make: Make) -> None:
        columns = ["before", *reversed(COLUMNS), "after"]
        rows = [{**row(n), "before": f"b{n}", "after": ""} for n in range(2)]
        written = make(text_of(rows, columns=columns)).table()
        assert list(written[0]) == [*columns, "file_path"]
        assert written == [{**each, "file_path": ""} for each in rows]

    def test_rows_may_be_mappings(self, make: Make) -> None:
        made = make([{**row(n), "file_size": 7, "note": None} for n in range(2)])
        assert made.table() == [{**row(n), "note": "", "file_path": ""} for n in range(2)]

    @pytest.mark.parametrize("folder", ['a "folder"', "a\tfolder", "ä folder", "a\nfolder"])
    @pytest.mark.parametrize("appended", [True, False])
    def test_the_directory_may_have_any_name(
        self, make: Make, tmp_path: Path, folder: str, appended: bool
    ) -> None:
        columns = [*COLUMNS] if appended else ["file_path", *COLUMNS]
        rows = [{**row(n), **({} if appended else {"file_path": ""})} for n in range(3)]
        made = make(text_of(rows, columns=columns), tmp_path / folder, enter=False)
        made.store.put(sha256(CONTENT), CONTENT)
        made.listed.enter()
        place = made.store.place(sha256(CONTENT))
        assert made.table() == [{**each, "file_path": place} for each in rows]
        if isinstance(made.listed, ListedFiles):
            assert {str(each.path) for each in reports(made)} == {place}
            assert [each.name for each in reports(made)] == ["f0", "f1", "f2"]

    @pytest.mark.skipif(sys.platform != "linux", reason="names are texts elsewhere")
    def test_even_one_that_is_no_text(self, make: Make, tmp_path: Path) -> None:
        made = make(text_of([row(0)]), tmp_path / "\udcff", enter=False)
        made.store.put(sha256(CONTENT), CONTENT)
        made.listed.enter()
        written = made.listed.write(tmp_path)
        place = os.fsencode(made.store.place(sha256(CONTENT)))
        assert b"/\xff/" in place
        assert written.read_bytes().split(b"\r\n")[1].split(b"\t")[-1] == place

    @given(names=st.lists(st.text(st.characters(codec="utf-8"), min_size=1), max_size=5))
    @pytest.mark.parametrize("kind", KINDS)
    def test_any_names_survive(
        self, tmp_path_factory: pytest.TempPathFactory, kind: str, names: list[str]
    ) -> None:
        folder = tmp_path_factory.getbasetemp() / "any-names"
        rows = [{**row(n), "file_name": name, "note": name} for n, name in enumerate(names)]
        with ExitStack() as resources:
            text = text_of(rows, columns=[*COLUMNS, "note"], end="\r\n")
            made = Made(KINDS[kind], folder, text, resources)
            made.listed.enter()
            assert made.table() == [{**each, "file_path": ""} for each in rows]

    def test_where_paths_have_other_separators(
        self, make: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The place of a file is written with slashes on Windows too (docs/behaviour.md C3)."""
        made = make(text_of([row(0)]), enter=False)
        made.listed._plain = False
        made.store.put(sha256(CONTENT), CONTENT)
        made.listed.enter()
        monkeypatch.setattr("os.sep", "\\")
        assert made.listed._with_path("x", "c:\\d\\e") == "x\tc:/d/e"


class TestWhereItGoes:
    @pytest.fixture(params=["files", "bundles"])
    def make(self, request: pytest.FixtureRequest, files: Make, bundles: Make) -> Make:
        return files if request.param == "files" else bundles

    def test_it_has_the_name_of_the_manifest(self, make: Make, tmp_path: Path) -> None:
        path = tmp_path / "m.tsv"
        path.write_text(text_of([row(0)]).read())
        assert make(path).listed.write(tmp_path / "out") == tmp_path / "out/m.tsv"

    def test_a_manifest_without_a_name_gets_one(self, make: Make, tmp_path: Path) -> None:
        assert make(text_of([row(0)])).listed.write(tmp_path) == tmp_path / "manifest.tsv"

    def test_it_goes_beside_the_manifest_and_not_over_it(self, make: Make, tmp_path: Path) -> None:
        path = tmp_path / "m.tsv"
        text = text_of([row(0)]).read()
        path.write_text(text)
        written = make(path).listed.write(tmp_path)
        assert written == tmp_path / "m.downloaded.tsv"
        assert path.read_text() == text
        assert make(path).listed.write(tmp_path) == written

    def test_nor_over_it_by_another_name(self, make: Make, tmp_path: Path) -> None:
        path = tmp_path / "m.tsv"
        path.write_text(text_of([row(0)]).read())
        (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
        assert make(path).listed.write(tmp_path / "link").name == "m.downloaded.tsv"

    def test_one_from_before_is_replaced(self, make: Make, tmp_path: Path) -> None:
        (tmp_path / "in").mkdir()
        path = tmp_path / "in" / "m.tsv"
        path.write_text(text_of([row(0)]).read())
        (tmp_path / "m.tsv").write_text("old")
        assert make(path).listed.write(tmp_path) == tmp_path / "m.tsv"
        assert (tmp_path / "m.tsv").read_text() != "old"


class TestBundles:
    def test_rows_of_a_bundle_come_together(self, bundles: Make) -> None:
        rows = [row(n, bundle_uuid=BUNDLE if n % 3 else OTHER) for n in range(7)]
        made = bundles(text_of(rows))
        numbers = {bundle: number for number, bundle in made.ledger.bundles()}
        assert list(numbers) == [FQID(OTHER, VERSION), FQID(BUNDLE, VERSION)]
        entries = made.ledger.entries_of(numbers[FQID(OTHER, VERSION)])
        assert [(each.number, each.name) for each in entries] == [(0, "f0"), (3, "f3"), (6, "f6")]
        assert entries[0].uuid == row(0)["file_uuid"]
        assert (entries[0].sha256, entries[0].size) == (sha256(CONTENT), 7)

    def test_versions_are_bundles_of_their_own(self, bundles: Make) -> None:
        made = bundles(text_of([row(0), row(1, bundle_version=LATER), row(2)]))
        assert len(list(made.ledger.bundles())) == 2

    def test_ids_in_any_case_are_one_bundle(self, bundles: Make) -> None:
        made = bundles(text_of([row(0), row(1, bundle_uuid=BUNDLE.upper())]))
        ((number, bundle),) = made.ledger.bundles()
        assert bundle == FQID(BUNDLE, VERSION)
        assert len(made.ledger.entries_of(number)) == 2

    def test_rows_may_stand_for_bundles(self, bundles: Make) -> None:
        bare = dict.fromkeys(COLUMNS[2:], "")
        rows = [{**row(0), **bare}, row(1), {**row(2), **bare, "file_size": "x"}]
        made = bundles(text_of(rows), enter=False)
        made.store.put(sha256(CONTENT), CONTENT)
        made.listed.enter()
        ((number, _),) = made.ledger.bundles()
        assert [(each.name, each.size) for each in made.ledger.entries_of(number)] == [
            ("", 0),
            ("f1", 7),
            ("", 0),
        ]
        assert made.ledger.listed_bytes() == 7
        place = made.store.place(sha256(CONTENT))
        assert made.table() == [
            {**rows[0], "file_path": ""},
            {**rows[1], "file_path": place},
            {**rows[2], "file_path": ""},
        ]

    def test_paths_are_those_of_files_that_are_there(self, bundles: Make) -> None:
        rows = [row(n, b"%d" % n) for n in range(2_100)]
        made = bundles(text_of(rows))
        for number in range(0, 2_100, 7):
            made.store.put(sha256(b"%d" % number), b"%d" % number)
        assert [each["file_path"] for each in made.table()] == [
            "" if n % 7 else made.store.place(sha256(b"%d" % n)) for n in range(2_100)
        ]

    def test_what_cannot_be_trusted_has_no_path(self, bundles: Make) -> None:
        made = bundles(text_of([row(1)]))
        stored = made.store.path(sha256(CONTENT))
        stored.parent.mkdir(parents=True)
        stored.write_bytes(CONTENT[:-1] + b"?")
        assert [each["file_path"] for each in made.table()] == [""]

    def test_upper_case_is_kept_in_the_text_only(self, bundles: Make) -> None:
        upper = row(0, file_sha256=sha256(CONTENT).upper())
        made = bundles(text_of([upper]))
        made.store.put(sha256(CONTENT), CONTENT)
        place = made.store.place(sha256(CONTENT))
        assert made.table() == [{**upper, "file_path": place}]
        assert list(made.ledger.contents()) == [(sha256(CONTENT), 7)]
