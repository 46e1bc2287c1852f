"""The API as frozen values: all that names, types and templates are made from."""

from attrs import frozen

__all__ = [
    "AnyValue",
    "Api",
    "Argument",
    "Array",
    "Enum",
    "ErrorAnswer",
    "Field",
    "Map",
    "Model",
    "OpenObject",
    "Operation",
    "Page",
    "Ref",
    "Scalar",
    "Type",
    "models_in",
]


@frozen
class Scalar:
    """A plain value; `name` is its Python type."""

    name: str


@frozen
class Enum:
    """One of several strings."""

    values: tuple[str, ...]


@frozen
class Array:
    """A JSON array."""

    item: "Type"


@frozen
class Map:
    """A JSON object with values of one type under any key."""

    value: "Type"


@frozen
class Ref:
    """An object with known fields."""

    model: str


@frozen
class OpenObject:
    """A JSON object whose keys the specification leaves open."""


@frozen
class AnyValue:
    """Any JSON value."""


Type = Scalar | Enum | Array | Map | Ref | OpenObject | AnyValue


@frozen
class Field:
    """A field of an object: its name on the wire and in Python."""

    wire_name: str
    name: str
    type: Type
    required: bool
    description: str


@frozen
class Model:
    """An object with known fields.

    Attributes:
        is_result: It is part of an answer.
        is_argument: It is part of a request body.
        is_metadata: Its fields are headers.
    """

    name: str
    description: str
    fields: tuple[Field, ...]
    is_result: bool
    is_argument: bool
    is_metadata: bool


@frozen
class Argument:
    """A keyword argument of an operation; `place` is path, query or body."""

    wire_name: str
    name: str
    place: str
    type: Type
    required: bool
    description: str


@frozen
class ErrorAnswer:
    """A status (or ``default``) and the codes the specification lists for it."""

    status: str
    codes: tuple[str, ...]


@frozen
class Page:
    """How a paged answer continues: the attributes that lead to its list, and an item's type."""

    path: tuple[str, ...]
    item: Type


@frozen
class Operation:
    """One operation.

    Attributes:
        result: Type of the answer's body; None where it says nothing.
        metadata: Name of the model of its headers, if it has any.
        is_content: It answers with a redirect to a file's content.
        location_switch: The argument that asks for the content's URL instead.
        unwrap: A property that some deployments wrap the body in.
    """

    name: str
    class_name: str
    method: str
    path: str
    summary: str
    description: str
    arguments: tuple[Argument, ...]
    has_body: bool
    result: Type | None
    metadata: str | None
    is_content: bool
    location_switch: str | None
    page: Page | None
    unwrap: str | None
    is_secured: bool
    is_repeatable: bool
    errors: tuple[ErrorAnswer, ...]


@frozen
class Api:
    """The whole API."""

    title: str
    version: str
    url: str
    models: tuple[Model, ...]
    operations: tuple[Operation, ...]


def models_in(kind: Type) -> list[str]:
    """Return the names of the models that a type mentions."""
    match kind:
        case Ref():
            return [kind.model]
        case Array():
            return models_in(kind.item)
        case Map():
            return models_in(kind.value)
        case _:
            return []
