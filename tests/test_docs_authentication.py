"""What the page on authentication shows works."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from dss_client.local import LocalDSS

PAGE = (Path(__file__).parent.parent / "docs" / "authentication.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
EXPECTED = [r"stored login\nTrue\n", r"Credential\(origin='token function', .*\)\n"]


def test_every_block_is_tried() -> None:
    assert len(BLOCKS) == len(EXPECTED)


@pytest.mark.parametrize("number", range(len(EXPECTED)))
def test_python_runs(
    number: int, local_dss: LocalDSS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSS_URL", local_dss.url)
    monkeypatch.delenv("DSS_CONFIG_FILE")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    done = subprocess.run(
        [sys.executable, "-c", BLOCKS[number]],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    assert re.fullmatch(EXPECTED[number], done.stdout)


@pytest.mark.parametrize(
    "name", re.findall(r"dss (login|whoami|logout)|dss (config) show", PAGE), ids=str
)
def test_commands_exist(name: tuple[str, str]) -> None:
    from dss_client.cli._app import app
    from dss_client.cli.commands import load_commands

    load_commands()
    assert "".join(name) in app.commands
