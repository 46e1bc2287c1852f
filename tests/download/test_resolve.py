"""Where contents are, and how often the service is asked for it."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from attrs import evolve

from dss_client.download import resolve
from dss_client.download.answers import BundlePage
from dss_client.download.resolve import MIN_FILES, SMALL_BUNDLE, BundleUrls, Extent
from dss_client.download.resolve import worth_a_bundle_call as worth
from dss_client.download.task import FileTask
from dss_client.errors import DSSError, NotFound
from dss_client.models import FileVersion
from dss_client.types import Replica

from .scripted import BUNDLE, FQ, VERSION, ScriptedSource, broken, refusal, task_of

LARGE = SMALL_BUNDLE + 16


@pytest.fixture
def source() -> ScriptedSource:
    return ScriptedSource()


@pytest.fixture
def files(source: ScriptedSource) -> list[FileVersion]:
    files = [source.add_file(f"f{number}", b"%d" % number) for number in range(8)]
    source.add_bundle(files[:5], files[5:])
    return files


@pytest.fixture
def tasks(files: list[FileVersion]) -> list[FileTask]:
    return [task_of(file, number=number) for number, file in enumerate(files)]


def sized(*sizes: int) -> list[FileTask]:
    return [
        FileTask(bundle=FQ, name="f", uuid="", version="", sha256="", size=size) for size in sizes
    ]


class TestTheRule:
    @pytest.mark.parametrize(
        ("tasks", "whole", "verdict"),
        [
            (sized(), None, False),
            (sized(*[1] * (MIN_FILES - 1)), None, False),
            (sized(*[1] * MIN_FILES), None, True),
            (sized(*[1] * (MIN_FILES - 1)), Extent(3, 3), False),
            # a small bundle is worth it for any share of it
            (sized(*[1] * MIN_FILES), Extent(400, SMALL_BUNDLE), True),
            # a large one for a quarter
            (sized(*[1] * MIN_FILES), Extent(400, LARGE), False),
            (sized(*[LARGE // 16] * MIN_FILES), Extent(400, LARGE), True),
            (sized(*[LARGE // 16] * 3, LARGE // 16 - 1), Extent(400, LARGE), False),
            # and no more pages than files
            (sized(*[1] * MIN_FILES), Extent(2000, 2000), True),
            (sized(*[1] * MIN_FILES), Extent(2001, 2001), False),
            (sized(*[1] * 5), Extent(2001, 2001), True),
            (sized(*[0] * MIN_FILES), Extent(4, 0), True),
        ],
    )
    def test_it(self, tasks: list[FileTask], whole: Extent | None, verdict: bool) -> None:
        assert worth(tasks, whole) is verdict


class TestTogether:
    def test_one_question_is_for_all(self, source: ScriptedSource, tasks: list[FileTask]) -> None:
        urls = BundleUrls(source, FQ, "gcp", tasks, whole=Extent(8, 8))
        found = [urls.url(task) for task in tasks]
        assert source.asked == [(BUNDLE, VERSION, "gcp")]
        assert source.presigned == [True]
        assert source.located == []
        assert all(str(task.uuid) in url for task, url in zip(tasks, found, strict=True))
        assert urls.known(tasks) == dict(enumerate(found))

    def test_of_many_threads_one_asks(self, source: ScriptedSource, tasks: list[FileTask]) -> None:
        urls = BundleUrls(source, FQ, "aws", tasks)
        with ThreadPoolExecutor(16) as pool:
            found = list(pool.map(urls.url, tasks * 20))
        assert len(source.asked) == 1
        assert source.located == []
        assert len(set(found)) == len(tasks)

    def test_the_workers_of_one_file_ask_once(
        self, source: ScriptedSource, tasks: list[FileTask]
    ) -> None:
        urls = BundleUrls(source, FQ, "aws", tasks[:1])
        together = threading.Barrier(8)

        def ask(_: int) -> str:
            together.wait(10)
            return urls.url(tasks[0])

        with ThreadPoolExecutor(8) as pool:
            assert len(set(pool.map(ask, range(8)))) == 1
        assert len(source.located) == 1

    def test_what_is_known_is_not_asked_for(
        self, source: ScriptedSource, tasks: list[FileTask]
    ) -> None:
        known = {(str(task.uuid), VERSION): f"http://u/{task.number}" for task in tasks}
        urls = BundleUrls(source, FQ, "aws", tasks, known=known)
        assert [urls.url(task) for task in tasks] == list(known.values())
        assert source.asked == source.located == []

    def test_what_did_not_come_with_the_others_is_asked_for_alone(
        self, source: ScriptedSource, tasks: list[FileTask]
    ) -> None:
        known = {(str(task.uuid), VERSION): "http://u" for task in tasks[1:]}
        urls = BundleUrls(source, FQ, "aws", tasks, known=known)
        assert urls.known(tasks) == dict.fromkeys(range(1, 8), "http://u")
        for _ in range(2):
            urls.url(tasks[0])
        assert source.asked == []
        assert [each[0] for each in source.located] == [tasks[0].uuid]

    def test_few_files_are_asked_for_one_by_one(
        self, source: ScriptedSource, tasks: list[FileTask]
    ) -> None:
        urls = BundleUrls(source, FQ, "gcp", tasks[:3])
        assert urls.known(tasks[:3]) == {}
        for task in tasks[:3] * 2:
            urls.url(task)
        assert source.asked == []
        assert source.located == [(task.uuid, VERSION, "gcp") for task in tasks[:3]]

    def test_so_are_files_of_no_bundle(self, source: ScriptedSource, tasks: list[FileTask]) -> None:
        urls = BundleUrls(source, None, "aws", tasks)
        for task in tasks:
            urls.url(task)
        assert source.asked == []
        assert len(source.located) == len(tasks)

    def test_urls_that_must_not_be_followed_are_not(
        self, source: ScriptedSource, tasks: list[FileTask]
    ) -> None:
        source.bases[str(tasks[2].uuid)] = "ftp://storage"
        urls = BundleUrls(source, FQ, "aws", tasks)
        assert set(urls.known(tasks)) == {0, 1, 3, 4, 5, 6, 7}

    def test_a_service_that_presigns_nothing_is_asked_once(
        self, source: ScriptedSource, tasks: list[FileTask]
    ) -> None:
        source.presigns = False
        urls = BundleUrls(source, FQ, "aws", tasks)
        for task in tasks * 2:
            urls.url(task)
        assert len(source.asked) == 1
        assert len(source.located) == len(tasks)

    def test_ids_in_upper_case_are_the_same(
        self, source: ScriptedSource, files: list[FileVersion], tasks: list[FileTask]
    ) -> None:
        source.add_bundle([file.model_copy(update={"uuid": file.uuid.upper()}) for file in files])
        assert len(BundleUrls(source, FQ, "aws", tasks).known(tasks)) == len(tasks)

    def test_a_file_that_is_not_there_is_an_error_each_time(
        self, source: ScriptedSource, tasks: list[FileTask]
    ) -> None:
        lost = evolve(tasks[0], uuid="ffffffff-0000-4000-8000-00000000dead")
        urls = BundleUrls(source, FQ, "aws", [lost, *tasks])
        for _ in range(2):
            with pytest.raises(NotFound):
                urls.url(lost)
        assert len(source.asked) == 1


class TestOneByOne:
    def test_the_workers_of_one_file_ask_once(
        self, source: ScriptedSource, tasks: list[FileTask], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        locate = source.locate
        asked = threading.Barrier(4)

        def slowly(_: object, *, uuid: str, version: str | None, replica: Replica) -> str:
            asked.wait()  # for the others to begin
            threading.Event().wait(0.02)
            return locate(uuid=uuid, version=version, replica=replica)

        def ask(_: int) -> str:
            if threading.current_thread() is not first:
                asked.wait()
            return urls.url(tasks[0])

        urls = BundleUrls(source, FQ, "aws", tasks[:1])
        monkeypatch.setattr(ScriptedSource, "locate", slowly)
        found: list[str] = []
        first = threading.Thread(target=lambda: found.append(urls.url(tasks[0])))
        first.start()
        with ThreadPoolExecutor(3) as pool:
            found += pool.map(ask, range(3))
        first.join()
        assert len(source.located) == 1
        assert len(set(found)) == 1

    def test_what_somebody_has_found_meanwhile_is_taken(
        self, source: ScriptedSource, tasks: list[FileTask]
    ) -> None:
        class Busy:
            """A lock that somebody else has held, and found the URL."""

            def __enter__(self) -> None:
                urls._known[str(tasks[0].uuid), VERSION] = "http://found"

            def __exit__(self, *_: object) -> None:
                """Let go."""

        urls = BundleUrls(source, FQ, "aws", tasks[:1])
        urls._locating[str(tasks[0].uuid), VERSION] = Busy()  # type: ignore[assignment]
        assert urls.url(tasks[0]) == "http://found"
        assert source.located == []


class TestFailures:
    @pytest.mark.parametrize("error", [broken(), refusal(500), refusal(404)], ids=str)
    @pytest.mark.parametrize("after", [0, 1])
    def test_each_file_is_asked_for_instead(
        self,
        source: ScriptedSource,
        tasks: list[FileTask],
        monkeypatch: pytest.MonkeyPatch,
        error: DSSError,
        after: int,
    ) -> None:
        calls = []
        pages = list(source.bundle_pages(uuid=BUNDLE, version=VERSION, replica="aws"))

        def fail(*_: object, **__: object) -> Iterator[BundlePage]:
            calls.append(1)
            yield from pages[:after]
            raise error

        monkeypatch.setattr(ScriptedSource, "bundle_pages", fail)
        urls = BundleUrls(source, FQ, "aws", tasks)
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(urls.url, tasks))
        assert len(set(found)) == len(tasks)
        assert len(source.located) == len(tasks)
        urls.renew(tasks[0], found[0])
        assert urls.url(tasks[0]) != found[0]
        assert calls == [1]


class TestRenewal:
    def test_all_are_renewed_at_once_and_once(
        self, source: ScriptedSource, tasks: list[FileTask]
    ) -> None:
        urls = BundleUrls(source, FQ, "aws", tasks)
        stale = [urls.url(task) for task in tasks]
        barrier = threading.Barrier(len(tasks))

        def renewed(number: int) -> str:
            barrier.wait()
            urls.renew(tasks[number], stale[number])
            return urls.url(tasks[number])

        with ThreadPoolExecutor(len(tasks)) as pool:
            fresh = list(pool.map(renewed, range(len(tasks))))
        assert len(source.asked) == 2
        assert source.located == []
        assert not set(fresh) & set(stale)

    def test_those_that_came_with_the_bundle_too(
        self, source: ScriptedSource, tasks: list[FileTask]
    ) -> None:
        known = {(str(task.uuid), VERSION): f"http://u/{task.number}" for task in tasks}
        urls = BundleUrls(source, FQ, "aws", tasks, known=known)
        for task in tasks:
            urls.renew(task, f"http://u/{task.number}")
        assert not set(urls.known(tasks).values()) & set(known.values())
        assert len(source.asked) == 1

    def test_one_that_others_have_renewed_is_not_renewed_again(
        self, source: ScriptedSource, tasks: list[FileTask]
    ) -> None:
        urls = BundleUrls(source, FQ, "aws", tasks)
        stale = urls.url(tasks[0])
        urls.renew(tasks[0], stale)
        fresh = urls.url(tasks[0])
        urls.renew(tasks[0], stale)
        assert urls.url(tasks[0]) == fresh
        assert len(source.asked) == 2

    def test_one_by_one_where_they_were_asked_for_so(
        self, source: ScriptedSource, tasks: list[FileTask]
    ) -> None:
        urls = BundleUrls(source, FQ, "aws", tasks[:2])
        one, two = (urls.url(task) for task in tasks[:2])
        urls.renew(tasks[0], one)
        assert urls.url(tasks[0]) != one
        assert urls.url(tasks[1]) == two
        assert source.asked == []
        assert len(source.located) == 3

    def test_one_that_is_bad_is_renewed_alone(
        self, source: ScriptedSource, tasks: list[FileTask]
    ) -> None:
        urls = BundleUrls(source, FQ, "aws", tasks)
        before = [urls.url(task) for task in tasks]
        urls.renew(tasks[0], "")
        assert urls.url(tasks[0]) != before[0]
        assert [urls.url(task) for task in tasks[1:]] == before[1:]
        assert len(source.asked) == 1
        assert [each[0] for each in source.located] == [tasks[0].uuid]

    def test_what_is_not_known_can_be_renewed(
        self, source: ScriptedSource, tasks: list[FileTask]
    ) -> None:
        urls = BundleUrls(source, FQ, "aws", tasks[:1])
        urls.renew(tasks[0], "")
        urls.renew(tasks[0], "http://stale")
        assert urls.url(tasks[0])

    def test_a_url_may_be_renewed_while_it_is_read(
        self, source: ScriptedSource, tasks: list[FileTask]
    ) -> None:
        class Vanishing(dict[tuple[str, str], str]):
            """URLs that are renewed between a look for them and the next."""

            def __contains__(self, key: object) -> bool:
                found = super().__contains__(key)
                self.clear()
                return found

        known = {(str(task.uuid), VERSION): "http://u" for task in tasks}
        urls = BundleUrls(source, FQ, "aws", tasks[:1])
        urls._known = Vanishing(known)
        assert urls.url(tasks[0])


def test_a_page_is_that_of_the_service() -> None:
    assert resolve._PAGE == 500
