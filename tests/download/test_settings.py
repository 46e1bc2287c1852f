"""How a download is done."""

import threading
from pathlib import Path
from typing import Any, get_type_hints

import attrs
import pytest

from dss_client.download import DownloadOptions, ProgressEvent, Settings
from dss_client.download.lanes import Limits
from dss_client.download.settings import CONNECTIONS, THREADS
from dss_client.errors import InvalidArgument

from .scripted import ScriptedSource


def settings(**changes: Any) -> Settings:
    return Settings(replica="aws", **changes)


def test_the_keywords_are_those_of_the_settings() -> None:
    names = {each.name for each in attrs.fields(Settings)}
    assert set(DownloadOptions.__annotations__) == names
    assert DownloadOptions.__required_keys__ == {"replica"}
    assert get_type_hints(DownloadOptions)["num_retries"] is int


@pytest.mark.parametrize(
    ("name", "value", "least"),
    [("num_retries", -1, 0), ("min_delay_seconds", -0.1, 0), ("threads", 0, 1), ("threads", -3, 1)],
)
def test_numbers_have_a_least(name: str, value: float, least: int) -> None:
    with pytest.raises(InvalidArgument, match=f"{name}={value} is too small: the least is {least}"):
        settings(**{name: value})
    settings(**{name: least})


@pytest.mark.parametrize(("name", "others"), [("verify", "size"), ("clash", "rename")])
def test_choices_are_named(name: str, others: str) -> None:
    with pytest.raises(InvalidArgument, match=f"{name}='x' is unknown: choose .*'{others}'"):
        settings(**{name: "x"})
    settings(**{name: others})


def test_how_much_is_done_at_once() -> None:
    assert settings().limits == Limits(
        threads=THREADS, connections=CONNECTIONS, num_retries=10, min_delay_seconds=0.25
    )
    assert 8 <= THREADS <= 16
    assert settings(threads=3, num_retries=0, min_delay_seconds=0).limits == Limits(
        threads=3, connections=3, num_retries=0, min_delay_seconds=0
    )


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({}, "."),
        ({"download_dir": "d"}, "d"),
        ({"download_dir": "d", "output_dir": "o"}, "o"),
        ({"download_dir": "d", "output_dir": ""}, "."),
    ],
)
def test_where_the_manifest_goes(given: dict[str, str], path: str) -> None:
    assert settings(**given).output_path == Path(path)


@pytest.mark.parametrize("dry_run", [True, False])
def test_how_bundles_are_planned(dry_run: bool) -> None:
    rule = Settings(replica="gcp", download_dir="d", clash="skip", dry_run=dry_run).rule
    assert (rule.replica, rule.download_dir, rule.clash) == ("gcp", Path("d"), "skip")
    assert rule.ask_urls is not dry_run


def test_an_engine_is_made_of_them(tmp_path: Path) -> None:
    stop = threading.Event()
    source = ScriptedSource()
    events: list[ProgressEvent] = []
    engine = settings(
        download_dir=tmp_path,
        verify="size",
        durable=False,
        dry_run=True,
        stop=stop,
        progress=events.append,
    ).engine(source)
    assert engine.source is source
    assert engine.store.verify == "size"
    assert not engine.store.durable
    assert engine.dry_run
    assert engine.stop is stop
    assert engine.progress.is_watched
    engine.ledger.close()
    other = settings(download_dir=tmp_path).engine(source)
    assert other.store.durable
    assert other.stop is not stop
    assert not other.progress.is_watched
    other.ledger.close()


def test_what_is_done_for_the_caller_makes_no_difference() -> None:
    assert settings(progress=print, stop=threading.Event()) == settings()
    assert "progress" not in repr(settings()) or "executor" not in repr(settings())
