"""The books of a download, row by row."""

import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from attrs import evolve

from dss_client.download import FileDownloadError
from dss_client.download.ledger import Ledger, ManifestEntry
from dss_client.download.report import FileReport
from dss_client.download.task import FileResult, FileTask
from dss_client.versions import FQID

from .scripted import BUNDLE, FQ, LATER, VERSION

OTHER = FQID("bbbbbbbb-0000-4000-8000-000000000002", LATER)
SHA = "0123456789abcdef" * 4
FILE = "ffffffff-0000-4000-8000-000000000003"


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    kept = Ledger(lambda key: f"/store/{key[:4]}")
    yield kept
    kept.close()


def task(number: int, bundle: FQID | None = FQ, *, size: int = 5) -> FileTask:
    return FileTask(
        number=number,
        bundle=bundle,
        name=f"f{number}",
        uuid=FILE,
        version=VERSION,
        sha256=SHA,
        size=size,
        target=f"{bundle}/f{number}",
    )


def names(reports: Iterator[FileReport]) -> list[str]:
    return [report.name for report in reports]


class TestBundles:
    def test_they_have_numbers(self, ledger: Ledger) -> None:
        ledger.add_bundle(7, FQ)
        assert ledger.number_of(FQ) == 7
        assert ledger.number_of(OTHER) == 8
        assert ledger.number_of(OTHER) == 8
        assert list(ledger.bundles()) == [(7, FQ), (8, OTHER)]

    def test_versions_are_bundles_of_their_own(self, ledger: Ledger) -> None:
        numbers = [ledger.number_of(FQID(BUNDLE, version)) for version in (VERSION, LATER)]
        assert len(set(numbers)) == 2

    def test_a_number_may_get_another_version(self, ledger: Ledger) -> None:
        ledger.add_bundle(0, FQ)
        ledger.add_bundle(0, OTHER)
        assert list(ledger.bundles()) == [(0, OTHER)]

    def test_an_empty_one_has_nothing(self, ledger: Ledger) -> None:
        for every in (ledger.bundles(), ledger.pending(), ledger.reports()):
            assert list(every) == []
        assert (len(ledger), ledger.listed_bytes(), ledger.errors) == (0, 0, ())
        assert ledger.totals().files == ledger.totals().bytes == {}
        for rows in (ledger.cells(), ledger.texts(), ledger.contents()):
            assert list(rows) == []


class TestFiles:
    def test_they_are_as_they_were(self, ledger: Ledger) -> None:
        ledger.add_bundle(1, FQ)
        ledger.add(1, [task(0)], "planned")
        assert list(ledger.pending()) == [task(0)]

    def test_columns_may_be_empty(self, ledger: Ledger) -> None:
        bare = FileTask(number=3, bundle=None, name="", uuid=None, version=None, sha256="", size=0)
        ledger.add(None, [bare], "planned")
        assert list(ledger.pending()) == [bare]
        assert list(ledger.reports()) == [
            FileReport(name="", state="planned", path=None, link=None, tries=0, seconds=0.0)
        ]

    def test_a_bundle_nobody_knows_is_none(self, ledger: Ledger) -> None:
        ledger.add(9, [task(0)], "planned")
        assert [each.bundle for each in ledger.pending()] == [None]
        assert [each.bundle for each in ledger.reports()] == [None]
        ledger.add_bundle(9, FQ)
        assert [each.bundle for each in ledger.reports()] == [FQ]

    def test_contents_are_not_kept(self, ledger: Ledger) -> None:
        ledger.add(None, [evolve(task(0, None), content=b"x")], "planned")
        assert list(ledger.pending()) == [task(0, None)]

    @pytest.mark.parametrize("name", ["é/日本\t\n'\"--", "\U0001f600", "a\0b", " "])
    def test_any_name_is_kept(self, ledger: Ledger, name: str) -> None:
        ledger.add(None, [evolve(task(0, None), name=name, target=name)], "planned")
        assert [(each.name, each.target) for each in ledger.pending()] == [(name, name)]

    def test_pending_come_bundle_by_bundle(self, ledger: Ledger) -> None:
        first, second = ledger.number_of(FQ), ledger.number_of(OTHER)
        for number in range(8):
            ledger.add(second if number % 2 else first, [task(number)], "planned")
        ledger.settle([FileResult(2, "downloaded")])
        assert [each.number for each in ledger.pending()] == [0, 4, 6, 1, 3, 5, 7]

    def test_reports_come_by_their_numbers(self, ledger: Ledger) -> None:
        first, second = ledger.number_of(FQ), ledger.number_of(OTHER)
        ledger.add(second, [task(4), task(1)], "planned")
        ledger.add(first, [task(3), task(0)], "skipped", "left out")
        assert names(ledger.reports()) == ["f0", "f1", "f3", "f4"]
        assert names(ledger.reports("skipped")) == ["f0", "f3"]
        assert [ledger.report(index).name for index in range(4)] == ["f0", "f1", "f3", "f4"]
        assert [ledger.report(index).reason for index in (0, 1)] == ["left out", ""]
        assert len(ledger) == 4

    def test_a_file_that_comes_again_takes_the_place(self, ledger: Ledger) -> None:
        ledger.add(None, [task(0, None)], "planned")
        ledger.add(None, [task(0, None, size=9)], "skipped")
        assert [each.size for each in ledger.reports()] == [9]

    def test_what_became_of_them(self, ledger: Ledger) -> None:
        ledger.add_bundle(1, FQ)
        ledger.add(1, [task(number) for number in range(4)], "planned")
        error = FileDownloadError("f2", "gone", bundle=FQ)
        ledger.settle(
            [
                FileResult(0, "downloaded", Path("/d/f0"), "hardlink", 3, 1.5, "why"),
                FileResult(1, "reused"),
                FileResult(2, "failed", error=error),
            ]
        )
        one, two, three, four = ledger.reports()
        assert one == FileReport(
            bundle=FQ,
            name="f0",
            uuid=FILE,
            version=VERSION,
            sha256=SHA,
            size=5,
            path=Path("/d/f0"),
            state="downloaded",
            link="hardlink",
            tries=3,
            seconds=1.5,
            reason="why",
        )
        assert (two.state, two.path) == ("reused", Path("/store/0123"))
        assert (three.state, three.error, three.path) == ("failed", error, None)
        assert four.state == "planned"
        assert ledger.errors == (error,)

    @pytest.mark.parametrize("path", ["/d/\udcff", "/d/é", Path("/d/\udc80/f"), ""])
    def test_a_path_need_not_be_text(self, ledger: Ledger, path: str | Path) -> None:
        """On Linux, the name of a directory may be any bytes."""
        ledger.add(None, [task(0, None)], "planned")
        ledger.settle([FileResult(0, "downloaded", path)])
        other = Ledger()
        other.take_over(pickle.loads(pickle.dumps(ledger.export())))
        assert [each.path for each in ledger.reports()] == [Path(path)]
        assert [each.path for each in other.reports()] == [Path(path)]
        other.close()

    def test_errors_come_by_their_numbers(self, ledger: Ledger) -> None:
        errors = [FileDownloadError(f"f{number}", "gone") for number in range(3)]
        ledger.settle([FileResult(n, "failed", error=errors[n]) for n in (2, 0, 1)])
        assert ledger.errors == tuple(errors)

    def test_results_of_nobody_are_nothing(self, ledger: Ledger) -> None:
        ledger.settle([FileResult(5, "reused")])
        assert len(ledger) == 0

    def test_totals(self, ledger: Ledger) -> None:
        ledger.add(None, [task(n, None, size=n + 1) for n in range(4)], "planned")
        ledger.settle([FileResult(0, "failed"), FileResult(3, "reused")])
        assert ledger.totals().files == {"planned": 2, "failed": 1, "reused": 1}
        assert ledger.totals().bytes == {"planned": 5, "failed": 1, "reused": 4}

    def test_ranges_of_numbers(self, ledger: Ledger) -> None:
        ledger.add(None, [task(number, None) for number in range(5)], "planned")
        assert ledger.states(1, 3) == [(1, "planned", SHA), (2, "planned", SHA)]
        assert {n: r.name for n, r in ledger.reports_between(3, 9).items()} == {3: "f3", 4: "f4"}

    def test_results_are_written_while_files_are_read(self, ledger: Ledger) -> None:
        count = 3_500  # of which some are read ahead
        first, second = ledger.number_of(FQ), ledger.number_of(OTHER)
        ledger.add(second, (task(number) for number in range(0, count, 2)), "planned")
        ledger.add(first, (task(number) for number in range(1, count, 2)), "planned")
        seen: list[int] = []
        for each in ledger.pending():
            seen.append(each.number)
            ledger.settle([FileResult(each.number, "downloaded")])
            if each.number % 100 == 0:  # what comes later is not pending for this one
                ledger.add(first, [task(count + each.number)], "planned")
        assert seen == [*range(1, count, 2), *range(0, count, 2)]
        assert ledger.totals().files == {"downloaded": count, "planned": 35}
        assert len(list(ledger.pending())) == 35

    def test_reports_can_be_read_while_results_are_written(self, ledger: Ledger) -> None:
        ledger.add(None, (task(number, None) for number in range(2_500)), "planned")
        seen = []
        for report in ledger.reports():
            seen.append(report.name)
            ledger.settle([FileResult(len(seen) - 1, "downloaded", "/p")])
        assert seen == [f"f{number}" for number in range(2_500)]

    def test_threads_share_it(self, ledger: Ledger) -> None:
        ledger.add(None, (task(number, None) for number in range(2_000)), "planned")

        def settle(start: int) -> None:
            for number in range(start, 2_000, 8):
                ledger.settle([FileResult(number, "downloaded", f"/{number}")])
                assert len(ledger) == 2_000

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(settle, range(8)))
        assert [str(report.path) for report in ledger.reports("downloaded")] == [
            f"/{number}" for number in range(2_000)
        ]


class TestRowsOfManifests:
    def test_rows_of_a_bundle(self, ledger: Ledger) -> None:
        ledger.add_cells(
            (number, number % 2, f"f{number}", FILE, VERSION, SHA, 7, "text") for number in range(4)
        )
        ledger.index_cells()
        assert ledger.entries_of(1) == [
            ManifestEntry(number, f"f{number}", FILE, VERSION, SHA, 7) for number in (1, 3)
        ]
        assert ledger.entries_of(5) == []
        assert ledger.listed_bytes() == 28

    def test_they_come_in_batches_in_their_order(self, ledger: Ledger) -> None:
        rows = [(n, 0, f"f{n}", FILE, VERSION, SHA, n, f"t{n}") for n in range(2_345)]
        ledger.add_cells(reversed(rows))
        batches = list(ledger.cells())
        assert [*map(len, batches)] == [1000, 1000, 345]
        assert [row for batch in batches for row in batch] == [
            (f"f{n}", SHA, n, f"t{n}") for n in range(2_345)
        ]

    def test_contents_are_listed_once(self, ledger: Ledger) -> None:
        ledger.add_cells(
            [
                (0, 0, "a", FILE, VERSION, SHA, 5, ""),
                (1, 0, "b", FILE, VERSION, SHA, 5, ""),
                (2, 0, "c", FILE, VERSION, "f" * 64, 6, ""),
            ]
        )
        ledger.add(None, [task(0, None), task(1, None, size=9)], "planned")
        ledger.add(None, [task(2, None, size=100)], "skipped")
        assert sorted(ledger.contents()) == [(SHA, 5), (SHA, 9), ("f" * 64, 6)]
        assert ledger.listed_bytes() == 5 + 5 + 6 + 5 + 9

    def test_texts(self, ledger: Ledger) -> None:
        ledger.add_texts(0, ["a\tb", "é\n"])
        ledger.add_texts(2, ["", "\udc80"])
        assert list(ledger.texts()) == [(0, ["a\tb", "é\n"]), (2, ["", "\udc80"])]
        assert [ledger.text(number) for number in range(4)] == ["a\tb", "é\n", "", "\udc80"]


class TestExport:
    def test_one_ledger_goes_into_another(self, ledger: Ledger) -> None:
        other = Ledger()
        other.add_bundle(4, FQ)
        other.add(4, [task(0), task(1), task(2)], "planned")
        error = FileDownloadError("f1", "gone")
        other.settle([FileResult(0, "downloaded", "/p", "copy", 2, 0.5)])
        other.settle([FileResult(1, "failed", error=error)])
        export = pickle.loads(pickle.dumps(other.export()))
        other.close()
        assert [(each.name, each.size, each.state) for each in export.outcomes] == [
            ("f0", 5, "downloaded"),
            ("f1", 5, "failed"),
            ("f2", 5, "planned"),
        ]
        ledger.take_over(export)
        assert names(ledger.reports()) == ["f0", "f1", "f2"]
        assert {each.bundle for each in ledger.reports()} == {FQ}
        assert [each.state for each in ledger.reports()] == ["downloaded", "failed", "planned"]
        assert [str(each) for each in ledger.errors] == [str(error)]

    def test_what_is_known_keeps_all_but_its_result(self, ledger: Ledger) -> None:
        ledger.add_bundle(4, FQ)
        ledger.add(4, [task(0), task(1)], "planned")
        other = Ledger()
        other.add(None, [task(0, None, size=99)], "planned")
        other.settle([FileResult(0, "reused", "/p", "hardlink", 1, 0.1, "r")])
        ledger.take_over(other.export())
        other.close()
        one, two = ledger.reports()
        assert (one.bundle, one.size, one.state, one.link) == (FQ, 5, "reused", "hardlink")
        assert (str(one.path), one.tries, one.seconds, one.reason) == ("/p", 1, 0.1, "r")
        assert two.state == "planned"
