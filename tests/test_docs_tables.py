"""What the pages list is what there is: operations, faults, tests, and places of other pages."""

import inspect
import re
import runpy
from pathlib import Path
from typing import Any

import pytest
from attrs import fields

from dss_client import DSSClient as Client
from dss_client._endpoints import ENDPOINTS
from dss_client.cli._app import app
from dss_client.cli.commands import load_commands
from dss_client.download.options import DownloadOptions
from dss_client.hca.dss import DSSClient
from generator.corrections import CORRECTIONS
from tests.hca.test_signatures import HAND_WRITTEN
from tests.test_docs import pages_of_the_site

ROOT = Path(__file__).parent.parent
PAGES = {path: path.read_text(encoding="utf-8") for path in pages_of_the_site()}
MIGRATING = PAGES[ROOT / "docs" / "how-to" / "migrate-from-hca.md"]
BEHAVIOUR = PAGES[ROOT / "docs" / "behaviour.md"]
PLACES = {
    *re.findall(r"^#{2,3} (\d+(?:\.\d+)?)", BEHAVIOUR, re.MULTILINE),
    *re.findall(r"^\| ([SC]\d+) \|", BEHAVIOUR, re.MULTILINE),
}
PLACE = r"(?:\d+(?:\.\d+)?|[SC]\d+)"
QUOTATION = re.compile(rf"docs/behaviour\.md ({PLACE}(?:(?:, |,? and |-){PLACE})*)")


def test_each_link_leads_somewhere() -> None:
    pages = PAGES | {ROOT / "README.md": (ROOT / "README.md").read_text(encoding="utf-8")}
    for page, text in pages.items():
        for link in re.findall(r"\]\(((?!https?:)[^)#\s]+)[)#]", text):
            if "generated/" not in link:  # the site writes those itself
                assert (page.parent / link).exists(), (page, link)


@pytest.mark.parametrize("folder", ["src", "tests", "generator", "benchmarks"])
def test_every_quotation_of_the_behaviour_resolves(folder: str) -> None:
    for file in sorted((ROOT / folder).rglob("*.py")):
        for quotation in QUOTATION.findall(file.read_text(encoding="utf-8")):
            for place in re.findall(PLACE, quotation):
                assert place in PLACES, f"{file}: docs/behaviour.md {place}"


def test_every_correction_of_the_specification_names_its_proof() -> None:
    for correction in CORRECTIONS:
        assert set(correction.places.split(", ")) <= PLACES, correction.pointer


def test_the_behaviour_refers_to_places_of_its_own() -> None:
    assert set(re.findall(r"\(([SC]\d+)\)", BEHAVIOUR)) <= PLACES


def test_what_proves_the_fidelity_is_there() -> None:
    named = set(
        re.findall(
            r"`(?:tests/)?([\w/]*test_\w+\.py)`", PAGES[ROOT / "docs" / "reference" / "fidelity.md"]
        )
    )
    here = {path.relative_to(ROOT / "tests").as_posix() for path in ROOT.glob("tests/**/test_*.py")}
    assert len(named) > 20
    assert {name if name in here else f"local/{name}" for name in named} <= here


def test_each_other_method_of_the_facade_is_there_with_its_arguments() -> None:
    section = MIGRATING.partition("## Beyond operations")[2].partition("## Command line")[0]
    for name in HAND_WRITTEN.keys() - {"__init__"}:
        assert f"`{name}(" in section
        for argument in inspect.signature(getattr(DSSClient, name)).parameters:
            assert argument == "self" or re.search(rf"\b{argument}\b", section), argument


def test_each_known_fault_of_the_reference_client_is_there_once() -> None:
    table = MIGRATING.partition("## Known faults")[2]
    assert re.findall(r"^\| (C\d+) \|", table, re.MULTILINE) == [f"C{n}" for n in range(1, 26)]


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    """Return what writes the pages of the reference."""
    return runpy.run_path(str(ROOT / "docs" / "_ext" / "reference.py"))


def test_the_reference_has_each_operation_with_its_arguments_and_codes(
    reference: dict[str, Any],
) -> None:
    page = "\n".join(reference["operations"]())
    codes = "\n".join(reference["error_codes"]())
    for name, endpoint in ENDPOINTS.items():
        section = page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        assert f"`{endpoint.method} {endpoint.path}`" in section, name
        for parameter in endpoint.parameters:
            assert f"\n| `{parameter.name}` |" in section, (name, parameter.name)
        for code in {code for named in endpoint.errors.values() for code in named}:
            assert f"`{code}`" in section, (name, code)
            assert f"| `{code}` |" in codes, (name, code)


def test_the_reference_has_each_option_of_downloads(reference: dict[str, Any]) -> None:
    listed = re.findall(r"^\| `(\w+)` \|", "\n".join(reference["options"]()), re.MULTILINE)
    taken = inspect.signature(Client.download_manifest).parameters
    assert listed == [each.name for each in fields(DownloadOptions) if each.name in taken]


def test_the_reference_has_each_command(reference: dict[str, Any]) -> None:
    load_commands()
    (listed,) = re.findall(r":commands: (.*)", "\n".join(reference["commands"]()))
    assert {*listed.split(", "), "api"} == app.commands.keys()


def test_the_reference_has_each_variable_that_is_read(reference: dict[str, Any]) -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("src/**/*.py"))
    read = set(re.findall(r'environ(?:\.get\(|\[)"([A-Z_]+)"', source))
    listed = {name for names in reference["VARIABLES"] for name in names.split(", ")}
    assert read <= listed
    assert {name for name in listed if name.startswith("DSS_")} <= read
