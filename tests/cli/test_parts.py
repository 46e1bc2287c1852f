"""The parts that commands are made of."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dss_client.cli.output import human_size, one_line, plain, table
from dss_client.cli.tree import tree


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
