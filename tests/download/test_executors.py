"""Downloads in batches: by threads, processes, and a Dask cluster, with workers that are killed."""

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import httpx
import pytest
from attrs import evolve

from dss_client import AsyncDSSClient, DSSClient, ProgressEvent
from dss_client.download import DownloadError, DownloadReport
from dss_client.download.executors import Batch, batches_of, run_batch
from dss_client.download.options import DownloadOptions
from dss_client.download.requests import FilesRequest
from dss_client.download.task import FileTask
from dss_client.errors import InvalidArgument
from dss_client.local import LoadedBundle, LocalDSS
from dss_client.manifest import manifest_rows, write_manifest

BUNDLES = 6
FILES = 8


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDSS]:
    with LocalDSS(tmp_path_factory.mktemp("dss")) as server:
        yield server


@pytest.fixture(scope="module")
def bundles(server: LocalDSS, tmp_path_factory: pytest.TempPathFactory) -> list[LoadedBundle]:
    return [
        server.load_bundle(_folder(tmp_path_factory.mktemp(f"bundle{number}"), number))
        for number in range(BUNDLES)
    ]


def _folder(folder: Path, number: int) -> Path:
    for index in range(FILES):
        (folder / f"file_{index}.json").write_text(f'{{"number": {number * FILES + index}}}')
    (folder / "reads.bin").write_bytes(bytes([number]) * 400_000)
    return folder


@pytest.fixture(scope="module")
def manifest(
    server: LocalDSS, bundles: list[LoadedBundle], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    path = tmp_path_factory.mktemp("manifest") / "m.tsv"
    with DSSClient(server.url) as dss:
        answers = [
            dss.get_bundle(uuid=bundle.uuid, version=bundle.version, replica="aws").bundle
            for bundle in bundles
        ]
    write_manifest(path, [row for answer in answers for row in manifest_rows(answer)])
    return path


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dss_client.download.executors._FILES", 10)


def spawning(workers: int) -> ProcessPoolExecutor:
    """Return a pool whose workers share nothing with this process, as on other machines."""
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"))


def download(
    server: LocalDSS, manifest: Path, directory: Path, executor: Executor, **options: Any
) -> DownloadReport:
    options = {"layout": "bundle", **options}
    with DSSClient(server.url) as dss:
        return dss.download_manifest(
            manifest=manifest, replica="aws", download_dir=directory, executor=executor, **options
        )


def tree(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def expected(
    server: LocalDSS, manifest: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    """Return what a download without an executor makes."""
    directory = tmp_path_factory.mktemp("plain")
    with DSSClient(server.url) as dss:
        dss.download_manifest(
            manifest=manifest, replica="aws", layout="bundle", download_dir=directory
        )
    return relocated(tree(directory), directory)


def relocated(files: dict[str, bytes], root: Path) -> dict[str, bytes]:
    """Return the files of a download with the place of it taken out of the output manifest."""
    return {
        name: content.replace(str(root).encode(), b"ROOT") if name.endswith(".tsv") else content
        for name, content in files.items()
    }


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_an_executor_makes_the_same(
    server: LocalDSS, manifest: Path, expected: dict[str, bytes], tmp_path: Path, kind: str
) -> None:
    pool = ThreadPoolExecutor(2) if kind == "threads" else spawning(2)
    with pool:
        report = download(server, manifest, tmp_path, pool)
        again = download(server, manifest, tmp_path, pool)
    assert relocated(tree(tmp_path), tmp_path) == expected
    assert report.count("downloaded") == report.files_total == BUNDLES * (FILES + 2)
    assert [entry.name for entry in report.entries] == [entry.name for entry in again.entries]
    assert again.count("reused") == report.files_total
    assert {entry.bundle for entry in report.entries if entry.state == "downloaded"} == {
        entry.bundle for entry in again.entries
    }


def test_files_by_themselves_keep_the_order_of_the_manifest(
    server: LocalDSS, manifest: Path, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(3) as pool:
        report = download(server, manifest, tmp_path, pool, layout="none")
        names = [entry.name for entry in report.entries]
        assert names == [line.split("\t")[2] for line in manifest.read_text().splitlines()[1:]]
        again = download(server, manifest, tmp_path, pool, layout="none")
    assert (report.count("downloaded"), again.count("reused")) == (len(names), len(names))
    assert report.manifest_path is not None
    assert report.manifest_path.read_text().count(".hca") == len(names)


def test_one_bundle_and_its_progress(
    server: LocalDSS, bundles: list[LoadedBundle], tmp_path: Path
) -> None:
    events: list[ProgressEvent] = []
    with ThreadPoolExecutor(1) as pool, DSSClient(server.url) as dss:
        dss.download(
            bundle_uuid=bundles[0].uuid,
            replica="aws",
            download_dir=tmp_path,
            executor=pool,
            progress=events.append,
        )
    last = events[-1]
    assert last.files_done == last.files_total == FILES + 2
    assert last.bytes_done == last.bytes_total


def test_what_fails_is_told(server: LocalDSS, manifest: Path, tmp_path: Path) -> None:
    text = manifest.read_text()
    first = text.splitlines()[1].split("\t")
    bad = tmp_path / "bad.tsv"
    bad.write_text(text.replace(first[5], "0" * 64), newline="")
    with ThreadPoolExecutor(2) as pool, pytest.raises(DownloadError) as caught:
        download(server, bad, tmp_path / "d", pool, layout="none", num_retries=0)
    [error] = caught.value.report.errors
    assert error.name == first[2]
    assert caught.value.report.count("downloaded") == BUNDLES * (FILES + 1) - 1


class Dying(ThreadPoolExecutor):
    """Loses every second batch after it was done in part, and breaks in the end."""

    def __init__(self, breaks_after: int) -> None:
        super().__init__(1)
        self.submitted = 0
        self.breaks_after = breaks_after

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.submitted += 1
        if self.submitted > self.breaks_after:
            raise RuntimeError("the pool is broken")
        if self.submitted % 2:
            return super().submit(fn, *args, **kwargs)
        [batch] = args
        run_batch(evolve(batch, requests=batch.requests[:1]))
        lost: Future[Any] = Future()
        lost.set_exception(ConnectionAbortedWorker("its worker died"))
        return lost


class ConnectionAbortedWorker(Exception):
    """What an executor of somebody's own raises."""


@pytest.mark.parametrize("breaks_after", [3, 100])
def test_lost_batches_are_done_here(
    server: LocalDSS,
    manifest: Path,
    expected: dict[str, bytes],
    tmp_path: Path,
    breaks_after: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with Dying(breaks_after) as pool:
        report = download(server, manifest, tmp_path, pool)
    assert report.ok
    assert relocated(tree(tmp_path), tmp_path) == expected
    assert "a worker was lost" in caplog.text


@pytest.fixture
def slow(server: LocalDSS) -> Iterator[LocalDSS]:
    """Return the service with a storage that takes its time, so that a kill comes in the middle."""
    server.faults = [{"on": "storage", "delay": 0.01}]
    yield server
    server.faults = None


def test_a_killed_process_costs_its_shard_only(
    slow: LocalDSS, manifest: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    with spawning(2) as pool:
        workers = {pool.submit(os.getpid).result() for _ in range(8)}
        victim = workers.pop()
        timer = threading.Timer(0.05, os.kill, (victim, signal.SIGKILL))
        timer.start()
        report = download(slow, manifest, tmp_path, pool)
        timer.join()
    assert report.ok
    assert relocated(tree(tmp_path), tmp_path) == expected


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_dask_cluster_of_processes_that_loses_a_worker(
    slow: LocalDSS, manifest: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        victim = next(iter(client.run(os.getpid).values()))
        threading.Timer(0.05, os.kill, (victim, signal.SIGKILL)).start()
        report = download(slow, manifest, tmp_path, client.get_executor())
    assert report.ok
    assert relocated(tree(tmp_path), tmp_path) == expected


def test_a_client_that_cannot_be_sent_along(
    server: LocalDSS, manifest: Path, tmp_path: Path
) -> None:
    with (
        spawning(1) as pool,
        httpx.Client() as http,
        DSSClient(server.url, http_client=http) as dss,
        pytest.raises(InvalidArgument, match="executor= cannot be used with http_client="),
    ):
        dss.download_manifest(
            manifest=manifest, replica="aws", download_dir=tmp_path, executor=pool
        )


async def test_an_asynchronous_client_uses_an_executor_too(
    server: LocalDSS, manifest: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    with ThreadPoolExecutor(2) as pool:
        async with AsyncDSSClient(server.url) as dss:
            report = await dss.download_manifest(
                manifest=manifest,
                replica="aws",
                layout="bundle",
                download_dir=tmp_path,
                executor=pool,
            )
    assert report.ok
    assert relocated(tree(tmp_path), tmp_path) == expected


def known(number: int, size: int) -> FileTask:
    return FileTask(
        number=number,
        bundle=None,
        name=f"f{number}",
        uuid="",
        version="",
        sha256="0" * 64,
        size=size,
    )


def test_batches_are_cut_by_files_and_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dss_client.download.executors._BYTES", 100)
    requests = [
        FilesRequest(number=0, bundle=None, tasks=tuple(known(number, 1) for number in range(25))),
        FilesRequest(number=0, bundle=None, tasks=(known(25, 100),)),
        FilesRequest(number=0, bundle=None, tasks=(known(26, 1),)),
    ]
    client = DSSClient("http://127.0.0.1:9/v1")
    batches: list[Batch] = list(
        batches_of(client.as_source(), DownloadOptions(replica="aws"), requests)
    )
    sizes = [sum(request.files for request in batch.requests) for batch in batches]
    assert sizes == [10, 10, 6, 1]
    client.close()
