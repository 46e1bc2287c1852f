"""What a download makes of every fault: it comes through, or ends with the error named here."""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from dss_client import DSSClient, DSSError, RetryPolicy, Timeout
from dss_client.download import DownloadError
from dss_client.local import LoadedBundle, LocalDSS

CONTENTS = {
    "cell_0.json": b'{"name": "one"}',
    "reads.bin": bytes(range(256)) * 8192,  # 2 MiB: more than one piece of anything
}
SIZE = len(CONTENTS["reads.bin"])
MIDDLE = 1_500_000
# Storage knows contents by their sum: GET /files leads to `blobs/<sha256>...`.
ALWAYS = {"on": "storage", "key": hashlib.sha256(CONTENTS["reads.bin"]).hexdigest()}
ONCE = {**ALWAYS, "nth": 1}
FILE = {"on": "get_file", "uuid": "of reads.bin"}  # filled in below
# Broken once in the middle, so that a Range request follows; then this goes wrong.
THEN = {**ALWAYS, "nth": 2}
BREAK = {**ONCE, "close": MIDDLE}


@frozen
class Case:
    """A scenario, and how the download of its bundle ends.

    Attributes:
        error: Name of the one file's error or of its cause; empty: all files come through.
        tries: Requests for the content of `reads.bin`; None where it is not looked at.
    """

    rules: list[dict[str, Any]]
    error: str = ""
    tries: int | None = None


CASES = {
    "no fault": Case([], tries=1),
    # An answer that is an error, once.
    "500": Case([{**ONCE, "status": 500}], tries=2),
    "502": Case([{**ONCE, "status": 502}], tries=2),
    "503 and Retry-After 0": Case([{**ONCE, "status": 503, "retry_after": 0}], tries=2),
    "503 and a Retry-After in the past": Case(
        [{**ONCE, "status": 503, "retry_after": {"date_in": -100}}], tries=2
    ),
    "503 and a Retry-After that is none": Case(
        [{**ONCE, "status": 503, "retry_after": "soon"}], tries=2
    ),
    "503 and a Retry-After below zero": Case(
        [{**ONCE, "status": 503, "retry_after": "-5"}], tries=2
    ),
    "504": Case([{**ONCE, "status": 504}], tries=2),
    "429": Case([{**ONCE, "status": 429}], tries=2),
    "403": Case([{**ONCE, "status": 403}], tries=2),
    "an expired URL": Case([{**ONCE, "expired": True}], tries=2),
    "416": Case([{**ONCE, "status": 416}], tries=2),
    "five errors in a row": Case([{**ONCE, "nth": {"to": 5}, "status": 503}], tries=6),
    "a slow answer": Case([{**ONCE, "delay": 0.05}], tries=1),
    # The same for ever.
    "503 for ever": Case([{**ALWAYS, "status": 503}], "ServerError", tries=7),
    "404": Case([{**ALWAYS, "status": 404}], "NotFound", tries=1),
    "403 for ever": Case([{**ALWAYS, "expired": True}], "Forbidden", tries=7),
    # A connection that breaks.
    "closed before the answer": Case([{**ONCE, "close": "start"}], tries=2),
    "reset before the answer": Case([{**ONCE, "reset": "start"}], tries=2),
    "closed at byte 0": Case([{**ONCE, "close": 0}], tries=2),
    "closed at byte 1": Case([{**ONCE, "close": 1}], tries=2),
    "closed in the middle": Case([BREAK], tries=2),
    "closed before the last byte": Case([{**ONCE, "close": -1}], tries=2),
    "closed after the last byte": Case([{**ONCE, "close": SIZE}], tries=1),
    "reset in the middle": Case([{**ONCE, "reset": MIDDLE}], tries=2),
    "reset five times": Case([{**ONCE, "nth": {"to": 5}, "reset": 1000}], tries=6),
    "closed for ever": Case([{**ALWAYS, "close": 0}], "DSSConnectionError", tries=7),
    "stalled before the answer": Case([{**ONCE, "stall": "start"}], tries=2),
    "stalled in the middle": Case([{**ONCE, "stall": MIDDLE}], tries=2),
    "stalled for ever": Case([{**ALWAYS, "stall": 0}], "DSSTimeout", tries=7),
    "a short stall": Case([{**ONCE, "stall": MIDDLE, "stall_seconds": 0.02}], tries=1),
    # Another body than there should be.
    "a short body": Case([{**ONCE, "short": 1}], tries=2),
    "a short body that is framed well": Case(
        [{**ONCE, "short": 1, "honest_length": True}], tries=2
    ),
    "short for ever": Case(
        [{**ALWAYS, "short": SIZE, "honest_length": True}], "ShortBody", tries=7
    ),
    "bytes after the end": Case([{**ONCE, "overlong": 5}], tries=1),
    "a longer body that is framed well": Case(
        [{**ALWAYS, "overlong": 1, "honest_length": True}], "SizeMismatch"
    ),
    "a flipped byte": Case([{**ONCE, "flip": MIDDLE}], tries=2),
    "the last byte flipped": Case([{**ONCE, "flip": -1}], tries=2),
    "flipped for ever": Case([{**ALWAYS, "flip": 0}], "ChecksumMismatch", tries=2),
    "another body of the same length": Case([{**ONCE, "body": "x" * SIZE}], tries=2),
    "an error page with status 200": Case([{**ONCE, "body": "<html>Sorry"}], tries=None),
    "gzip": Case([{**ALWAYS, "content_encoding": "gzip"}], "DSSDecodeError"),
    "the header of gzip only": Case(
        [{**ALWAYS, "headers": {"Content-Encoding": "gzip"}}], "DSSDecodeError"
    ),
    # A Range request that goes wrong.
    "200 for a Range": Case([BREAK, {**THEN, "ignore_range": True}], tries=2),
    "a Content-Range of another place": Case([BREAK, {**THEN, "content_range": "wrong"}], tries=3),
    "no Content-Range": Case([BREAK, {**THEN, "content_range": "missing"}], tries=3),
    "a Content-Range that is none": Case([BREAK, {**THEN, "content_range": "bytes"}], tries=3),
    "a Content-Range of another size": Case(
        [BREAK, {**THEN, "content_range": "size"}], "SizeMismatch"
    ),
    "a flipped byte in the rest": Case([BREAK, {**THEN, "flip": 0}], tries=3),
    "416 for the rest": Case([BREAK, {**THEN, "status": 416}], tries=3),
    "a URL that expires between": Case([BREAK, {**THEN, "expired": True}], tries=3),
    "another ETag": Case([BREAK, {**THEN, "etag": "changed"}], tries=2),
    "a weak ETag": Case([BREAK, {**THEN, "etag": "weak"}], tries=2),
    "no ETag": Case([BREAK, {**THEN, "etag": "missing"}], tries=2),
    # A redirect from storage is refused: the service says where content is, storage does not.
    "a redirect loop": Case([{**ALWAYS, "redirect": "loop"}], "DSSResponseError", tries=1),
    "a redirect to another scheme": Case([{**ALWAYS, "redirect": "https:"}], "DSSResponseError"),
    "a redirect to another host": Case(
        [{**ALWAYS, "redirect": "http://127.0.0.1:9"}], "DSSResponseError"
    ),
    # The API before it.
    "503 of the bundle": Case([{"on": "get_bundle", "nth": 1, "status": 503, "retry_after": 0}]),
    "the bundle's answer cut": Case([{"on": "get_bundle", "nth": 1, "close": 100}]),
    "the bundle's connection reset": Case([{"on": "get_bundle", "nth": 1, "reset": "start"}]),
    "503 of the file": Case([{"on": "get_file", "nth": 1, "status": 503, "retry_after": 0}]),
    "a redirect loop of the API": Case([{**FILE, "redirect": "loop"}], "DSSResponseError"),
    "the file at a dead host": Case(
        [{**FILE, "redirect": "http://127.0.0.1:9"}], "DSSConnectionError"
    ),
    "the file at another scheme": Case([{**FILE, "redirect": "https:"}], "DSSConnectionError"),
    "the file at no HTTP": Case([{**FILE, "redirect": "ftp://x/y"}], "DSSConnectionError"),
    "every third request dies": Case([{"nth": {"every": 3}, "close": "start"}]),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDSS]:
    with LocalDSS(tmp_path_factory.mktemp("faults")) as dss:
        yield dss


@pytest.fixture(scope="module")
def bundle(server: LocalDSS, load: Callable[..., LoadedBundle]) -> LoadedBundle:
    return load(server, CONTENTS)


@pytest.fixture(scope="module")
def reads_uuid(server: LocalDSS, bundle: LoadedBundle) -> str:
    with DSSClient(server.url) as dss:
        files = dss.get_bundle(uuid=bundle.uuid, replica="aws").bundle.files
    return next(file.uuid for file in files if file.name == "reads.bin")


@pytest.mark.parametrize("name", CASES)
def test_a_download(
    server: LocalDSS, bundle: LoadedBundle, reads_uuid: str, tmp_path: Path, name: str
) -> None:
    case = CASES[name]
    server.faults = [
        {**rule, "uuid": reads_uuid} if "uuid" in rule else rule for rule in case.rules
    ]
    policy = RetryPolicy(attempts=4, initial_delay=0, max_retry_after=0)
    # Short only where there is something to wait out; a busy machine may then need more tries.
    stalls = any("stall" in rule for rule in case.rules)
    timeout = Timeout(connect=20, read=0.2 if stalls else 20, write=20, pool=20)
    with DSSClient(server.url, retries=policy, timeout=timeout) as dss:
        error = None
        try:
            report = dss.download(
                bundle_uuid=bundle.uuid,
                replica="aws",
                download_dir=tmp_path,
                num_retries=6,
                min_delay_seconds=0,
            )
        except DownloadError as failed:
            report = failed.report
            [error] = failed.exceptions
    server.faults = None

    entries = {entry.name: entry for entry in report.entries}
    assert entries["cell_0.json"].path is not None
    assert case.error == "" or case.error in chain(error)
    assert (error is None) == (case.error == "")
    if case.tries is not None:
        tries = entries["reads.bin"].tries
        assert tries >= case.tries if stalls else tries == case.tries
    assert wrong_files(tmp_path) == []
    assert (entries["reads.bin"].path is None) == (error is not None)


def test_the_next_run_takes_what_is_there(
    server: LocalDSS, bundle: LoadedBundle, tmp_path: Path
) -> None:
    server.faults = [{**ALWAYS, "status": 503}]
    where = {"bundle_uuid": bundle.uuid, "replica": "aws", "download_dir": tmp_path}
    with DSSClient(server.url, retries=0) as dss:
        with pytest.raises(DownloadError):
            dss.download(**where, num_retries=0)  # type: ignore[arg-type]  # one dict of both kinds
        server.faults = [{"on": "storage", "key": "cell_0.json", "status": 500}]
        assert dss.download(**where, num_retries=0).ok  # type: ignore[arg-type]
    server.faults = None
    assert wrong_files(tmp_path) == []


def chain(error: BaseException | None) -> list[str]:
    """Return the names of an error's classes and of those of its causes, but for the base."""
    names: list[str] = []
    while isinstance(error, DSSError):
        names += [each.__name__ for each in type(error).__mro__ if issubclass(each, DSSError)]
        error = error.__cause__
    return names


def wrong_files(folder: Path) -> list[str]:
    """Return the files below a folder that have not the bytes that their name promises."""
    return [
        str(path)
        for path in folder.rglob("*")
        if path.is_file() and not is_right(path.name, path.parent.name, path.read_bytes())
    ]


def is_right(name: str, parent: str, content: bytes) -> bool:
    if name == "bundle.json":
        return len(json.loads(content)["bundle"]["files"]) == len(CONTENTS)
    if name in CONTENTS:
        return content == CONTENTS[name]
    return name == hashlib.sha256(content).hexdigest() and name[2:6] == parent
