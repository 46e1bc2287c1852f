"""The one place where a name from the service becomes a path, or is refused.

The service's own rule for names (docs/behaviour.md 4.3) is not enough: older bundles do not follow
it, and it does not cover Windows, other people's files, or links planted in the directory.

A name is used as it is, or refused. No name may lead out of its directory, deceive the eye or the
terminal, or be longer than file systems take. Beyond that, POSIX systems take any name, and Windows
does not; with ``portable`` its rules and those of macOS hold everywhere, so that a directory can be
moved between them. A file system may have rules of its own (a FAT stick on Linux): it says so
itself. Windows' limit of 260 characters and its 8.3 aliases are not judged. ``~``, a leading dash
and a leading dot mean nothing below a root, and are taken.
"""

import os
import re
import stat
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, count
from pathlib import Path, PurePosixPath
from typing import Literal

from attrs import frozen

from .errors import FileDownloadError, NameClash, UnsafeName

BUNDLE_JSON = "bundle.json"

ClashPolicy = Literal["error", "rename", "skip"]

_MAX_PART = 255  # bytes
_MAX_PATH = 4096 - 1  # bytes: PATH_MAX of Linux with its NUL
_MAX_PORTABLE_PATH = 1024 - 1  # that of macOS
_BUNDLE = 63  # bytes of `<uuid>.<version>/`, which may be in front
_WINDOWS = os.name == "nt"
_INSTEAD = (
    "get this file alone by its uuid (dss download-file UUID -o PATH), or leave it out by a filter"
)
_JUNCTION = 0xA0000003

_NONCHARACTERS = "".join(rf"\U{plane:04x}fffe\U{plane:04x}ffff" for plane in range(17))
# Listed, not asked of `unicodedata`, whose answers change with the version of Python. Format
# characters (Cf) that one can see, such as the Arabic number sign, are not among the invisible.
_INVISIBLE = (
    r"\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f"
)
_HERE = r"(?:\A|(?<=/))"  # a part begins
_ENDS = r"(?=/|\Z)"
_DEVICE = r"(?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(?:COM|LPT)[0-9¹²³])"
_Rules = dict[str, re.Pattern[str]]
_UNSAFE: _Rules = {
    "is absolute": re.compile(r"\A/"),
    "has an empty part": re.compile(rf"{_HERE}{_ENDS}"),
    "has the part {!r}": re.compile(rf"{_HERE}\.\.?{_ENDS}"),
    "has {!r}, a control character": re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]"),
    "has {!r}, which cannot be written in UTF-8": re.compile(r"[\ud800-\udfff]"),
    "has {!r}, an invisible character, which can make names look alike": re.compile(
        f"[{_INVISIBLE}]"
    ),
}
_NOT_PORTABLE: _Rules = {
    "has a backslash": re.compile(r"\\"),
    "has a colon: a drive or a stream on Windows": re.compile(":"),
    "has {!r}, which Windows forbids": re.compile(r'[<>"|?*]'),
    "has {!r}, which stands for another one on macOS and WSL": re.compile(r"[\uf000-\uf07f]"),
    "has {!r}, which macOS does not accept": re.compile(rf"[\ufdd0-\ufdef{_NONCHARACTERS}]"),
    "has the part {!r}, which ends with a dot or a blank": re.compile(rf"{_HERE}[^/]*[. ]{_ENDS}"),
    "has the part {!r}, the name of a device on Windows": re.compile(
        rf"(?i){_HERE}{_DEVICE} *(?:\.[^/]*)?{_ENDS}"
    ),
}

# Takes most names there are at a glance; what it does not match is looked at in full.
_PLAIN_PART = (
    r"(?!(?i:CON|PRN|AUX|NUL|COM[0-9]|LPT[0-9]) *(?:[./]|\Z))"
    r"[\w .,;=+@#%&!()~-]{0,254}[\w,;=+@#%&!()~-]"
)
_PLAIN = re.compile(f"{_PLAIN_PART}(?:/{_PLAIN_PART})*", re.ASCII)

# Up to two extensions, as of `a.fastq.gz`; the 2 of `v1.2` does not count.
_STEM_AND_EXTENSIONS = re.compile(r"(.+?)((?:\.[A-Za-z][A-Za-z0-9]{0,9}){0,2})\Z")
_ROOM_FOR_NUMBER = "~9999999"


def safe_relative_path(name: str, *, portable: bool = False) -> PurePosixPath:
    """Return a name from the service as a path that stays below any directory it is joined to.

    Args:
        name: The name.
        portable: Take only names that Linux, macOS and Windows can all store.

    Raises:
        UnsafeName: It is empty, absolute or too long; has an empty part, ``.`` or ``..``; has a
            control character, or one that cannot be seen; or this system cannot store it.
    """
    fault = _fault(name, _BUNDLE, portable=portable)
    if fault is not None:
        raise UnsafeName(name, fault)
    return PurePosixPath(name)


class SafeDirectory:
    """A directory to put files into by their names from the service.

    It looks at each directory below the root once: a link planted there before is refused, one
    that takes its place afterwards is not noticed. Nor is a link at the place of the file itself;
    make files there by ways that follow none, such as `os.link`, `os.replace` or mode ``x``. The
    root may be a link: it is the user's. Threads may share an instance.

    Args:
        root: The directory, which need not be there yet.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._base = f"{root}{os.sep}"
        self._ready: set[str] = set()

    def path(self, name: str) -> str:
        """Return the path of a name as text, without a look at the disk.

        The name may have the directory of its bundle in front, and be longer by that.

        Raises:
            UnsafeName: As `safe_relative_path` says.
        """
        fault = _fault(name, 0, portable=False)
        if fault is not None:
            raise UnsafeName(name, _with_remedy(fault, name, portable=False))
        return f"{self._base}{name}"

    def prepare(self, name: str) -> str:
        """Return the path of a name as text, with the directories on the way made and no links.

        Raises:
            UnsafeName: As `safe_relative_path` says, or a directory on the way is a link.
            FileDownloadError: A file is in the place of a directory.
            OSError: The file system refuses.
        """
        path = self.path(name)
        if name.rpartition("/")[0] not in self._ready:
            self._make_folders(name)
        return path

    def _make_folders(self, name: str) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        self._ready.add("")
        for folder in accumulate(name.split("/")[:-1], "{}/{}".format):
            if folder in self._ready:
                continue
            path = self.root / folder
            try:
                path.mkdir(exist_ok=True)
            except FileExistsError:
                reason = f"another file is at {path}; move it out of the way and run again"
                raise FileDownloadError(name, reason) from None
            finally:
                # Not before: to mkdir a link to a directory is one.
                _refuse_link(path, name)
            self._ready.add(folder)


def check_clashes(names: Iterable[str]) -> None:
    """Check that all names of a bundle can be files of one directory on every file system.

    Names equal but for letter case or Unicode normalisation are one file on some systems, a name
    that is a directory of another is on none, and ``bundle.json`` is written for each bundle.

    Raises:
        NameClash: Two names clash; it says which and why.
    """
    claims = _Claims()
    for name in names:
        clash = claims.claim(name)
        if clash is not None:
            raise clash


@frozen
class Settled:
    """The file name for one name of a bundle.

    Attributes:
        name: The name in the bundle.
        target: The name of the file to write; None when there is to be none.
        reason: Why `target` is not `name`, or None when it is.
        unsafe: Whether the name is refused: if its file is wanted it fails, under any policy.
    """

    name: str
    target: str | None
    reason: str | None = None
    unsafe: bool = False


def settle_names(
    names: Sequence[str], policy: ClashPolicy, *, portable: bool = False
) -> list[Settled]:
    """Settle which files the names of a bundle become, where some clash as in `check_clashes`.

    A name that clashes with none before it is kept. A later one is an error, is left out, or gets
    a number: ``a~2.txt``, or ``a~2/b`` where ``a`` is a file. The outcome depends on nothing but
    the names and their order, so give all names of the bundle, wanted or not.

    Args:
        names: All names of the bundle, in its order.
        policy: What to do with a name that clashes.
        portable: Take only names that Linux, macOS and Windows can all store.

    Raises:
        NameClash: The policy is ``error``, and two names clash.
    """
    claims = _Claims()
    settled: list[Settled] = []
    clashing: list[int] = []
    for index, name in enumerate(names):
        fault = _fault(name, _BUNDLE, portable=portable)
        if fault is not None:
            reason = _with_remedy(fault, name, portable=portable)
            settled.append(Settled(name, None, reason, unsafe=True))
        elif (clash := claims.claim(name)) is None:
            settled.append(Settled(name, name))
        elif policy == "error":
            raise clash
        else:
            settled.append(Settled(name, None, clash.reason))
            clashing.append(index)
    if policy == "rename":
        # Last, so that no new name is one that another file of the bundle has by right.
        for index in clashing:
            settled[index] = _renamed(settled[index], claims, portable=portable)
    return settled


def _renamed(skipped: Settled, claims: "_Claims", *, portable: bool) -> Settled:
    target = claims.free_name(skipped.name)
    fault = _fault(target, _BUNDLE, portable=portable)
    if fault is not None:
        reason = f"{skipped.reason}; as {target!r} {fault}; {_INSTEAD}"
        return Settled(skipped.name, None, reason, unsafe=True)
    claims.claim(target)
    return Settled(skipped.name, target, skipped.reason)


class _Claims:
    """The names taken in one directory; ``bundle.json`` is from the start."""

    def __init__(self) -> None:
        self._files = {_key(BUNDLE_JSON): BUNDLE_JSON}
        self._folders: dict[str, str] = {}
        self._moved: dict[str, str] = {}
        self._numbers: dict[str, count[int]] = {}

    def claim(self, name: str) -> NameClash | None:
        """Take a name, or say with which it clashes."""
        key = _key(name)
        if key in self._files:
            other = self._files[key]
            return NameClash(name, other, _why_same(name, other))
        within = self._folders.get(key)
        folders: list[str] = []
        folder = key.rpartition("/")[0]
        while within is None and folder and folder not in self._folders:
            within = self._files.get(folder)
            folders.append(folder)
            folder = folder.rpartition("/")[0]
        if within is not None:
            return NameClash(name, within, "one is a file where the other needs a directory")
        self._files[key] = name
        self._folders.update(dict.fromkeys(folders, name))
        return None

    def free_name(self, name: str) -> str:
        """Return a name like this one that clashes with none taken."""
        *folders, last = name.split("/")
        path = ""
        for folder in folders:
            path += folder
            key = _key(path)
            if key in self._files:
                # All files of the directory go to the same new one.
                if key not in self._moved:
                    self._moved[key] = self._numbered(path)
                path = self._moved[key]
            path += "/"
        path += last
        return path if self._is_free(path) else self._numbered(path)

    def _is_free(self, path: str) -> bool:
        key = _key(path)
        return key not in self._files and key not in self._folders

    def _numbered(self, path: str) -> str:
        folder, slash, part = path.rpartition("/")
        stem, extensions = _STEM_AND_EXTENSIONS.findall(part)[0]
        while _length(stem + _ROOM_FOR_NUMBER + extensions) > _MAX_PART:
            stem = stem[:-1]
        # Counted on from the last: a real bundle has 250 files of one name.
        numbers = self._numbers.setdefault(_key(folder + slash + stem + extensions), count(2))
        new_names = (f"{folder}{slash}{stem}~{number}{extensions}" for number in numbers)
        return next(filter(self._is_free, new_names))


def _key(name: str) -> str:
    if name.isascii():
        return name.lower()
    decomposed = unicodedata.normalize("NFD", _without_joiners(name))
    return unicodedata.normalize("NFC", decomposed.casefold())


def _without_joiners(text: str) -> str:
    # Persian, Indic scripts and emoji need these two; HFS+ does not tell names apart by them.
    return text.replace("\u200c", "").replace("\u200d", "")


def _why_same(name: str, other: str) -> str:
    if other == BUNDLE_JSON:
        return "that name is taken by the description of the bundle itself"
    if name == other:
        return "the bundle has that name twice"
    return "they differ only in letter case or Unicode normalisation"


def _refuse_link(path: Path, name: str) -> None:
    """Refuse a symbolic link, or a junction of Windows; what is not there is fine."""
    try:
        info = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return
    if stat.S_ISLNK(info.st_mode) or getattr(info, "st_reparse_tag", 0) == _JUNCTION:
        raise UnsafeName(name, f"refused: {path} is a symbolic link; remove it and run again")


def _with_remedy(fault: str, name: str, *, portable: bool) -> str:
    here = portable and _fault(name, _BUNDLE, portable=False) is None
    return f"{fault}; {'download without portable, or ' if here else ''}{_INSTEAD}"


def _fault(name: str, before: int, *, portable: bool) -> str | None:
    """Return why a name is refused, None if it is not.

    Args:
        name: The name.
        before: Bytes that may come before it.
        portable: Whether every system has to be able to store it.
    """
    strict = portable or _WINDOWS
    longest = (_MAX_PORTABLE_PATH if strict else _MAX_PATH) - before
    if len(name) <= longest and _PLAIN.fullmatch(name):
        return None
    fault = next(_faults(name, longest, strict=strict), None)
    return None if fault is None else f"refused as a file name: it {fault}"


def _faults(name: str, longest: int, *, strict: bool) -> Iterator[str]:
    if not name:
        yield "is empty"
    bare = _without_joiners(name)
    for why, pattern in (_UNSAFE | _NOT_PORTABLE if strict else _UNSAFE).items():
        found = pattern.search(bare)
        if found is not None:
            yield why.format(found[0])
    length = max(_length(part, strict=strict) for part in name.split("/"))
    if length > _MAX_PART:
        yield f"has a part of length {length}, over {_MAX_PART}"
    length = len(name.encode())
    if length > longest:
        yield f"is {length} bytes long, over {longest}"


def _length(part: str, *, strict: bool = True) -> int:
    """Return the bytes of a part, or the UTF-16 units as decomposed by HFS+ if these are more."""
    units = len(unicodedata.normalize("NFD", part).encode("utf-16-le")) // 2 if strict else 0
    return max(len(part.encode()), units)
