"""The reference client's configuration is read, and never written (docs/behaviour.md 14.8)."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dss_client import AsyncDSSClient, ConfigError, DSSClient, Unauthorized, hca
from dss_client.auth.hca_config import HCAFiles, read_hca_config
from dss_client.local import LocalDSS
from dss_client.operations import DEFAULT_URL
from tests.cli.conftest import Run, run
from tests.drive import Driver

__all__ = ["run"]

TOKEN = {"access_token": "t0ken", "expires_at": "-1", "token_type": "Bearer"}


@pytest.fixture
def config(config_folder: Path) -> Path:
    path = config_folder / "hca" / "config.json"
    path.parent.mkdir()
    return path


def write(path: Path, **document: Any) -> None:
    path.write_text(json.dumps(document))


def test_its_deployment_is_the_last_resort(config: Path, config_folder: Path) -> None:
    assert DSSClient().url == DEFAULT_URL
    write(config, DSSClient={"swagger_url": "http://127.0.0.1:1/v1/swagger.json"})
    with DSSClient() as dss:
        assert dss.url == "http://127.0.0.1:1/v1"
    (config_folder / "config.toml").write_text('url = "http://127.0.0.1:2/v1"\n')
    with DSSClient() as dss:
        assert dss.url == "http://127.0.0.1:2/v1"


def test_later_files_go_over_earlier_ones(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(config, DSSClient={"swagger_url": "http://a/v1/swagger.json"}, oauth2_token=TOKEN)
    other = tmp_path / "other.json"
    write(other, DSSClient={"swagger_url": "http://b/v1/swagger.json"})
    monkeypatch.setenv("HCA_CONFIG_FILE", f"{tmp_path / 'none'}:{other}")
    found = read_hca_config()
    assert found.deployment == "http://b/v1"
    assert found.login is not None
    assert found.login.access_token == "t0ken"


DAMAGED = {
    "empty": b"",
    "cut off": b'{"DSSClient": {"swagger_url": "http://h/v1/sw',
    "no object": b"[]",
    "not UTF-8": b"\xff",
    "with a BOM": b'\xef\xbb\xbf{"DSSClient": {"swagger_url": "http://h/v1/swagger.json"}}',
    "deep": b'{"x": ' * 300 + b"1" + b"}" * 300,
    "very deep": b"[" * 200_000,
    "a long number": b"9" * 5000,
}
WRONG = {
    "a section": b'{"DSSClient": 1}',
    "a URL": b'{"DSSClient": {"swagger_url": 1}}',
    "a token": b'{"oauth2_token": []}',
    "secrets": b'{"application_secrets": "x"}',
}


@pytest.mark.parametrize("text", [*DAMAGED.values(), *WRONG.values()], ids=[*DAMAGED, *WRONG])
def test_a_damaged_file_is_named(
    config: Path, text: bytes, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_bytes(text)
    for make in (DSSClient, AsyncDSSClient, hca.DSSClient):
        hca.get_config.cache_clear()
        with pytest.raises(ConfigError, match=f"^{re.escape(str(config))}.*correct or remove it$"):
            make()
    shown = run("config")
    assert (shown.status, shown.out) == (1, "")
    assert str(config) in shown.err
    assert "Traceback" not in shown.err
    monkeypatch.setenv("DSS_URL", "http://h/v1")  # nobody has to look there
    with DSSClient() as dss:
        assert dss.url == "http://h/v1"


def test_a_file_that_nobody_may_read_is_named(config: Path) -> None:
    config.mkdir()
    for make in (DSSClient, hca.DSSClient):
        hca.get_config.cache_clear()
        with pytest.raises(ConfigError, match=f"^{re.escape(str(config))} cannot be read: "):
            make()


def test_keys_of_no_value_say_nothing(
    config: Path, config_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text('{"DSSClient": null, "oauth2_token": {"access_token": ""}}')
    monkeypatch.setenv("HCA_CONFIG_FILE", f":{config_folder / 'absent.json'}:")
    assert read_hca_config() == HCAFiles()


@pytest.mark.parametrize(
    ("given", "read"),
    [
        *[(odd, None) for odd in ("-1", -1, "x", None, True, "1e400")],
        *[(time, 1.5e9) for time in (1.5e9, "1500000000", 1_500_000_000)],
    ],
)
def test_c12_an_invalid_end_is_not_known(config: Path, given: object, read: object) -> None:
    write(config, oauth2_token={**TOKEN, "expires_at": given})
    login = read_hca_config().login
    assert login is not None
    assert login.expires_at == read


@given(st.recursive(st.none() | st.booleans() | st.text(), lambda x: st.dictionaries(st.text(), x)))
def test_any_document_can_be_read(document: object) -> None:
    from dss_client.auth.hca_config import _login, _object

    if isinstance(document, dict):
        _login(_object(document, "oauth2_token"), document)


def test_c12_its_token_is_sent_to_its_own_deployment(
    config: Path, tmp_path: Path, drive: Driver
) -> None:
    with LocalDSS(tmp_path / "root") as dss:
        token = {**TOKEN, "access_token": dss.mint_token()}
        write(config, DSSClient={"swagger_url": f"{dss.url}/swagger.json"}, oauth2_token=token)
        before = config.read_bytes()
        assert drive(url=None).call("get_collections").collections == []
        assert drive(url=None).call("credential").origin == "configuration of hca"
        assert drive(url=None).call("logout") == []
        assert config.read_bytes() == before


def test_and_to_no_other(config: Path, tmp_path: Path, drive: Driver) -> None:
    with LocalDSS(tmp_path / "root") as dss:
        token = {**TOKEN, "access_token": dss.mint_token()}
        write(config, DSSClient={"swagger_url": "http://h/v1/swagger.json"}, oauth2_token=token)
        with pytest.raises(Unauthorized):
            drive(url=dss.url).call("get_collections")
