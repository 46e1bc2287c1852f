"""A deployment's specification becomes the pinned one."""

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from dss_client.local import LocalDSS
from generator.__main__ import PINNED, main
from generator.errors import GeneratorError
from generator.update_spec import fetch, merged, written
from tests.conftest import Origins
from tests.origin import Reply

Document = dict[str, Any]


@pytest.fixture
def pinned(tmp_path: Path) -> Path:
    path = tmp_path / "swagger.json"
    shutil.copy(PINNED, path)
    return path


def run(pinned: Path, package: Path, spec: object, *more: str) -> int:
    return main(["--pinned", str(pinned), "--package", str(package), "--spec", str(spec), *more])


def document() -> Document:
    found: Document = json.loads(PINNED.read_text(encoding="utf-8"))
    return found


def save(path: Path, document: Document) -> Path:
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_the_specification_of_the_embedded_service_changes_nothing(
    pinned: Path, full: Path, local_dss: LocalDSS
) -> None:
    assert run(pinned, full, f"{local_dss.url}/swagger.json", "--check") == 0
    assert pinned.read_bytes() == PINNED.read_bytes()


def test_texts_and_address_stay_ours(pinned: Path) -> None:
    def foreign(node: Any) -> Any:
        if isinstance(node, dict):
            texts = {"description": "theirs", "summary": "theirs", "operationId": "dss.api.theirs"}
            return {
                name: texts[name] if isinstance(value, str) and name in texts else foreign(value)
                for name, value in sorted(node.items(), reverse=True)
            }
        return [foreign(each) for each in node] if isinstance(node, list) else node

    other = {**foreign(document()), "host": "dss.example.org", "schemes": ["http"]}
    assert written(merged(document(), other)) == PINNED.read_text(encoding="utf-8")


def test_what_is_new_is_taken_up(pinned: Path, empty: Path, tmp_path: Path) -> None:
    other = document()
    properties = other["definitions"]["File"]["properties"]
    properties["colour"] = {"type": "string", "description": "Its colour."}
    other["paths"]["/things"] = {
        "get": {
            "operationId": "dss.api.things.get",
            "summary": "List things",
            "responses": {"200": {"description": "Things.", "schema": {"type": "object"}}},
        }
    }
    spec = save(tmp_path / "theirs.json", other)
    assert run(pinned, empty, spec, "--check") == 1
    assert not (empty / "models.py").exists()
    assert run(pinned, empty, spec) == 0
    assert (empty / "_sync" / "operations" / "get_things.py").exists()
    found = json.loads(pinned.read_text(encoding="utf-8"))
    assert "colour" in found["definitions"]["File"]["properties"]
    assert "operationId" not in found["paths"]["/things"]["get"]
    assert main(["--pinned", str(pinned), "--package", str(empty), "--check"]) == 0


def test_a_correction_that_fits_no_more_writes_nothing(
    pinned: Path, empty: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = document()
    del other["paths"]["/collections/{uuid}"]
    spec = save(tmp_path / "theirs.json", other)
    assert run(pinned, empty, spec) == 1
    error = capsys.readouterr().err
    assert "stale correction /paths/~1collections~1{uuid}/get" in error
    assert pinned.read_bytes() == PINNED.read_bytes()
    assert not (empty / "models.py").exists()


def test_a_property_may_have_the_name_of_a_text() -> None:
    pinned = {"swagger": "2.0", "paths": {}, "definitions": {"A": {"description": "ours"}}}
    other = copy.deepcopy(pinned)
    other["definitions"]["A"] = {"properties": {"description": {"type": "string"}}}  # type: ignore[index]
    assert merged(pinned, other)["definitions"]["A"] == {
        "properties": {"description": {"type": "string"}},
        "description": "ours",
    }


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(404), "404 Not Found"),
        (Reply(body=b"<html>"), "not JSON"),
        (Reply(drop=True), "Remote end closed"),
        (Reply(body=b" " * ((1 << 24) + 1)), "more than"),
    ],
)
def test_what_is_not_a_specification_is_refused(origins: Origins, reply: Reply, said: str) -> None:
    url = f"{origins(reply).url}/v1/swagger.json"
    with pytest.raises(GeneratorError, match=said) as refused:
        fetch(url)
    assert str(refused.value).startswith(url)


@pytest.mark.parametrize("source", ["ftp://h/x", "file:///etc/passwd", "http://[::1"])
def test_only_the_web_is_asked(source: str) -> None:
    with pytest.raises(GeneratorError):
        fetch(source)


def test_a_file_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(GeneratorError, match="No such file"):
        fetch(str(tmp_path / "none.json"))
