"""A directory as a few lines of text."""

from collections.abc import Collection, Iterator
from pathlib import Path

from .output import human_size, table

__all__ = ["tree"]

_MOST = 5
_STORE = ".hca"


def tree(root: Path, *, skip: Collection[str] = ()) -> list[str]:
    """Return what is below a directory, aligned; of each directory the first few entries only.

    Args:
        root: The directory.
        skip: Names of its entries to leave out.
    """
    entries = [entry for entry in _entries(root) if entry.name not in skip]
    return [f"{root}/", *table(_rows(entries, "  "))]


def _rows(entries: list[Path], indent: str) -> Iterator[tuple[str, str]]:
    shown = entries if len(entries) <= _MOST + 1 else entries[:_MOST]
    for entry in shown:
        if entry.name == _STORE:
            yield f"{indent}{entry.name}/", "the store: each content once, by its sha256"
        elif entry.is_dir() and not entry.is_symlink():
            yield f"{indent}{entry.name}/", ""
            yield from _rows(_entries(entry), f"{indent}  ")
        else:
            yield f"{indent}{entry.name}", human_size(entry.lstat().st_size)
    if len(shown) < len(entries):
        yield f"{indent}... and {len(entries) - len(shown)} more", ""


def _entries(directory: Path) -> list[Path]:
    """Return directories first: what is nested shows before the list is cut off."""
    return sorted(directory.iterdir(), key=lambda path: (not path.is_dir(), path.name))
