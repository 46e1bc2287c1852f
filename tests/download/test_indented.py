"""Indented JSON: as the standard library writes it, byte for byte."""

import json

from hypothesis import example, given
from hypothesis import strategies as st

from dss_client.download.indented import indented

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
DOCUMENTS = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=30
)


@given(DOCUMENTS)
@example({"b": [], "a": {}, "é\u2028": ["\ud800", {"x": [1, [2.5, None]]}]})
def test_it_is_what_the_standard_library_writes(document: object) -> None:
    assert indented(document) == json.dumps(document, indent=4, sort_keys=True)
