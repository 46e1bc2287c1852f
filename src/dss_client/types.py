"""Types of arguments and results that many parts share, for annotations."""

from collections.abc import Mapping
from typing import Any, Literal, Protocol

__all__ = ["JSONMapping", "JSONObject", "JSONValue", "Replica", "SupportsToDict"]

Replica = Literal["aws", "gcp"]
"""Name of a replica: the cloud that holds a copy of the data."""

JSONObject = dict[str, Any]
"""A JSON object whose keys the specification leaves open."""

JSONValue = dict[str, Any] | list[Any] | str | int | float | bool | None
"""Any JSON value."""


class SupportsToDict(Protocol):
    """What turns itself into JSON values, such as a query of the ``elasticsearch`` package."""

    def to_dict(self) -> Mapping[str, Any]:
        """Return the values."""
        ...


JSONMapping = Mapping[str, object] | SupportsToDict
"""A JSON object as an argument: a mapping, or an object with `to_dict`."""
