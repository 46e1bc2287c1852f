"""Whether tests take their long form: ``nox -s lab`` sets ``DSS_LAB``."""

import os
from typing import TypeVar

T = TypeVar("T")

LAB = bool(os.environ.get("DSS_LAB"))


def long_or_short(long: T, short: T) -> T:
    """Return what the form of the tests that runs asks for."""
    return long if LAB else short
