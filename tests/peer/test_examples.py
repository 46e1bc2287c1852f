"""What the examples for the facade print, the reference client prints: only the import differs."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from dss_client.local import LocalDSS
from tests.peer.peer_client import PYTHON
from tests.test_docs import EXAMPLES, HCA, LEFT, environment, left_in

OURS_ALONE = {"refresh_swagger"}
STARTED = """
import asyncio, sys, types
asyncio.coroutine = types.coroutine
from hca.util import SwaggerClient
SwaggerClient.scheme = "http"
exec(compile(sys.stdin.read(), "example", "exec"))
"""


@pytest.mark.parametrize("name", sorted(HCA.keys() - OURS_ALONE))
def test_an_example_is_one_of_the_reference_client(
    service: LocalDSS, tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    text = (EXAMPLES / "hca" / f"{name}.py").read_text(encoding="utf-8")
    environ = environment(service, tmp_path / "home", hca=True)
    secrets = {"client_id": "peer", "client_secret": "peer", "token_uri": "https://x"}
    config = tmp_path / "home" / "hca" / "config.json"
    document = json.loads(config.read_text(encoding="utf-8"))
    document["oauth2_token"]["expires_at"] = 4102444800  # a number: docs/behaviour.md C12
    document["application_secrets"] = {"installed": secrets}
    config.write_text(json.dumps(document), encoding="utf-8")
    done = subprocess.run(
        [PYTHON, "-W", "ignore", "-c", STARTED],
        input=text.replace("dss_client.hca", "hca"),
        cwd=folder,
        env={**os.environ, **environ, "NO_PROXY": "*", "OAUTHLIB_INSECURE_TRANSPORT": "1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(HCA[name], done.stdout), done.stdout
    assert left_in(folder) == LEFT.get(name, set())
