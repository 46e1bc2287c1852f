"""What scripts import from `hca.util`."""

from . import exceptions, tsv

__all__ = ["exceptions", "tsv"]
