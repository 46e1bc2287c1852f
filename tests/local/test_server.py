"""Starting and stopping."""

import errno
import os
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from dss_client.local import LocalDSS, LocalSettings


def is_open(url: str) -> bool:
    parts = urlsplit(url)
    with socket.socket() as probe:
        return probe.connect_ex((parts.hostname or "", parts.port or 0)) == 0


def test_it_stops_without_a_trace() -> None:
    threads = set(threading.enumerate())
    with LocalDSS(sample=True) as dss:
        url, storage_url, root = dss.url, dss.storage_url, dss.root
        assert httpx.get(f"{url}/bundles/all?replica=aws").json()["page_count"] == 3
        assert is_open(url)
        assert is_open(storage_url)
        assert root.is_dir()
    assert not is_open(url)
    assert not is_open(storage_url)
    assert not root.exists()
    assert set(threading.enumerate()) <= threads


def test_a_given_root_stays(tmp_path: Path) -> None:
    with LocalDSS(str(tmp_path / "a" / "b"), sample=True) as dss:
        assert dss.root == tmp_path / "a" / "b"
    assert (tmp_path / "a/b/aws/main/bundles").is_dir()
    with LocalDSS(tmp_path / "a" / "b", sample=True) as dss:
        body = httpx.get(f"{dss.url}/bundles/all?replica=aws").json()
    assert body["page_count"] == 3


def test_start_and_stop(tmp_path: Path) -> None:
    dss = LocalDSS(tmp_path)
    with pytest.raises(RuntimeError, match="not running"):
        _ = dss.url
    with pytest.raises(RuntimeError, match="not running"):
        _ = dss.storage_url
    assert "not running" in repr(dss)
    assert dss.start() is dss
    assert dss.url in repr(dss)
    with pytest.raises(RuntimeError, match="running already"):
        dss.start()
    first = dss.url
    dss.stop()
    dss.stop()
    dss.start()
    assert httpx.get(f"{dss.url}/swagger.json").status_code == 200
    assert dss.url.startswith("http://127.0.0.1:")
    assert first.endswith("/v1")
    dss.stop()


def test_a_temporary_root_is_gone_for_good() -> None:
    dss = LocalDSS()
    dss.start().stop()
    with pytest.raises(RuntimeError, match="temporary"):
        dss.start()


def test_chosen_ports_and_taken_ones(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            LocalDSS(tmp_path, storage_port=port).start()
    with LocalDSS(tmp_path, storage_port=port) as dss:
        assert dss.storage_url == f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("host", ["::1", "0.0.0.0"])
def test_other_hosts(host: str) -> None:
    with LocalDSS(sample=True, host=host) as dss, httpx.Client(base_url=dss.url) as client:
        query = {"replica": "aws", "presignedurls": "true"}
        [bundle, *_] = client.get("/bundles/all?replica=aws").json()["bundles"]
        answer = client.get(f"/bundles/{bundle['uuid']}", params=query).json()
        url = answer["bundle"]["files"][0]["url"]
        assert url.startswith(dss.storage_url)
        assert httpx.get(url).status_code == 200


def test_one_at_a_time_on_a_root(tmp_path: Path) -> None:
    with LocalDSS(tmp_path) as first:
        with pytest.raises(RuntimeError, match=rf"another server .* \(process {os.getpid()}\)"):
            LocalDSS(tmp_path).start()
        assert httpx.get(f"{first.url}/bundles/all?replica=aws").status_code == 200
    with LocalDSS(tmp_path):
        pass


def test_a_root_that_is_read_only_is_served(tmp_path: Path) -> None:
    (tmp_path / ".lock").mkdir()  # as good as a directory that cannot be written to
    with LocalDSS(tmp_path) as dss:
        assert httpx.get(f"{dss.url}/bundles/all?replica=aws").status_code == 200


@pytest.mark.skipif(sys.platform == "win32", reason="has another call for it")
def test_a_root_on_a_file_system_without_locks_is_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", unknown)
    with LocalDSS(tmp_path) as dss:
        assert httpx.get(f"{dss.url}/bundles/all?replica=aws").status_code == 200


def test_two_side_by_side() -> None:
    with LocalDSS(sample=True) as one, LocalDSS() as other:
        counts = [
            httpx.get(f"{dss.url}/bundles/all?replica=aws").json()["page_count"]
            for dss in (one, other)
        ]
    assert counts == [3, 0]


def test_an_open_download_does_not_hold_up_the_end(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "big").write_bytes(bytes(20_000_000))
    with LocalDSS(tmp_path / "root", settings=LocalSettings()) as dss:
        bundle = dss.load_bundle(tmp_path / "src")
        query = {"replica": "aws", "presignedurls": "true"}
        answer = httpx.get(f"{dss.url}/bundles/{bundle.uuid}", params=query).json()
        with httpx.Client() as client:
            request = client.build_request("GET", answer["bundle"]["files"][0]["url"])
            response = client.send(request, stream=True)
            dss.stop()
            response.close()


def test_many_clients_at_once(sample_dss: LocalDSS, api: httpx.Client) -> None:
    def fetch(_: int) -> int:
        return api.get("/bundles/all?replica=aws").status_code

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(fetch, range(100))) == {200}


@pytest.mark.parametrize(
    "wrong", [{"checkout_polls": -1}, {"retry_after": -1}, {"url_lifetime": 0}]
)
def test_settings_are_checked(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        LocalSettings(**wrong)  # type: ignore[arg-type]  # every wrong value is a number
