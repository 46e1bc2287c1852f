"""Clients in forked processes, in several event loops, after they were closed, and in pools."""

import asyncio
import multiprocessing
import pickle
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from dss_client import AsyncDSSClient, DSSClient, DSSError, InvalidArgument, versions
from dss_client.local import LocalDSS
from tests.conftest import Origins
from tests.drive import Mode, finish, finish_async
from tests.origin import Origin, Reply

T = TypeVar("T")
FORK = multiprocessing.get_context("fork")
SPAWN = multiprocessing.get_context("spawn")
EMPTY = Reply(body=b'{"collections": []}')
CONTENT = bytes(range(256)) * 4096


def in_child(function: Callable[[], T]) -> T:
    """Return what a function gives in a forked process; the child's error if it fails."""
    receiver, sender = FORK.Pipe(duplex=False)

    def report() -> None:
        try:
            sender.send((function(), None))
        except DSSError as error:
            sender.send((None, error))

    child = FORK.Process(target=report)
    child.start()
    try:
        assert receiver.poll(20), "the child hangs"
        result, error = receiver.recv()
    finally:
        child.kill()
        child.join()
    if error is not None:
        raise error
    given: T = result
    return given


@pytest.fixture
def api(origins: Origins) -> Origin:
    return origins(EMPTY)


UUID = "00000000-0000-4000-8000-000000000001"
FILE_HEADERS = {
    "X-DSS-CREATOR-UID": "1",
    "X-DSS-VERSION": "2019-01-01T000000.000000Z",
    "X-DSS-CONTENT-TYPE": "text/plain",
    "X-DSS-SIZE": str(len(CONTENT)),
    "X-DSS-CRC32C": "00000000",
    "X-DSS-S3-ETAG": "x",
    "X-DSS-SHA1": "0" * 40,
    "X-DSS-SHA256": "0" * 64,
}


class TestForks:
    def test_a_child_opens_its_own_connection(self, api: Origin) -> None:
        with DSSClient(api.url) as dss:
            dss.get_collections()
            assert in_child(dss.get_collections).collections == []
            assert api.connections == 2
            dss.get_collections()
        assert api.connections == 2

    def test_many_children_get_their_own_answers(self, local_dss: LocalDSS) -> None:
        with DSSClient(local_dss.url) as dss:
            listed = dss.get_bundles_all(replica="aws").bundles * 10
            dss.get_bundle(uuid=listed[0].uuid, replica="aws")
            with FORK.Pool(4) as pool:
                asked = [
                    pool.apply_async(dss.get_bundle, (), {"uuid": each.uuid, "replica": "aws"})
                    for each in listed
                ]
                answers = [each.get(60).bundle.uuid for each in asked]
        assert answers == [each.uuid for each in listed]

    def test_an_async_client_in_the_childs_own_loop(self, api: Origin) -> None:
        async def main() -> int:
            async with AsyncDSSClient(api.url) as dss:
                await dss.get_collections()

                async def ask() -> int:
                    return len((await dss.get_collections()).collections)

                in_child(lambda: asyncio.run(ask()))
                return await ask()

        assert asyncio.run(main()) == 0
        assert api.connections == 2

    def test_connections_of_downloads(self, local_dss: LocalDSS, tmp_path: Path) -> None:
        with DSSClient(local_dss.url) as dss:
            uuid = dss.get_bundles_all(replica="aws").bundles[0].uuid
            get = partial(dss.download, bundle_uuid=uuid, replica="aws")
            get(download_dir=tmp_path / "a")
            assert in_child(lambda: get(download_dir=tmp_path / "b").ok)
            assert get(download_dir=tmp_path / "c").ok

    def test_locks_that_another_thread_of_the_parent_holds(
        self, api: Origin, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DSS_TOKEN", "t0ken")
        locked, done = threading.Event(), threading.Event()
        with DSSClient(api.url) as dss:
            dss.get_collections()

            def hold() -> None:
                transport = dss._transport
                with transport._clients._lock, transport.tokens._lock, versions._clock._lock:
                    locked.set()
                    done.wait()

            thread = threading.Thread(target=hold)
            thread.start()
            locked.wait()
            try:
                assert in_child(lambda: (dss.get_collections().collections, dss.create_version()))
            finally:
                done.set()
                thread.join()

    def test_a_stream_is_the_parents(self, origins: Origins) -> None:
        storage = origins(Reply(body=CONTENT))
        api = origins(Reply(302, {"Location": f"{storage.url}/x", **FILE_HEADERS}))
        with (
            DSSClient(api.url) as dss,
            dss.get_file.stream(uuid=UUID, replica="aws") as stream,
        ):
            pieces = stream.iter_bytes(1000)
            first = next(pieces)
            with pytest.raises(DSSError, match="open when the process was forked"):
                in_child(lambda: next(pieces))
            with pytest.raises(DSSError, match="open when the process was forked"):
                in_child(stream.read)
            assert first + b"".join(pieces) == CONTENT

    def test_a_search_is_the_parents(self, local_dss: LocalDSS) -> None:
        with (
            DSSClient(local_dss.url) as dss,
            dss.search_bundles(es_query={}, replica="aws") as found,
        ):
            next(found)
            with pytest.raises(DSSError, match="open when the process was forked"):
                in_child(lambda: next(found) is None)
            assert list(found)

    @pytest.mark.parametrize("kind", ["http_client", "storage_client"])
    def test_a_given_http_client_says_what_to_do(self, kind: str, origins: Origins) -> None:
        storage = origins(Reply(body=CONTENT))
        api = origins(Reply(302, {"Location": f"{storage.url}/x"}))
        given: dict[str, Any]
        with httpx.Client() as given_client:
            given = {kind: given_client}
            with DSSClient(api.url, **given) as dss:
                get: Callable[[], object] = partial(dss.get_file, uuid=UUID, replica="aws")
                assert get() == CONTENT
                with pytest.raises(DSSError, match="make both anew there"):
                    in_child(get)
                assert get() == CONTENT


class TestPickles:
    @pytest.mark.parametrize("kind", [DSSClient, AsyncDSSClient])
    def test_operations_travel_by_their_client(
        self, kind: type[DSSClient | AsyncDSSClient], api: Origin
    ) -> None:
        copy = pickle.loads(pickle.dumps(kind(api.url).get_collections))
        assert copy.endpoint.name == "get_collections"

    def test_a_pool_of_processes_calls_them(self, local_dss: LocalDSS) -> None:
        with DSSClient(local_dss.url) as dss:
            uuid = dss.get_bundles_all(replica="aws").bundles[0].uuid
            with ProcessPoolExecutor(1, mp_context=SPAWN) as pool:
                asked = pool.submit(dss.get_bundle, uuid=uuid, replica="aws")
                assert asked.result(60).bundle.uuid == uuid


class TestEventLoops:
    def test_one_after_another(self, api: Origin) -> None:
        dss = AsyncDSSClient(api.url)
        for _ in range(2):
            assert asyncio.run(_ask_and_close_connections(dss)) == []
        assert len(api.seen) == 2

    def test_not_two_at_once(self, api: Origin) -> None:
        async def main() -> None:
            async with AsyncDSSClient(api.url) as dss:
                await dss.get_collections()

                def elsewhere() -> None:
                    asyncio.run(_ask_and_close_connections(dss))

                with pytest.raises(DSSError, match="one for each loop"):
                    await asyncio.to_thread(elsewhere)
                await dss.get_collections()

        asyncio.run(main())
        assert api.connections == 1


async def _ask_and_close_connections(dss: AsyncDSSClient) -> list[Any]:
    found = (await dss.get_collections()).collections
    for client in dss._transport._clients._own.values():
        await client.aclose()
    return found


ID = {"uuid": UUID, "replica": "aws"}
CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "a plain call": ("get_bundle", ID),
    "its answer": ("get_bundle.raw", ID),
    "pages": ("get_bundle.paginate", ID),
    "items": ("get_bundle.iterate", ID),
    "a stream": ("get_file.stream", ID),
    "a place": ("get_file.locate", ID),
    "a search": ("search_bundles", {"es_query": {}, "replica": "aws"}),
    "events": ("replay_events", {"replica": "aws"}),
    "a checkout": ("checkout", ID),
    "a download": ("download", {"bundle_uuid": UUID, "replica": "aws"}),
}


def closed(mode: Mode, url: str, sibling: bool) -> DSSClient | AsyncDSSClient:
    """Return a client that is closed, or the sibling of one."""
    if mode == "sync":
        with DSSClient(url) as dss:
            return dss.with_options(retries=0) if sibling else dss

    async def make() -> AsyncDSSClient:
        async with AsyncDSSClient(url) as dss:
            return dss.with_options(retries=0) if sibling else dss

    return asyncio.run(make())


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("sibling", [False, True])
def test_calls_after_close_say_so(
    call: str, sibling: bool, mode: Mode, api: Origin, tmp_path: Path
) -> None:
    name, arguments = CALLS[call]
    if name == "download":
        arguments = {**arguments, "download_dir": tmp_path}
    dss = closed(mode, api.url, sibling)
    with pytest.raises(DSSError, match="the client is closed"):
        _call(dss, attrgetter(name)(dss), arguments)
    assert api.seen == []


def _call(dss: DSSClient | AsyncDSSClient, method: Any, arguments: dict[str, Any]) -> Any:
    async def call() -> Any:
        return await finish_async(method(**arguments))

    return finish(method(**arguments)) if isinstance(dss, DSSClient) else asyncio.run(call())


@pytest.mark.parametrize("name", ["get_bundle.paginate", "get_bundle.iterate", "get_file.stream"])
@pytest.mark.parametrize("kind", [DSSClient, AsyncDSSClient])
def test_what_is_asked_for_later_refuses_its_arguments_at_once(
    name: str, kind: type[DSSClient | AsyncDSSClient], api: Origin
) -> None:
    operation = attrgetter(name)(kind(api.url))
    with pytest.raises(InvalidArgument, match="uuid"):
        operation(uuid="", replica="aws")
