"""Quotations of docs/behaviour.md lead to a section or a fault that is there."""

import re
from pathlib import Path

import pytest

from generator.corrections import CORRECTIONS

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "behaviour.md").read_text(encoding="utf-8")
PLACES = {
    *re.findall(r"^#{2,3} (\d+(?:\.\d+)?)", PAGE, re.MULTILINE),
    *re.findall(r"^\| ([SC]\d+) \|", PAGE, re.MULTILINE),
}
PLACE = r"(?:\d+(?:\.\d+)?|[SC]\d+)"
QUOTATION = re.compile(rf"docs/behaviour\.md ({PLACE}(?:(?:, |,? and |-){PLACE})*)")


@pytest.mark.parametrize("folder", ["src", "tests", "generator", "benchmarks"])
def test_every_quotation_resolves(folder: str) -> None:
    for file in sorted((ROOT / folder).rglob("*.py")):
        for quotation in QUOTATION.findall(file.read_text(encoding="utf-8")):
            for place in re.findall(PLACE, quotation):
                assert place in PLACES, f"{file}: docs/behaviour.md {place}"


def test_every_correction_of_the_specification_names_its_proof() -> None:
    for correction in CORRECTIONS:
        assert set(correction.places.split(", ")) <= PLACES, correction.pointer


def test_the_page_refers_to_places_of_its_own() -> None:
    for place in re.findall(r"\(([SC]\d+)\)", PAGE):
        assert place in PLACES
