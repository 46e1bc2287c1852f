"""The configuration: layers of files, changes by programs, and saving when it is asked for."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dss_client.hca import HCAConfig, get_config
from dss_client.hca.config import _apply, _merge
from dss_client.settings import ConfigError


def write(path: Path, document: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_without_files_there_are_defaults() -> None:
    config = HCAConfig(save_on_exit=False)
    assert config.DSSClient.swagger_url == "https://dss.data.humancellatlas.org/v1/swagger.json"
    assert config["log_level"] == "INFO"
    assert set(config) == {"log_level", "DSSClient", "AuthClient"}
    assert len(config) == 3


def test_values_are_attributes_and_items() -> None:
    config = HCAConfig()
    config["DSSClient"].swagger_url = "http://h/v1/swagger.json"
    config.more = {"deep": {"er": 1}}
    assert config.DSSClient["swagger_url"] == "http://h/v1/swagger.json"
    assert config.more.deep.er == 1
    del config.more["deep"]
    assert config.more == {}
    for name in ("nothing", "_private"):
        with pytest.raises(AttributeError, match=f"says nothing of '{name}'"):
            getattr(config, name)
    with pytest.raises(KeyError):
        config["nothing"]


def test_later_files_are_laid_over_earlier_ones(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(home / "hca" / "config.json", {"DSSClient": {"swagger_url": "a", "kept": 1}, "x": 1})
    one = write(tmp_path / "one.json", {"DSSClient": {"swagger_url": "b"}, "x": {"now": 2}})
    two = write(tmp_path / "two.json", {"DSSClient": {"swagger_url": "c"}})
    files = [one, two, tmp_path / "absent.json"]
    monkeypatch.setenv("HCA_CONFIG_FILE", os.pathsep.join(map(str, files)))
    config = HCAConfig()
    assert config.DSSClient.to_dict() == {"swagger_url": "c", "kept": 1}
    assert config.x.now == 2
    assert config.config_files == [
        "/etc/hca/config.json",
        str(home / "hca" / "config.json"),
        *map(str, files),
    ]
    assert config.user_config_dir == str(home / "hca")


def test_without_xdg_the_file_is_below_the_home_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME")
    assert HCAConfig().user_config_dir == str(Path.home() / ".config" / "hca")


@pytest.mark.parametrize(
    ("change", "result"),
    [
        ({"$append": 9}, [1, 2, 9]),
        ({"$extend": [8, 9]}, [1, 2, 8, 9]),
        ({"$extendleft": [8, 9]}, [8, 9, 1, 2]),
        ({"$insert": {"1": 9}}, [1, 9, 2]),
        ({"$remove": 1}, [2]),
        ({"$remove": 7}, [1, 2]),
        ({"$insert": [1]}, [1, 2]),
        ({"$insert": {"x": 9}}, [1, 2]),
        ({"$extend": 1}, [1, 2]),
        ([3], [3]),
    ],
)
def test_lists_can_be_changed_by_later_files(change: object, result: list[int]) -> None:
    values: dict[str, Any] = {"list": [1, 2]}
    _merge(values, {"list": change})
    assert values == {"list": result}


def test_a_change_of_no_list_is_left_out() -> None:
    values: dict[str, Any] = {"list": {"x": 1}}
    _merge(values, {"list": {"$append": 1}, "absent": {"$append": 1}})
    assert values == {"list": {"x": 1}}


def test_c16_nothing_is_written_at_exit(home: Path, tmp_path: Path) -> None:
    code = """
from dss_client.hca import HCAConfig
config = HCAConfig(save_on_exit=True)
config.DSSClient.swagger_url = "http://h/v1/swagger.json"
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    assert not (home / "hca").exists()


def test_c16_only_what_was_changed_is_saved(home: Path) -> None:
    path = write(home / "hca" / "config.json", {"DSSClient": {"kept": 1}, "old": 1, "list": [1]})
    config = HCAConfig()
    config.DSSClient.swagger_url = "http://h/v1/swagger.json"
    config.list = [2]
    config.new = {"deep": {"er": 1}}
    del config["old"]
    config.save()
    assert json.loads(path.read_text(encoding="utf-8")) == {
        "DSSClient": {"kept": 1, "swagger_url": "http://h/v1/swagger.json"},
        "list": [2],
        "new": {"deep": {"er": 1}},
    }
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]
    assert HCAConfig().to_dict() == config.to_dict()


def test_the_last_file_is_the_one_that_is_saved(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = write(home / "hca" / "config.json", {"oauth2_token": {"access_token": "s3cret"}})
    named = tmp_path / "deep" / "named.json"
    monkeypatch.setenv("HCA_CONFIG_FILE", str(named))
    before = mine.read_bytes()
    config = HCAConfig()
    config.DSSClient.swagger_url = "x"
    config.save(mode=0o640)
    assert mine.read_bytes() == before
    assert json.loads(named.read_text(encoding="utf-8")) == {"DSSClient": {"swagger_url": "x"}}
    assert stat.S_IMODE(named.stat().st_mode) == 0o640


def test_a_file_that_holds_something_else_is_not_overwritten(home: Path) -> None:
    config = HCAConfig()
    config.log_level = "DEBUG"
    path = write(home / "hca" / "config.json", [1])
    with pytest.raises(ConfigError, match=r"config.json is not a JSON object: correct or remove"):
        config.save()
    assert path.read_text(encoding="utf-8") == "[1]"


def test_each_change_can_be_saved(home: Path) -> None:
    config = HCAConfig(autosave=True)
    config.DSSClient.swagger_url = "x"
    path = home / "hca" / "config.json"
    assert json.loads(path.read_text(encoding="utf-8")) == {"DSSClient": {"swagger_url": "x"}}
    del config.DSSClient["swagger_url"]
    assert json.loads(path.read_text(encoding="utf-8")) == {"DSSClient": {}}


def test_secrets_do_not_show(home: Path) -> None:
    write(home / "hca" / "config.json", {"oauth2_token": {"access_token": "s3cret"}})
    config = HCAConfig()
    assert config.oauth2_token.access_token == "s3cret"
    assert "s3cret" not in f"{config!r} {config} {config.oauth2_token!r}"
    assert repr(config.oauth2_token) == "Section(access_token)"


def test_it_is_told_what_a_program_set(home: Path) -> None:
    write(home / "hca" / "config.json", {"DSSClient": {"swagger_url": "a"}, "x": 1})
    config = HCAConfig()
    assert not config.was_set("DSSClient", "swagger_url")
    config.DSSClient.swagger_url = "a"
    assert config.was_set("DSSClient", "swagger_url")
    del config.DSSClient["swagger_url"]
    assert not config.was_set("DSSClient", "swagger_url")
    config.DSSClient = {"swagger_url": "b"}
    assert config.was_set("DSSClient", "swagger_url")
    assert not config.was_set("x", "y")


def test_clients_without_one_share_a_configuration() -> None:
    assert get_config() is get_config()


json_values = st.recursive(
    st.integers() | st.text(max_size=3) | st.none(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=8,
)
documents = st.dictionaries(st.sampled_from("abc"), json_values, max_size=3)


@given(documents, documents)
def test_what_is_applied_to_a_whole_document_gives_the_new_one(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    document = json.loads(json.dumps(before))
    _apply(document, before, after)
    assert document == after


@given(documents, documents)
def test_what_was_saved_is_read_again(before: dict[str, Any], after: dict[str, Any]) -> None:
    document: dict[str, Any] = {}
    _apply(document, before, after)
    values = json.loads(json.dumps(before))
    _merge(values, document)
    assert {name: values[name] for name in after} == after or _shrunk(before, after)


def _shrunk(before: Any, after: Any) -> bool:
    """Whether something is gone that an earlier file says: no file can take it back."""
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return False
    return bool(before.keys() - after.keys()) or any(
        _shrunk(before[name], after[name]) for name in before.keys() & after.keys()
    )
