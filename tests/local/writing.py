"""What a test needs to write to a service over HTTP."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from dss_client.local import LocalDSS
from dss_client.local.storage.documents import encode

VERSION = "2019-01-01T000000.000000Z"
LATER = "2020-01-01T000000.000000Z"
HELLO = {
    "hca-dss-sha256": "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
    "hca-dss-sha1": "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d",
    "hca-dss-s3_etag": "5d41402abc4b2a76b9719d911017c592",
    "hca-dss-crc32c": "9a71bb4c",
}


def put_source(
    folder: Path, key: str, content: bytes = b"hello", metadata: Mapping[str, Any] | None = None
) -> None:
    """Write a source object, with a metadata file when there is metadata."""
    path = folder / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    if metadata is not None:
        path.with_name(path.name + ".metadata.json").write_bytes(encode(metadata))


def writer(dss: LocalDSS, **claims: Any) -> httpx.Client:
    """Return a client that may write, to be closed by the caller."""
    headers = {"Authorization": f"Bearer {dss.mint_token(**claims)}"}
    return httpx.Client(base_url=dss.url, headers=headers)


def put_file(
    client: httpx.Client,
    url: str = "s3://upload/hello.txt",
    *,
    uuid: str | None = None,
    version: str = VERSION,
    creator_uid: int = 7,
) -> httpx.Response:
    """Put a file of that source; its uuid is the last part of the response's URL."""
    return client.put(
        f"/files/{uuid or uuid4()}",
        params={"version": version},
        json={"source_url": url, "creator_uid": creator_uid},
    )


def uuid_of(response: httpx.Response) -> str:
    """Return the uuid at the end of a request's path."""
    return response.request.url.path.rpartition("/")[2]
