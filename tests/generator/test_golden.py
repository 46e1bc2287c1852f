"""The golden record: a paged operation, a content and a body in, exactly this code out."""

from tests.generator.golden import expected, generated


def test_generated_code_is_the_expected_code() -> None:
    # Rewritten by `python -m tests.generator.golden`.
    assert generated() == expected()
