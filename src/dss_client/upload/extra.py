"""Libraries that only an upload needs, loaded when it does."""

from importlib import import_module
from typing import Any

from dss_client.errors import MissingExtra

__all__ = ["load"]


def load(module: str, extra: str) -> Any:
    """Return a module that an extra brings.

    Raises:
        MissingExtra: The extra is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtra("this upload", module.partition(".")[0], extra) from error
