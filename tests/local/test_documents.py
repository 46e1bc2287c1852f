"""Keys taken apart, and what is stored and not JSON."""

import pytest

from dss_client.local.storage.documents import ObjectKey, decode

UUID = "0a6f2b1c-3d4e-4f50-8a61-72b3c4d5e6f7"
VERSION = "2019-05-16T211813.059197Z"


@pytest.mark.parametrize(
    ("name", "version", "dead"),
    [
        (f"{UUID}.{VERSION}", VERSION, False),
        (f"{UUID}.{VERSION}.dead", VERSION, True),
        (f"{UUID}.dead", None, True),
    ],
)
def test_keys(name: str, version: str | None, dead: bool) -> None:
    key = ObjectKey.parse(f"bundles/{name}")
    assert key == ObjectKey(uuid=UUID, version=version, dead=dead)
    assert key.name == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "README",
        UUID,
        f"{UUID}.",
        f"{UUID}.2019",
        f"{UUID}.2019.dead",
        f"{UUID}.{VERSION}dead",
        f"{UUID}.{VERSION}.",
        f"{UUID}..dead",
        f"{UUID}.{VERSION}.dead.dead",
        f"{UUID.upper()}.{VERSION}",
        f"x{UUID}.{VERSION}",
    ],
)
def test_foreign_keys(name: str) -> None:
    assert ObjectKey.parse(f"bundles/{name}") is None


@pytest.mark.parametrize("content", [None, b"", b"[]", b"1", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_object(content: bytes | None) -> None:
    assert decode(content) is None
