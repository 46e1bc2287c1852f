"""A proxy, authorities and a certificate given to a client: for the API and storage alike."""

import hashlib
import json
import multiprocessing
import pickle
import ssl
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from attrs import frozen
from cryptography.hazmat.primitives import serialization

from dss_client import (
    AsyncDSSClient,
    DSSClient,
    DSSConnectionError,
    DSSError,
    InvalidArgument,
    RetryPolicy,
)
from dss_client.download import DownloadError
from tests.conftest import Origins
from tests.drive import Driver
from tests.origin import Origin, Reply, Script, Seen
from tests.proxy import ForwardProxy
from tests.test_network import make_certificate
from tests.test_processes import FILE_HEADERS

UUID = "00000000-0000-4000-8000-000000000001"
ID = {"uuid": UUID, "replica": "aws"}
VERSION = "2019-01-01T000000.000000Z"
CONTENT = bytes(range(256)) * 64
PATIENT = {"retries": RetryPolicy(initial_delay=1000)}  # a test that retries does not end
SPAWN = multiprocessing.get_context("spawn")
FILE = {
    "content-type": "text/plain",
    "crc32c": "00000000",
    "indexed": False,
    "name": "a.txt",
    "s3_etag": "x",
    "sha1": "0" * 40,
    "sha256": hashlib.sha256(CONTENT).hexdigest(),
    "size": len(CONTENT),
    "uuid": UUID,
    "version": VERSION,
}
BUNDLE = {"uuid": UUID, "version": VERSION, "creator_uid": 1, "files": [FILE]}


def api_script(storage: str) -> Script:
    """Return an API of one bundle whose content is in `storage`."""

    def answer(seen: Seen) -> Reply:
        if "/bundles/" in seen.target:
            return Reply(body=json.dumps({"bundle": BUNDLE}).encode())
        return Reply(302, {"Location": f"{storage}/content?Signature=c0ffee"})

    return answer


@frozen
class Service:
    """An API and its storage, over TLS."""

    api: Origin
    storage: Origin


Services = Callable[..., Service]
Download = Callable[..., Any]


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a certificate with its key: of the servers, of their authority, and of clients."""
    return make_certificate(tmp_path_factory.mktemp("tls") / "both.pem")


@pytest.fixture
def services(pem: Path) -> Iterator[Services]:
    with ExitStack() as running:

        def start(
            *,
            clients: bool = False,
            version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
            contents: str | None = None,
        ) -> Service:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.maximum_version = version
            context.load_cert_chain(pem)
            if clients:
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(pem)
            storage = running.enter_context(Origin(Reply(body=CONTENT), tls=context))
            script = api_script(contents or storage.url)
            return Service(running.enter_context(Origin(script=script, tls=context)), storage)

        yield start


@pytest.fixture
def proxy() -> Iterator[ForwardProxy]:
    with ForwardProxy() as running:
        yield running


@pytest.fixture
def download(drive: Driver, tmp_path: Path) -> Download:
    """Return what downloads the bundle with a client of the given options."""

    def get(url: str, options: Mapping[str, Any], **further: Any) -> Any:
        return drive(url=f"{url}/v1", options={"retries": 0, **options}).call(
            "download", bundle_uuid=UUID, replica="aws", download_dir=tmp_path, **further
        )

    return get


class TestProxies:
    @pytest.fixture
    def storage(self, origins: Origins) -> Origin:
        return origins(Reply(body=CONTENT))

    @pytest.fixture
    def api(self, origins: Origins, storage: Origin) -> Origin:
        return origins(script=api_script(storage.url))

    def test_api_and_storage_of_this_machine_go_through_it(
        self, download: Download, api: Origin, storage: Origin, proxy: ForwardProxy
    ) -> None:
        assert download(api.url, {"proxy": proxy.netloc}).ok
        assert proxy.hosts == {urlsplit(each.url).netloc for each in (api, storage)}
        assert len(proxy.asked) == len(api.seen) + len(storage.seen)

    def test_it_goes_to_the_processes_of_an_executor(
        self, download: Download, api: Origin, storage: Origin, proxy: ForwardProxy
    ) -> None:
        with ProcessPoolExecutor(1, SPAWN) as executor:
            assert download(api.url, {"proxy": proxy.url}, executor=executor).ok
        assert len(proxy.asked) == len(api.seen) + len(storage.seen)

    def test_pickled_clients_and_siblings_keep_it(self, api: Origin, proxy: ForwardProxy) -> None:
        with DSSClient(f"{api.url}/v1", proxy=proxy.url) as dss:
            dss.with_options(retries=1).get_bundle(uuid=UUID, replica="aws")
            with pickle.loads(pickle.dumps(dss)) as copy:
                copy.get_bundle(uuid=UUID, replica="aws")
        assert len(proxy.asked) == 2

    def test_https_goes_through_it_unseen(
        self, download: Download, services: Services, pem: Path
    ) -> None:
        service = services(contents="https://storage.example")
        places = {
            "dss.example:443": urlsplit(service.api.url).netloc,
            "storage.example:443": urlsplit(service.storage.url).netloc,
        }
        with ForwardProxy(places) as proxy:
            options = {"proxy": f"http://user:pa55@{proxy.netloc}", "ca_file": pem}
            assert download("https://dss.example", options).ok
        assert set(proxy.asked) == {("CONNECT", place) for place in places}
        assert set(proxy.logins) == {"Basic dXNlcjpwYTU1"}

    def test_the_environment_is_not_asked(
        self, api: Origin, drive: Driver, proxy: ForwardProxy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("http_proxy", "nonsense:0")
        monkeypatch.setenv("no_proxy", "*")
        drive(url=api.url, options={"proxy": proxy.url}).call("get_bundle", **ID)
        assert len(proxy.asked) == 1

    @pytest.mark.parametrize(
        ("value", "shown"),
        [
            ("", "''"),
            ("http://u:pa55@[::1", "'http://[::1'"),
            ("u:p/pa55@h:0", "'h:0'"),
            ("ftp://u:pa55@h:1", "'ftp://h:1'"),
        ],
    )
    def test_one_that_is_not_a_url_is_refused_at_once(self, value: str, shown: str) -> None:
        for kind in (DSSClient, AsyncDSSClient):
            with pytest.raises(InvalidArgument) as caught:
                kind("http://dss.example", proxy=value)
            assert f"proxy={shown} is not a valid proxy: expected http://" in str(caught.value)
            assert "pa55" not in str(caught.value)

    def test_one_that_is_not_there(self, drive: Driver) -> None:
        options = {"proxy": "http://u:pa55@127.0.0.1:9", "retries": 0}
        with pytest.raises(DSSConnectionError) as caught:
            drive(url="http://dss.example/v1", options=options).call("get_bundle", **ID)
        assert "the proxy http://127.0.0.1:9 of the argument proxy=" in str(caught.value)

    def test_one_of_socks_needs_an_extra(self, drive: Driver) -> None:
        options = {"proxy": "socks5://u:pa55@h:1"}
        with pytest.raises(DSSConnectionError, match=r"proxy= needs .* 'httpx\[socks\]'$"):
            drive(url="http://dss.example/v1", options=options).call("get_bundle", **ID)

    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_one_that_wants_a_login(self, scheme: str, drive: Driver) -> None:
        with ForwardProxy(refuse=407) as proxy:
            client = drive(url=f"{scheme}://dss.example", options={"proxy": proxy.url, **PATIENT})
            with pytest.raises(DSSError) as caught:
                client.call("get_bundle", **ID)
        assert f"It was the proxy {proxy.url} of the argument proxy= that" in str(caught.value)
        assert "it wants a login" in str(caught.value)
        assert len(proxy.asked) == 1


class TestAuthorities:
    def test_they_hold_for_api_and_storage_before_those_of_the_environment(
        self, download: Download, services: Services, pem: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", "/nope")
        assert download(services().api.url, {"ca_file": str(pem)}).ok

    def test_a_relative_path_goes_to_other_directories(
        self,
        download: Download,
        services: Services,
        pem: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.chdir(pem.parent)
        with DSSClient(services().api.url, ca_file=pem.name, client_certificate=pem.name) as dss:
            monkeypatch.chdir(tmp_path)
            assert dss.get_bundle(uuid=UUID, replica="aws").bundle.uuid == UUID

    @pytest.mark.parametrize("name", ["nothing", "", "garbage"])
    def test_what_cannot_be_read_is_named_when_it_is_needed(
        self, name: str, drive: Driver, tmp_path: Path, origins: Origins
    ) -> None:
        (tmp_path / "garbage").write_text("certificate", encoding="utf-8")
        path = tmp_path / name
        plain = origins(script=api_script("http://unused"))
        drive(url=plain.url, options={"ca_file": path}).call("get_bundle", **ID)
        options = {"ca_file": path, **PATIENT}
        with pytest.raises(DSSConnectionError, match=r"in PEM format$") as caught:
            drive(url="https://127.0.0.1:9", options=options).call("get_bundle", **ID)
        assert f"ca_file={str(path)!r} cannot be read" in str(caught.value)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
class TestClientCertificates:
    @pytest.mark.parametrize("pair", [False, True])
    def test_servers_that_want_one_get_it(
        self,
        pair: bool,
        version: ssl.TLSVersion,
        download: Download,
        services: Services,
        pem: Path,
    ) -> None:
        service = services(clients=True, version=version)
        options = {"ca_file": pem, "client_certificate": (pem, str(pem)) if pair else pem}
        assert download(service.api.url, options).ok

    @pytest.mark.parametrize("given", [False, True])
    def test_a_refusal_says_what_to_do(
        self,
        given: bool,
        version: ssl.TLSVersion,
        drive: Driver,
        services: Services,
        pem: Path,
        tmp_path: Path,
    ) -> None:
        options: dict[str, Any] = {"ca_file": pem, **PATIENT}
        if given:
            options["client_certificate"] = make_certificate(tmp_path / "stranger.pem")
        url = services(clients=True, version=version).api.url
        with pytest.raises(DSSConnectionError, match=r"as client_certificate=$"):
            drive(url=url, options=options).call("get_bundle", **ID)

    def test_so_does_that_of_storage(
        self,
        version: ssl.TLSVersion,
        drive: Driver,
        services: Services,
        origins: Origins,
        pem: Path,
    ) -> None:
        storage = services(clients=True, version=version).storage
        api = origins(Reply(302, {"Location": storage.url, **FILE_HEADERS}))
        with pytest.raises(DSSConnectionError, match=r"as client_certificate=$"):
            drive(url=api.url, options={"ca_file": pem, **PATIENT}).call("get_file.stream", **ID)


class TestCertificateFiles:
    @pytest.mark.parametrize("kind", ["nothing", "garbage", "encrypted", "other"])
    def test_those_that_cannot_be_used_are_named(
        self, kind: str, drive: Driver, pem: Path, tmp_path: Path
    ) -> None:
        path = tmp_path / "key.pem"
        if kind == "garbage":
            path.write_text("key", encoding="utf-8")
        elif kind == "encrypted":
            key = serialization.load_pem_private_key(pem.read_bytes(), None)
            encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
            lock = serialization.BestAvailableEncryption(b"pa55")
            path.write_bytes(key.private_bytes(encoding, form, lock))
        elif kind == "other":
            make_certificate(path)
        with pytest.raises(DSSConnectionError) as caught:
            drive(url="https://127.0.0.1:9", options={"client_certificate": (pem, path)}).call(
                "get_bundle", **ID
            )
        said = str(caught.value)
        assert f"client_certificate={(str(pem), str(path))!r} cannot be used" in said
        assert "name a PEM file with" in said
        assert ("the key is encrypted" in said) == (kind == "encrypted")


def test_storage_is_told_who_asks(drive: Driver, origins: Origins) -> None:
    storage = origins(Reply(body=CONTENT))
    api = origins(Reply(302, {"Location": storage.url, **FILE_HEADERS}))
    drive(url=api.url).call("get_file.stream", **ID)
    assert storage.seen[0].headers["user-agent"] == api.seen[0].headers["user-agent"]
    assert storage.seen[0].headers["user-agent"].startswith("dss-client")


@pytest.mark.parametrize(
    "replies",
    [
        [Reply(302, {"Location": "http://127.0.0.1:9/content"})],
        [Reply(302, {"Location": "/stored"}), Reply(302, {"Location": "http://127.0.0.1:9/x"})],
    ],
    ids=["the portal", "its storage"],
)
def test_the_url_of_a_manifest_never_leads_from_https_to_http(
    pem: Path, tmp_path: Path, replies: list[Reply]
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    described = ("name", "uuid", "version", "sha256", "size")
    row = {f"file_{each}": str(FILE[each]) for each in described}
    with (
        Origin(*replies, tls=context) as portal,
        DSSClient("http://127.0.0.1:9/v1", ca_file=pem, retries=0) as dss,
    ):
        row["u"] = f"{portal.url}/file"
        with pytest.raises(DownloadError, match="302"):
            dss.download_manifest(manifest=[row], urls="u", download_dir=tmp_path)
    assert len(portal.seen) == len(replies)
