"""What says the same in several places says the same: extras, requirements, pinned versions."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
README = (ROOT / "README.md").read_text(encoding="utf-8")
RECIPE = (ROOT / "packaging" / "bioconda" / "meta.yaml").read_text(encoding="utf-8")


def inside(extra: str) -> set[str]:
    """Return the extras that an extra brings."""
    (requirement,) = EXTRAS[extra]
    return set(re.findall(r"[\w-]+", requirement.partition("[")[2]))


def test_the_extra_all_brings_every_other() -> None:
    assert inside("all") == set(EXTRAS) - {"all", "standard"}


def test_errors_name_extras_that_there_are() -> None:
    sources = [*ROOT.glob("src/**/*.py"), *ROOT.glob("docs/**/*.md"), ROOT / "README.md"]
    named = {
        extra
        for path in sources
        for extras in re.findall(r"dss-client\[([\w,-]+)\]", path.read_text(encoding="utf-8"))
        for extra in extras.split(",")
    }
    assert named
    assert named <= set(EXTRAS)


def test_the_recipe_for_conda_requires_what_the_package_does() -> None:
    run = RECIPE.partition("  run:\n")[2].partition("\ntest:")[0]
    listed = {re.sub(r"[\s\"]", "", line) for line in re.findall(r"^ +- (.+)$", run, re.MULTILINE)}
    wanted = [*PROJECT["dependencies"], *(r for extra in inside("standard") for r in EXTRAS[extra])]
    python = f"python{PROJECT['requires-python']}"
    cryptography = {"cryptography"}  # brought by the extra of pyjwt, and conda knows no extras
    assert listed == {re.sub(r"\[.*\]", "", each) for each in wanted} | {python} | cryptography


def test_hooks_before_a_commit_use_the_same_ruff() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    (ruff,) = re.findall(r"ruff-pre-commit\s+rev: v(\S+)", hooks)
    assert f"ruff=={ruff}" in PYPROJECT["dependency-groups"]["lint"]


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
def test_every_python_that_is_named_is_tested(version: str) -> None:
    workflow = (ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8")
    assert f"Programming Language :: Python :: {version}" in PROJECT["classifiers"]
    assert f'"{version}"' in workflow
