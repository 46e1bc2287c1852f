"""The options of downloads: declared once, and the same wherever they can be given."""

import inspect
import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click
import pytest
from attrs import fields

from dss_client import AsyncDSSClient, DSSClient
from dss_client.cli._app import app
from dss_client.cli.commands import load_commands
from dss_client.download import DownloadOptions
from dss_client.errors import InvalidArgument
from dss_client.local import LocalDSS

from .sample import ROWS, write_sample

METHODS = (
    "download",
    "download_bundles",
    "download_manifest",
    "download_collection",
    "download_search",
)
DECLARED = {field.name: field for field in fields(DownloadOptions) if field.metadata}
NO_COMMAND = {"executor", "progress"}


def names_of(method: str) -> set[str]:
    # A manifest with URLs has no need of a replica.
    return set(DECLARED) - {"replica" if method == "download_manifest" else "output_dir"}


@pytest.fixture
def dss() -> Iterator[DSSClient]:
    with DSSClient("http://127.0.0.1:9/v1") as client:
        yield client


@pytest.mark.parametrize("client", [DSSClient, AsyncDSSClient])
@pytest.mark.parametrize("method", METHODS)
def test_a_method_takes_all_with_their_defaults_and_texts(client: Any, method: str) -> None:
    function = getattr(client, method)
    parameters = inspect.signature(function).parameters
    text = " ".join(inspect.getdoc(function).split())  # type: ignore[union-attr]
    for name in names_of(method):
        parameter, declared = parameters[name], DECLARED[name]
        required = parameter.default is parameter.empty
        assert required == (name == "replica")
        assert required or parameter.default == declared.default
        assert f" {name}: {declared.metadata['doc']} " in text


@pytest.mark.parametrize("method", [name for name in METHODS if name != "download_bundles"])
def test_a_command_takes_all_with_their_texts(method: str) -> None:
    load_commands()
    command = app.commands[method.replace("_", "-")]
    options = {each.name: each for each in command.params if isinstance(each, click.Option)}
    for name in names_of(method) - NO_COMMAND - {"replica"}:
        option, declared = options[name], DECLARED[name]
        assert option.opts[0] == "--" + name.replace("_", "-")
        assert option.help == declared.metadata["doc"].replace("`", "")
        assert option.default == declared.default
    assert options["replica"].default == "aws"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"num_retries": -1}, "num_retries=-1 is too small: the least is 0"),
        ({"min_delay_seconds": -0.1}, "min_delay_seconds=-0.1 is too small: the least is 0"),
        ({"threads": 0}, "threads=0 is too small: the least is 1"),
        ({"processes": 0}, "processes=0 is too small: the least is 1"),
        ({"verify": "x"}, "verify='x' is unknown: choose .*'size'"),
        ({"clash": "x"}, "clash='x' is unknown: choose .*'rename'"),
        ({"replica": "azure"}, "replica='azure' is unknown: choose 'aws' or 'gcp'"),
    ],
)
def test_values_that_are_refused(dss: DSSClient, given: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        dss.download_search(**{"es_query": {}, "replica": "aws", **given})


def test_processes_and_an_executor_exclude_each_other(dss: DSSClient) -> None:
    with (
        ThreadPoolExecutor(1) as pool,
        pytest.raises(InvalidArgument, match="processes= and executor= exclude each other"),
    ):
        dss.download_search(es_query={}, replica="aws", processes=2, executor=pool)


def test_processes_share_the_work_in_a_relative_directory(
    local_dss: LocalDSS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = write_sample(tmp_path / "wanted.tsv", local_dss.url)
    monkeypatch.chdir(tmp_path)
    with DSSClient(local_dss.url) as dss:
        report = dss.download_manifest(
            manifest=manifest, replica="aws", download_dir="data", processes=2, durable=False
        )
    assert report.count("downloaded") == ROWS
    assert report.manifest_path == Path("data", "wanted.tsv")
    assert all(entry.path and entry.path.is_file() for entry in report.files)


@pytest.mark.skipif(sys.platform != "linux", reason="needs names that are no text")
def test_a_report_is_text_whatever_its_paths(local_dss: LocalDSS, tmp_path: Path) -> None:
    directory = tmp_path / os.fsdecode(b"\xff")
    with DSSClient(local_dss.url) as dss:
        report = dss.download_search(
            es_query={}, replica="aws", download_dir=directory, durable=False
        )
    for indent in (None, 2):
        files = json.loads(report.to_json(indent=indent).encode())["files"]
        assert all(file["path"].startswith(str(directory)) for file in files)


async def test_an_asynchronous_client_has_processes_too(
    local_dss: LocalDSS, tmp_path: Path
) -> None:
    async with AsyncDSSClient(local_dss.url) as dss:
        report = await dss.download_search(
            es_query={}, replica="aws", download_dir=tmp_path, processes=1, durable=False
        )
    assert report.ok
    assert report.files_done > ROWS
