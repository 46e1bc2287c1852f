"""The parts that commands are made of."""

from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dss_client.cli.output import human_size, one_line, plain, table
from dss_client.cli.tree import tree
from dss_client.cli.verify import Verified, refuse_faults, verify
from dss_client.manifest import ManifestRow, write_manifest

UUID = "0a6f2b1c-3d4e-4f50-8a61-72b3c4d5e6f7"
VERSION = "2019-01-01T000000.000000Z"
SHA256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"  # of b"hello"


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (2_500_000_000, "2.5 GB"),
        (3 * 10**12, "3.0 TB"),
        (4 * 10**15, "4.0 PB"),
    ],
)
def test_human_size(size: int, text: str) -> None:
    assert human_size(size) == text


def test_a_table_is_aligned() -> None:
    assert table([("a", 1, "x"), ("long", 1234, "")]) == ["a         1  x", "long  1,234"]
    assert table([]) == []


@given(st.text())
def test_no_text_steers_the_terminal(text: str) -> None:
    assert plain(text).isprintable() or not any(ord(letter) < 0x20 for letter in plain(text))
    assert "\n" not in one_line(text)


def test_plain_keeps_what_is_harmless() -> None:
    assert plain("naïve\tname\x1b]0;x\x07") == "naïve\\tname\\x1b]0;x\\x07"


def test_a_tree_is_bounded_and_skips_the_store(tmp_path: Path) -> None:
    for number in range(9):
        (tmp_path / f"file_{number}").write_text("12345")
    (tmp_path / "raw" / "lane").mkdir(parents=True)
    (tmp_path / "raw" / "lane" / "read").touch()
    (tmp_path / ".hca" / "v2").mkdir(parents=True)
    (tmp_path / ".mark").touch()
    assert [" ".join(line.split()) for line in tree(tmp_path, skip={".mark"})] == [
        f"{tmp_path}/",
        ".hca/ the store: each content once, by its sha256",
        "raw/",
        "lane/",
        "read 0 bytes",
        "file_0 5 bytes",
        "file_1 5 bytes",
        "file_2 5 bytes",
        "... and 6 more",
    ]


def test_a_tree_does_not_count_one_left_entry(tmp_path: Path) -> None:
    for number in range(6):
        (tmp_path / f"file_{number}").touch()
    assert "more" not in "\n".join(tree(tmp_path))


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"hello", None),
        (None, "is not there"),
        (b"hell", "has 4 bytes, the manifest says 5"),
        (b"hallo", "has sha256 "),
    ],
)
def test_verify(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    content: bytes | None,
    fault: str | None,
) -> None:
    row = ManifestRow(
        bundle_uuid=UUID,
        bundle_version=VERSION,
        file_name="dir/file",
        file_uuid=UUID,
        file_version=VERSION,
        file_sha256=SHA256,
        file_size=5,
    )
    write_manifest(tmp_path / "manifest.tsv", [row])
    path = tmp_path / f"{UUID}.{VERSION}" / "dir" / "file"
    path.parent.mkdir(parents=True)
    if content is not None:
        path.write_bytes(content)
    verified = verify(tmp_path / "manifest.tsv", tmp_path)
    if fault is None:
        refuse_faults(verified)
        assert capsys.readouterr().err == ""
        assert verified == Verified(bundles=1, files=1, bytes=5, faults=())
    else:
        assert (verified.bundles, verified.files, verified.bytes) == (1, 0, 0)
        assert len(verified.faults) == 1
        assert verified.faults[0].startswith(f"{path} ")
        assert fault in verified.faults[0]
        with pytest.raises(click.ClickException, match="not as the manifest says: 1 file"):
            refuse_faults(verified)
        assert capsys.readouterr().err == f"failed: {verified.faults[0]}\n"
