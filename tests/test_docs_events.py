"""What the pages on events and webhooks show works: their examples are run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dss_client.local import LocalDSS

DOCS = Path(__file__).parent.parent / "docs"
EXAMPLES = [
    (page, number, text)
    for page in ("events.md", "webhooks.md")
    for number, text in enumerate(
        re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)
    )
]
SAMPLE = 3
EXPECTED = {
    ("events.md", 0): rf"(\S+Z [0-9a-f-]{{36}}\.\S+Z .*project_json.*\n){{{SAMPLE}}}",
    ("events.md", 1): rf"([0-9a-f-]{{36}}\.\S+Z\n){{{SAMPLE}}}",
    ("events.md", 2): r"\d+ 20\S+Z\n",
    ("webhooks.md", 0): r"[0-9a-f-]{36} https://receiver\.example/ my-key\n",
    ("webhooks.md", 1): r"\(401, 'the header authorization was not sent'\)\n",
    ("webhooks.md", 2): r"jmespath\n0a6f2b1c\S+ 2019\S+\n{'project'.*\n{'other'.*\nNone\n",
}


def run(text: str, folder: Path, dss: LocalDSS) -> str:
    done = subprocess.run(
        [sys.executable, "-c", text],
        cwd=folder,
        env={**os.environ, "DSS_URL": dss.url, "DSS_TOKEN": dss.mint_token()},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("page", "number", "text"), EXAMPLES)
def test_an_example_runs(tmp_path: Path, page: str, number: int, text: str) -> None:
    with LocalDSS(sample=True) as dss:
        printed = run(text, tmp_path, dss)
        assert re.fullmatch(EXPECTED[page, number], printed), printed
        if "cursor.txt" in text:
            assert run(text, tmp_path, dss) == ""


def test_every_example_is_run() -> None:
    assert {(page, number) for page, number, _ in EXAMPLES} == EXPECTED.keys()
