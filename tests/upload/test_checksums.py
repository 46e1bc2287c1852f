"""The four checksums, against the reference's table; the embedded DSS computes its own, too."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dss_client.local.storage import checksums as embedded
from dss_client.upload.checksums import part_size
from tests.upload.service import Place, fill

MIB = 1 << 20


def test_the_table_of_small_contents(place: Place, tmp_path: Path) -> None:
    contents = {"empty": b"", "digits": b"123456789", "zeros": b"319", "hello": b"hello"}
    report = place.upload(fill(tmp_path / "src", contents))
    sums = {file.name: file.checksums for file in report.files}
    assert (sums["empty"].crc32c, sums["empty"].s3_etag) == (
        "00000000",
        "d41d8cd98f00b204e9800998ecf8427e",
    )
    assert sums["digits"].crc32c == "e3069283"
    assert sums["zeros"].crc32c == "0011fd1e"
    assert sums["hello"].to_dict() == {
        "crc32c": "9a71bb4c",
        "s3_etag": "5d41402abc4b2a76b9719d911017c592",
        "sha1": "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d",
        "sha256": "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
    }


@pytest.mark.usefixtures("small_parts")
def test_c24_etags_of_parts(place: Place, tmp_path: Path) -> None:
    sizes = {"just one": 1000, "one more": 1001, "three": 3000, "five": 4500}
    report = place.upload(fill(tmp_path / "src", {name: b"a" * n for name, n in sizes.items()}))
    for file in report.files:
        content = b"a" * sizes[file.name]
        digests = [
            hashlib.md5(content[first : first + 1000]).digest()
            for first in range(0, len(content), 1000)
        ]
        etag = hashlib.md5(b"".join(digests)).hexdigest() + f"-{len(digests)}"
        assert file.checksums.s3_etag == (digests[0].hex() if len(digests) == 1 else etag)


@pytest.mark.parametrize(
    ("size", "part"),
    [(0, 64), (640_000 * MIB, 64), (640_000 * MIB + 1, 65), (10**12, 96)],
)
def test_part_sizes(size: int, part: int) -> None:
    assert part_size(size) == part * MIB


@given(st.integers(0, 10**14))
def test_parts_are_whole_mib_and_at_most_ten_thousand(size: int) -> None:
    part = part_size(size)
    assert part % MIB == 0
    assert -(-size // part) <= 10_000
    assert part == embedded.part_size(size)
