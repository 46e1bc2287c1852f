"""Downloads that an executor shares among workers."""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import httpx
import pytest

from dss_client import AsyncDSSClient, DSSClient, ProgressEvent
from dss_client.download import DownloadError, DownloadReport
from dss_client.errors import InvalidArgument

from .apart import Apart, tree
from .wire import Asked, Bundle, Step, Wire

P = ParamSpec("P")
T = TypeVar("T")


class Counting(ThreadPoolExecutor):
    """Counts what it is given."""

    given = 0

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        self.given += 1
        return super().submit(fn, *args, **kwargs)


def many(count: int) -> dict[str, bytes]:
    return {f"f{number}": b"%d" % number for number in range(count)}


def workers(elsewhere: Path) -> ProcessPoolExecutor:
    """Return workers that are in another directory."""
    context = get_context("spawn")
    return ProcessPoolExecutor(2, context, initializer=os.chdir, initargs=(elsewhere,))


def test_a_relative_directory_is_that_of_the_caller(
    wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = wire.add_bundle(many(5))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with workers(tmp_path / "elsewhere") as executor, DSSClient(wire.url) as dss:
        report = dss.download(
            bundle_uuid=bundle.uuid, replica="aws", download_dir="data", executor=executor
        )
    assert report.ok
    assert len(tree(tmp_path / "here" / "data")) == 5
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("large", [False, True], ids=["many files", "large files"])
@pytest.mark.parametrize("layout", ["bundle", "manifest, bundles", "manifest"])
def test_one_big_bundle_is_split(wire: Wire, tmp_path: Path, large: bool, layout: str) -> None:
    files = many(1200)
    # Some GiB, to go by what is said of them: they fail, but are handed out.
    bundle = wire.add_bundle(many(8), size=300 << 20) if large else wire.add_bundle(files)
    arguments: dict[str, Any] = {"replica": "aws", "download_dir": tmp_path / "d"}
    with Counting(2) as executor, DSSClient(wire.url) as dss:
        if layout == "bundle":
            call: Callable[..., object] = dss.download
            arguments["bundle_uuid"] = bundle.uuid
        else:
            call = dss.download_manifest
            arguments["manifest"] = bundle.write_manifest(tmp_path / "listed.tsv")
            arguments["output_dir"] = tmp_path
            arguments["layout"] = "none" if layout == "manifest" else "bundle"
        try:
            call(executor=executor, num_retries=0, **arguments)
        except DownloadError:
            assert large
    assert executor.given > 1
    if layout != "manifest" and not large:
        assert len(tree(tmp_path / "d")) == len(files)


async def token() -> str:
    return "secret"


def download_async(url: str, uuid: str, folder: Path, kind: str) -> int:
    """Download with an asynchronous client whose token comes from a function."""
    import asyncio

    async def main() -> int:
        executor: Executor = ThreadPoolExecutor(2) if kind == "threads" else workers(folder)
        with executor:
            async with AsyncDSSClient(url, token=token) as dss:
                report = await dss.download(
                    bundle_uuid=uuid, replica="aws", download_dir=folder, executor=executor
                )
                return report.files_done

    return asyncio.run(main())


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_an_async_token_function(apart: Apart, wire: Wire, tmp_path: Path, kind: str) -> None:
    bundle = wire.add_bundle(many(4))
    running = apart.start(download_async, wire.url, bundle.uuid, tmp_path, kind)
    assert running.result(15) == 5


def test_a_client_that_no_other_process_can_have(wire: Wire, tmp_path: Path) -> None:
    bundle = wire.add_bundle(many(4))
    with (
        DSSClient(wire.url, token=lambda: "secret") as client,
        pytest.raises(InvalidArgument, match="the function that gives its token at the top level"),
    ):
        client.download(bundle_uuid=bundle.uuid, replica="aws", download_dir=tmp_path, processes=2)
    assert wire.asked == []


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def download_in_threads(url: str, uuid: str, folder: Path) -> list[int]:
    """Download several times with threads; return how many files were open after each time."""
    import gc

    counts = []
    gc.disable()
    with DSSClient(url) as dss, ThreadPoolExecutor(2) as executor:
        for number in range(4):
            dss.download(
                bundle_uuid=uuid,
                replica="aws",
                download_dir=folder / str(number),
                executor=executor,
            )
            counts.append(descriptors())
    return counts


def test_the_clients_of_workers_are_closed(apart: Apart, wire: Wire, tmp_path: Path) -> None:
    bundle = wire.add_bundle(many(20))
    first, *_, last = apart(download_in_threads, wire.url, bundle.uuid, tmp_path)
    assert first == last


BUNDLES = 3
FILES = 1200  # in all: two batches


@pytest.fixture
def bundles(wire: Wire) -> list[Bundle]:
    files = many(FILES)
    names = list(files)
    return [
        wire.add_bundle({name: files[name] for name in names[start::BUNDLES]})
        for start in range(BUNDLES)
    ]


def rows_of(bundles: list[Bundle]) -> list[dict[str, str]]:
    return [row for bundle in bundles for row in bundle.rows]


def fetch(
    wire: Wire, bundles: list[Bundle], folder: Path, executor: Executor | None, **options: Any
) -> DownloadReport:
    """Download a manifest of bundles."""
    options = {"layout": "bundle", "durable": False, "output_dir": folder.parent, **options}
    with DSSClient(wire.url) as dss:
        return dss.download_manifest(
            manifest=rows_of(bundles),
            replica="aws",
            download_dir=folder,
            executor=executor,
            **options,
        )


@pytest.mark.parametrize("layout", ["none", "bundle"])
@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_workers_make_the_same(
    wire: Wire, bundles: list[Bundle], tmp_path: Path, kind: str, layout: str
) -> None:
    events: list[ProgressEvent] = []
    plain = fetch(wire, bundles, tmp_path / "plain", None, layout=layout)
    with Counting(2) if kind == "threads" else workers(tmp_path) as executor:
        report = fetch(
            wire, bundles, tmp_path / "d", executor, layout=layout, progress=events.append
        )
        again = fetch(wire, bundles, tmp_path / "d", executor, layout=layout)
    assert tree(tmp_path / "d") == tree(tmp_path / "plain")
    names = [(entry.bundle, entry.name) for entry in plain.files]
    for each in (report, again):
        assert [(entry.bundle, entry.name) for entry in each.files] == names
    assert report.count("downloaded") == again.count("reused") == len(names)
    assert report.manifest_path is not None
    assert report.manifest_path.read_text().count(".hca") == FILES
    last = events[-1]
    assert last.files_done == last.files_total == report.files_total
    assert last.bytes_done == last.bytes_total == report.bytes_total


def test_what_fails_in_a_worker_is_told(wire: Wire, bundles: list[Bundle], tmp_path: Path) -> None:
    rows = rows_of(bundles)
    rows[7]["file_sha256"] = "0" * 64
    with (
        workers(tmp_path) as executor,
        DSSClient(wire.url) as dss,
        pytest.raises(DownloadError) as caught,
    ):
        dss.download_manifest(
            manifest=rows,
            replica="aws",
            download_dir=tmp_path / "d",
            executor=executor,
            num_retries=0,
        )
    [error] = caught.value.report.errors
    assert error.name == rows[7]["file_name"]
    assert error.__traceback__ is None
    assert caught.value.report.count("downloaded") == FILES - 1


class WorkerLost(ConnectionError):
    """What an executor of somebody's own raises."""


class Losing(ThreadPoolExecutor):
    """Loses every second batch, done or not, and takes no more in the end."""

    def __init__(self, most: int, *, done: bool) -> None:
        super().__init__(1)
        self.given = 0
        self.most = most
        self.done = done

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        self.given += 1
        if self.given > self.most:
            raise RuntimeError("the pool is broken")
        if self.given % 2 == 0:
            return super().submit(fn, *args, **kwargs)
        if self.done:
            fn(*args, **kwargs)
        lost: Future[T] = Future()
        lost.set_exception(WorkerLost("its worker died"))
        return lost


@pytest.mark.parametrize("done", [False, True], ids=["not done", "done"])
@pytest.mark.parametrize("most", [1, 100])
def test_lost_batches_are_done_by_the_caller(
    wire: Wire,
    bundles: list[Bundle],
    tmp_path: Path,
    most: int,
    done: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with Losing(most, done=done) as executor:
        report = fetch(wire, bundles, tmp_path / "d", executor)
    assert report.ok
    assert len(tree(tmp_path / "d")) == FILES
    assert "a worker was lost" in caplog.text


def kill_at(wire: Wire, count: int, victim: int) -> None:
    """Kill a process as soon as storage is asked for the n-th time."""
    left = iter(range(count))

    def script(asked: Asked) -> Iterator[Step]:
        if next(left, None) == count - 1:
            os.kill(victim, signal.SIGKILL)
        yield from wire.serve(asked)

    wire.script = script


def test_a_killed_process_costs_its_batch_only(
    wire: Wire, bundles: list[Bundle], tmp_path: Path
) -> None:
    with workers(tmp_path) as executor:
        kill_at(wire, 200, executor.submit(os.getpid).result())
        report = fetch(wire, bundles, tmp_path / "d", executor)
    assert report.ok
    assert len(tree(tmp_path / "d")) == FILES


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_dask_cluster_of_processes_that_loses_a_worker(
    wire: Wire, bundles: list[Bundle], tmp_path: Path
) -> None:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        kill_at(wire, 200, next(iter(client.run(os.getpid).values())))
        report = fetch(wire, bundles, tmp_path / "d", client.get_executor())
    assert report.ok
    assert len(tree(tmp_path / "d")) == FILES


def test_a_client_that_cannot_be_sent_along(wire: Wire, tmp_path: Path) -> None:
    bundle = wire.add_bundle(many(1))
    with (
        workers(tmp_path) as executor,
        httpx.Client() as http,
        DSSClient(wire.url, http_client=http) as dss,
        pytest.raises(InvalidArgument, match="executor= cannot be used with http_client="),
    ):
        dss.download(bundle_uuid=bundle.uuid, replica="aws", executor=executor)
