"""Whatever writes a file writes it whole or not at all, in its place, with its permissions."""

import json
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dss_client import DSSClient, DSSError
from dss_client._files import replacing, write_file
from dss_client.auth.stored import LoginStore, StoredLogin
from dss_client.cli import main
from dss_client.hca import HCAConfig
from dss_client.local import LocalDSS
from dss_client.manifest import ManifestRow, write_manifest
from dss_client.settings import save_url
from dss_client.upload.checksums import Checksums
from dss_client.upload.staging import DirectoryStaging

URL = "http://127.0.0.1:9/v1"
CHECKSUMS = Checksums(sha256="0" * 64, sha1="0" * 40, s3_etag="0" * 32, crc32c="0" * 8)
ROW = {
    "bundle_uuid": "0a6f2b1c-3d4e-4f50-8a61-72b3c4d5e6f7",
    "bundle_version": "2019-01-01T000000.000000Z",
    "file_name": "a",
    "file_uuid": "1a6f2b1c-3d4e-4f50-8a61-72b3c4d5e6f7",
    "file_version": "2019-01-01T000000.000000Z",
    "file_sha256": "0" * 64,
    "file_size": 5,
}


class Writer:
    """Everything that writes a file, each by its public face, to a place of its own."""

    def __init__(self, home: Path, dss: LocalDSS) -> None:
        self.home = home
        self.dss = dss

    def settings(self) -> Path:
        return save_url(URL)

    def login(self) -> Path:
        return Path(LoginStore().write(URL, StoredLogin(access_token="t0ken")))

    def hca_config(self) -> Path:
        config = HCAConfig()
        config.new = "value"
        config.save()
        return Path(config.config_files[-1])

    def manifest(self) -> Path:
        path = self.home / "files" / "m.tsv"
        write_manifest(path, [ManifestRow.model_validate(ROW)])
        return path

    def output(self) -> Path:
        path = self.home / "files" / "out.json"
        path.parent.mkdir(exist_ok=True)
        words = ["get-bundles-all", "--replica", "aws", "--output", str(path)]
        with pytest.raises(SystemExit) as ended:
            main(["--url", self.dss.url, "api", *words])
        if ended.value.code:
            raise OSError(str(ended.value.code))
        return path

    def completion(self) -> Path:
        with pytest.raises(SystemExit) as ended:
            main(["completion", "fish", "--install"])
        if ended.value.code:
            raise OSError(str(ended.value.code))
        return self.home / ".config" / "fish" / "completions" / "dss.fish"

    def specification(self) -> Path:
        with DSSClient(self.dss.url) as dss:
            path = dss.refresh_swagger().path
        if path is None:
            raise OSError("no copy is kept")
        return path

    def staging(self) -> Path:
        staging = DirectoryStaging(self.home / "files")
        staging.put("a", b"content", "text/plain", CHECKSUMS)
        return staging.folder / "a"


FACES = {
    "settings": Writer.settings,
    "login": Writer.login,
    "hca_config": Writer.hca_config,
    "manifest": Writer.manifest,
    "output": Writer.output,
    "completion": Writer.completion,
    "specification": Writer.specification,
    "staging": Writer.staging,
}
PRIVATE = {"login", "hca_config"}
Face = Callable[[], Path]


@pytest.fixture
def writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, local_dss: LocalDSS) -> Writer:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / ".config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ".cache"))
    monkeypatch.setenv("DSS_CONFIG_FILE", str(tmp_path / "dss" / "config.toml"))
    monkeypatch.setattr("dss_client.auth.stored._keyring", lambda: None)
    return Writer(tmp_path, local_dss)


@pytest.fixture(params=FACES)
def face(request: pytest.FixtureRequest, writer: Writer) -> Face:
    def write() -> Path:
        return FACES[request.param](writer)

    return write


@contextmanager
def full_disk() -> Iterator[None]:
    """Let no file grow, as on a file system without room."""
    resource = pytest.importorskip("resource", reason="Windows has no such limit")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def empty(path: Path) -> None:
    path.write_bytes(b"{}" if path.suffix == ".json" else b"")


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_nothing_but_the_file_is_there_afterwards(face: Face) -> None:
    path = face()
    names = {entry.name for entry in path.parent.iterdir()}
    assert names <= {path.name, f"{path.name}.metadata.json"}
    assert path.read_bytes()


def test_a_full_disk_leaves_all_as_it_was(face: Face, tmp_path: Path) -> None:
    empty(face())
    before = tree(tmp_path)
    with full_disk(), pytest.raises((OSError, DSSError)):
        face()
    assert tree(tmp_path) == before


@pytest.mark.skipif(sys.platform == "win32", reason="Windows makes links for few users only")
def test_a_link_stays_one(face: Face, tmp_path: Path) -> None:
    link = face()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    target = link.rename(elsewhere / link.name)
    empty(target)
    link.symlink_to(target)
    face()
    assert link.is_symlink()
    assert len(target.read_bytes()) > len(b"{}")
    assert list(elsewhere.iterdir()) == [target]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
@pytest.mark.parametrize("name", sorted(FACES.keys() - PRIVATE))
def test_the_permissions_stay(name: str, writer: Writer) -> None:
    path = FACES[name](writer)
    path.chmod(0o640)
    empty(path)
    FACES[name](writer)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
@pytest.mark.parametrize("name", sorted(PRIVATE))
def test_what_holds_secrets_becomes_private(name: str, writer: Writer) -> None:
    path = FACES[name](writer)
    path.chmod(0o644)
    FACES[name](writer)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes")
def test_output_into_a_pipe_goes_through_it(tmp_path: Path, local_dss: LocalDSS) -> None:
    """As with ``--output >(jq .)``; ``--output /dev/null`` is of the same kind."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    words = ["get-bundles-all", "--replica", "aws", "--output", str(pipe)]
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(reader, "rb") as read:
        with pytest.raises(SystemExit) as ended:
            main(["--url", local_dss.url, "api", *words])
        page = json.loads(read.read())
    assert ended.value.code == 0
    assert page["object"] == "list"
    assert list(tmp_path.iterdir()) == [pipe]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_rows_that_fail_leave_the_manifest_as_it_was(writer: Writer) -> None:
    path = writer.manifest()
    before = tree(path.parent)
    rows = [ManifestRow.model_validate({**ROW, **more}) for more in ({}, {"extra": "column"})]
    with pytest.raises(ValueError, match="extra"):
        write_manifest(path, rows)
    assert tree(path.parent) == before


def test_a_subscription_that_cannot_be_stored_is_not_there(tmp_path: Path) -> None:
    with LocalDSS(tmp_path) as server, DSSClient(server.url, token=server.mint_token()) as dss:
        stored = tree(tmp_path)
        with full_disk(), pytest.raises(DSSError):
            dss.put_subscription(replica="aws", callback_url="http://127.0.0.1:9/")
        assert dss.get_subscriptions(replica="aws").subscriptions == []
        assert tree(tmp_path).keys() == stored.keys()


class Broken(Exception):
    """What fails while a file is written."""


@given(
    old=st.none() | st.binary(max_size=20),
    pieces=st.lists(st.binary(max_size=20), max_size=4),
    fails=st.booleans(),
    durable=st.booleans(),
    mode=st.sampled_from([None, 0o600, 0o640]),
    linked=st.booleans(),
)
def test_a_file_is_whole_or_as_it_was(
    old: bytes | None,
    pieces: list[bytes],
    fails: bool,
    durable: bool,
    mode: int | None,
    linked: bool,
) -> None:
    with TemporaryDirectory() as folder:
        path = file = Path(folder, "file")
        if linked:
            path = Path(folder, "link")
            path.symlink_to(file)
        if old is not None:
            write_file(file, old, mode=0o604)
        with suppress(Broken), replacing(path, mode=mode, durable=durable) as new:
            for piece in pieces:
                new.write(piece)
                assert not file.exists() if old is None else file.read_bytes() == old
            if fails:
                raise Broken
        if fails:
            assert not file.exists() if old is None else file.read_bytes() == old
        else:
            assert file.read_bytes() == b"".join(pieces)
            if mode is not None or old is not None:
                assert stat.S_IMODE(file.stat().st_mode) == (mode or 0o604)
        assert path.is_symlink() == linked
        expected = {path} if linked else set()
        expected |= {file} if file.exists() else set()
        assert set(Path(folder).iterdir()) == expected
