"""How the generator refuses: one clear message that names the place in the specification."""

from typing import Any

__all__ = ["GeneratorError", "as_list", "as_object", "as_string", "pointer"]


class GeneratorError(Exception):
    """The specification, or a correction of it, cannot be turned into code."""


def pointer(*tokens: str | int) -> str:
    """Return the JSON pointer (RFC 6901) of a path of keys."""
    return "".join("/" + str(token).replace("~", "~0").replace("/", "~1") for token in tokens)


def as_object(node: Any, place: str) -> dict[str, Any]:
    """Return `node`, which must be a JSON object."""
    if not isinstance(node, dict):
        raise GeneratorError(f"{place} must be an object")
    return node


def as_list(node: Any, place: str) -> list[Any]:
    """Return `node`, which must be a JSON array."""
    if not isinstance(node, list):
        raise GeneratorError(f"{place} must be a list")
    return node


def as_string(node: Any, place: str) -> str:
    """Return `node`, which must be a JSON string."""
    if not isinstance(node, str):
        raise GeneratorError(f"{place} must be a string")
    return node
