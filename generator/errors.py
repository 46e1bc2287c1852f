"""How the generator refuses: one clear message that names the place in the specification."""

__all__ = ["GeneratorError", "pointer"]


class GeneratorError(Exception):
    """The specification, or a correction of it, cannot be turned into code."""


def pointer(*tokens: str | int) -> str:
    """Return the JSON pointer (RFC 6901) of a path of keys."""
    return "".join("/" + str(token).replace("~", "~0").replace("/", "~1") for token in tokens)
