"""Downloads of an asynchronous client: the same engine, beside the event loop."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from dss_client import AsyncDSSClient, ProgressEvent
from dss_client.download import DownloadError

from .apart import FRUGAL, partials
from .sample import tree
from .wire import Asked, Bundle, Step, Wire, answer

MiB = 1 << 20
LARGE = bytes(range(256)) * (3 * MiB // 256)


@pytest.fixture
def bundle(wire: Wire) -> Bundle:
    """A bundle of small files and a large one."""
    return wire.add_bundle({f"f{number}": b"%d" % number for number in range(6)} | {"big": LARGE})


def options(folder: Path, **more: Any) -> Any:
    return {"replica": "aws", "download_dir": folder, **FRUGAL, **more}


async def test_a_bundle_and_a_manifest(wire: Wire, bundle: Bundle, tmp_path: Path) -> None:
    events: list[ProgressEvent] = []
    async with AsyncDSSClient(wire.url) as dss:
        report = await dss.download(
            bundle_uuid=bundle.uuid, **options(tmp_path / "d", progress=events.append)
        )
        listed = await dss.download_manifest(manifest=bundle.rows, **options(tmp_path / "d"))
        dry = await dss.download_bundles(
            bundles=[bundle.fqid], **options(tmp_path / "other", dry_run=True)
        )
    assert report.files_done == 8
    assert (tmp_path / "d" / bundle.fqid / "big").read_bytes() == LARGE
    assert listed.count("reused") == 7
    assert dry.count("planned") == 8
    assert not (tmp_path / "other").exists()
    assert events[-1].bytes_done == events[-1].bytes_total


async def test_a_storage_client_of_ones_own_is_used(
    wire: Wire, bundle: Bundle, tmp_path: Path
) -> None:
    asked: list[str] = []

    async def note(request: httpx.Request) -> None:
        asked.append(request.url.path)
        if request.url.path.removeprefix("/") in lost:
            raise httpx.ConnectError("nobody there", request=request)

    lost: list[str] = []
    async with (
        httpx.AsyncClient(event_hooks={"request": [note]}) as storage,
        AsyncDSSClient(wire.url, storage_client=storage) as dss,
    ):
        report = await dss.download(bundle_uuid=bundle.uuid, **options(tmp_path / "d"))
        lost.append(bundle.uuid_of("f0"))
        with pytest.raises(DownloadError) as caught:
            await dss.download(bundle_uuid=bundle.uuid, **options(tmp_path / "e"))
    assert report.files_done == 8
    assert tree(tmp_path / "d" / bundle.fqid)["big"] == LARGE
    assert len(asked) == 7 + 6 + 3  # a file has three tries
    (error,) = caught.value.report.errors
    assert "nobody there" in str(error)
    assert "X-Amz" not in str(error)


async def test_a_cancelled_download_is_continued_by_the_next(
    wire: Wire, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dss_client.download.engine.PART_SIZE", MiB // 4)
    begun, loop, big = asyncio.Event(), asyncio.get_running_loop(), bundle.uuid_of("big")

    def stall(asked: Asked) -> Iterator[Step]:
        first, body = answer(wire.stored[asked.name].body, asked)
        yield first + (body[: 2 * MiB - asked.first] if asked.name == big else body)
        if asked.name == big:
            yield "stall"

    def watch(event: ProgressEvent) -> None:
        if event.file_bytes_done >= MiB:
            loop.call_soon_threadsafe(begun.set)

    wire.script = stall
    async with AsyncDSSClient(wire.url) as dss:
        task = asyncio.create_task(
            dss.download(bundle_uuid=bundle.uuid, **options(tmp_path, progress=watch, threads=1))
        )
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not (tmp_path / bundle.fqid / "big").exists()
        assert [path.suffix for path in partials(tmp_path)] == [".journal", ".part"]
        wire.script = None
        wire.asked.clear()
        assert (await dss.download(bundle_uuid=bundle.uuid, **options(tmp_path))).ok
    assert min(asked.first for asked in wire.asked if asked.name == big) >= MiB
    assert (tmp_path / bundle.fqid / "big").read_bytes() == LARGE
