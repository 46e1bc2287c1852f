"""What an editor offers: by jedi (IPython, Jupyter) and by pyright's language server."""

import itertools
import json
import pydoc
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jedi  # type: ignore[import-untyped]
import pytest
from attrs import fields

from dss_client import AsyncDSSClient, DSSClient
from dss_client._endpoints import ENDPOINTS
from dss_client.download import DownloadOptions
from dss_client.models import FileVersion

CLIENTS = {
    "sync": "from dss_client import DSSClient\ndss = DSSClient('http://h')\n",
    "async": "from dss_client import AsyncDSSClient\ndss = AsyncDSSClient('http://h')\n",
}
FIELDS = set(FileVersion.model_fields)


def completions(code: str) -> dict[str, Any]:
    return {each.name: each for each in jedi.Script(code).complete()}


@pytest.mark.parametrize("code", CLIENTS.values(), ids=list(CLIENTS))
def test_jedi_completes_all_operations_with_their_docs(code: str) -> None:
    found = completions(f"{code}dss.")
    assert set(ENDPOINTS) <= set(found)
    for name in ENDPOINTS:
        assert found[name].docstring(raw=True).strip(), name


def assert_whole(text: str) -> None:
    assert "List the files of a bundle." in text
    assert "per_page: Largest number of files on one page" in text
    assert "replica: Replica to use: `aws`" in text


def test_jedi_shows_the_whole_documentation_of_a_call() -> None:
    (signature,) = jedi.Script(f"{CLIENTS['sync']}dss.get_bundle(").get_signatures()
    assert_whole(signature.docstring(raw=True))


@pytest.mark.parametrize("code", CLIENTS.values(), ids=list(CLIENTS))
def test_jedi_shows_the_options_of_a_download(code: str) -> None:
    (signature,) = jedi.Script(f"{code}dss.download_manifest(").get_signatures()
    text = signature.docstring(raw=True)
    for option in fields(DownloadOptions):
        if option.metadata:
            assert f" {option.name}: " in text
            assert option.name in {each.name for each in signature.params}


@pytest.mark.parametrize("what", ["get_bundle", "get_bundle.iterate", "get_file.stream"])
def test_jedi_shows_the_replicas(what: str) -> None:
    (signature,) = jedi.Script(f"{CLIENTS['sync']}dss.{what}(replica=").get_signatures()
    (replica,) = (each for each in signature.params if each.name == "replica")
    assert 'Literal["aws", "gcp"]' in replica.description


@pytest.mark.parametrize("kind", [DSSClient, AsyncDSSClient])
def test_help_shows_the_whole_documentation_of_an_operation(kind: Any) -> None:
    client = kind("http://h/v1")
    for name, endpoint in ENDPOINTS.items():
        text = pydoc.plain(pydoc.render_doc(getattr(client, name)))
        assert f"{endpoint.summary}." in text
        for parameter in endpoint.parameters:
            assert f" {parameter.name}: " in text, (name, parameter.name)


@pytest.mark.parametrize(
    "path",
    [
        "dss.get_bundle(uuid='u', replica='aws').bundle.files[0]",
        "next(iter(dss.get_bundle.iterate(uuid='u', replica='aws')))",
    ],
)
def test_jedi_completes_the_fields_of_an_answer(path: str) -> None:
    assert set(completions(f"{CLIENTS['sync']}{path}.")) >= FIELDS


class LanguageServer:
    """The least of a client of the language server protocol: one document, one question."""

    def __init__(self, command: list[str], root: Path) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._ids = itertools.count(1)
        self._root = root
        options = {
            "processId": None,
            "rootUri": root.as_uri(),
            "capabilities": {"workspace": {"configuration": True}},
            "workspaceFolders": [{"uri": root.as_uri(), "name": "test"}],
        }
        self.ask("initialize", options)
        self._send({"method": "initialized", "params": {}})

    def complete(self, code: str) -> set[str]:
        """Return what is offered at the bar (``|``) in `code`."""
        found = self.at_bar("completion", code)
        items = found["items"] if isinstance(found, dict) else found or []
        return {item["label"].strip("\"'") for item in items}

    def at_bar(self, request: str, code: str) -> Any:
        """Return what is answered to a request about the bar (``|``) in `code`."""
        before, _, after = code.partition("|")
        uri = (self._root / f"test_{next(self._ids)}.py").as_uri()
        document = {"uri": uri, "languageId": "python", "version": 1, "text": before + after}
        self._send({"method": "textDocument/didOpen", "params": {"textDocument": document}})
        place = {"line": before.count("\n"), "character": len(before.rpartition("\n")[2])}
        asked = {"textDocument": {"uri": uri}, "position": place}
        return self.ask(f"textDocument/{request}", asked)

    def ask(self, method: str, params: object) -> Any:
        """Send a request and return its result."""
        number = next(self._ids)
        self._send({"id": number, "method": method, "params": params})
        while True:
            message = self._receive()
            if "method" in message and "id" in message:
                self._send({"id": message["id"], "result": self._answer(message)})
            elif message.get("id") == number:
                return message["result"]

    def _answer(self, message: dict[str, Any]) -> Any:
        if message["method"] != "workspace/configuration":
            return None
        settings = {"pythonPath": sys.executable}
        return [
            settings if item.get("section") == "python" else {}
            for item in message["params"]["items"]
        ]

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._process.stdin.flush()

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        length = 0
        while line := self._process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        assert length, "the language server ended"
        message: dict[str, Any] = json.loads(self._process.stdout.read(length))
        return message

    def close(self) -> None:
        """End the server."""
        self._process.kill()
        self._process.communicate()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LanguageServer]:
    command = shutil.which("basedpyright-langserver", path=str(Path(sys.executable).parent))
    if command is None:
        pytest.skip("basedpyright is not installed beside this Python")
    running = LanguageServer([command, "--stdio"], tmp_path_factory.mktemp("editor"))
    yield running
    running.close()


@pytest.mark.parametrize("code", CLIENTS.values(), ids=list(CLIENTS))
def test_pyright_completes_all_operations(code: str, server: LanguageServer) -> None:
    assert server.complete(f"{code}dss.|") >= set(ENDPOINTS)


@pytest.mark.parametrize(
    "what", ["get_bundle", "get_bundle.iterate", "get_file.stream", "download"]
)
def test_pyright_completes_the_replicas(what: str, server: LanguageServer) -> None:
    offered = server.complete(f'{CLIENTS["sync"]}dss.{what}(replica="|")')
    assert offered == {"aws", "gcp"}


@pytest.mark.parametrize("code", CLIENTS.values(), ids=list(CLIENTS))
def test_pyright_shows_the_whole_documentation_of_a_call(code: str, server: LanguageServer) -> None:
    hovered = server.at_bar("hover", f"{code}dss.get_bun|dle")
    assert "List the files of a bundle." in hovered["contents"]["value"]
    (signature,) = server.at_bar("signatureHelp", f"{code}dss.get_bundle(|)")["signatures"]
    assert_whole(signature["documentation"]["value"])


def test_pyright_completes_the_keys_of_an_argument(server: LanguageServer) -> None:
    call = 'dss.put_bundle(uuid="", replica="aws", version="", creator_uid=0, files=[{"|"}])'
    offered = server.complete(f"{CLIENTS['sync']}{call}")
    assert offered >= {"uuid", "version", "name", "indexed"}


def test_pyright_completes_the_fields_of_an_answer(server: LanguageServer) -> None:
    code = f"{CLIENTS['sync']}dss.get_bundle(uuid='u', replica='aws').bundle.files[0].|"
    assert server.complete(code) >= FIELDS
