"""``python -m generator``: write the generated code, or with ``--check`` name what differs.

With ``--spec`` the specification of a deployment, or one in a file, is pinned first: its facts,
with the texts of the one that was pinned. Nothing is written unless code comes of it.
"""

import argparse
import hashlib
import sys
import tempfile
from pathlib import Path

from . import corrections, emit, normalize, options, parse, swagger, update_spec
from .errors import GeneratorError

__all__ = ["generate", "generate_blocking", "main"]

ROOT = Path(__file__).resolve().parent.parent
PINNED = ROOT / "specs" / "swagger.json"
_GENERATED = (
    "models.py",
    "_endpoints.py",
    "operations",
    "_async/downloads.py",
    "_async/operations",
    "_sync",
    "hca/_methods.py",
    "hca/types.py",
)


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
    api = parse.parse(normalize.normalize(swagger.to_openapi3(corrected)))
    return emit.emit(api, hashlib.sha256(spec.read_bytes()).hexdigest())


def generate_blocking(files: dict[str, str], package: Path) -> dict[str, str]:
    """Return the blocking client: path below the package, and text.

    Args:
        files: What is generated otherwise.
        package: Where the handwritten part of the asynchronous client is.

    Raises:
        GeneratorError: A rule of the conversion is used nowhere.
    """
    handwritten = {
        f"{emit.ASYNC}/{path.name}": path.read_text(encoding="utf-8")
        for path in sorted((package / emit.ASYNC).glob("*.py"))
    }
    written = {path: text for path, text in files.items() if path.startswith(emit.ASYNC)}
    return emit.emit_blocking(handwritten | written)


def main(argv: list[str] | None = None) -> int:
    """Run the command; return 0, or 1 on drift or a specification that cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m generator", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 on drift")
    parser.add_argument("--spec", metavar="URL|FILE", help="pin this specification")
    parser.add_argument("--pinned", type=Path, default=PINNED, help="the pinned specification")
    parser.add_argument(
        "--package", type=Path, default=ROOT / "src" / "dss_client", help="where the code goes"
    )
    given = parser.parse_args(argv)
    try:
        pinned, files = _pinned(given.pinned, given.spec)
        files |= emit.emit_downloads(options.read(given.package))
        files |= generate_blocking(files, given.package)
    except GeneratorError as error:
        print(f"generator: {error}", file=sys.stderr)
        return 1
    drift = _differences(files, given.package)
    if given.check:
        if pinned is not None:
            print(f"differs: {given.pinned}", file=sys.stderr)
        for path, what in drift:
            print(f"{what}: {given.package / path}", file=sys.stderr)
        return 1 if drift or pinned is not None else 0
    if pinned is not None:
        _put(given.pinned, pinned)
        print(f"{given.pinned} is pinned anew")
    for path, _ in drift:
        _put(given.package / path, files.get(path))
    print(f"{len(files)} generated files, {len(drift)} changed")
    return 0


def _pinned(spec: Path, source: str | None) -> tuple[str | None, dict[str, str]]:
    """Return the text of a specification that is to be pinned, and the files of what will be."""
    if source is None:
        return None, generate(spec)
    other = update_spec.fetch(source)
    text = update_spec.written(update_spec.merged(swagger.read(spec), other))
    with tempfile.TemporaryDirectory() as folder:
        candidate = Path(folder, spec.name)
        candidate.write_bytes(text.encode())
        try:
            files = generate(candidate)
        except GeneratorError as error:
            raise GeneratorError(str(error).replace(str(candidate), source)) from error
    return None if text.encode() == spec.read_bytes() else text, files


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
    temporary = target.with_name(f".{target.name}.part")
    temporary.write_bytes(text.encode())
    temporary.replace(target)


if __name__ == "__main__":
    sys.exit(main())
