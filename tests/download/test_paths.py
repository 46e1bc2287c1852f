"""Names from the service as paths (docs/behaviour.md C5, C6)."""

import ntpath
import posixpath
import stat
import sys
import unicodedata
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dss_client import DSSClient
from dss_client.download import (
    DownloadError,
    DownloadReport,
    FileReport,
    NameClash,
    UnsafeName,
    safe_relative_path,
)
from dss_client.transfer.names import settle_names

from .apart import FRUGAL
from .fetching import fail, get
from .wire import Bundle, Wire

LONGEST = "/".join(["x" * 239] * 4) + "y"  # 960 bytes: 1023 with `<uuid>.<version>/` before it

GOOD = [
    *("a", "a b", "cell_0.json", "folder/a.fastq.gz", "a/b/c", "expression.zarr!.zattrs"),
    # Dots, blanks, dashes and tildes in places where they mean nothing.
    *("good..path", "...x", "..a", ".bashrc", "a/.b", ".hca/v2/x", "~", "~/x", "~root/x", "-rf"),
    *(" leading", "\xa0", "$HOME/%PATH%", "it's [1] {2} ^ `x`", "a~1"),
    # Almost devices.
    *("CONFIG", "com10", "com", "console.txt", "a.con", "a CON", "LPT\N{SUPERSCRIPT FOUR}"),
    "clock$",
    # Of the world.
    "zelle_ü_細胞.json",
    unicodedata.normalize("NFC", "é"),
    unicodedata.normalize("NFD", "é"),
    "می\N{ZERO WIDTH NON-JOINER}خواهم.txt",
    "क्\N{ZERO WIDTH JOINER}ष",
    "👩\N{ZERO WIDTH JOINER}🔬.csv",
    "❤\N{VARIATION SELECTOR-16}",
    "葛\N{VARIATION SELECTOR-17}",
    "\N{ARABIC NUMBER SIGN}1",
    # As long as can be.
    *("x" * 255, "é" * 127, "한" * 85, "😀" * 63, LONGEST),
]

BAD = {
    "empty": ["", "a//b", "a/", "\N{ZERO WIDTH JOINER}"],
    "absolute": ["/etc/passwd", "//host/share", "/"],
    "the part '..'": ["../../x", "a/../b", "a/..", "..", ".\N{ZERO WIDTH JOINER}."],
    "the part '.'": [".", "./a", "a/./b"],
    "control": ["a\x00b", "a\nb", "a\n", "a\x1b[2J", "a\x7fb", "a\x85b", "a\u2028b", "a\u2029b"],
    "invisible": [
        "invoice\N{RIGHT-TO-LEFT OVERRIDE}fdp.exe",
        "a\N{ZERO WIDTH SPACE}b",
        "a\N{SOFT HYPHEN}b",
        "\N{ZERO WIDTH NO-BREAK SPACE}a",
        "a\N{TAG LATIN SMALL LETTER A}b",
    ],
    "length 256": ["x" * 256, "a/" + "x" * 256 + "/b", "é" * 128, "😀" * 64],
    "length 258": ["한" * 86],
    "4033 bytes long, over 4032": ["é/" * 1344 + "y"],
}

NOT_PORTABLE = {
    "a backslash": ["a\\b", "..\\x", "\\\\host\\share", "\\\\?\\C"],
    "a colon": ["C:", "C:/x", "C:x", "a:1.fastq", "a.txt:stream", "a/b::$DATA"],
    "which Windows forbids": ["a<b", "a>b", 'a"b', "a|b", "a?b", "*.txt"],
    # What Windows cuts off.
    "a dot or a blank": ["a.", "a /b", "a./b", "...", " ", "a. .", "a.\N{ZERO WIDTH JOINER}"],
    "the name of a device": [
        *("CON", "prn", "aux.bam", "a/nul.txt", "nul/a", "Com1.tar.gz", "com0", "LPT9", "lpt¹"),
        *("COM²", "COM³.x", "aux .json", "aux  .json/x", "CONIN$", "conout$.txt"),
        "CON\N{ZERO WIDTH JOINER}",
    ],
    "stands for another": ["a\uf05cb"],
    "which macOS does not accept": ["a\uffffb", "a\ufdd0b", "a\U0010fffeb"],
    "length 258": ["\N{GREEK SMALL LETTER IOTA WITH DIALYTIKA AND TONOS}" * 86],
    "961 bytes long, over 960": [LONGEST + "z"],
}

# Format characters with a shape of their own, and the two joiners.
ACCEPTED_FORMATS = {
    *range(0x600, 0x606),
    *range(0x200C, 0x200E),
    *(0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD),
    *range(0x13430, 0x13460),
}

on_linux = pytest.mark.skipif(
    sys.platform != "linux", reason="other systems cannot store some of them"
)


def bundle_of(wire: Wire, names: Sequence[str]) -> Bundle:
    """Hold a bundle of files with such names, one of them twice perhaps."""
    bundle = wire.add_bundle({str(number): b"%d" % number for number, _ in enumerate(names)})
    for file, name in zip(bundle.files, names, strict=True):
        file["name"] = name
    return bundle


def get_all(wire: Wire, folder: Path, **options: Any) -> DownloadReport:
    """Download all bundles, and return the report, whatever became of them."""
    options = {"replica": "aws", "download_dir": folder, **FRUGAL, **options}
    with DSSClient(wire.url, retries=0) as dss:
        try:
            return dss.download_bundles(bundles=wire.found, **options)
        except DownloadError as error:
            return error.report


def files_of(bundle: Bundle, report: DownloadReport) -> list[FileReport]:
    """Return what became of the files of a bundle."""
    entries = [each for each in report.files if str(each.bundle) == bundle.fqid]
    return entries[1:]  # without bundle.json


def paths_of(bundle: Bundle, folder: Path, report: DownloadReport) -> list[str | None]:
    """Return which files the names of a bundle have become."""
    root = folder / bundle.fqid
    paths = [entry.path for entry in files_of(bundle, report)]
    return [None if path is None else path.relative_to(root).as_posix() for path in paths]


# One name


@on_linux
@pytest.mark.parametrize(
    ("names", "portable"),
    [(GOOD, True), (GOOD, False), *((names, False) for names in NOT_PORTABLE.values())],
)
def test_what_is_taken_is_stored(
    wire: Wire, tmp_path: Path, names: list[str], portable: bool
) -> None:
    bundles = [bundle_of(wire, [name]) for name in names]
    report = get_all(wire, tmp_path, portable=portable)
    assert report.ok
    for bundle, name in zip(bundles, names, strict=True):
        assert paths_of(bundle, tmp_path, report) == [name]
        assert (tmp_path / bundle.fqid / name).is_file()


@pytest.mark.parametrize(
    ("why", "portable"), [*((why, False) for why in BAD), *((why, True) for why in NOT_PORTABLE)]
)
def test_c5_unsafe_names_are_refused(wire: Wire, tmp_path: Path, why: str, portable: bool) -> None:
    names = NOT_PORTABLE[why] if portable else BAD[why]
    for name in names:
        bundle_of(wire, [name])
    report = get_all(wire, tmp_path / "in", portable=portable)
    assert [entry.name for entry in report.failed] == names
    remedy = "; get this file alone by its uuid"
    if portable and sys.platform != "win32":
        remedy = "; download without portable, or get this file alone"
    for entry in report.failed:
        assert isinstance(entry.error, UnsafeName)
        assert isinstance(entry.error, ValueError)
        assert all(text in str(entry.error) for text in (why, remedy, repr(entry.name)))
    assert {path.name for path in tmp_path.iterdir()} == {"in"}
    assert {path.name for path in tmp_path.glob("in/*Z/**/*")} == {"bundle.json"}


def is_safe(name: str, *, portable: bool = True) -> bool:
    try:
        safe_relative_path(name, portable=portable)
    except UnsafeName:
        return False
    return True


def test_every_control_and_format_character_is_decided_on() -> None:
    special = {
        point
        for point in range(sys.maxunicode + 1)
        if unicodedata.category(chr(point)) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
    }
    accepted = {point for point in special if is_safe(f"a{chr(point)}b")}
    assert accepted == special & ACCEPTED_FORMATS


@given(st.text(st.characters(categories=("L", "M", "N", "S"), exclude_characters="<>|")))
def test_letters_marks_numbers_and_symbols_of_any_script_are_accepted(text: str) -> None:
    assert is_safe(f"x{text[:20]}")


characters = st.one_of(
    st.sampled_from("abAB.. ~-/\\:*?$1¹éÉ\0\n\x7f"),
    st.sampled_from("\u200b\u200c\u200d\u202e\u2028\ufeff\ud800\uf05c\uffff\u0301ß"),
    st.characters(),
)
parts = st.one_of(
    st.sampled_from(["..", ".", "", "a", "A", "b.txt", "~", "C:", "\\", "nul", "a b", "\0"]),
    st.sampled_from(["COM1", "lpt¹.x", "CONIN$", "aux .a", "x" * 255, "é" * 128, "a.", "-"]),
    st.from_regex(r"(?i:con|prn|aux|nul|com.|lpt.|conin\$) ?(\.x)?[. ]?", fullmatch=True),
    st.text("abcnopAuxLT019 ._~$", min_size=1, max_size=6),
    st.text(characters, max_size=12),
)
any_name = st.lists(parts, max_size=6).map("/".join)


@given(any_name)
@example("CONOUT$")
def test_c5_a_path_always_stays_below_its_root(name: str) -> None:
    if not is_safe(name, portable=False):
        assert not is_safe(name), "what is taken everywhere is taken here"
        return
    posix = PurePosixPath("/data/root") / name
    assert PurePosixPath(posixpath.normpath(posix)) == posix
    assert posix.relative_to("/data/root") == PurePosixPath(name) != PurePosixPath()
    if not is_safe(name):
        return
    windows = PureWindowsPath(r"C:\data\root") / name
    assert ntpath.normpath(rf"C:\data\root\{name}") == str(windows)
    assert windows.relative_to(r"C:\data\root").parts == tuple(name.split("/"))
    assert not PureWindowsPath(name).drive
    if sys.version_info >= (3, 13):
        assert not ntpath.isreserved(name)


@given(any_name)
@example("com1 .x")
@example("a/b/lpt9")
@example("a./b")
@example("a\n")
@example("x" * 256)
@example("x" * 255 + "/y")
def test_what_is_taken_at_a_glance_bears_a_closer_look(name: str) -> None:
    # One letter beyond ASCII, and all of the name is looked at in full.
    if name and not name.startswith("/"):
        assert is_safe(name) == is_safe(f"é/{name}")


# What is in the directory already


@pytest.mark.parametrize("planted", ["sub", "sub/deeper"])
@pytest.mark.parametrize("target", ["out", "nowhere"])
def test_c5_a_planted_directory_link_fails_its_files(
    wire: Wire, tmp_path: Path, planted: str, target: str
) -> None:
    bundle = wire.add_bundle({"a": b"1", "sub/deeper/b": b"2", "sub/deeper/c": b"3"})
    link = tmp_path / "in" / bundle.fqid / planted
    link.parent.mkdir(parents=True)
    (tmp_path / "out").mkdir()
    link.symlink_to(tmp_path / target)
    errors = fail(wire, bundle, tmp_path / "in").errors
    assert [error.name for error in errors] == ["sub/deeper/b", "sub/deeper/c"]
    assert all(isinstance(error, UnsafeName) for error in errors)
    assert all(f"{link} is a symbolic link; remove it" in str(error) for error in errors)
    assert [*tmp_path.glob("out/*"), *tmp_path.glob("nowhere")] == []
    link.unlink()
    assert get(wire, bundle, tmp_path / "in").ok


def test_a_file_in_the_place_of_a_directory_stays(wire: Wire, tmp_path: Path) -> None:
    bundle = wire.add_bundle({"a": b"1", "sub/b": b"2"})
    mine = tmp_path / bundle.fqid / "sub"
    mine.parent.mkdir()
    mine.write_text("mine")
    (error,) = fail(wire, bundle, tmp_path).errors
    assert f"another file is at {mine}; move it out of the way and run again" in str(error)
    assert mine.read_text() == "mine"


def test_a_junction_of_windows_is_a_link(
    wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lstat = Path.lstat
    junction = SimpleNamespace(st_mode=stat.S_IFDIR, st_reparse_tag=0xA0000003)
    monkeypatch.setattr(Path, "lstat", lambda at: junction if at.name == "sub" else lstat(at))
    (error,) = fail(wire, wire.add_bundle({"a": b"1", "sub/b": b"2"}), tmp_path).errors
    assert isinstance(error, UnsafeName)
    assert "symbolic link" in str(error)


def test_the_download_directory_itself_may_be_a_link(wire: Wire, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "root").symlink_to(tmp_path / "elsewhere")
    bundle = wire.add_bundle({"a/b": b"1"})
    assert get(wire, bundle, tmp_path / "root").ok
    assert (tmp_path / "elsewhere" / bundle.fqid / "a" / "b").read_bytes() == b"1"


# The names of a bundle


ROOM = "x" * 247  # what is left of a part before a number of up to seven digits

# Names, why the first that clashes does, and what they become when they are renamed.
CLASHES = [
    (["a.txt", "A.txt", "a.TXT"], "letter case", ["a.txt", "A~2.txt", "a~3.TXT"]),
    (["x"] * 4, "twice", ["x", "x~2", "x~3", "x~4"]),
    (["straße", "STRASSE"], "letter case", ["straße", "STRASSE~2"]),
    (["\N{KELVIN SIGN}", "k"], "letter case", ["\N{KELVIN SIGN}", "k~2"]),
    (["\xe9", "E\u0301"], "normalisation", ["\xe9", "E\u0301~2"]),
    (["क्\N{ZERO WIDTH JOINER}ष", "क्ष"], "normalisation", ["क्\N{ZERO WIDTH JOINER}ष", "क्ष~2"]),
    (["a.fastq.gz"] * 2, "twice", ["a.fastq.gz", "a~2.fastq.gz"]),
    (["v1.2.json"] * 2, "twice", ["v1.2.json", "v1.2~2.json"]),
    ([".bashrc"] * 2, "twice", [".bashrc", ".bashrc~2"]),
    (["d.x/a", "d.x/A"], "letter case", ["d.x/a", "d.x/A~2"]),
    # A name that clashes with none is kept, wherever in the list it is.
    (["a", "a", "a~2", "A~2"], "twice", ["a", "a~3", "a~2", "A~2~2"]),
    # All files of a directory stay together, and apart from those of any other.
    (["a", "a/b", "A/c", "a/B"], "needs a directory", ["a", "a~2/b", "a~2/c", "a~2/B~2"]),
    (["a", "a/b", "a~2/b"], "needs a directory", ["a", "a~3/b", "a~2/b"]),
    (["x/a", "x/A/b", "x/A/b/c"], "needs a directory", ["x/a", "x/A~2/b", "x/A~2/b~2/c"]),
    (["a/b/c", "A", "a"], "needs a directory", ["a/b/c", "A~2", "a~3"]),
    (["a.zarr", "a.zarr/.zattrs"], "needs a directory", ["a.zarr", "a~2.zarr/.zattrs"]),
    (["Bundle.JSON", "bundle.json/x"], "of the bundle", ["Bundle~2.JSON", "bundle~3.json/x"]),
    # A part with a number is no longer than any other.
    (["x" * 255] * 2, "twice", ["x" * 255, f"{ROOM}~2"]),
    (["x" * 250 + ".json"] * 2, "twice", ["x" * 250 + ".json", f"{'x' * 242}~2.json"]),
    (["한" * 85] * 2, "twice", ["한" * 85, f"{'한' * 82}~2"]),
    ([ROOM + "a", ROOM + "A", ROOM, ROOM + "~2"], "letter case",
     [ROOM + "a", ROOM + "~3", ROOM, ROOM + "~2"]),
    # Unsafe names clash with none.
    (["../x", "a", "../X", "A"], "letter case", [None, "a", None, "A~2"]),
    (["c/a", "c/b", "C/c", "c/A"], "letter case", ["c/a", "c/b", "C/c", "c/A~2"]),
]  # fmt: skip


@on_linux
def test_c6_names_that_clash_are_left_out_or_renamed(wire: Wire, tmp_path: Path) -> None:
    bundles = [bundle_of(wire, names) for names, *_ in CLASHES]
    left_out = get_all(wire, tmp_path / "skip", clash="skip")
    renamed = get_all(wire, tmp_path / "rename", clash="rename")
    for bundle, (names, why, expected) in zip(bundles, CLASHES, strict=True):
        assert paths_of(bundle, tmp_path / "rename", renamed) == expected
        for number, name in enumerate(expected):
            if name is not None:
                path = tmp_path / "rename" / bundle.fqid / name
                assert path.read_bytes() == b"%d" % number
        kept = [name if name == new else None for name, new in zip(names, expected, strict=True)]
        assert paths_of(bundle, tmp_path / "skip", left_out) == kept
        skipped = [entry for entry in files_of(bundle, left_out) if entry.state == "skipped"]
        assert why in skipped[0].reason


def test_a_name_too_long_for_a_number_fails_alone(wire: Wire, tmp_path: Path) -> None:
    folder = "/".join(["x" * 239] * 3) + "/" + "x" * 238
    bundle_of(wire, [f"{folder}/a", f"{folder}/A"])
    report = get_all(wire, tmp_path, clash="rename", portable=True, dry_run=True)
    (error,) = report.errors
    assert isinstance(error, UnsafeName)
    assert "clashes with" in str(error)
    assert "962 bytes" in str(error)


lists_of_names = st.lists(
    st.one_of(
        st.lists(
            st.sampled_from(["a", "A", "b.x", "B.X", "a~2", "A~2", "a~3", "é", "É", "x" * 255]),
            min_size=1,
            max_size=3,
        ).map("/".join),
        st.sampled_from(["bundle.json", "Bundle~2.json", "a:b", "", "ß", "SS"]),
        any_name,
    ),
    max_size=14,
)


def without_case(name: str) -> str:
    """Match as Unicode's canonical caseless matching does (D145), blind to joiners."""
    bare = name.replace("\u200c", "").replace("\u200d", "")
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", bare).casefold())


@given(lists_of_names)
def test_renamed_names_can_all_be_files_of_one_directory(names: list[str]) -> None:
    settled = settle_names(names, "rename")
    assert settled == settle_names(tuple(names), "rename")
    assert [one.name for one in settled] == names
    targets = [one.target for one in settled if one.target is not None]
    keys = [without_case(target) for target in targets]
    assert len(set(keys)) == len(keys)
    folders = {str(folder) for key in keys for folder in PurePosixPath(key).parents}
    assert not folders.intersection([*keys, "bundle.json"])
    assert "bundle.json" not in keys
    assert all(is_safe(target, portable=False) for target in targets)
    assert [one.target for one in settle_names(targets, "rename")] == targets
    assert all(one.unsafe for one in settled if one.target is None)


@given(lists_of_names)
def test_the_policies_agree_on_which_names_clash(names: list[str]) -> None:
    skipped = settle_names(names, "skip")
    clashing = {n for n, one in enumerate(skipped) if one.target is None and not one.unsafe}
    for number, moved in enumerate(settle_names(names, "rename")):
        if number in clashing:
            assert moved.target != moved.name
            assert str(moved.reason).startswith(str(skipped[number].reason))
        else:
            assert moved == skipped[number]
    if clashing:
        with pytest.raises(NameClash):
            settle_names(names, "error")
    else:
        assert settle_names(names, "error") == skipped


@given(lists_of_names, lists_of_names)
def test_which_name_is_kept_depends_on_those_before_it_only(
    names: list[str], more: list[str]
) -> None:
    assert settle_names([*names, *more], "skip")[: len(names)] == settle_names(names, "skip")
