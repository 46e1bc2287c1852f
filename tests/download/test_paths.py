"""Names from the service as paths (docs/behaviour.md C5, C6)."""

import ntpath
import pickle
import posixpath
import stat
import sys
import unicodedata
import uuid
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import SimpleNamespace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dss_client import DSSClient
from dss_client.download import FileDownloadError, NameClash, UnsafeName
from dss_client.local import LocalDSS
from dss_client.transfer.names import (
    ClashPolicy,
    SafeDirectory,
    check_clashes,
    safe_relative_path,
    settle_names,
)

LONGEST = "/".join(["x" * 239] * 4) + "y"  # 960 bytes: 1023 with `<uuid>.<version>/` before it

GOOD = [
    "a",
    "a b",
    "cell_0.json",
    "folder/a.fastq.gz",
    "a/b/c",
    "expression.zarr!.zattrs",
    # Dots, blanks, dashes and tildes in places where they mean nothing.
    "good..path",
    "...x",
    "..a",
    ".bashrc",
    "a/.b",
    ".hca/v2/x",
    "~",
    "~/x",
    "~root/x",
    "-rf",
    " leading",
    "\xa0",
    "$HOME/%PATH%",
    "it's [1] {2} ^ `x`",
    "a~1",
    # Almost devices.
    "CONFIG",
    "com10",
    "com",
    "console.txt",
    "a.con",
    "a CON",
    "LPT\N{SUPERSCRIPT FOUR}",
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
    "x" * 255,
    "é" * 127,
    "한" * 85,
    "😀" * 63,
    LONGEST,
]

BAD = {
    "": "empty",
    "/etc/passwd": "absolute",
    "//host/share": "absolute",
    "/": "absolute",
    "../../x": "'..'",
    "a/../b": "'..'",
    "a/..": "'..'",
    "..": "'..'",
    ".": "'.'",
    "./a": "'.'",
    "a/./b": "'.'",
    "a//b": "empty part",
    "a/": "empty part",
    "\N{ZERO WIDTH JOINER}": "empty part",
    ".\N{ZERO WIDTH JOINER}.": "the part",
    # What a terminal obeys.
    "a\x00b": "control",
    "a\nb": "control",
    "a\n": "control",
    "a\x1b[2J": "control",
    "a\x7fb": "control",
    "a\x85b": "control",
    "a\u2028b": "control",
    "a\u2029b": "control",
    # What nobody sees.
    "invoice\N{RIGHT-TO-LEFT OVERRIDE}fdp.exe": "invisible",
    "a\N{RIGHT-TO-LEFT ISOLATE}b": "invisible",
    "a\N{RIGHT-TO-LEFT MARK}b": "invisible",
    "a\N{ZERO WIDTH SPACE}b": "invisible",
    "a\N{WORD JOINER}b": "invisible",
    "a\N{SOFT HYPHEN}b": "invisible",
    "\N{ZERO WIDTH NO-BREAK SPACE}a": "invisible",
    "a\N{TAG LATIN SMALL LETTER A}b": "invisible",
    # What some system cannot store, or shows as another.
    "a\ud800b": "UTF-8",
    # Too long.
    "x" * 256: "length 256",
    "a/" + "x" * 256 + "/b": "length 256",
    "é" * 128: "length 256",
    "한" * 86: "length 258",
    "😀" * 64: "length 256",
}

NOT_PORTABLE = {
    "a\\b": "backslash",
    "..\\x": "backslash",
    "\\\\host\\share": "backslash",
    "\\\\?\\C": "backslash",
    "C:": "colon",
    "C:/x": "colon",
    "C:x": "colon",
    "a:b": "colon",
    "a.txt:stream": "colon",
    "a/b::$DATA": "colon",
    "a<b": "'<', which Windows",
    "a>b": "'>', which Windows",
    'a"b': "'\"', which Windows",
    "a|b": r"'\|', which Windows",
    "a?b": r"'\?', which Windows",
    "*.txt": r"'\*', which Windows",
    # Windows: what it cuts off.
    "a.": "dot or a blank",
    "a /b": "dot or a blank",
    "a./b": "dot or a blank",
    "...": "dot or a blank",
    " ": "dot or a blank",
    "a. .": "dot or a blank",
    "a.\N{ZERO WIDTH JOINER}": "dot or a blank",
    # Windows: devices.
    "CON": "device",
    "prn": "device",
    "a/nul.txt": "device",
    "nul/a": "device",
    "Com1.tar.gz": "device",
    "com0": "device",
    "LPT9": "device",
    "lpt¹": "device",
    "COM²": "device",
    "COM³.x": "device",
    "aux .json": "device",
    "aux  .json/x": "device",
    "CONIN$": "device",
    "conout$.txt": "device",
    "CON\N{ZERO WIDTH JOINER}": "device",
    "a\uf05cb": "stands for another",
    "a\uffffb": "which macOS does not accept",
    "a\ufdd0b": "which macOS does not accept",
    "a\U0010fffeb": "which macOS does not accept",
    "\N{GREEK SMALL LETTER IOTA WITH DIALYTIKA AND TONOS}" * 86: "length 258",
    LONGEST + "z": "961 bytes long, over 960",
}

# Format characters with a shape of their own, and the two joiners.
ACCEPTED_FORMATS = {
    *range(0x600, 0x606),
    *range(0x200C, 0x200E),
    *(0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD),
    *range(0x13430, 0x13460),
}


def is_safe(name: str, *, portable: bool = True) -> bool:
    try:
        safe_relative_path(name, portable=portable)
    except UnsafeName:
        return False
    return True


def without_case(name: str) -> str:
    """Match as Unicode's canonical caseless matching does (D145), blind to joiners."""
    bare = name.replace("\u200c", "").replace("\u200d", "")
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", bare).casefold())


characters = st.one_of(
    st.sampled_from("abAB.. ~-/\\:*?$1¹éÉ\0\n\x7f"),
    st.sampled_from("\u200b\u200c\u200d\u202e\u2028\ufeff\ud800\uf05c\uffff\u0301ß"),
    st.characters(),
)
parts = st.one_of(
    st.sampled_from(["..", ".", "", "a", "A", "b.txt", "~", "C:", "\\", "nul", "a b", "\0"]),
    st.sampled_from(["COM1", "lpt¹.x", "CONIN$", "aux .a", "x" * 255, "é" * 128, "a.", "-"]),
    st.text(characters, max_size=12),
)
plain_parts = st.one_of(
    st.text("abcnopAuxLT019 ._~$", min_size=1, max_size=6),
    st.from_regex(r"(?i:con|prn|aux|nul|com.|lpt.|conin\$) ?(\.x)?[. ]?", fullmatch=True),
)
any_name = st.lists(parts, max_size=6).map("/".join)


posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has rules of its own")


@pytest.mark.parametrize("portable", [True, False])
@pytest.mark.parametrize("name", GOOD)
def test_good_names_stay_as_they_are(name: str, portable: bool, tmp_path: Path) -> None:
    assert safe_relative_path(name, portable=portable) == PurePosixPath(name)
    assert SafeDirectory(tmp_path, portable=portable).path(name) == tmp_path / name
    (settled,) = settle_names([name], "error", portable=portable)
    assert settled.target == name


@pytest.mark.parametrize("portable", [True, False])
@pytest.mark.parametrize("name", BAD)
def test_c5_unsafe_names_are_refused(name: str, portable: bool, tmp_path: Path) -> None:
    with pytest.raises(UnsafeName, match=BAD[name]) as caught:
        safe_relative_path(name, portable=portable)
    assert repr(name) in str(caught.value)
    assert isinstance(caught.value, ValueError)
    directory = SafeDirectory(tmp_path, portable=portable)
    for refuse in (directory.path, directory.prepare):
        with pytest.raises(UnsafeName, match=rf"{BAD[name]}.*; get this file alone by its uuid"):
            refuse(name)
    (settled,) = settle_names([name], "error", portable=portable)
    assert (settled.target, settled.unsafe) == (None, True)
    assert "; get this file alone by its uuid" in str(settled.reason)


@posix
@pytest.mark.parametrize("name", NOT_PORTABLE)
def test_names_that_not_every_system_can_store(name: str, tmp_path: Path) -> None:
    assert safe_relative_path(name) == PurePosixPath(name)
    (settled,) = settle_names([name], "error")
    assert settled.target == name
    with pytest.raises(UnsafeName, match=NOT_PORTABLE[name]):
        safe_relative_path(name, portable=True)
    (settled,) = settle_names([name], "error", portable=True)
    assert settled.unsafe
    assert "; download without portable, or get this file alone" in str(settled.reason)


@pytest.mark.skipif(sys.platform != "linux", reason="other file systems have other rules")
@pytest.mark.parametrize("name", NOT_PORTABLE)
def test_what_is_taken_can_be_stored(name: str, tmp_path: Path) -> None:
    SafeDirectory(tmp_path).prepare(name).write_text("x")
    (path,) = (path for path in tmp_path.rglob("*") if path.is_file())
    assert path.relative_to(tmp_path).as_posix() == name


def test_there_is_room_for_the_directory_of_a_bundle(tmp_path: Path) -> None:
    bundle = f"{uuid.uuid4()}.2019-01-01T000000.000000Z"
    portable = SafeDirectory(tmp_path, portable=True)
    assert portable.path(f"{bundle}/{LONGEST}") == tmp_path / bundle / LONGEST
    with pytest.raises(UnsafeName, match="1024 bytes long, over 1023"):
        portable.path(f"{bundle}/{LONGEST}z")
    with pytest.raises(UnsafeName, match="4033 bytes long, over 4032"):
        safe_relative_path("é/" * 1344 + "y")


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
    name = f"x{text[:20]}"
    assert safe_relative_path(name, portable=True) == PurePosixPath(name)


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


@given(st.one_of(any_name, st.lists(plain_parts, min_size=1, max_size=4).map("/".join)))
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


def test_c5_planted_links_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (root / "a" / "link").symlink_to(outside)
    with pytest.raises(UnsafeName, match="symbolic link"):
        SafeDirectory(root).prepare("a/link/b/x")
    assert not list(outside.iterdir())


def test_a_directory_is_prepared_once(tmp_path: Path) -> None:
    directory = SafeDirectory(tmp_path / "new" / "root")
    assert directory.path("a/b/x") == tmp_path / "new" / "root" / "a" / "b" / "x"
    assert not (tmp_path / "new").exists()
    assert directory.prepare("x") == directory.root / "x"
    assert not list(directory.root.iterdir())
    for name in ("a/b/x", "a/b/y", "a/z", "a/b/c/x"):
        path = directory.prepare(name)
        assert path == directory.root / name
        assert path.parent.is_dir()
        assert not path.exists()
    directory.root.rename(tmp_path / "gone")
    directory.prepare("a/b/w")
    assert not directory.root.exists(), "it looked again"


def test_c5_links_planted_below_a_directory_known_already_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    directory = SafeDirectory(tmp_path / "root")
    directory.prepare("a/b/x")
    for planted, target in (("a/link", outside), ("a/b/dangling", tmp_path / "nowhere")):
        (directory.root / planted).symlink_to(target)
        for _ in range(2):
            with pytest.raises(UnsafeName, match="symbolic link"):
                directory.prepare(f"{planted}/c/x")
    assert not list(outside.iterdir())
    assert not (tmp_path / "nowhere").exists()
    (directory.root / "a" / "link").unlink()
    assert directory.prepare("a/link/c/x").parent.is_dir(), "a refusal is not remembered"


def test_the_root_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "root").symlink_to(tmp_path / "elsewhere")
    SafeDirectory(tmp_path / "root").prepare("a/x").touch()
    assert (tmp_path / "elsewhere" / "a" / "x").exists()


def test_a_file_in_the_place_of_a_directory(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(FileDownloadError, match="another file is at"):
        SafeDirectory(tmp_path).prepare("a/b/x")


def test_a_junction_of_windows_is_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    junction = SimpleNamespace(st_mode=stat.S_IFDIR, st_reparse_tag=0xA0000003)
    monkeypatch.setattr(Path, "lstat", lambda _: junction)
    with pytest.raises(UnsafeName, match="symbolic link"):
        SafeDirectory(tmp_path).prepare("a/x")


def test_names_that_do_not_clash() -> None:
    names = ["a", "b", "c/a", "c/b", "C/c", "d/bundle.json", "bundle.json.gz", "a.b"]
    check_clashes(names)
    for policy in POLICIES:
        assert [one.target for one in settle_names(names, policy)] == names


CLASHING = [
    (["a", "a"], "twice"),
    (["a/B", "a/b"], "letter case"),
    (["straße", "STRASSE"], "letter case"),
    (["\N{KELVIN SIGN}", "k"], "letter case"),
    ([unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "É")], "normalisation"),
    (["क्\N{ZERO WIDTH JOINER}ष", "क्ष"], "normalisation"),
    (["a", "a/b"], "needs a directory"),
    (["a/b", "a"], "needs a directory"),
    (["x/A/b", "x/a"], "needs a directory"),
    (["x/a", "x/A/b/c/d"], "needs a directory"),
    (["a/b/c", "A"], "needs a directory"),
]


@pytest.mark.parametrize(("given_names", "why"), CLASHING)
def test_names_that_clash(given_names: list[str], why: str) -> None:
    with pytest.raises(NameClash, match=why) as caught:
        check_clashes(given_names)
    assert {caught.value.name, caught.value.other} == set(given_names)
    assert all(repr(name) in str(caught.value) for name in given_names)
    with pytest.raises(NameClash, match=why):
        settle_names(given_names, "error")
    kept, skipped = settle_names(given_names, "skip")
    assert (kept.target, kept.reason) == (given_names[0], None)
    assert (skipped.target, skipped.reason) == (None, caught.value.reason)
    kept, renamed = settle_names(given_names, "rename")
    assert (kept.target, kept.reason) == (given_names[0], None)
    assert (renamed.name, renamed.reason) == (given_names[1], caught.value.reason)
    assert "~2" in str(renamed.target)


@pytest.mark.parametrize("name", ["bundle.json", "Bundle.JSON"])
def test_c6_a_file_named_as_the_description_is_refused(name: str) -> None:
    with pytest.raises(NameClash, match="description of the bundle") as caught:
        check_clashes(["a", name])
    assert repr(name) in str(caught.value)
    assert "'bundle.json'" in str(caught.value)


def test_c6_so_is_a_directory_of_that_name() -> None:
    with pytest.raises(NameClash, match="needs a directory"):
        check_clashes(["bundle.json/x"])


POLICIES: list[ClashPolicy] = ["error", "rename", "skip"]

ROOM = "x" * 247  # what is left of a part before a number of up to seven digits

RENAMED = [
    (["a.txt", "A.txt", "a.TXT"], ["a.txt", "A~2.txt", "a~3.TXT"]),
    (["x"] * 4, ["x", "x~2", "x~3", "x~4"]),
    (["a.fastq.gz"] * 2, ["a.fastq.gz", "a~2.fastq.gz"]),
    (["v1.2.json"] * 2, ["v1.2.json", "v1.2~2.json"]),
    ([".bashrc"] * 2, [".bashrc", ".bashrc~2"]),
    (["d.x/a"] * 2, ["d.x/a", "d.x/a~2"]),
    # A name that clashes with none is kept, wherever in the list it is.
    (["a", "a", "a~2", "A~2"], ["a", "a~3", "a~2", "A~2~2"]),
    # All files of a directory stay together, and apart from those of any other.
    (["a", "a/b", "A/c", "a/B"], ["a", "a~2/b", "a~2/c", "a~2/B~2"]),
    (["a", "a/b", "a~2/b"], ["a", "a~3/b", "a~2/b"]),
    (["x/a", "x/a/b", "x/a/b/c"], ["x/a", "x/a~2/b", "x/a~2/b~2/c"]),
    (["a/b", "a", "a"], ["a/b", "a~2", "a~3"]),
    (["a.zarr", "a.zarr/.zattrs"], ["a.zarr", "a~2.zarr/.zattrs"]),
    (["bundle.json", "bundle.json/x"], ["bundle~2.json", "bundle~3.json/x"]),
    # A part with a number is no longer than any other.
    (["x" * 255] * 2, ["x" * 255, f"{ROOM}~2"]),
    (["x" * 250 + ".json"] * 2, ["x" * 250 + ".json", f"{'x' * 242}~2.json"]),
    (["é" * 127] * 2, ["é" * 127, f"{'é' * 123}~2"]),
    (["한" * 85] * 2, ["한" * 85, f"{'한' * 82}~2"]),
    ([f"{ROOM}abcd", f"{ROOM}ABCD", f"{ROOM}abc", f"{ROOM}ABC"], None),
]


@pytest.mark.parametrize(("given_names", "targets"), RENAMED)
def test_clashing_names_are_renamed(given_names: list[str], targets: list[str] | None) -> None:
    settled = settle_names(given_names, "rename")
    expected = targets or [given_names[0], f"{ROOM}~2", given_names[2], f"{ROOM}~3"]
    assert [one.target for one in settled] == expected
    assert [one.reason is None for one in settled] == [one.target == one.name for one in settled]


def test_unsafe_names_fail_alone_and_clash_with_none() -> None:
    for policy in POLICIES:
        bad, kept, other = settle_names(["a:b", "a/x", "A:B"], policy, portable=True)
        assert (bad.target, bad.unsafe) == (None, True)
        assert "colon" in str(bad.reason)
        assert (kept.target, kept.unsafe) == ("a/x", False)
        assert other.unsafe


def test_a_name_too_long_for_a_number_fails_alone() -> None:
    folder = "/".join(["x" * 239] * 3) + "/" + "x" * 238
    kept, failed = settle_names([f"{folder}/a", f"{folder}/A"], "rename", portable=True)
    assert kept.target == kept.name
    assert (failed.target, failed.unsafe) == (None, True)
    assert "clashes with" in str(failed.reason)
    assert "962 bytes" in str(failed.reason)


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
    check_clashes(targets)
    for target in targets:
        safe_relative_path(target)
    assert [one.target for one in settle_names(targets, "rename")] == targets
    assert all(one.unsafe for one in settled if one.target is None)


@given(lists_of_names)
def test_the_policies_agree_on_which_names_clash(names: list[str]) -> None:
    skipped = settle_names(names, "skip")
    renamed = settle_names(names, "rename")
    clean = True
    for left_out, moved in zip(skipped, renamed, strict=True):
        if left_out.target is None and not left_out.unsafe:
            clean = False
            assert moved.target != moved.name
            assert str(moved.reason).startswith(str(left_out.reason))
        else:
            assert moved == left_out
    try:
        assert settle_names(names, "error") == skipped
        assert clean
    except NameClash:
        assert not clean


@given(lists_of_names, lists_of_names)
def test_which_name_is_kept_depends_on_those_before_it_only(
    names: list[str], more: list[str]
) -> None:
    assert settle_names([*names, *more], "skip")[: len(names)] == settle_names(names, "skip")
    first = next((one.name for one in settle_names(names, "rename") if not one.unsafe), None)
    if first is not None and not without_case(first).startswith("bundle.json"):
        kept = settle_names([*names, *more], "rename")[names.index(first)]
        assert kept.target == first


def test_errors_pickle() -> None:
    error = NameClash("a", "A", "why")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.other) == (str(error), "A")


@posix
def test_names_of_posix_are_downloaded(empty_dss: LocalDSS, tmp_path: Path) -> None:
    names = ["a:1.fastq", "aux.bam", "a?b", "x ", "end.", "*"]
    for name in names:
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    bundle = empty_dss.load_bundle(tmp_path / "in")
    with DSSClient(empty_dss.url) as dss:
        report = dss.download(
            bundle_uuid=bundle.uuid, replica="aws", download_dir=tmp_path / "out", durable=False
        )
    assert report.ok
    folder = tmp_path / "out" / bundle.fqid
    assert {name: (folder / name).read_text() for name in names} == {name: name for name in names}
