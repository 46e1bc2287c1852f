"""The golden cases: small specifications in, exactly this code out."""

from pathlib import Path

import pytest

from tests.generator.golden import CASES, expected, generated


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_generated_code_is_the_expected_code(case: Path) -> None:
    # Rewritten by `python -m tests.generator.golden`.
    assert generated(case) == expected(case)


def test_the_cases_cover_what_operations_can_do() -> None:
    names = {case.name for case in CASES}
    assert names == {"all_of", "body", "content", "minimal", "paged", "unwrap"}
