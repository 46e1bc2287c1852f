"""What a download makes of every fault: it comes through, or ends with the error named here.

Each row is held to for each way that a content can take: the event loop for small files, one
connection for a large one, several ranges at once, and the HTTP library where a client was handed
in.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from attrs import frozen

from dss_client import DSSClient, DSSError, RetryPolicy, Timeout
from dss_client.download import DownloadError
from dss_client.local import LoadedBundle, LocalDSS
from tests.download.apart import tree


@frozen
class Way:
    """A way that a content can take.

    Attributes:
        size: Size of the content, in bytes.
        part_size: Bytes that one thread takes at a time; None: as it is.
        http: Whether through the HTTP library.
    """

    size: int
    part_size: int | None = None
    http: bool = False

    @property
    def content(self) -> bytes:
        """What is to come."""
        return (bytes(range(251)) * (self.size // 251 + 1))[: self.size]

    @property
    def segmented(self) -> bool:
        """Whether several ranges are asked for at once, so that the order of requests varies."""
        return self.part_size is not None


WAYS = {
    "small": Way(200_000),
    "small, httpx": Way(200_000, http=True),
    "large": Way(1 << 21),
    "large, httpx": Way(1 << 21, http=True),
    "segmented": Way(1 << 21, 1 << 18),
    "segmented, httpx": Way(1 << 21, 1 << 18, http=True),
}
OTHER = {"cell_0.json": b'{"name": "one"}'}


@frozen
class Case:
    """A scenario, and how the download of its bundle ends.

    Attributes:
        rules: What goes wrong; the uuid "file" stands for that of the content's file.
        error: Name of the one file's error or of its cause; empty: all files come through.
        tries: Requests for the content; None where it is not looked at.
        num_retries: Failed attempts allowed.
    """

    rules: list[dict[str, Any]]
    error: str = ""
    tries: int | None = None
    num_retries: int = 6


def cases(way: Way) -> dict[str, Case]:
    """Return the table for a content."""
    size = way.size
    middle = size * 3 // 4
    # The file is named by its sum, which is also the name of its blob: so both of its URLs, the one
    # that comes with the bundle and the one that comes with the file, have it.
    always = {"on": "storage", "key": hashlib.sha256(way.content).hexdigest()}
    once = {**always, "nth": 1}
    # Broken once in the middle, so that a Range request follows; then this goes wrong.
    then = {**always, "nth": 2}
    cut = {**once, "close": middle}
    dead = f"http://127.0.0.1:9/{way.size}"
    again: dict[str, dict[str, Any]] = {
        **{str(status): {"status": status} for status in (500, 502, 504, 429, 403, 416)},
        "Retry-After 0": {"status": 503, "headers": {"Retry-After": "0"}},
        "a Retry-After that is not valid": {"status": 503, "headers": {"Retry-After": "soon"}},
        "an expired URL": {"expired": True},
        "closed at byte 0": {"close": 0},
        "closed before the last byte": {"close": -1},
        "reset in the middle": {"reset": middle},
        "stalled before the answer": {"stall": "start"},
        "stalled in the middle": {"stall": middle},
        "a short body": {"short": 1},
        "a flipped byte": {"flip": middle},
        "another body of the same length": {"body": "x" * size},
        "an error page with status 200": {"body": "<html>Sorry"},
    }
    return {
        "no fault": Case([], tries=1),
        **{name: Case([{**once, **fault}], tries=2) for name, fault in again.items()},
        "five errors in a row": Case([{**always, "nth": {"to": 5}, "status": 503}], tries=6),
        "a slow answer": Case([{**once, "delay": 0.05}], tries=1),
        "a short stall": Case([{**once, "stall": middle, "stall_seconds": 0.02}], tries=1),
        "closed after the last byte": Case([{**once, "close": size}], tries=1),
        "a stored coding": Case([{**always, "headers": {"Content-Encoding": "gzip"}}], tries=1),
        # Where the other file came by the same connection, that is no failure.
        "closed before the answer": Case([{**once, "close": "start"}]),
        "reset before the answer": Case([{**once, "reset": "start"}]),
        # The same for ever.
        "503 for ever": Case([{**always, "status": 503}], "ServerError", tries=7),
        "429 for ever": Case([{**always, "status": 429}], "TooManyRequests", tries=7),
        "404": Case([{**always, "status": 404}], "NotFound", tries=1),
        "400": Case([{**always, "status": 400}], "DSSResponseError", tries=1),
        "403 for ever": Case([{**always, "expired": True}], "Forbidden", tries=4),
        "416 for ever": Case([{**always, "status": 416}], "RangeNotSatisfiable", tries=2),
        "closed for ever": Case([{**always, "close": 0}], "DSSConnectionError", tries=7),
        "stalled for ever": Case([{**always, "stall": 0}], "DSSTimeout", tries=3, num_retries=2),
        "flipped for ever": Case([{**always, "flip": 0}], "ChecksumMismatch", tries=2),
        "a redirect": Case([{**always, "redirect": dead}], "DSSConnectionError", tries=8),
        # The rest goes wrong.
        "the rest flipped": Case([cut, {**then, "flip": 0}], tries=3),
        "a URL that expires between": Case([cut, {**then, "expired": True}], tries=3),
    }


def cases_of_the_api(way: Way) -> dict[str, Case]:
    """Return the rows for what comes before any content, whichever way that takes."""
    key = hashlib.sha256(way.content).hexdigest()
    file = {"on": "get_file", "uuid": "file"}
    # The bundle's answer brings URLs; where it cannot be had with them, each file is asked for.
    without_urls = {"on": "get_bundle", "nth": {"to": 4}, "status": 500}
    once = {"on": "get_bundle", "nth": 1}
    elsewhere = {"https://127.0.0.1:9/y": 7, "http://127.0.0.1:9/y": 7, "ftp://x/y": None}
    return {
        "503 of the bundle": Case([{**once, "status": 503}], tries=1),
        "the bundle's answer cut": Case([{**once, "close": 100}], tries=1),
        "the bundle's connection reset": Case([{**once, "reset": "start"}], tries=1),
        "no URLs with the bundle": Case([without_urls], tries=1),
        "503 of the file": Case([without_urls, {**file, "nth": 1, "status": 503}], tries=1),
        "404 of the file": Case([without_urls, {**file, "status": 404}], "NotFound", tries=0),
        "404 of the file once its URL is old": Case(
            [
                {"on": "storage", "key": key, "nth": 1, "expired": True},
                {**file, "status": 404},
            ],
            "NotFound",
            tries=1,
        ),
        **{
            f"the file at {url}": Case(
                [without_urls, {**file, "redirect": url}], "DSSConnectionError", tries=tries
            )
            for url, tries in elsewhere.items()
        },
        "the file at a host of no name": Case(
            [without_urls, {**file, "redirect": f"http://{'x' * 64}.example/y"}], "DSSError"
        ),
        "every third request dies": Case([{"nth": {"every": 3}, "close": "start"}]),
    }


TABLE = {(way, name): case for way, each in WAYS.items() for name, case in cases(each).items()}
TABLE |= {
    (way, name): case
    for way in ("small", "large")
    for name, case in cases_of_the_api(WAYS[way]).items()
}


@frozen
class Served:
    """A bundle of a content and a small other file, and the uuid and name of the former."""

    bundle: str
    uuid: str
    name: str


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDSS]:
    with LocalDSS(tmp_path_factory.mktemp("faults")) as dss:
        yield dss


@pytest.fixture(scope="module")
def bundles(server: LocalDSS, load: Callable[..., LoadedBundle]) -> dict[Way, Served]:
    found = {}
    with DSSClient(server.url) as dss:
        for way in WAYS.values():
            name = f"{hashlib.sha256(way.content).hexdigest()}.bin"
            uuid = load(server, {**OTHER, name: way.content}).uuid
            files = dss.get_bundle(uuid=uuid, replica="aws").bundle.files
            [file] = [file.uuid for file in files if file.name == name]
            found[way] = Served(uuid, file, name)
    return found


def check_files(folder: Path, way: Way, name: str, *, whole: bool) -> None:
    """See that what is in place is right, and whether the content is."""
    found = {path.rpartition("/")[2]: content for path, content in tree(folder).items()}
    assert found == ({**OTHER, name: way.content} if whole else OTHER)


@pytest.mark.parametrize(("way_name", "name"), TABLE)
def test_a_download(
    server: LocalDSS,
    bundles: dict[Way, Served],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    way_name: str,
    name: str,
) -> None:
    way, case = WAYS[way_name], TABLE[way_name, name]
    if way.part_size is not None:
        monkeypatch.setattr("dss_client.download.engine.PART_SIZE", way.part_size)
    served = bundles[way]
    server.faults = [
        {**rule, "uuid": served.uuid} if "uuid" in rule else rule for rule in case.rules
    ]
    policy = RetryPolicy(attempts=4, initial_delay=0, max_retry_after=0)
    # Short only where there is something to wait out; a busy machine may then need more tries.
    stalls = name.startswith("stalled")
    timeout = Timeout(connect=20, read=0.2 if stalls else 20, write=20, pool=20)
    error = None
    with ExitStack() as opened:
        http = opened.enter_context(httpx.Client(timeout=timeout.read)) if way.http else None
        dss = DSSClient(server.url, retries=policy, timeout=timeout, storage_client=http)
        try:
            report = opened.enter_context(dss).download(
                bundle_uuid=served.bundle,
                replica="aws",
                download_dir=tmp_path,
                num_retries=case.num_retries,
                min_delay_seconds=0,
            )
        except DownloadError as failed:
            report = failed.report
            [error] = report.errors
    server.faults = None

    [entry] = [entry for entry in report.files if entry.name == served.name]
    check_files(tmp_path, way, served.name, whole=error is None)
    assert (entry.path is None) == (error is not None) == (case.error != "")
    if error is not None:
        assert case.error in chain(error)
        assert served.name in str(error)
        assert str(error.cause or "") in str(error)
    if case.tries is not None and not way.segmented:
        assert entry.tries >= case.tries if stalls else entry.tries == case.tries


def chain(error: BaseException | None) -> list[str]:
    """Return the names of an error's classes and of those of its causes, but for the base."""
    names: list[str] = []
    while isinstance(error, DSSError):
        names += [each.__name__ for each in type(error).__mro__ if issubclass(each, DSSError)]
        error = error.__cause__
    return names
