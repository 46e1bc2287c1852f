"""The base of the models: open, frozen, and the same on the wire again."""

import copy
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from dss_client import models
from dss_client._model import HeaderModel, Model
from dss_client.models import (
    FileHeaders,
    FileVersion,
    GetBundlesCheckoutResponse,
    PutSubscriptionResponse,
    Subscription,
)
from tests.operations.cases import CASES, FILE_HEADERS, FILE_VERSION, STORAGE, SUBSCRIPTION

ANSWERS = [
    (getattr(models, case.model), case.answer)
    for case in CASES
    if hasattr(models, case.model) and case.answer
]
every_answer = pytest.mark.parametrize(
    ("model", "answer"), ANSWERS, ids=[model.__name__ for model, _ in ANSWERS]
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


def on_the_wire(model: Model) -> Any:
    return model.model_dump(mode="json", by_alias=True, exclude_unset=True)


@every_answer
@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))]
)
def test_a_model_can_be_copied_and_pickled(model: type[Model], answer: Any, copied: Any) -> None:
    original = model.model_validate({**answer, "new": {"deep": [1]}})
    twin = copied(original)
    assert twin == original
    assert type(twin) is model
    assert on_the_wire(twin) == on_the_wire(original) == {**answer, "new": {"deep": [1]}}


@every_answer
def test_a_model_cannot_be_changed(model: type[Model], answer: Any) -> None:
    value = model.model_validate(answer)
    name = next(iter(model.model_fields))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(value, name, None)


@given(
    st.dictionaries(
        st.text().filter(lambda name: name not in FILE_VERSION and name != "content_type"),
        json_values,
    )
)
def test_unknown_fields_come_back_as_they_were(unknown: dict[str, Any]) -> None:
    body = {**unknown, **FILE_VERSION}
    value = FileVersion.model_validate(body)
    assert on_the_wire(value) == body
    assert value.model_extra == unknown


def test_a_field_is_made_by_its_name_and_sent_by_its_wire_name() -> None:
    values = {name.replace("-", "_"): value for name, value in FILE_VERSION.items()}
    assert on_the_wire(FileVersion.model_validate(values)) == FILE_VERSION


@given(st.text())
def test_enums_of_answers_are_open(word: str) -> None:
    assert GetBundlesCheckoutResponse(status=word).status == word


def test_optional_fields_may_be_missing_or_null() -> None:
    value = Subscription.model_validate({**SUBSCRIPTION, "method": None})
    assert (value.method, value.encoding, value.form_fields) == (None, None, None)
    assert on_the_wire(value)["method"] is None
    assert "encoding" not in on_the_wire(value)


def test_a_presigned_url_is_not_shown() -> None:
    value = FileVersion.model_validate({**FILE_VERSION, "url": STORAGE, "other": STORAGE})
    assert value.url == STORAGE
    for text in (str(value), repr(value), repr([value])):
        assert "5ec7e7" not in text
        assert "url='https://storage.example.net/blobs/x?<redacted>'" in text
    assert f"name='{value.name}'" in repr(value)


@pytest.mark.parametrize("model", [Subscription, PutSubscriptionResponse])
def test_s20_a_secret_that_is_sent_back_is_not_shown(model: type[Model]) -> None:
    answer = {**SUBSCRIPTION, "hmac_secret_key": "5ec7e7"}
    value = model.model_validate(answer)
    assert on_the_wire(value) == answer
    for text in (str(value), repr(value), repr([value])):
        assert "5ec7e7" not in text
        assert "hmac_secret_key='<redacted>'" in text


def test_what_breaks_a_model_is_not_shown() -> None:
    with pytest.raises(ValidationError) as refused:
        PutSubscriptionResponse.model_validate_json('{"hmac_secret_key": "5ec7e7"}')
    assert "5ec7e7" not in str(refused.value)


class TestHeaders:
    def test_they_are_read_in_any_letter_case(self) -> None:
        class Sample(HeaderModel, frozen=True):
            size: int

        assert Sample.from_headers({"size": "5", "other": "x"}) == Sample(size=5)

    def test_the_metadata_of_a_file_is_read(self) -> None:
        headers = FileHeaders.from_headers({**FILE_HEADERS, "Date": "today"})
        assert (headers.size, headers.creator_uid, headers.content_type) == (5, 8008, "text/plain")
        assert headers.model_extra == {}

    @pytest.mark.parametrize("value", ["", "x", "1.5"])
    def test_a_size_that_is_not_a_number_is_refused(self, value: str) -> None:
        with pytest.raises(ValidationError, match="X-DSS-SIZE"):
            FileHeaders.from_headers({**FILE_HEADERS, "X-DSS-SIZE": value})
