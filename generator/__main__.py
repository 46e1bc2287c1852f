"""``python -m generator``: write the generated code, or with ``--check`` name what differs."""

import argparse
import hashlib
import sys
from pathlib import Path

from . import corrections, emit, ir, shape, swagger
from .errors import GeneratorError

__all__ = ["generate", "main"]

ROOT = Path(__file__).resolve().parent.parent
_GENERATED = ("models.py", "operations")


def generate(
    spec: Path, chosen: tuple[corrections.Correction, ...] = corrections.CORRECTIONS
) -> dict[str, str]:
    """Return the generated files of a specification: path below the package, and text.

    Raises:
        GeneratorError: The specification cannot be turned into code.
    """
    document = swagger.read(spec)
    swagger.check(document)
    corrected = corrections.apply(document, chosen)
    swagger.check(corrected)
    api = ir.build(shape.shape(swagger.to_openapi3(corrected)))
    return emit.emit(api, hashlib.sha256(spec.read_bytes()).hexdigest())


def main(argv: list[str] | None = None) -> int:
    """Run the command; return 0, or 1 on drift or a specification that cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m generator", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 on drift")
    parser.add_argument("--spec", type=Path, default=ROOT / "specs" / "swagger.json")
    parser.add_argument(
        "--package", type=Path, default=ROOT / "src" / "dss_client", help="where the code goes"
    )
    options = parser.parse_args(argv)
    try:
        files = generate(options.spec)
    except GeneratorError as error:
        print(f"generator: {error}", file=sys.stderr)
        return 1
    drift = _differences(files, options.package)
    if options.check:
        for path, what in drift:
            print(f"{what}: {options.package / path}", file=sys.stderr)
        return 1 if drift else 0
    for path, _ in drift:
        _put(options.package / path, files.get(path))
    print(f"{len(files)} generated files, {len(drift)} changed")
    return 0


def _differences(files: dict[str, str], package: Path) -> list[tuple[str, str]]:
    """Return path and kind of each difference between `files` and what is on disk."""
    present = {
        path.relative_to(package).as_posix()
        for name in _GENERATED
        for path in [package / name, *(package / name).rglob("*")]
        if path.is_file() and "__pycache__" not in path.parts
    }
    drift = [(path, "orphan") for path in present - files.keys()]
    for path, text in files.items():
        if path not in present:
            drift.append((path, "missing"))
        elif (package / path).read_bytes() != text.encode():
            drift.append((path, "differs"))
    return sorted(drift)


def _put(target: Path, text: str | None) -> None:
    if text is None:
        target.unlink()
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(text.encode())


if __name__ == "__main__":
    sys.exit(main())
