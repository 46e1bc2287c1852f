"""Where the client finds its deployment: argument, environment, config file, specification."""

import re
from pathlib import Path

import pytest

from dss_client import AsyncDSSClient, ConfigError, DSSClient
from dss_client.operations import DEFAULT_URL
from dss_client.settings import Settings, config_path, load_settings, save_url


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "dss" / "config.toml"
    path.parent.mkdir()
    monkeypatch.setenv("DSS_CONFIG_FILE", str(path))
    return path


def test_without_anything_there_are_no_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DSS_CONFIG_FILE")
    monkeypatch.setattr("platformdirs.user_config_path", lambda *_, **__: tmp_path)
    assert load_settings() == Settings()


def test_a_config_file_that_is_named_must_be_there(config: Path) -> None:
    with pytest.raises(ConfigError, match="which DSS_CONFIG_FILE names, does not exist"):
        load_settings()


def test_the_config_file_is_read(config: Path) -> None:
    config.write_text('# mine\nurl = "http://h/v1"\n')
    assert load_settings() == Settings(url="http://h/v1")


def test_an_empty_config_file_says_nothing(config: Path) -> None:
    config.write_text("")
    assert load_settings() == Settings()


def test_the_environment_wins_over_the_file(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text("this is not even TOML")
    monkeypatch.setenv("DSS_URL", "http://e/v1")
    assert load_settings() == Settings(url="http://e/v1")


def test_an_empty_variable_counts_as_absent(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text('url = "http://h/v1"')
    monkeypatch.setenv("DSS_URL", "")
    assert load_settings() == Settings(url="http://h/v1")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"url", "not TOML"),
        (b"url = 1", "key 'url'"),
        (b'urll = "http://h/v1"', "key 'urll'"),
        (b'url = "\xff"', "not UTF-8"),
        (b"url = " + b"[" * 5000, "nested too deeply"),
        (b'\xef\xbb\xbfurl = "http://h/v1"', "not TOML"),
    ],
)
def test_a_broken_config_file_is_named(content: bytes, message: str, config: Path) -> None:
    config.write_bytes(content)
    with pytest.raises(ConfigError, match=message) as caught:
        load_settings()
    assert str(config) in str(caught.value)
    if "key" not in message:
        with pytest.raises(ConfigError, match=re.escape(str(config))):
            save_url("http://h/v1")
        assert config.read_bytes() == content


def test_a_config_file_that_cannot_be_read_is_named(config: Path) -> None:
    config.mkdir()
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_settings()


def test_without_a_name_it_is_in_the_platforms_directory() -> None:
    path = config_path({})
    assert path.is_absolute()
    assert path.parts[-2:] == ("dss-client", "config.toml")


@pytest.mark.parametrize("kind", [DSSClient, AsyncDSSClient])
class TestClient:
    def test_the_specification_comes_last(
        self, kind: type[DSSClient | AsyncDSSClient], config: Path
    ) -> None:
        config.touch()
        assert kind().url == DEFAULT_URL

    def test_the_file_comes_before_it(
        self, kind: type[DSSClient | AsyncDSSClient], config: Path
    ) -> None:
        config.write_text('url = "http://file"')
        assert kind().url == "http://file/v1"

    def test_the_environment_comes_before_the_file(
        self,
        kind: type[DSSClient | AsyncDSSClient],
        config: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        config.write_text('url = "http://file"')
        monkeypatch.setenv("DSS_URL", "http://env")
        assert kind().url == "http://env/v1"

    def test_the_argument_comes_first(
        self,
        kind: type[DSSClient | AsyncDSSClient],
        config: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        config.write_text("this is not even TOML")
        monkeypatch.setenv("DSS_URL", "http://env")
        assert kind("http://argument").url == "http://argument/v1"

    def test_a_broken_file_is_an_error(
        self, kind: type[DSSClient | AsyncDSSClient], config: Path
    ) -> None:
        config.write_text("url")
        with pytest.raises(ConfigError):
            kind()
