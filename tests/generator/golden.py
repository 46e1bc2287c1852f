"""The golden record: a small specification, and the code that it must become.

``python -m tests.generator.golden`` writes the expected code anew; read the difference before
committing it.
"""

import shutil
from pathlib import Path

from generator.__main__ import generate

__all__ = ["EXPECTED", "SPECIFICATION", "expected", "generated"]

_FOLDER = Path(__file__).parent / "golden"
SPECIFICATION = _FOLDER / "swagger.json"
EXPECTED = _FOLDER / "expected"


def generated() -> dict[str, str]:
    """Return what the generator makes of it, uncorrected."""
    return generate(SPECIFICATION, ())


def expected() -> dict[str, str]:
    """Return what it must make of it."""
    return {
        path.relative_to(EXPECTED).as_posix(): path.read_bytes().decode()
        for path in EXPECTED.rglob("*.py")
    }


if __name__ == "__main__":
    shutil.rmtree(EXPECTED, ignore_errors=True)
    for name, text in generated().items():
        target = EXPECTED / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode())
