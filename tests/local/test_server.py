"""Starting and stopping."""

import errno
import os
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from dss_client.local import LocalDSS, LocalSettings

from .writing import writer


def bundles(dss: LocalDSS) -> list[dict[str, str]]:
    answer = httpx.get(f"{dss.url}/bundles/all?replica=aws")
    assert answer.status_code == 200
    found: list[dict[str, str]] = answer.json()["bundles"]
    return found


def is_open(url: str) -> bool:
    parts = urlsplit(url)
    with socket.socket() as probe:
        return probe.connect_ex((parts.hostname or "", parts.port or 0)) == 0


def file_url(dss: LocalDSS, uuid: str) -> str:
    query = {"replica": "aws", "presignedurls": "true"}
    answer = httpx.get(f"{dss.url}/bundles/{uuid}", params=query).json()
    url: str = answer["bundle"]["files"][0]["url"]
    return url


def test_a_temporary_root_goes_without_a_trace() -> None:
    threads = set(threading.enumerate())
    with LocalDSS(sample=True) as dss:
        urls = (dss.url, dss.storage_url)
        assert len(bundles(dss)) == 3
        assert [is_open(url) for url in urls] == [True, True]
        assert dss.root.is_dir()
    assert [is_open(url) for url in urls] == [False, False]
    assert not dss.root.exists()
    assert set(threading.enumerate()) <= threads
    with pytest.raises(RuntimeError, match="temporary"):
        dss.start()


def test_a_given_root_stays(tmp_path: Path) -> None:
    for _ in range(2):
        with LocalDSS(str(tmp_path / "a" / "b"), sample=True) as dss:
            assert dss.root == tmp_path / "a" / "b"
            assert len(bundles(dss)) == 3
    assert (tmp_path / "a/b/aws/main/bundles").is_dir()


def test_a_read_only_root_is_served_and_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "a.txt").write_bytes(b"one")
    bundle = LocalDSS(tmp_path / "root").load_bundle(tmp_path / "source")
    before = sorted((tmp_path / "root").rglob("*"))
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # a test may run as root
    with LocalDSS(tmp_path / "root") as dss:
        assert httpx.get(file_url(dss, bundle.uuid)).content == b"one"
        search = httpx.post(f"{dss.url}/search?replica=aws", json={"es_query": {}})
        assert search.json()["total_hits"] == 1
        events = httpx.get(f"{dss.url}/events?replica=aws")
        assert len(events.json()["event_streams"]) == 1
        with writer(dss) as http:
            refused = http.patch(
                f"/bundles/{bundle.uuid}?replica=aws&version={bundle.version}", json={}
            )
        assert (refused.status_code, refused.json()["code"]) == (503, "read_only")
    assert [it for it in sorted((tmp_path / "root").rglob("*")) if ".lock" not in it.name] == before


def test_start_and_stop(tmp_path: Path) -> None:
    dss = LocalDSS(tmp_path)
    for stopped in ("url", "storage_url"):
        with pytest.raises(RuntimeError, match="not running"):
            getattr(dss, stopped)
    assert "not running" in repr(dss)
    for _ in range(2):
        assert dss.start() is dss
        assert dss.url in repr(dss)
        assert dss.url.startswith("http://127.0.0.1:")
        with pytest.raises(RuntimeError, match="running already"):
            dss.start()
        assert bundles(dss) == []
        dss.stop()
        dss.stop()


def test_chosen_ports_and_taken_ones(tmp_path: Path) -> None:
    dss = LocalDSS(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for ports in ({"port": port}, {"storage_port": port}):
            with pytest.raises(OSError, match="in use") as refused:
                LocalDSS(tmp_path, **ports).start()
            assert refused.value.errno == errno.EADDRINUSE
    with dss, LocalDSS(storage_port=port) as other:  # what failed has left no lock
        assert other.storage_url == f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("host", ["::1", "0.0.0.0", "localhost"])
def test_other_hosts(host: str) -> None:
    with LocalDSS(sample=True, host=host) as dss:
        url = file_url(dss, bundles(dss)[0]["uuid"])
        assert url.startswith(dss.storage_url)
        assert httpx.get(url).status_code == 200


def test_one_at_a_time_on_a_root(tmp_path: Path) -> None:
    with LocalDSS(tmp_path) as first:
        with pytest.raises(RuntimeError, match="another server"):
            LocalDSS(tmp_path).start()
        assert bundles(first) == []
    with LocalDSS(tmp_path):
        pass


def test_a_root_that_is_read_only_is_served(tmp_path: Path) -> None:
    (tmp_path / ".lock.sqlite3").mkdir()  # as good as a directory that cannot be written to
    with LocalDSS(tmp_path) as dss:
        assert bundles(dss) == []


FORK = "import os\nif os.fork(): os.wait()\nelse: raise SystemExit"
ON_POSIX = pytest.mark.skipif(sys.platform == "win32", reason="has no fork")


@pytest.mark.parametrize("after", ["", "del dss", pytest.param(FORK, marks=ON_POSIX)])
def test_a_script_may_forget_to_stop_it(after: str) -> None:
    script = [
        "import httpx",
        "from dss_client.local import LocalDSS",
        "dss = LocalDSS(sample=True).start()",
        "print(dss.root, httpx.get(f'{dss.url}/bundles/all?replica=aws').status_code)",
        after,
    ]
    command = [sys.executable, "-W", "ignore", "-c", "\n".join(script)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    root, status = result.stdout.split()
    assert (result.returncode, status, result.stderr) == (0, "200", "")
    assert not Path(root).exists()


def test_two_side_by_side(sample_dss: LocalDSS, dss: LocalDSS) -> None:
    assert [len(bundles(each)) for each in (sample_dss, dss)] == [3, 0]


def test_an_open_download_does_not_hold_up_the_end(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "big").write_bytes(bytes(20_000_000))
    with LocalDSS(tmp_path / "root") as dss:
        url = file_url(dss, dss.load_bundle(tmp_path / "src").uuid)
        with httpx.stream("GET", url):
            dss.stop()


def test_many_clients_at_once(api: httpx.Client) -> None:
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
