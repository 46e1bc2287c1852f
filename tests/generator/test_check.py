"""The command: writing, pruning, and ``--check``."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from generator.__main__ import ROOT, main

PACKAGE = ROOT / "src" / "dss_client"
SINGLE = ("models.py", "_endpoints.py", "hca/_methods.py", "hca/types.py")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Give a copy of the generated part of the package."""
    copy = tmp_path / "dss_client"
    for folder in ("_async", "_sync", "operations"):
        shutil.copytree(
            PACKAGE / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__")
        )
    (copy / "hca").mkdir()
    for name in SINGLE:
        shutil.copy(PACKAGE / name, copy / name)
    return copy


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """Give a package with nothing but the handwritten part of the asynchronous client."""
    package = tmp_path / "new"
    shutil.copytree(
        PACKAGE / "_async",
        package / "_async",
        ignore=shutil.ignore_patterns("__pycache__", "operations"),
    )
    return package


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


def test_the_repository_is_as_generated() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "generator", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


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


def test_writing_repairs_and_prunes(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(package)
    damage(package)
    assert main(["--package", str(package)]) == 0
    assert capsys.readouterr().out.endswith(" generated files, 3 changed\n")
    assert contents(package) == before
    assert main(["--package", str(package)]) == 0
    assert capsys.readouterr().out.endswith(" generated files, 0 changed\n")


def test_what_is_not_generated_is_left_alone(package: Path) -> None:
    cached = package / "_sync" / "__pycache__" / "get_file.cpython-311.pyc"
    cached.parent.mkdir(exist_ok=True)
    cached.write_bytes(b"")
    ours = package / "client.py"
    ours.write_text("", encoding="utf-8")
    assert main(["--package", str(package)]) == 0
    assert cached.exists()
    assert ours.exists()


def test_an_empty_package_is_filled(empty: Path) -> None:
    assert main(["--package", str(empty)]) == 0
    folders = ("_async/", "_sync/", "operations/")
    assert contents(empty).keys() == {
        name for name in contents(PACKAGE) if name in SINGLE or name.startswith(folders)
    }


@pytest.mark.parametrize("seed", ["0", "1", "2", "random"])
def test_the_same_bytes_under_any_hash_seed(seed: str, empty: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "generator", "--package", str(empty)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        check=True,
    )
    assert main(["--check", "--package", str(empty)]) == 0
