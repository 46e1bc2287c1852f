"""A new operation needs nothing but the specification: regenerated, it is called over HTTP."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from attrs import field, frozen

from generator.__main__ import ROOT, main
from tests.generator.specs import Document, write

UUID = "0b8f6f6c-4d5a-4c31-9a6c-0123456789ab"
RECEIPT = {"receipt": "r-1", "labels": [{"text": "good", "weight": 2}], "state": "brand new"}

OPERATION: Document = {
    "summary": "Label a file",
    "description": "Attach labels to a file.",
    "security": [{"dcpAuth": []}],
    "parameters": [
        {"name": "uuid", "in": "path", "required": True, "type": "string"},
        {
            "name": "label-mode",
            "in": "query",
            "required": True,
            "type": "string",
            "enum": ["append", "replace"],
        },
        {
            "name": "body",
            "in": "body",
            "required": True,
            "schema": {
                "type": "object",
                "required": ["labels"],
                "properties": {
                    "labels": {"type": "array", "items": {"$ref": "#/definitions/label"}},
                    "note": {"type": "string"},
                },
            },
        },
    ],
    "responses": {
        "201": {"description": "Labelled.", "schema": {"$ref": "#/definitions/label_receipt"}}
    },
}
DEFINITIONS: Document = {
    "label": {
        "type": "object",
        "required": ["text"],
        "properties": {"text": {"type": "string"}, "weight": {"type": "integer"}},
    },
    "label_receipt": {
        "type": "object",
        "required": ["receipt", "labels"],
        "properties": {
            "receipt": {"type": "string"},
            "labels": {"type": "array", "items": {"$ref": "#/definitions/label"}},
            "state": {"type": "string", "enum": ["new", "old"]},
        },
    },
}

CALLER = """
import asyncio
import json
import sys

from dss_client import AsyncDSSClient, DSSClient
from dss_client.models import Label, LabelReceipt

url, uuid = sys.argv[1:]
arguments = {"uuid": uuid, "label_mode": "append", "labels": [Label(text="good", weight=2)]}

with DSSClient(url, token="secret") as dss:
    receipt = dss.post_files_label(**arguments)
    raw = dss.post_files_label.raw(**{**arguments, "labels": [{"text": "dict"}], "note": "hm"})


async def call():
    async with AsyncDSSClient(url, token="secret") as dss:
        return await dss.post_files_label(**arguments)


assert isinstance(receipt, LabelReceipt)
same = asyncio.run(call()) == receipt
print(json.dumps([receipt.labels[0].weight, receipt.state, raw.status_code, same]))
"""


@frozen
class Recorder:
    """The requests that a server received: method, target, body and token."""

    url: str
    requests: list[tuple[str, str, Any, str | None]] = field(factory=list)


@contextmanager
def recording() -> Iterator[Recorder]:
    """Run a server that answers each POST with a receipt."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            token = self.headers.get("Authorization")
            recorder.requests.append((self.command, self.path, body, token))
            answer = json.dumps(RECEIPT).encode()
            self.send_response(201)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Keep the tests' output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        recorder = Recorder(f"http://127.0.0.1:{server.server_port}/v1")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield recorder
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a directory with a copy of the package, regenerated with the new operation."""
    tmp_path = tmp_path_factory.mktemp("new")
    document = json.loads((ROOT / "specs" / "swagger.json").read_text(encoding="utf-8"))
    document["paths"]["/files/{uuid}/labels"] = {"post": OPERATION}
    document["definitions"].update(DEFINITIONS)
    spec = write(document, tmp_path / "swagger.json")
    package = tmp_path / "site" / "dss_client"
    shutil.copytree(
        ROOT / "src" / "dss_client", package, ignore=shutil.ignore_patterns("__pycache__")
    )
    assert main(["--pinned", str(spec), "--package", str(package)]) == 0
    return package.parent


def run(site: Path, *arguments: str) -> str:
    """Run Python on the copy, unmeasured: its lines are not those of the repository."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run(
        [sys.executable, *arguments],
        env={**env, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_new_operation_is_called_over_http(site: Path) -> None:
    with recording() as server:
        output = run(site, "-c", CALLER, server.url, UUID)
    assert json.loads(output) == [2, "brand new", 201, True]
    target = f"/v1/files/{UUID}/labels?label-mode=append"
    plain = {"labels": [{"text": "good", "weight": 2}]}
    full = {"labels": [{"text": "dict"}], "note": "hm"}
    assert server.requests == [
        ("POST", target, plain, "Bearer secret"),
        ("POST", target, full, "Bearer secret"),
        ("POST", target, plain, "Bearer secret"),
    ]


def test_all_else_stays(site: Path) -> None:
    before = ROOT / "src" / "dss_client" / "_sync" / "operations"
    after = site / "dss_client" / "_sync" / "operations"
    names = {path.name for path in before.glob("*.py")}
    assert {path.name for path in after.glob("*.py")} == names | {"post_files_label.py"}
    for name in names - {"__init__.py"}:
        old, new = (folder.joinpath(name).read_text().splitlines() for folder in (before, after))
        assert [line for line in old if "sha256:" not in line] == [
            line for line in new if "sha256:" not in line
        ]
