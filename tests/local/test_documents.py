"""Keys, names and checksums by their tables (docs/behaviour.md 4.3, 4.4, 5.1, S11)."""

import re
from itertools import repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dss_client import _spec
from dss_client.local import BadName
from dss_client.local.storage.checksums import Hasher, checksums_of, part_size
from dss_client.local.storage.documents import ObjectKey, check_name, content_type_of, decode
from tests.local.calls import UUID, V1

MIB = 1024 * 1024


def test_keys() -> None:
    for name, version, dead in (
        (f"{UUID}.{V1}", V1, False),
        (f"{UUID}.{V1}.dead", V1, True),
        (f"{UUID}.dead", None, True),
    ):
        key = ObjectKey.parse(f"bundles/{name}")
        assert key == ObjectKey(uuid=UUID, version=version, dead=dead)
        assert key.name == name
    for end in ("", ".", ".2019", ".2019.dead", f".{V1}dead", f".{V1}.", "..dead", ".dead.dead"):
        assert ObjectKey.parse(f"bundles/{UUID}{end}") is None
    for name in ("", "README", f"{UUID.upper()}.{V1}", f"x{UUID}.{V1}"):
        assert ObjectKey.parse(f"bundles/{name}") is None


@pytest.mark.parametrize("content", [None, b"", b"[]", b"1", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_object(content: bytes | None) -> None:
    assert decode(content) is None


def test_names() -> None:
    allowed = ["a b", "pa/th.2json", "good..path", "...", ".2bashrc", "..a", "~", "C:", "a:b"]
    for name in [*allowed, "-rf", " a", "é", "x" * 300, "matrix.zarr!.zattrs"]:
        check_name(name)
    parts = [".", "..", "./p", "../p", "p/../q", "p/..", "a/.b", "a./b", "/2bad..path2", "a//b"]
    for name in [*parts, "", "/p", "~/p", "C:\\", "a\\b", "a\nb", "a\0", "p.json2/", "a\ud800"]:
        with pytest.raises(BadName, match="cannot be the name"):
            check_name(name)


@given(st.text(alphabet="a./\\~!:- \n", max_size=8))
def test_nothing_is_allowed_that_the_specification_forbids(name: str) -> None:
    pattern = _spec.load()["definitions"]["BundleFile"]["properties"]["name"]["pattern"]
    try:
        check_name(name)
    except BadName:
        return
    assert re.search(pattern, name)


def test_content_types() -> None:
    assert content_type_of("a.json") == "application/json"
    assert content_type_of("x/R1.fastq.gz") == "application/gzip"
    assert content_type_of("a.TXT") == "text/plain"
    assert content_type_of("matrix.zarr!.zattrs") == "application/octet-stream"


def test_known_checksums() -> None:
    assert checksums_of([b"123456789"], 9).crc32c == "e3069283"
    assert checksums_of([b"319"], 3).crc32c == "0011fd1e"
    assert checksums_of([], 0).s3_etag == "d41d8cd98f00b204e9800998ecf8427e"
    sums = checksums_of([*repeat(b"0" * MIB, 64), b"0"], 64 * MIB + 1)
    assert sums.crc32c == "6cf37cfb"
    assert sums.s3_etag == "2613a877a35baae41021538afeaa3d6e-2"
    assert sums.sha1 == "64d2afa30e8dbcbb2d51479ddd7b998890808c41"
    assert sums.sha256 == "65bef85404568bb41ebbb7db03fcaf72a47650338a548c7839316d1625278b2c"


@given(
    length=st.sampled_from([10, 11, 20, 30]),
    pieces=st.lists(st.integers(min_value=0, max_value=30), max_size=6),
)
def test_the_etag_of_parts_of_ten_bytes(length: int, pieces: list[int]) -> None:
    etags = {
        10: "e09c80c42fda55f9d992e59ca6b3307d",
        11: "1923564b585254a5815c91771f11429f-2",
        20: "7fa257db095d78a1ee7135421deaf2f3-2",
        30: "60c6bee8f49ddb32296d686356418831-3",
    }
    hasher, left = Hasher(10), length
    for piece in [*pieces, length]:
        hasher.update(b"a" * min(piece, left))
        left -= min(piece, left)
    assert hasher.checksums().s3_etag == etags[length]


def test_part_size() -> None:
    assert part_size(0) == part_size(671_088_640_000) == 64 * MIB
    assert part_size(671_088_640_001) == 65 * MIB
    assert part_size(10**12) == 96 * MIB
