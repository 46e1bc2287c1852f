"""The tables of docs/behaviour.md 4.3, S11."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dss_client import _spec
from dss_client.local.storage.names import BadName, check_name


@pytest.mark.parametrize(
    "name",
    [
        "a b",
        "pa/th.2json",
        "good..path",
        "...",
        ".2bashrc",
        "..a",
        "~",
        "C:",
        "a:b",
        "-rf",
        " a",
        "é",
        "x" * 300,
        "matrix.zarr!.zattrs",
    ],
)
def test_allowed(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize(
    "name",
    [
        ".",
        "..",
        "/p",
        "~/p",
        "./p",
        "../p",
        "p/../q",
        "p/..",
        "a/.b",
        "a./b",
        "/2bad..path2",
        "C:\\",
        "a\\b",
        "a\nb",
        "",
        "a\0",
        "a//b",
        "path.json2/",
        "a\ud800",
    ],
)
def test_refused(name: str) -> None:
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
