"""The page for users of the reference client is whole, and what it shows works."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dss_client.cli import main
from dss_client.hca.dss import DSSClient
from dss_client.local import LocalDSS
from dss_client.local.sample import BUNDLES
from tests.hca.test_signatures import GENERATED, HAND_WRITTEN, PAGED

PAGE = (Path(__file__).parent.parent / "docs" / "migrating-from-hca.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
PRINTED = rf"([0-9a-f-]{{36}} \d+\n){{{len(BUNDLES)}}}404 not_found\n"


@pytest.mark.parametrize("number", [0, 1])
def test_both_ways_run(local_dss: LocalDSS, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(BLOCKS) == 2
    monkeypatch.setenv("DSS_URL", local_dss.url)
    done = subprocess.run(
        [sys.executable, "-c", BLOCKS[number]], capture_output=True, text=True, check=True
    )
    assert re.fullmatch(PRINTED, done.stdout), done.stdout


@pytest.mark.parametrize("name", GENERATED)
def test_each_operation_is_there_with_its_arguments(name: str) -> None:
    (row,) = re.findall(rf"^\| `{name}`( P)? \| (.*?) \| .* \|$", PAGE, re.MULTILINE)
    paged, arguments = row
    assert bool(paged) == (name in PAGED)
    dss = DSSClient(swagger_url="https://h.example/v1/swagger.json")
    method = getattr(dss, name)
    parameters = inspect.signature(method).parameters.values()
    wanted = [
        f"`{each.name}`" if each.default is each.empty else f"[`{each.name}`]"
        for each in parameters
        if each.name not in method.earlier
    ]
    assert arguments == ", ".join(wanted)


@pytest.mark.parametrize("name", sorted(HAND_WRITTEN.keys() - {"__init__"}))
def test_each_other_method_is_there_with_its_arguments(name: str) -> None:
    section = PAGE.partition("## Beyond operations")[2].partition("## Command line")[0]
    assert f"`{name}(" in section
    for argument in inspect.signature(getattr(DSSClient, name)).parameters:
        assert argument == "self" or re.search(rf"\b{argument}\b", section), argument


def test_each_known_fault_is_there_once() -> None:
    table = PAGE.partition("## Known faults")[2]
    assert re.findall(r"^\| (C\d+) \|", table, re.MULTILINE) == [f"C{n}" for n in range(1, 26)]


@pytest.mark.parametrize("words", sorted(set(re.findall(r"`dss ((?:api )?[a-z-]+)", PAGE))))
def test_each_command_exists(words: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*words.split(), "--help"])
    assert caught.value.code == 0


def test_each_link_leads_somewhere() -> None:
    folder = Path(__file__).parent.parent / "docs"
    for link in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert (folder / link).exists(), link
