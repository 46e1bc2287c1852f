"""The pinned API specification, as data."""

import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

_CHECKOUT = Path(__file__).parents[2] / "specs" / "swagger.json"


@cache
def read_text() -> str:
    """Return the pinned Swagger 2.0 document as text.

    A wheel has it next to the package; a source checkout holds it once, in ``specs/``.

    Raises:
        FileNotFoundError: Neither place has it, so the installation is broken.
    """
    places = (files("dss_client") / "swagger.json", _CHECKOUT)
    found = next((place for place in places if place.is_file()), _CHECKOUT)
    return found.read_text(encoding="utf-8")


@cache
def load() -> dict[str, Any]:
    """Return the pinned Swagger 2.0 document, parsed once; treat it as read-only.

    Raises:
        FileNotFoundError: The installation holds no specification.
    """
    document: dict[str, Any] = json.loads(read_text())
    return document
