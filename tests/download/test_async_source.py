"""Downloads of an asynchronous client: the same engine, beside the event loop."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from dss_client import AsyncDSSClient, DSSClient, ProgressEvent
from dss_client._backend.asynchronous import run_transfer
from dss_client.download import DownloadError
from dss_client.errors import InvalidArgument, NotFound
from dss_client.local import LoadedBundle, LocalDSS
from dss_client.manifest import manifest_rows
from dss_client.transfer.cancel import Stopped
from tests.drive import run_with_two_threads

LARGE = bytes(range(256)) * 8192


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDSS]:
    with LocalDSS(tmp_path_factory.mktemp("dss")) as server:
        yield server


@pytest.fixture(scope="module")
def bundle(server: LocalDSS, tmp_path_factory: pytest.TempPathFactory) -> LoadedBundle:
    folder = tmp_path_factory.mktemp("bundle")
    for number in range(6):
        (folder / f"cell_{number}.json").write_text(f"[{number}]")
    (folder / "reads.bin").write_bytes(LARGE)
    return server.load_bundle(folder)


def directory_of(bundle: LoadedBundle, root: Path) -> Path:
    return root / f"{bundle.uuid}.{bundle.version}"


async def test_a_bundle_and_a_manifest(
    server: LocalDSS, bundle: LoadedBundle, tmp_path: Path
) -> None:
    events: list[ProgressEvent] = []
    async with AsyncDSSClient(server.url) as dss:
        report = await dss.download(
            bundle_uuid=bundle.uuid, replica="aws", download_dir=tmp_path, progress=events.append
        )
        answer = await dss.get_bundle(uuid=bundle.uuid, replica="aws")
        rows = [row.model_dump() for row in manifest_rows(answer.bundle)]
        listed = await dss.download_manifest(manifest=rows, replica="aws", download_dir=tmp_path)
        dry = await dss.download_bundles(
            bundles=[f"{bundle.uuid}.{bundle.version}"],
            replica="aws",
            download_dir=tmp_path / "other",
            dry_run=True,
        )
    assert report.files_done == 8
    assert (directory_of(bundle, tmp_path) / "reads.bin").read_bytes() == LARGE
    assert listed.count("reused") == 7
    assert dry.count("planned") == 8
    assert not (tmp_path / "other").exists()
    assert events[-1].bytes_done == events[-1].bytes_total


def test_more_downloads_than_the_loop_has_threads(
    server: LocalDSS, bundle: LoadedBundle, tmp_path: Path
) -> None:
    # The address of a host with a name is looked up in one of the loop's threads.
    named = server.url.replace("127.0.0.1", "localhost")

    async def download(number: int) -> int:
        async with AsyncDSSClient(named) as dss:
            report = await dss.download(
                bundle_uuid=bundle.uuid, replica="aws", download_dir=tmp_path / str(number)
            )
        return report.files_done

    assert run_with_two_threads(*(download(number) for number in range(6))) == [8] * 6


async def test_a_storage_client_of_ones_own_is_used(
    server: LocalDSS, bundle: LoadedBundle, tmp_path: Path
) -> None:
    asked: list[str] = []

    async def note(request: httpx.Request) -> None:
        asked.append(request.url.path)

    async with (
        httpx.AsyncClient(event_hooks={"request": [note]}) as storage,
        AsyncDSSClient(server.url, storage_client=storage) as dss,
    ):
        report = await dss.download(bundle_uuid=bundle.uuid, replica="aws", download_dir=tmp_path)
    assert report.files_done == 8
    assert len(asked) == 7
    assert (directory_of(bundle, tmp_path) / "reads.bin").read_bytes() == LARGE


async def test_faults_of_a_storage_client_are_ours(
    server: LocalDSS, bundle: LoadedBundle, tmp_path: Path
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if "cell_0" in request.url.path:
            raise httpx.ConnectError("nobody there", request=request)
        return httpx.Response(404, text="no such thing")

    async with (
        httpx.AsyncClient(transport=httpx.MockTransport(answer)) as storage,
        AsyncDSSClient(server.url, storage_client=storage) as dss,
    ):
        with pytest.raises(DownloadError) as caught:
            await dss.download(
                bundle_uuid=bundle.uuid, replica="aws", download_dir=tmp_path, num_retries=0
            )
    assert len(caught.value.report.errors) == 7
    assert all("X-Amz" not in str(error) for error in caught.value.report.errors)


async def test_an_unknown_bundle(server: LocalDSS, tmp_path: Path) -> None:
    async with AsyncDSSClient(server.url) as dss:
        with pytest.raises(NotFound):
            await dss.download(
                bundle_uuid="aaaaaaaa-0000-4000-8000-000000000000",
                replica="aws",
                download_dir=tmp_path,
            )


async def test_a_cancelled_download_is_continued_by_the_next(
    server: LocalDSS,
    bundle: LoadedBundle,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dss_client.download.engine.PART_SIZE", 1 << 18)
    server.faults = [{"on": "storage", "key": "reads.bin", "stall": 1_500_000}]
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def watch(event: ProgressEvent) -> None:
        if event.file_bytes_done >= 1_048_576:
            loop.call_soon_threadsafe(begun.set)

    async with AsyncDSSClient(server.url, timeout=1.0) as dss:
        task = asyncio.create_task(
            dss.download(
                bundle_uuid=bundle.uuid, replica="aws", download_dir=tmp_path, progress=watch
            )
        )
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not (directory_of(bundle, tmp_path) / "reads.bin").exists()
        kept = list((tmp_path / ".hca" / "v2" / "partials").glob("*.journal"))
        assert len(kept) == 1
        # What was fetched is there for the next run, even if that gets nothing more.
        server.faults = [{"on": "storage", "key": "reads.bin", "status": 404}]
        events: list[ProgressEvent] = []
        with pytest.raises(DownloadError):
            await dss.download(
                bundle_uuid=bundle.uuid,
                replica="aws",
                download_dir=tmp_path,
                progress=events.append,
            )
        assert max(event.file_bytes_done for event in events) >= 1_048_576
        server.faults = None
        report = await dss.download(bundle_uuid=bundle.uuid, replica="aws", download_dir=tmp_path)
    assert report.ok
    assert (directory_of(bundle, tmp_path) / "reads.bin").read_bytes() == LARGE


async def test_an_error_after_a_cancellation_is_its_cause() -> None:
    def fail(stop: threading.Event) -> None:
        stop.wait(10)
        raise OSError("the disk is gone")

    task = asyncio.create_task(run_transfer(fail))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert isinstance(caught.value.__cause__, OSError)


@pytest.mark.parametrize("ending", [Stopped, None])
async def test_a_download_that_stops_when_it_is_told_to(ending: type[Exception] | None) -> None:
    def obey(stop: threading.Event) -> None:
        stop.wait(10)
        if ending is not None:
            raise ending

    task = asyncio.create_task(run_transfer(obey))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_executor_needs_a_client_that_can_be_made_anew(
    server: LocalDSS, bundle: LoadedBundle, tmp_path: Path
) -> None:
    async with (
        httpx.AsyncClient() as http,
        AsyncDSSClient(server.url, http_client=http) as dss,
    ):
        with ThreadPoolExecutor(1) as pool, pytest.raises(InvalidArgument, match="made anew"):
            await dss.download(
                bundle_uuid=bundle.uuid, replica="aws", download_dir=tmp_path, executor=pool
            )


def test_a_blocking_client_from_another_thread_stops_too(
    server: LocalDSS, bundle: LoadedBundle, tmp_path: Path
) -> None:
    from dss_client.download import DownloadOptions, download_bundle

    stop = threading.Event()
    stop.set()
    options = DownloadOptions(replica="aws", download_dir=tmp_path, stop=stop)
    with DSSClient(server.url) as dss, pytest.raises(Stopped):
        download_bundle(dss, options, bundle_uuid=bundle.uuid)
