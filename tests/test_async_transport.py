"""What only the asynchronous client has: tokens that are awaited, tasks, cancellation."""

import asyncio
from typing import Any

import httpx
import pytest

from dss_client import AsyncDSSClient, DSSError
from tests.conftest import Origins
from tests.drive import INSTANT
from tests.operations.cases import CONTENT, FILE, FILE_HEADERS, TOKEN
from tests.origin import Reply

COLLECTIONS = Reply(body=b'{"collections": []}')


async def test_a_token_function_may_be_async(origins: Origins) -> None:
    async def token() -> str:
        await asyncio.sleep(0)
        return TOKEN

    api = origins(COLLECTIONS)
    async with AsyncDSSClient(api.url, token=token) as dss:
        await dss.get_collections()
    assert api.seen[0].headers["authorization"] == f"Bearer {TOKEN}"


async def test_many_tasks_share_a_client(origins: Origins) -> None:
    api = origins(
        script=lambda seen: Reply(body=b'{"journal": "%s"}' % seen.target[11:15].encode())
    )
    async with AsyncDSSClient(api.url, retries=INSTANT) as dss:
        answers = await asyncio.gather(
            *(dss.get_event(uuid=f"{n:04}", version="v", replica="aws") for n in range(20))
        )
    assert [answer["journal"] for answer in answers] == [f"{n:04}" for n in range(20)]


async def test_siblings_share_connections_and_do_not_close_them(origins: Origins) -> None:
    api = origins(COLLECTIONS)
    async with AsyncDSSClient(api.url) as dss:
        await dss.get_collections()
        async with dss.with_options(timeout=1, retries=0) as patient:
            await patient.get_collections()
        await dss.get_collections()
    assert api.connections == 1


async def test_a_given_client_stays_open(origins: Origins) -> None:
    storage = origins(Reply(body=CONTENT))
    api = origins(Reply(302, {**FILE_HEADERS, "Location": storage.url}))
    async with httpx.AsyncClient() as given, httpx.AsyncClient() as other:
        async with AsyncDSSClient(api.url, http_client=given, storage_client=other) as dss:
            assert await dss.get_file(uuid=FILE, replica="aws") == CONTENT
        assert not given.is_closed
        assert not other.is_closed


async def test_connections_are_closed_with_the_client(origins: Origins) -> None:
    api = origins(COLLECTIONS)
    async with AsyncDSSClient(api.url) as dss:
        await dss.get_collections()
    with pytest.raises(DSSError, match="the client is closed"):
        await dss.get_collections()


async def test_a_call_can_be_cancelled() -> None:
    reached = asyncio.Event()

    async def stall(request: httpx.Request) -> httpx.Response:
        reached.set()
        await asyncio.Event().wait()
        raise AssertionError("never")

    async with httpx.AsyncClient(transport=httpx.MockTransport(stall)) as client:
        dss = AsyncDSSClient("http://h", http_client=client)
        call: asyncio.Task[Any] = asyncio.create_task(dss.get_bundles_all(replica="aws"))
        await reached.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
