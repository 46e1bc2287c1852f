"""What the page on uploads shows works: its examples and its command are run."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dss_client import DSSClient
from dss_client.local import LocalDSS, LocalSettings
from tests.s3_service import ENVIRON, s3_service

PAGE = (Path(__file__).parent.parent / "docs" / "uploads.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(sh|python)\n(.*?)```", PAGE, re.DOTALL)
EXAMPLES = [text for language, text in BLOCKS if language == "python"]
COMMANDS = [text for language, text in BLOCKS if language == "sh" and "pip" not in text]


@pytest.fixture
def service() -> Iterator[tuple[LocalDSS, dict[str, str]]]:
    """A DSS that copies from S3, and what a program needs to know of both."""
    import httpx

    with pytest.MonkeyPatch.context() as patch, s3_service() as endpoint:
        for name, text in ENVIRON.items():
            patch.setenv(name, text)
        httpx.put(f"{endpoint}/my-bucket").raise_for_status()
        with LocalDSS(settings=LocalSettings(s3_endpoint=endpoint)) as server:
            yield (
                server,
                {
                    "AWS_ENDPOINT_URL": endpoint,
                    "DSS_URL": server.url,
                    "DSS_TOKEN": server.mint_token(),
                },
            )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a directory with what the page takes for granted."""
    (tmp_path / "my-directory").mkdir()
    (tmp_path / "my-directory" / "cell.json").write_text("{}")
    return tmp_path


def run(arguments: list[str], folder: Path, environ: dict[str, str]) -> str:
    done = subprocess.run(
        arguments,
        cwd=folder,
        env={**os.environ, "DSS_STATE_DIR": str(folder / "state"), **environ},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_runs(
    service: tuple[LocalDSS, dict[str, str]], folder: Path, number: int
) -> None:
    printed = run([sys.executable, "-c", EXAMPLES[number]], folder, service[1])
    assert "uploaded" in printed
    assert "cell.json" in printed


def test_the_command_runs(service: tuple[LocalDSS, dict[str, str]], folder: Path) -> None:
    server, environ = service
    (command,) = COMMANDS
    program, *words = command.split()
    assert program == "dss"
    printed = run([sys.executable, "-m", "dss_client", *words], folder, environ)
    with DSSClient(server.url) as dss:
        (bundle,) = dss.get_bundles_all(replica="aws").bundles
    assert f"{bundle.uuid}.{bundle.version}" in printed


def test_every_kind_is_there() -> None:
    assert (len(EXAMPLES), len(COMMANDS)) == (2, 1)
