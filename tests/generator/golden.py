"""Golden cases: a small specification each, and the code that it must become.

``python -m tests.generator.golden`` writes the expected code anew; read the difference before
committing it.
"""

import shutil
from pathlib import Path

from generator.__main__ import generate

__all__ = ["CASES", "expected", "generated"]

_GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(path.parent for path in _GOLDEN.glob("*/swagger.json"))


def generated(case: Path) -> dict[str, str]:
    """Return what the generator makes of a case, uncorrected."""
    return generate(case / "swagger.json", ())


def expected(case: Path) -> dict[str, str]:
    """Return what it must make of it."""
    root = case / "expected"
    return {
        path.relative_to(root).as_posix(): path.read_bytes().decode() for path in root.rglob("*.py")
    }


def _rewrite(case: Path) -> None:
    shutil.rmtree(case / "expected", ignore_errors=True)
    for name, text in generated(case).items():
        target = case / "expected" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode())


if __name__ == "__main__":
    for each in CASES:
        _rewrite(each)
        print(each.name)
