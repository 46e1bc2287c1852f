"""Libraries that only an upload needs, loaded when it does."""

from importlib import import_module
from typing import Any

__all__ = ["load"]


def load(module: str, extra: str) -> Any:
    """Return a module that an extra brings.

    Raises:
        RuntimeError: The extra is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise RuntimeError(
            f"this upload needs {module.partition('.')[0]}: pip install 'dss-client[{extra}]'"
        ) from error
