"""The parser stays behind one module, at one version."""

import tomllib

import pytest

from generator.__main__ import ROOT


def test_the_parser_is_pinned_exactly() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    pins = [
        requirement
        for group in project["dependency-groups"].values()
        for requirement in group
        if isinstance(requirement, str) and requirement.startswith("openapi-python-client")
    ]
    assert len(pins) == 1
    assert pins[0].startswith("openapi-python-client==")


@pytest.mark.parametrize("folder", ["generator", "src"])
def test_the_parser_is_imported_in_one_module(folder: str) -> None:
    importing = {
        path.name
        for path in (ROOT / folder).rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.lstrip().startswith(("import openapi_python_client", "from openapi_python_client"))
    }
    assert importing == ({"parse.py"} if folder == "generator" else set())
