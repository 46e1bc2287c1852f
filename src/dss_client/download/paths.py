"""The one place where a name from the service becomes a path, or is refused (C5, C6).

The service's own rule for names (behaviour reference §4.3) is not enough: older bundles predate it,
and it says nothing of Windows, of other people's files, or of links planted in the directory.
"""

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from .errors import NameClash, UnsafeName

BUNDLE_JSON = "bundle.json"

_MAX_PART = 255
_RESERVED = re.compile(r"(?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(?:COM|LPT)[0-9¹²³])", re.IGNORECASE)


def safe_relative_path(name: str) -> PurePosixPath:
    """Return a name from the service as a path that stays below any directory it is joined to.

    Raises:
        UnsafeName: It is empty or absolute; has an empty part, ``.`` or ``..``, a backslash, a
            colon or a control character; or a part that some system cannot store.
    """
    reason = _fault_of_name(name)
    if reason is not None:
        raise UnsafeName(name, f"refused as a file name: {reason}")
    return PurePosixPath(name)


def resolve_under(root: Path, name: str) -> Path:
    """Return the path of a name below `root`.

    Raises:
        UnsafeName: As `safe_relative_path` says, or a directory on the way is a symbolic link.
    """
    relative = safe_relative_path(name)
    path = root
    for part in relative.parts[:-1]:
        path /= part
        if path.is_symlink():
            raise UnsafeName(name, f"refused: {path} is a symbolic link; remove it and run again")
    return path / relative.name


def check_clashes(names: Iterable[str]) -> None:
    """Check that all names of a bundle can be files of one directory on every file system.

    Names equal but for letter case or Unicode normalisation are one file on some systems, a name
    that is a directory of another is on none, and ``bundle.json`` is written for each bundle.

    Raises:
        NameClash: Two names clash; it says which and why.
    """
    files = {_key(BUNDLE_JSON): BUNDLE_JSON}
    folders: dict[str, str] = {}
    for name in names:
        key = _key(name)
        if key in files:
            raise NameClash(name, files[key], _why_same(name, files[key]))
        files[key] = name
        while "/" in key:
            key = key.rpartition("/")[0]
            folders.setdefault(key, name)
    for key, name in files.items():
        if key in folders:
            reason = "one is a file where the other needs a directory"
            raise NameClash(name, folders[key], reason)


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def _why_same(name: str, other: str) -> str:
    if other == BUNDLE_JSON:
        return "that name is taken by the description of the bundle itself"
    if name == other:
        return "the bundle has that name twice"
    return "they differ only in letter case or Unicode normalisation"


def _fault_of_name(name: str) -> str | None:
    if not name:
        return "it is empty"
    if name.startswith("/"):
        return "it is absolute"
    if "\\" in name:
        return "it has a backslash"
    if ":" in name:
        return "it has a colon"
    if any(unicodedata.category(character) == "Cc" for character in name):
        return "it has a control character"
    faults = (_fault_of_part(part) for part in name.split("/"))
    return next((fault for fault in faults if fault is not None), None)


def _fault_of_part(part: str) -> str | None:
    if not part:
        return "it has an empty part"
    if part in {".", ".."}:
        return f"it has the part {part!r}"
    if part[-1] in ". ":
        return f"its part {part!r} ends with a dot or a blank"
    if _RESERVED.fullmatch(part.partition(".")[0].rstrip(" ")):
        return f"its part {part!r} is the name of a device on Windows"
    try:
        length = len(part.encode())
    except UnicodeEncodeError:
        return "it cannot be written in UTF-8"
    return f"a part is {length} bytes long, over {_MAX_PART}" if length > _MAX_PART else None
