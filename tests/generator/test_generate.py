"""The command: writing, pruning and ``--check``; always the same bytes."""

import hashlib
import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from generator.__main__ import PINNED, ROOT, generate, main
from tests.generator.conftest import PACKAGE
from tests.generator.golden import expected
from tests.generator.golden import generated as golden
from tests.generator.specs import minimal, write

ORDER_MATTERS = {"properties", "headers", "parameters"}


def contents(package: Path) -> dict[str, bytes]:
    files = (path for path in package.rglob("*.py") if path.is_file())
    return {path.relative_to(package).as_posix(): path.read_bytes() for path in files}


def damage(package: Path) -> tuple[Path, Path, Path]:
    """Change a byte of one file, remove one and add one; return which."""
    changed, missing = package / "models.py", package / "_sync" / "operations" / "get_file.py"
    extra = package / "_async" / "operations" / "get_nothing.py"
    changed.write_bytes(changed.read_bytes().replace(b"e", b"f", 1))
    missing.unlink()
    extra.write_text("", encoding="utf-8")
    return changed, missing, extra


def test_generated_code_is_the_expected_code() -> None:
    # A paged operation, a content and a body; rewritten by `python -m tests.generator.golden`.
    assert golden() == expected()


def test_the_repository_is_as_generated(full: Path) -> None:
    ours = contents(PACKAGE)
    assert {name: ours.get(name) for name in contents(full)} == contents(full)
    assert main(["--check"]) == 0


def test_check_names_each_difference_and_repairs_none(
    package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed, missing, extra = damage(package)
    before = contents(package)
    assert main(["--check", "--package", str(package)]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert sorted(output.err.splitlines()) == [
        f"differs: {changed}",
        f"missing: {missing}",
        f"orphan: {extra}",
    ]
    assert contents(package) == before


def test_writing_repairs_prunes_and_leaves_all_else(
    full: Path, package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(package)
    cached = package / "_sync" / "__pycache__" / "get_file.cpython-311.pyc"
    cached.parent.mkdir()
    ours = package / "client.py"
    for path in (cached, ours):
        path.write_bytes(b"")
    assert main(["--package", str(package)]) == 0
    assert capsys.readouterr().out.endswith(" generated files, 3 changed\n")
    assert contents(package) == {**contents(full), "client.py": b""}
    assert cached.exists()


def test_the_same_bytes_under_another_hash_seed(full: Path, empty: Path) -> None:
    seed = "1" if os.environ.get("PYTHONHASHSEED") == "0" else "0"
    subprocess.run(
        [sys.executable, "-m", "generator", "--package", str(empty)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        check=True,
    )
    assert contents(empty) == contents(full)


def shuffled(node: Any, rng: random.Random, key: str = "") -> Any:
    """Return `node` with the keys of its objects in another order, but for fields and arguments."""
    if isinstance(node, list):
        return [shuffled(value, rng) for value in node]
    if not isinstance(node, dict):
        return node
    keys = list(node)
    if key not in ORDER_MATTERS:
        rng.shuffle(keys)
    return {name: shuffled(node[name], rng, name) for name in keys}


def test_the_order_of_unrelated_keys_does_not_matter(
    generated: dict[str, str], tmp_path: Path
) -> None:
    document = json.loads(PINNED.read_text(encoding="utf-8"))
    other = generate(write(shuffled(document, random.Random(1)), tmp_path / "swagger.json"))
    without_hash = [
        {name: re.sub(r"\b[0-9a-f]{64}\b", "", text) for name, text in files.items()}
        for files in (other, generated)
    ]
    assert without_hash[0] == without_hash[1]


def test_the_files_name_the_hash_of_the_specification(generated: dict[str, str]) -> None:
    digest = hashlib.sha256(PINNED.read_bytes()).hexdigest()
    assert all(digest in text for text in generated.values())


def test_texts_may_hold_anything(tmp_path: Path) -> None:
    texts = ['He said "yes"', '"""', "a\\", "x" * 200, "word " * 80, "* a\n* " + "two " * 40, "é\t"]
    document = minimal()
    get = document["paths"].pop("/things/{uuid}")["get"]
    for number, text in enumerate(texts):
        document["info"]["title"] = text
        document["paths"][f"/things/{{uuid}}/{number}"] = {
            "get": {**get, "summary": text, "description": text}
        }
        thing = document["definitions"]["Thing"]
        thing["description"] = text
        thing["properties"][f"field {number}"] = {"type": "string", "description": text}
    files = generate(write(document, tmp_path / "swagger.json"), ())
    for name, code in files.items():
        compile(code, name, "exec")
