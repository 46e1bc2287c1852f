"""What storage answers to a range, and whether it belongs there (docs/behaviour.md C4)."""

from collections.abc import Mapping

import pytest
from attrs import frozen

from dss_client.download.errors import SizeMismatch, WrongRange
from dss_client.download.ranges import Answered, Asked, check_answer, short_content
from dss_client.download.task import FileTask
from dss_client.errors import DSSResponseError

from .scripted import broken, refusal

TASK = FileTask(bundle=None, name="f", uuid=None, version=None, sha256="", size=20)


@frozen
class Head:
    status_code: int
    headers: Mapping[str, str]

    def readinto(self, buffer: memoryview, /) -> int:
        raise NotImplementedError


def check(first: int, status: int, end: int = 20, **headers: str) -> Answered:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return check_answer(TASK, Asked(first, end, 20), Head(status, given))


@pytest.mark.parametrize(("end", "last"), [(20, None), (21, None), (19, 18), (1, 0)])
def test_the_last_byte_is_named_where_it_is_not_that_of_the_content(
    end: int, last: int | None
) -> None:
    assert Asked(0, end, 20).last == last


@pytest.mark.parametrize("given", ["bytes 5-19/20", "bytes 5-9/20", "bytes 5-19/*"])
def test_the_range_that_was_asked_for_is_fine(given: str) -> None:
    answer = check(5, 206, content_range=given, etag='"e"')
    assert answer == Answered(whole=False, etag='"e"')


@pytest.mark.parametrize(
    "given",
    [
        "bytes 0-19/20",
        "bytes 6-19/20",
        "bytes */20",
        "bytes 5-/20",
        "items 5-19/20",
        "bytes  5-19/20",
        "bytes 5-19",
        "",
        "bytes 5-19/20, bytes 5-19/20",
        "bytes \u0665-19/20",
        f"bytes {'5' * 5000}-19/20",
    ],
)
def test_another_one_is_not(given: str) -> None:
    with pytest.raises(WrongRange, match="asked storage for the content from byte 5 of 20 on"):
        check(5, 206, content_range=given)


def test_a_part_without_its_range_is_refused() -> None:
    with pytest.raises(WrongRange, match="no Content-Range"):
        check(5, 206)


@pytest.mark.parametrize("total", [19, 21, 0])
def test_a_part_of_another_content_is_refused(total: int) -> None:
    with pytest.raises(SizeMismatch) as caught:
        check(5, 206, content_range=f"bytes 5-9/{total}")
    assert (caught.value.expected, caught.value.actual) == (20, total)


def test_a_part_of_a_content_without_end_is_refused() -> None:
    with pytest.raises(WrongRange):
        check(5, 206, content_range=f"bytes 5-9/{'2' * 5000}")


@pytest.mark.parametrize("length", ["20", "19", "0", "", "x", "-5", "²", "\xb2\xb3"], ids=ascii)
@pytest.mark.parametrize("first", [0, 5])
def test_the_whole_content_may_come_instead(first: int, length: str) -> None:
    assert check(first, 200, content_length=length) == Answered(whole=True, etag="")
    assert check(first, 200) == Answered(whole=True, etag="")


@pytest.mark.parametrize("length", ["21", "9" * 25])
def test_a_content_that_is_too_long_is_refused_at_once(length: str) -> None:
    with pytest.raises(SizeMismatch) as caught:
        check(0, 200, content_length=length)
    assert caught.value.actual == int(length)


def test_a_length_without_end_is_no_number() -> None:
    assert check(0, 200, content_length="9" * 5000).whole


def test_storage_that_has_less_says_how_much() -> None:
    error = refusal(416, {"content-range": "bytes */12"})
    mismatch = short_content(TASK, error)
    assert isinstance(mismatch, SizeMismatch)
    assert (mismatch.name, mismatch.expected, mismatch.actual) == ("f", 20, 12)
    assert mismatch.cause is mismatch.__cause__ is error


@pytest.mark.parametrize(
    "error",
    [
        broken(),
        refusal(416),
        refusal(416, {"content-range": "bytes */20"}),
        refusal(416, {"content-range": "bytes */21"}),
        refusal(416, {"content-range": "bytes */x"}),
        refusal(416, {"content-range": f"bytes */{'9' * 5000}"}),
        refusal(403, {"content-range": "bytes */12"}),
    ],
    ids=str,
)
def test_other_refusals_say_nothing_of_the_size(error: Exception) -> None:
    assert short_content(TASK, error) is error
    assert not isinstance(error, DSSResponseError) or error.status_code
