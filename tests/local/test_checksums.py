"""The table of docs/behaviour.md 4.4, and pieces of any size."""

import io
from itertools import repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dss_client.local.storage.checksums import Hasher, checksums_of, part_size, pieces_of

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("content", "crc32c", "s3_etag"),
    [
        (b"", "00000000", "d41d8cd98f00b204e9800998ecf8427e"),
        (b"123456789", "e3069283", None),
        (b"hello", "9a71bb4c", "5d41402abc4b2a76b9719d911017c592"),
        (b"319", "0011fd1e", None),
    ],
)
def test_known_content(content: bytes, crc32c: str, s3_etag: str | None) -> None:
    sums = checksums_of([content], len(content))
    assert sums.crc32c == crc32c
    assert s3_etag is None or sums.s3_etag == s3_etag


def test_all_four_of_hello() -> None:
    sums = checksums_of(pieces_of(io.BytesIO(b"hello")), 5)
    assert sums.sha1 == "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d"
    assert sums.sha256 == "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    assert sums.blob_key == f"blobs/{sums.sha256}.{sums.sha1}.{sums.s3_etag}.{sums.crc32c}"


def test_one_byte_over_a_part_makes_two() -> None:
    size = 64 * MIB + 1
    sums = checksums_of([*repeat(b"0" * MIB, 64), b"0"], size)
    assert sums.crc32c == "6cf37cfb"
    assert sums.s3_etag == "2613a877a35baae41021538afeaa3d6e-2"
    assert sums.sha1 == "64d2afa30e8dbcbb2d51479ddd7b998890808c41"
    assert sums.sha256 == "65bef85404568bb41ebbb7db03fcaf72a47650338a548c7839316d1625278b2c"


@pytest.mark.parametrize(
    ("length", "etag"),
    [
        (11, "1923564b585254a5815c91771f11429f-2"),
        (20, "7fa257db095d78a1ee7135421deaf2f3-2"),
        (30, "60c6bee8f49ddb32296d686356418831-3"),
    ],
)
@pytest.mark.parametrize("piece", [1, 7, 10, 30])
def test_parts_of_ten_bytes(length: int, etag: str, piece: int) -> None:
    hasher = Hasher(10)
    content = b"a" * length
    for start in range(0, length, piece):
        hasher.update(content[start : start + piece])
    assert hasher.checksums().s3_etag == etag


def test_exactly_one_part_is_plain() -> None:
    hasher = Hasher(10)
    hasher.update(b"a" * 10)
    assert "-" not in hasher.checksums().s3_etag


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (0, 64 * MIB),
        (671_088_640_000, 64 * MIB),
        (671_088_640_001, 65 * MIB),
        (10**12, 96 * MIB),
    ],
)
def test_part_size(size: int, expected: int) -> None:
    assert part_size(size) == expected


@given(st.lists(st.binary(max_size=40)), st.integers(min_value=1, max_value=25))
def test_pieces_do_not_matter(pieces: list[bytes], part: int) -> None:
    whole, cut = Hasher(part), Hasher(part)
    whole.update(b"".join(pieces))
    for piece in pieces:
        cut.update(piece)
    assert whole.checksums() == cut.checksums()
