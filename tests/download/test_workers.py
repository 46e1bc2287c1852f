"""Downloads that an executor shares among workers."""

import os
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import pytest

from dss_client import AsyncDSSClient, DSSClient
from dss_client.download import DownloadError

from .apart import Apart, tree
from .wire import Wire

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
