"""Emitting: code with a name that is not there never leaves the generator."""

import pytest

from generator.emit import emit
from generator.errors import GeneratorError
from generator.ir import Api, Field, Model, Ref


def test_code_that_misses_a_name_is_refused() -> None:
    field = Field("part", "part", Ref("Missing"), True, "")
    model = Model("Whole", "", (field,), is_result=True, is_argument=False, is_metadata=False)
    api = Api("Things", "1", "https://things.example", (model,), ())
    with pytest.raises(GeneratorError, match=r"ruff check refused the generated code:\n.*F821"):
        emit(api, "0" * 64)
