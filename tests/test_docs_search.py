"""What the pages on searches, collections and subscriptions show works."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from dss_client.local import LocalDSS

DOCS = Path(__file__).parent.parent / "docs"


@pytest.mark.parametrize(
    ("page", "printed"),
    [
        ("search.md", r"True\n([0-9a-f-]{36}\.\S+ \d+\n)+0 deleted meanwhile\n"),
        ("collections.md", r"2\n"),
        ("subscriptions.md", r"jmespath https://receiver\.example/\n"),
    ],
)
def test_python_runs(
    page: str, printed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    with LocalDSS(tmp_path / "root", sample=True) as dss:
        monkeypatch.setenv("DSS_URL", dss.url)
        monkeypatch.setenv("DSS_TOKEN", dss.mint_token())
        done = subprocess.run(
            [sys.executable, "-c", block], check=True, capture_output=True, text=True, timeout=60
        )
    assert re.fullmatch(printed, done.stdout)
