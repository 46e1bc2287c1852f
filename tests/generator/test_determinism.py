"""What must not matter for the generated code: the order of unrelated keys, texts elsewhere."""

import hashlib
import json
import random
import re
from pathlib import Path
from typing import Any

import pytest

from generator.__main__ import ROOT, generate
from tests.generator.specs import Document, write

SPEC = ROOT / "specs" / "swagger.json"
ORDER_MATTERS = {"properties", "headers", "parameters"}


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


def without_hash(files: dict[str, str]) -> dict[str, str]:
    return {name: re.sub(r"\b[0-9a-f]{64}\b", "", text) for name, text in files.items()}


@pytest.mark.parametrize("seed", range(4))
def test_order_of_unrelated_keys(seed: int, tmp_path: Path) -> None:
    document: Document = json.loads(SPEC.read_text(encoding="utf-8"))
    other = shuffled(document, random.Random(seed))
    assert json.dumps(other) != json.dumps(document)
    spec = write(other, tmp_path / "swagger.json")
    assert without_hash(generate(spec)) == without_hash(generate(SPEC))


def test_the_files_name_the_hash_of_the_specification() -> None:
    digest = hashlib.sha256(SPEC.read_bytes()).hexdigest()
    assert all(digest in text for text in generate(SPEC).values())
