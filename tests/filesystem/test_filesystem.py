"""Files of bundles by way of fsspec: paths, contents, faults, processes."""

import asyncio
import errno
import hashlib
import json
import pickle
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.spec import AbstractFileSystem

from dss_client import DSSConnectionError, DSSError, Forbidden, InvalidArgument, RetryPolicy
from dss_client.download import ChecksumMismatch
from dss_client.local import LocalDSS
from dss_client.local.sample import BUNDLES, sample_files
from tests.download.wire import Asked, Step, Wire, head
from tests.test_processes import in_child

BUNDLE = BUNDLES[1]
FQID = f"{BUNDLE.uuid}.{BUNDLE.version}"
FILES = sample_files(BUNDLE)
READ = f"{FQID}/{BUNDLE.read_names[0]}"
CONTENT = FILES[BUNDLE.read_names[0]]
AT_ONCE = RetryPolicy(attempts=3, initial_delay=0.001)


def open_dss(endpoint_url: str, **options: Any) -> AbstractFileSystem:
    return fsspec.filesystem("dss", endpoint_url=endpoint_url, **options)


@pytest.fixture
def fs(local_dss: LocalDSS) -> AbstractFileSystem:
    return open_dss(local_dss.url)


@pytest.fixture
def faulty(own_dss: LocalDSS) -> AbstractFileSystem:
    """A file system of a service with faults."""
    return open_dss(own_dss.url, retries=AT_ONCE, skip_instance_cache=True)


def test_directories_are_made_of_names(fs: AbstractFileSystem) -> None:
    assert fs.ls(f"dss://{FQID}/raw", detail=False) == [f"{FQID}/raw/lane_1"]
    assert fs.isdir(f"dss://{FQID}/raw/lane_1/")
    assert fs.find(f"dss://{FQID}") == sorted(f"{FQID}/{name}" for name in FILES)
    assert fs.glob(f"dss://{FQID}/raw/*/R1*") == [READ]
    assert FQID in fs.ls("dss://", detail=False)


def test_info_says_what_the_bundle_says(fs: AbstractFileSystem) -> None:
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    info = fs.info(READ)
    assert info.pop("uuid")
    assert info == {
        "name": READ,
        "size": len(CONTENT),
        "type": "file",
        "version": BUNDLE.version,
        "sha256": sha256,
        "content_type": "application/gzip",
    }
    assert fs.ls(READ) == [fs.info(READ)]
    assert fs.ukey(READ) == sha256
    assert fs.checksum(READ) == int(sha256, 16)
    assert fs.ukey(f"{FQID}/raw") != fs.ukey(FQID)


def test_without_a_version_it_is_the_one_that_was_latest_at_first(
    own_dss: LocalDSS, faulty: AbstractFileSystem, tmp_path: Path
) -> None:
    file = faulty.open(f"dss://{BUNDLE.uuid}/links.json")
    (tmp_path / "links.json").write_bytes(b"other")
    newer = own_dss.load_bundle(tmp_path, BUNDLE.uuid)
    assert faulty.info(BUNDLE.uuid)["version"] == BUNDLE.version
    faulty.invalidate_cache()
    assert faulty.info(BUNDLE.uuid)["version"] == newer.version
    assert faulty.cat(f"dss://{BUNDLE.uuid.upper()}/links.json") == b"other"
    assert file.read() == FILES["links.json"]


@pytest.mark.parametrize(
    ("start", "end"),
    [(None, None), (0, 1), (5, None), (-7, None), (None, -7), (-9, -3), (3, 3), (9, 3), (7, 10**9)],
)
def test_a_range_is_a_slice(fs: AbstractFileSystem, start: int | None, end: int | None) -> None:
    assert fs.cat_file(READ, start, end) == CONTENT[start:end]


@pytest.mark.parametrize("cache", ["readahead", "blockcache", "none", "all"])
def test_an_open_file_can_be_read_anywhere(fs: AbstractFileSystem, cache: str) -> None:
    with fs.open(READ, block_size=1000, cache_type=cache) as file:
        file.seek(-10, 2)
        assert file.read() == CONTENT[-10:]
        file.seek(500)
        assert file.read(2000) == CONTENT[500:2500]
        assert pickle.loads(pickle.dumps(file)).read(9) == CONTENT[2500:2509]
    with fs.open(f"{FQID}/links.json", "rt", encoding="utf-8") as text:
        assert json.load(text) == json.loads(FILES["links.json"])


def test_urls_open(local_dss: LocalDSS, tmp_path: Path) -> None:
    url = f"dss://{READ}"
    with fsspec.open(url, endpoint_url=local_dss.url) as file:
        assert file.read() == CONTENT
    with fsspec.open(
        f"simplecache::{url}",
        dss={"endpoint_url": local_dss.url},
        simplecache={"cache_storage": str(tmp_path)},
    ) as file:
        assert file.read(9) == CONTENT[:9]


def test_get_writes_files_and_tells_how_far_it_is(fs: AbstractFileSystem, tmp_path: Path) -> None:
    fs.get(f"{FQID}/raw", str(tmp_path), recursive=True)
    assert (tmp_path / "raw/lane_1/R1.fastq.gz").read_bytes() == CONTENT
    fs.get_file(READ, str(tmp_path / "new/R1"))
    assert (tmp_path / "new/R1").read_bytes() == CONTENT


@pytest.mark.parametrize(
    "path",
    [
        "nothing",
        f"{BUNDLE.uuid}.nothing/links.json",
        f"{BUNDLES[0].uuid}.{BUNDLE.version}/links.json",
        f"{FQID}/nothing",
        f"{FQID}/links.json/more",
    ],
)
def test_what_is_not_there_is_not_found(fs: AbstractFileSystem, path: str, tmp_path: Path) -> None:
    assert not fs.exists(path)
    assert not fs.isfile(path)
    for ask in (fs.info, fs.ls, fs.cat_file, fs.open, fs.ukey):
        with pytest.raises(FileNotFoundError) as caught:
            ask(path)
        assert isinstance(pickle.loads(pickle.dumps(caught.value)), DSSError)
    with pytest.raises(FileNotFoundError):
        fs.get_file(path, str(tmp_path / "target"))
    assert not list(tmp_path.iterdir())


def test_a_flattened_store_names_the_setting(local_dss: LocalDSS) -> None:
    (matrix,) = (f"{each.uuid}.{each.version}" for each in BUNDLES if each.has_matrix)
    with pytest.raises(FileNotFoundError, match=r"begin with 'matrix\.zarr!': set unflatten='!'"):
        open_dss(local_dss.url).open(f"{matrix}/matrix.zarr")


@pytest.mark.parametrize("name", ["url", "endpoint", "base_url"])
def test_a_setting_that_would_be_another_deployment_is_refused(name: str) -> None:
    with pytest.raises(InvalidArgument, match=f"{name}= is no setting .* endpoint_url="):
        fsspec.filesystem("dss", **{name: "http://127.0.0.1:1/v1"})


@pytest.mark.parametrize("path", ["", FQID, f"{FQID}/raw"])
def test_a_directory_is_not_read_as_a_file(fs: AbstractFileSystem, path: str) -> None:
    with pytest.raises(IsADirectoryError, match=rf"dss://{path} is a directory") as caught:
        fs.open(path)
    assert isinstance(caught.value, DSSError)


WRITES: dict[str, Callable[[AbstractFileSystem, str], object]] = {
    "open": lambda fs, _: fs.open(READ, "wb"),
    "append": lambda fs, _: fs.open(READ, "ab"),
    "text": lambda fs, _: fs.open(READ, "w"),
    "pipe": lambda fs, _: fs.pipe(READ, b""),
    "put": lambda fs, here: fs.put(here, READ),
    "copy": lambda fs, _: fs.copy(READ, f"{FQID}/other"),
    "mv": lambda fs, _: fs.mv(READ, f"{FQID}/other"),
    "rm": lambda fs, _: fs.rm(READ),
    "rm of all": lambda fs, _: fs.rm(FQID, recursive=True),
    "mkdir": lambda fs, _: fs.mkdir(f"{FQID}/other"),
    "makedirs": lambda fs, _: fs.makedirs(f"{FQID}/other", exist_ok=True),
    "rmdir": lambda fs, _: fs.rmdir(f"{FQID}/raw"),
    "touch": lambda fs, _: fs.touch(READ, truncate=False),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=list(WRITES))
def test_it_is_read_only(
    fs: AbstractFileSystem, write: Callable[[AbstractFileSystem, str], object]
) -> None:
    with pytest.raises(OSError, match="dss upload") as caught:
        write(fs, __file__)
    assert caught.value.errno == errno.EROFS
    assert isinstance(caught.value, DSSError)


def test_all_who_read_by_an_expired_url_share_a_new_one(
    own_dss: LocalDSS, faulty: AbstractFileSystem
) -> None:
    own_dss.faults = [
        {"name": "located", "on": "get_file", "nth": 99, "status": 500},
        {"name": "expired", "on": "storage", "nth": [2, 3, 4], "expired": True},
    ]
    assert faulty.cat_file(READ, 0, 5) == CONTENT[:5]
    parts = faulty.cat_ranges([READ] * 3, [0, 1, 2], [7, 8, 9])
    assert parts == [CONTENT[0:7], CONTENT[1:8], CONTENT[2:9]]
    assert {each.name: each.selected for each in own_dss.faults.counts}["located"] == 2


def test_the_urls_of_many_files_come_together(wire: Wire) -> None:
    bundle = wire.add_bundle({f"c/{number}": b"chunk" for number in range(40)})
    fs = open_dss(wire.url)
    assert set(fs.cat(fs.find(bundle.fqid)).values()) == {b"chunk"}
    assert len([asked for asked in wire.asked_api if "/files/" in asked.path]) < 10


def test_storage_that_refuses_a_new_url_too_is_an_error(
    own_dss: LocalDSS, faulty: AbstractFileSystem
) -> None:
    own_dss.faults = [{"on": "storage", "status": 403}]
    with pytest.raises(Forbidden):
        faulty.cat_file(READ, 0, 5)


TRANSIENT: dict[str, dict[str, Any]] = {
    "an overloaded storage": {"status": 503},
    "one that asks to wait": {"status": 429, "headers": {"Retry-After": "0"}},
    "a connection that breaks": {"reset": 10},
    "a body that is short": {"short": 3},
    "another range": {"headers": {"Content-Range": f"bytes 7-106/{len(CONTENT)}"}},
    "a range of another content": {"headers": {"Content-Range": "bytes 5-104/110"}},
    "no range": {"headers": {"Content-Range": None}},
}


@pytest.mark.parametrize("fault", TRANSIENT.values(), ids=list(TRANSIENT))
def test_what_is_transient_is_tried_again(
    own_dss: LocalDSS, faulty: AbstractFileSystem, fault: dict[str, Any]
) -> None:
    own_dss.faults = [{"on": "storage", "nth": [1, 2], **fault}]
    assert faulty.cat_file(READ, 5, 105) == CONTENT[5:105]
    own_dss.faults = [{"on": "storage", **fault}]
    with pytest.raises(DSSError):
        faulty.cat_file(READ, 5, 105)


def whole(body: bytes, *, has_length: bool) -> list[Step]:
    return [head(200, len(body) if has_length else None, Connection="close") + body, "close"]


@pytest.mark.parametrize("has_length", [True, False])
def test_storage_may_send_a_whole_content_but_no_other(wire: Wire, *, has_length: bool) -> None:
    content = bytes(range(256)) * 10_000
    page = b"<html>Log in to this network</html>" * 100_000
    path = f"{wire.add_bundle({'a': content}).fqid}/a"
    fs = open_dss(wire.url, retries=0)
    wire.script = lambda _: iter(whole(content, has_length=has_length))
    assert fs.cat_file(path, 1000, 2000) == content[1000:2000]
    wire.script = lambda _: iter(whole(page, has_length=has_length))
    with pytest.raises(DSSConnectionError, match="asked storage for the bytes 1000-1999/2560000"):
        fs.cat_file(path, 1000, 2000)


@pytest.mark.parametrize(("most", "ends"), [(5, False), (99, True)])
def test_storage_may_redirect(wire: Wire, most: int, *, ends: bool) -> None:
    content = b"0123456789"
    bundle = wire.add_bundle({"a": content})

    def moving(asked: Asked) -> Iterator[Step]:
        turn = int(asked.query["X-Amz-Signature"].removeprefix("turn"))
        if turn == most:
            yield from wire.serve(asked)
        else:
            yield head(307, 0, Location=f"{asked.path}?X-Amz-Signature=turn{turn + 1}")

    wire.script = moving
    fs = open_dss(wire.url, retries=AT_ONCE)
    if ends:
        with pytest.raises(DSSError, match=r"The redirect to .*redacted> was not followed"):
            fs.cat_file(f"{bundle.fqid}/a", 2, 5)
    else:
        assert fs.cat_file(f"{bundle.fqid}/a", 2, 5) == content[2:5]


def test_contents_that_are_read_whole_are_verified(
    own_dss: LocalDSS, faulty: AbstractFileSystem, tmp_path: Path
) -> None:
    own_dss.faults = [{"on": "storage", "flip": 100}]
    target = tmp_path / "R1"
    target.write_bytes(b"before")
    with pytest.raises(ChecksumMismatch, match="R1"):
        faulty.cat_file(READ)
    with pytest.raises(ChecksumMismatch, match="R1"):
        faulty.get_file(READ, str(target))
    assert [target.read_bytes(), *tmp_path.iterdir()] == [b"before", target]


def test_a_service_that_is_down_is_not_an_absent_file() -> None:
    fs = open_dss("http://127.0.0.1:9/v1", retries=0)
    for ask in (fs.exists, fs.isfile, fs.isdir, fs.find):
        with pytest.raises(DSSConnectionError):
            ask(READ)


def test_names_that_are_not_paths_are_left_out(
    wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    names = ["../out", "/absolute", "a//b", "good", "x/y", "z.zarr!..!out", "z.zarr!.zattrs"]
    bundle = wire.add_bundle({name: name.encode() for name in names})
    twice = bundle.files[3] | {"uuid": "11111111-2222-4333-8444-555555555555"}
    bundle.files.append(twice)
    fs = open_dss(wire.url, unflatten="!")
    found = {path.removeprefix(f"{bundle.fqid}/") for path in fs.find(bundle.fqid)}
    assert found == {"good", "x/y", "z.zarr/.zattrs"}
    assert fs.cat_file(f"{bundle.fqid}/good") == b"good"
    assert f"dss://{bundle.fqid}: 5 names are unsafe" in caplog.text
    assert "'../out'" in caplog.text


def test_a_name_can_be_a_file_and_a_directory(wire: Wire) -> None:
    bundle = wire.add_bundle({"a": b"file", "a/b": b"below"})
    fs = open_dss(wire.url)
    assert fs.find(bundle.fqid) == [f"{bundle.fqid}/a", f"{bundle.fqid}/a/b"]
    assert fs.cat_file(f"{bundle.fqid}/a") == b"file"


def test_bundles_of_many_pages_are_listed_whole(wire: Wire) -> None:
    wire.page = 10
    bundle = wire.add_bundle({f"f{number}": b"" for number in range(25)})
    fs = open_dss(wire.url)
    assert len(fs.ls(bundle.fqid)) == 25
    assert fs.cat_file(f"{bundle.fqid}/f24") == b""
    assert len(wire.asked_api) == 3


async def test_coroutines_read_in_any_loop(local_dss: LocalDSS) -> None:
    fs: Any = open_dss(local_dss.url, asynchronous=True)

    async def read() -> bytes:
        async with await fs.open_async(f"dss://{READ}") as file:
            both = await file.read(4), await fs._cat_file(READ, 4, 9)
        await fs.aclose()
        return b"".join(both)

    assert await read() == CONTENT[:9]
    assert await asyncio.to_thread(asyncio.run, read()) == CONTENT[:9]
    with pytest.raises(OSError, match="read-only"):
        await fs.open_async(READ, "wb")


@pytest.mark.skipif(sys.platform != "linux", reason="it needs fork")
def test_a_forked_process_reads_with_the_same_object(fs: AbstractFileSystem) -> None:
    assert fs.cat_file(READ, 0, 9) == CONTENT[:9]
    assert in_child(lambda: fs.cat_file(READ, 9, 18)) == CONTENT[9:18]
    assert fs.cat_file(READ, 18, 20) == CONTENT[18:20]


def test_it_is_pickled_as_its_settings(fs: AbstractFileSystem) -> None:
    assert pickle.loads(pickle.dumps(fs)) is fs
