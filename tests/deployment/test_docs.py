"""What the page on deployments shows works."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from dss_client.local import LocalDSS

PAGE = (Path(__file__).parents[2] / "docs" / "deployments.md").read_text(encoding="utf-8")


def test_python_runs(local_dss: LocalDSS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    monkeypatch.setenv("DSS_URL", local_dss.url)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", block], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "True True\n"
