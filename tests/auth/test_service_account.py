"""Service accounts make their own tokens (docs/behaviour.md 14.7)."""

import itertools
import json
import sys
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from dss_client import Forbidden, LoginError, Unauthorized
from dss_client.auth.service_account import ServiceAccount
from dss_client.local import LocalDSS, LocalSettings
from tests.conftest import Origins
from tests.drive import Driver
from tests.origin import Reply

ROBOT = "robot@project.example.org"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
JWKS = {"keys": [{**RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True), "kid": "first"}]}


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "account.json"
    key = {"client_email": ROBOT, "private_key": PEM, "private_key_id": "first", "type": "x"}
    path.write_text(json.dumps(key))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    return path


def test_the_service_takes_its_tokens(file: Path, tmp_path: Path, drive: Driver) -> None:
    settings = LocalSettings(trusted_issuers={ROBOT: JWKS})
    with LocalDSS(tmp_path / "root", settings=settings) as dss:
        assert drive(url=dss.url).call("get_collections").collections == []
        found = drive(url=dss.url).call("credential")
    assert (found.origin, found.email, found.group) == ("service account", ROBOT, "hca")


def test_tokens_are_as_the_reference_client_makes_them(file: Path) -> None:
    token = ServiceAccount(str(file)).token()
    assert jwt.get_unverified_header(token) == {"alg": "RS256", "kid": "first", "typ": "JWT"}
    audience = "https://dev.data.humancellatlas.org/"
    claims = jwt.decode(token, KEY.public_key(), algorithms=["RS256"], audience=audience)
    assert claims["exp"] - claims["iat"] == 3600
    assert (claims["iss"], claims["sub"], claims["email"]) == (ROBOT, ROBOT, ROBOT)
    assert claims["scope"] == ["email", "openid", "offline_access"]


def test_the_audience_can_be_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dss_client.auth.sources import find_token_source

    monkeypatch.setenv("DSS_TOKEN_AUDIENCE", "https://mine.example/")
    source = find_token_source("http://h/v1")
    assert source is not None
    claims: dict[str, Any] = jwt.decode(source.token(), options={"verify_signature": False})
    assert claims["aud"] == "https://mine.example/"


def test_one_is_used_until_it_is_nearly_over(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    account = ServiceAccount(str(file))
    now = time.time()
    first = account.token()
    monkeypatch.setattr(time, "time", lambda: now + 3500)
    assert account.token() == first
    monkeypatch.setattr(time, "time", lambda: now + 3570)
    assert account.token() != first


def test_one_that_is_not_trusted_is_forbidden(file: Path, tmp_path: Path, drive: Driver) -> None:
    with LocalDSS(tmp_path / "root") as dss, pytest.raises(Forbidden):
        drive(url=dss.url).call("get_collections")


def test_a_refused_one_is_made_anew_once(
    file: Path, origins: Origins, drive: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = itertools.count(int(time.time()), 2)
    monkeypatch.setattr(time, "time", lambda: float(next(times)))
    origin = origins(Reply(401), Reply(401))
    with pytest.raises(Unauthorized):
        drive(url=f"{origin.url}/v1").call("get_collections")
    assert len({seen.headers["authorization"] for seen in origin.seen}) == 2


def test_a_given_token_goes_first(file: Path, tmp_path: Path, drive: Driver) -> None:
    with LocalDSS(tmp_path / "root") as dss:
        given = drive(url=dss.url, options={"token": dss.mint_token()})
        assert given.call("get_collections").collections == []
        assert given.call("credential").origin == "token argument"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not a valid service account key: it: Invalid JSON"),
        ('{"client_email": "a", "private_key_id": "b"}', "private_key: Field required"),
        ("null", "is not a valid service account key"),
    ],
)
def test_a_file_that_is_none_is_told(file: Path, drive: Driver, text: str, said: str) -> None:
    file.write_text(text)
    with pytest.raises(LoginError, match=said) as caught:
        drive(url="http://127.0.0.1:1/v1").call("get_collections")
    assert str(file) in str(caught.value)


def test_one_that_is_not_there_is_told(file: Path, drive: Driver) -> None:
    file.unlink()
    with pytest.raises(LoginError, match="which GOOGLE_APPLICATION_CREDENTIALS names, cannot be"):
        drive(url="http://127.0.0.1:1/v1").call("get_collections")


def test_so_is_an_invalid_key(file: Path) -> None:
    document = json.loads(file.read_text())
    file.write_text(json.dumps({**document, "private_key": "s3cret"}))
    with pytest.raises(LoginError, match="is not a valid RSA key") as caught:
        ServiceAccount(str(file)).token()
    assert "s3cret" not in str(caught.value) + repr(caught.value.__cause__)


def test_pyjwt_is_an_extra(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jwt", None)
    with pytest.raises(LoginError, match=r"pip install 'dss-client\[auth\]'"):
        ServiceAccount(str(file)).token()


def test_open_operations_need_none(file: Path, tmp_path: Path, drive: Driver) -> None:
    file.write_text("{")
    with LocalDSS(tmp_path / "root", sample=True) as dss:
        assert drive(url=dss.url).call("get_bundles_all", replica="aws").bundles
    with LocalDSS(tmp_path / "empty") as dss, pytest.raises((LoginError, Unauthorized)):
        drive(url=dss.url).call("get_collections")
