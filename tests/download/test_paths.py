"""Names from the service as paths (C5, C6)."""

import os
import pickle
import unicodedata
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dss_client.download import NameClash, UnsafeName, resolve_under, safe_relative_path
from dss_client.download.paths import check_clashes

GOOD = [
    "a",
    "a b",
    "cell_0.json",
    "folder/a.fastq.gz",
    "a/b/c",
    "good..path",
    "...x",
    "..a",
    ".bashrc",
    "a/.b",
    "~",
    "-rf",
    " leading",
    "expression.zarr!.zattrs",
    "zelle_ü_細胞.json",
    "CONFIG",
    "com10",
    "x" * 255,
]

BAD = {
    "": "empty",
    "/etc/passwd": "absolute",
    "//host/share": "absolute",
    "../../x": "'..'",
    "a/../b": "'..'",
    "..": "'..'",
    ".": "'.'",
    "./a": "'.'",
    "a/./b": "'.'",
    "a//b": "empty part",
    "a/": "empty part",
    "a\\b": "backslash",
    "..\\x": "backslash",
    "C:": "colon",
    "C:/x": "colon",
    "a:b": "colon",
    "a\x00b": "control",
    "a\nb": "control",
    "a\x7fb": "control",
    "a\x85b": "control",
    "CON": "device",
    "a/nul.txt": "device",
    "Com1.tar.gz": "device",
    "lpt¹": "device",
    "aux .json": "device",
    "CONOUT$": "device",
    "a.": "dot or a blank",
    "a /b": "dot or a blank",
    "...": "dot or a blank",
    "x" * 256: "256 bytes",
    "é" * 128: "256 bytes",
    "a\ud800b": "UTF-8",
}


@pytest.mark.parametrize("name", GOOD)
def test_good_names_stay_as_they_are(name: str, tmp_path: Path) -> None:
    assert safe_relative_path(name) == PurePosixPath(name)
    assert resolve_under(tmp_path, name) == tmp_path / name


@pytest.mark.parametrize("name", BAD)
def test_c5_unsafe_names_are_refused(name: str) -> None:
    with pytest.raises(UnsafeName, match=BAD[name]) as caught:
        safe_relative_path(name)
    assert repr(name) in str(caught.value)
    assert isinstance(caught.value, ValueError)


names = st.one_of(
    st.text(max_size=12),
    st.lists(
        st.sampled_from(["..", ".", "", "a", "b.txt", "~", "C:", "\\", "nul", "a b", "\0"]),
        max_size=6,
    ).map("/".join),
)


@given(names)
def test_c5_a_path_always_stays_below_its_root(name: str) -> None:
    root = Path("/data/root")
    try:
        path = resolve_under(root, name)
    except UnsafeName:
        return
    normal = Path(os.path.normpath(path))
    assert normal.is_relative_to(root)
    assert normal != root
    assert normal == path


def test_c5_planted_links_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (root / "a" / "link").symlink_to(outside)
    with pytest.raises(UnsafeName, match="symbolic link"):
        resolve_under(root, "a/link/x")
    assert resolve_under(root, "a/x") == root / "a" / "x"


def test_names_that_do_not_clash() -> None:
    check_clashes(["a", "b", "c/a", "c/b", "d/bundle.json", "bundle.json.gz", "a.b"])


@pytest.mark.parametrize(
    ("given_names", "why"),
    [
        (["a", "a"], "twice"),
        (["a/B", "a/b"], "letter case"),
        (["straße", "STRASSE"], "letter case"),
        ([unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "É")], "normalisation"),
        (["a", "a/b"], "needs a directory"),
        (["x/A/b", "x/a"], "needs a directory"),
        (["a/b/c", "A"], "needs a directory"),
    ],
)
def test_names_that_clash(given_names: list[str], why: str) -> None:
    with pytest.raises(NameClash, match=why) as caught:
        check_clashes(given_names)
    assert {caught.value.name, caught.value.other} == set(given_names)
    assert all(repr(name) in str(caught.value) for name in given_names)


@pytest.mark.parametrize("name", ["bundle.json", "Bundle.JSON"])
def test_c6_a_file_named_as_the_description_is_refused(name: str) -> None:
    with pytest.raises(NameClash, match="description of the bundle") as caught:
        check_clashes(["a", name])
    assert repr(name) in str(caught.value)
    assert "'bundle.json'" in str(caught.value)


def test_c6_so_is_a_directory_of_that_name() -> None:
    with pytest.raises(NameClash, match="needs a directory"):
        check_clashes(["bundle.json/x"])


def test_errors_pickle() -> None:
    error = NameClash("a", "A", "why")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.other) == (str(error), "A")
