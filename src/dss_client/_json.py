"""JSON as text that every stream can take."""

import json

__all__ = ["json_text"]

_ON_ONE_LINE = json.JSONEncoder(ensure_ascii=False)


def json_text(value: object, *, indent: int | None = None) -> str:
    """Return JSON values as text: readable, but for lone surrogates, which UTF-8 cannot hold.

    Args:
        value: The values.
        indent: Blanks for each level; None for one line.
    """
    encoder = (
        json.JSONEncoder(ensure_ascii=False, indent=indent) if indent is not None else _ON_ONE_LINE
    )
    return encoder.encode(value).encode(errors="backslashreplace").decode()
