"""Proxies, certificates, redirects: what is not needed does no harm, errors name the rest."""

import datetime as dt
import ipaddress
import json
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dss_client import DSSClient, DSSConnectionError, DSSError, DSSResponseError, RetryPolicy
from dss_client.cli import main
from dss_client.local import LocalDSS
from tests.conftest import Origins
from tests.drive import Driver
from tests.origin import Origin, Reply

BROKEN = {
    "SSL_CERT_FILE": "/nope",
    "SSL_CERT_DIR": "/nope",
    "REQUESTS_CA_BUNDLE": "/nope",
    "NO_PROXY": "fe11::/16",
    "ALL_PROXY": "socks5://x:1",
    "HTTPS_PROXY": "http://[::1",
    "http_proxy": "nonsense:0",
}
PATIENT = {"retries": RetryPolicy(initial_delay=1000)}  # a test that retries does not end
ID = {"uuid": "00000000-0000-4000-8000-000000000001", "replica": "aws"}
Ask = Callable[[str], Any]


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {*BROKEN, "CURL_CA_BUNDLE", "HTTP_PROXY", "https_proxy", "all_proxy", "no_proxy"}
    for name in names:
        monkeypatch.delenv(name, raising=False)


class TestWhatIsNotNeeded:
    @pytest.fixture(params=[*((name,) for name in BROKEN), tuple(BROKEN)], ids="-".join)
    def _broken(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in request.param:
            monkeypatch.setenv(name, BROKEN[name])

    @pytest.mark.usefixtures("_broken")
    def test_clients_and_downloads(
        self, local_dss: LocalDSS, drive: Driver, tmp_path: Path
    ) -> None:
        client = drive(url=local_dss.url)
        (bundle, *_) = client.call("get_bundles_all", replica="aws").bundles
        report = client.call(
            "download", bundle_uuid=bundle.uuid, replica="aws", download_dir=tmp_path
        )
        assert report.ok

    @pytest.mark.usefixtures("_broken")
    def test_commands(self, local_dss: LocalDSS) -> None:
        with pytest.raises(SystemExit) as ended:
            main(["--url", local_dss.url, "api", "get-bundles-all", "--replica", "aws"])
        assert ended.value.code == 0


def make_certificate(path: Path) -> Path:
    """Write a certificate of 127.0.0.1 and example hosts that vouches for itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "dss.example")])
    now = dt.datetime.now(dt.UTC)
    names = x509.SubjectAlternativeName(
        [
            x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
            *map(x509.DNSName, ("dss.example", "storage.example")),
        ]
    )
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    kind, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(certificate.public_bytes(pem) + key.private_bytes(pem, kind, plain))
    return path


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a certificate that vouches for itself, with its key."""
    return make_certificate(tmp_path_factory.mktemp("tls") / "both.pem")


@pytest.fixture
def https(authority: Path) -> Iterator[str]:
    """Return the URL of a server that answers 418 over TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority)
    with Origin(Reply(418), tls=context) as origin:
        yield origin.url


class TestWhatIsNeeded:
    @pytest.fixture(params=["api", "storage"])
    def ask(self, request: pytest.FixtureRequest, drive: Driver) -> Ask:
        """Return what asks a URL's host, once for the API and once for a content."""

        def api(url: str) -> Any:
            return drive(url=f"{url}/v1", options=PATIENT).call("get_bundle", **ID)

        def storage(url: str) -> Any:
            query = "X-Amz-Signature=c0ffee"
            with DSSClient(url) as dss, dss._transport.open_storage(f"{url}/x?{query}"):
                pass

        return api if request.param == "api" else storage

    @pytest.mark.parametrize(
        ("variable", "value", "shown"),
        [
            ("SSL_CERT_FILE", "/nope", "'/nope' does not exist"),
            ("SSL_CERT_DIR", "/nope:/nowhere", "'/nope:/nowhere' does not exist"),
            ("SSL_CERT_FILE", __file__, "in PEM format"),
            ("REQUESTS_CA_BUNDLE", "/dev/null", "in PEM format"),
            ("CURL_CA_BUNDLE", "/nope", "'/nope' does not exist"),
            ("HTTPS_PROXY", "http://u:pa55@[::1", "'http://[::1' is not a valid proxy"),
            ("HTTPS_PROXY", "u:pa55@[::1", "'[::1' is not a valid proxy"),
            ("HTTPS_PROXY", "http://u:p/pa55@h:1", "'http://h:1' is not a valid proxy"),
            ("https_proxy", "ftp://h:1", "'ftp://h:1' is not a valid proxy"),
            ("https_proxy", ":8080", "':8080' is not a valid proxy"),
            ("https_proxy", "http://h:99999", "'http://h:99999' is not a valid proxy"),
            ("https_proxy", "http://ü..h:1", "cannot be used"),
            ("ALL_PROXY", "socks5://u:pa55@h:1", "the proxy socks5://h:1 of ALL_PROXY"),
        ],
    )
    def test_a_setting_that_cannot_be_used_is_named_at_once(
        self, variable: str, value: str, shown: str, ask: Ask, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(variable, value)
        with pytest.raises(DSSConnectionError) as caught:
            ask("https://dss.example")
        assert variable in str(caught.value)
        assert shown in str(caught.value)
        assert "pa55" not in str(caught.value)

    def test_a_proxy_that_wants_a_login(
        self, ask: Ask, origins: Origins, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        proxy = origins(Reply(407, body=b"who are you?"))
        monkeypatch.setenv("http_proxy", proxy.url.replace("//", "//u:pa55@"))
        with pytest.raises(DSSResponseError) as caught:
            ask("http://dss.example")
        assert f"It was the proxy {proxy.url} of http_proxy that refused" in str(caught.value)

    def test_a_certificate_that_nobody_vouches_for(self, ask: Ask, https: str) -> None:
        with pytest.raises(DSSConnectionError, match="REQUESTS_CA_BUNDLE"):
            ask(https)

    @pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
    def test_until_its_authority_is_named(
        self, variable: str, ask: Ask, https: str, authority: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(variable, str(authority))
        with pytest.raises(DSSResponseError, match="418"):
            ask(https)


def test_a_proxy_that_is_not_there(drive: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://u:pa55@127.0.0.1:9")
    with pytest.raises(DSSConnectionError) as caught:
        drive(url="http://dss.example/v1").call("get_bundle", **ID)
    assert "through the proxy http://127.0.0.1:9 of http_proxy" in str(caught.value)


class TestRedirects:
    @pytest.mark.parametrize(
        ("name", "arguments", "location", "reason"),
        [
            (
                "post_search",
                {"es_query": {}, "replica": "aws"},
                "http://x.example/y?Signature=c0ffee",
                "only GET and HEAD are sent elsewhere",
            ),
            ("get_bundle", ID, "ftp://x.example/y?Signature=c0ffee", "only http and https"),
        ],
    )
    def test_one_that_is_not_followed(
        self,
        name: str,
        arguments: dict[str, Any],
        location: str,
        reason: str,
        drive: Driver,
        origins: Origins,
    ) -> None:
        api = origins(Reply(302, {"Location": location}))
        with pytest.raises(DSSResponseError) as caught:
            drive(url=api.url).call(name, **arguments)
        assert f"{location.partition('?')[0]}?<redacted> was not followed" in str(caught.value)
        assert reason in str(caught.value)

    def test_another_host_that_wants_the_token(self, drive: Driver, origins: Origins) -> None:
        other = origins(Reply(401, body=json.dumps({"title": "who?"}).encode()))
        api = origins(Reply(302, {"Location": f"{other.url}/v2?Signature=c0ffee"}))
        with pytest.raises(DSSError) as caught:
            drive(url=api.url, options={"token": "t0ken"}).call("get_collections")
        assert f"{other.url}/v2" in str(caught.value)
        assert f"{api.url}/v1 redirected here, and no token is sent" in str(caught.value)
        assert "c0ffee" not in str(caught.value)
        assert "authorization" not in other.seen[0].headers


class TestNames:
    """Hosts that no name server can be asked for."""

    @pytest.mark.parametrize("host", ["a..example", f"{'x' * 70}.example"])
    def test_of_a_deployment(self, host: str, drive: Driver) -> None:
        with pytest.raises(DSSConnectionError, match=rf"GET http://{host}/v1/bundles/"):
            drive(url=f"http://{host}/v1", options={"retries": 0}).call("get_bundle", **ID)

    def test_of_a_redirect(self, drive: Driver, origins: Origins) -> None:
        api = origins(Reply(302, {"Location": "http://a..example/x"}))
        with pytest.raises(DSSConnectionError, match=r"GET http://a\.\.example/x"):
            drive(url=api.url, options={"retries": 0}).call("get_file", **ID)

    def test_of_a_proxy(self, drive: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("http_proxy", "http://a..example:3128")
        with pytest.raises(DSSConnectionError, match=r"a\.\.example:3128 of http_proxy"):
            drive(url="http://dss.example/v1", options={"retries": 0}).call("get_bundle", **ID)

    def test_no_proxy_may_name_a_port(self, drive: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("http_proxy", "http://proxy..example:3128")
        monkeypatch.setenv("no_proxy", "dss..example:8010")
        with pytest.raises(DSSConnectionError) as caught:
            drive(url="http://dss..example:8010/v1", options={"retries": 0}).call(
                "get_bundle", **ID
            )
        assert "proxy" not in str(caught.value)
