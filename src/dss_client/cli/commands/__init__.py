"""The commands, one module for those that belong together."""

from importlib import import_module
from pkgutil import iter_modules

__all__ = ["load_commands"]


def load_commands() -> None:
    """Import every module of commands, so that they are in the group."""
    for module in iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")
