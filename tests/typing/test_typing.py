"""What type checkers say of the public API: `api.py` is right, each marked line of `errors.py` not.

Both files are read by mypy and by pyright (as packaged by basedpyright), one run each.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FILES = ("tests/typing/api.py", "tests/typing/errors.py", "tests/typing/test_typing.py")

Errors = dict[str, dict[int, str]]
"""By file name and line: what a checker has against it."""


def run(*command: str) -> str:
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run(
        [*command, *FILES],
        cwd=ROOT,
        env=unmeasured,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    # Both exit with 1 when they find errors, and with more when they cannot do their work.
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


def mypy() -> Errors:
    output = run(sys.executable, "-m", "mypy", "--strict", "--no-pretty", "--no-color-output")
    errors: Errors = {}
    for found in re.finditer(r"^(\S+?):(\d+): error: (.*)$", output, re.MULTILINE):
        errors.setdefault(Path(found[1]).name, {})[int(found[2])] = found[3]
    return errors


def pyright() -> Errors:
    script = Path(sys.executable).with_name("basedpyright")
    output = run(str(script), "--outputjson", "--pythonpath", sys.executable)
    errors: Errors = {}
    for found in json.loads(output)["generalDiagnostics"]:
        if found["severity"] == "error":
            line = found["range"]["start"]["line"] + 1
            errors.setdefault(Path(found["file"]).name, {})[line] = found["message"]
    return errors


@pytest.fixture(scope="module", params=[mypy, pyright], ids=["mypy", "pyright"])
def errors(request: pytest.FixtureRequest) -> Errors:
    check: Callable[[], Errors] = request.param
    return check()


def marked() -> set[int]:
    lines = (HERE / "errors.py").read_text(encoding="utf-8").splitlines()
    return {number for number, line in enumerate(lines, 1) if line.endswith("# error")}


def test_right_uses_are_accepted_and_wrong_ones_refused(errors: Errors) -> None:
    found = errors.pop("errors.py")
    assert errors == {}
    assert {line: text for line, text in found.items() if line not in marked()} == {}
    assert marked() - found.keys() == set()


def test_there_are_marked_lines() -> None:
    assert len(marked()) > 70
