"""Directory trees as values, to be compared."""

from pathlib import Path

Tree = dict[str, bytes]


def tree(folder: Path) -> Tree:
    """Return the content of every file below a directory, by relative name."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def links(folder: Path) -> set[frozenset[str]]:
    """Return the groups of names that are one file."""
    groups: dict[int, set[str]] = {}
    for path in folder.rglob("*"):
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            groups.setdefault(path.stat().st_ino, set()).add(name)
    return {frozenset(group) for group in groups.values()}
