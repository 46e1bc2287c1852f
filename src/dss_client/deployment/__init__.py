"""How a deployment's API differs from the one that this client was generated from."""

from .compare import Change, compare
from .report import SpecificationReport

__all__ = ["Change", "SpecificationReport", "compare"]
