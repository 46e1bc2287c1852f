"""The four checksums, against the reference's table and against each other."""

import hashlib
from collections.abc import Sequence

import pytest
from attrs import asdict
from hypothesis import given
from hypothesis import strategies as st

from dss_client.local.storage import checksums as embedded
from dss_client.upload.checksums import Hasher, joined_etag, part_size

MIB = 1 << 20


def hashed(pieces: Sequence[bytes], size: int | None = None) -> Hasher:
    hasher = Hasher(size or part_size(sum(map(len, pieces))))
    for piece in pieces:
        hasher.update(piece)
    return hasher


def test_the_table_of_small_contents() -> None:
    empty = hashed([]).checksums()
    assert (empty.crc32c, empty.s3_etag) == ("00000000", "d41d8cd98f00b204e9800998ecf8427e")
    assert hashed([b"123456789"]).checksums().crc32c == "e3069283"
    assert hashed([b"319"]).checksums().crc32c == "0011fd1e"
    assert hashed([b"he", b"", b"llo"]).checksums().claims() == {
        "hca-dss-crc32c": "9a71bb4c",
        "hca-dss-s3_etag": "5d41402abc4b2a76b9719d911017c592",
        "hca-dss-sha1": "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d",
        "hca-dss-sha256": "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
    }


@pytest.mark.parametrize("piece", [MIB, 65 * MIB])
def test_one_byte_more_than_a_part(piece: int) -> None:
    content = b"0" * (64 * MIB + 1)
    pieces = [content[first : first + piece] for first in range(0, len(content), piece)]
    sums = hashed(pieces).checksums()
    assert asdict(sums) == {
        "crc32c": "6cf37cfb",
        "s3_etag": "2613a877a35baae41021538afeaa3d6e-2",
        "sha1": "64d2afa30e8dbcbb2d51479ddd7b998890808c41",
        "sha256": "65bef85404568bb41ebbb7db03fcaf72a47650338a548c7839316d1625278b2c",
    }


@pytest.mark.parametrize(
    ("count", "etag"),
    [
        (11, "1923564b585254a5815c91771f11429f-2"),
        (20, "7fa257db095d78a1ee7135421deaf2f3-2"),
        (30, "60c6bee8f49ddb32296d686356418831-3"),
    ],
)
def test_the_table_of_parts_of_ten(count: int, etag: str) -> None:
    assert hashed([b"a" * count], 10).checksums().s3_etag == etag


@pytest.mark.parametrize(
    ("size", "part"),
    [
        (0, 64),
        (640_000 * MIB, 64),
        (640_000 * MIB + 1, 65),
        (10**12, 96),
    ],
)
def test_part_sizes(size: int, part: int) -> None:
    assert part_size(size) == part * MIB


@given(st.integers(0, 10**14))
def test_parts_are_whole_mib_and_at_most_ten_thousand(size: int) -> None:
    part = part_size(size)
    assert part % MIB == 0
    assert -(-size // part) <= 10_000
    assert part == embedded.part_size(size)


@given(st.lists(st.binary(max_size=40)), st.integers(1, 50))
def test_c24_pieces_of_any_size_make_the_same_sums(pieces: list[bytes], part: int) -> None:
    content = b"".join(pieces)
    hasher = hashed(pieces, part)
    sums = hasher.checksums()
    digests = [
        hashlib.md5(content[first : first + part]).digest()
        for first in range(0, len(content), part)
    ] or [hashlib.md5().digest()]
    assert hasher.part_md5() == digests[-1]
    assert sums.s3_etag == joined_etag(digests)
    assert ("-" in sums.s3_etag) == (len(content) > part)
    other = embedded.Hasher(part)
    other.update(content)
    assert asdict(sums) == asdict(other.checksums())
