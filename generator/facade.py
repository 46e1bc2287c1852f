"""What the templates of the `hca` facade need: the plain JSON form of answers.

The facade has the same operations with the same arguments as the client, from the same description;
only what they return differs: JSON as it was sent, typed by a TypedDict for each model.
"""

import re

from . import render
from .ir import Api, Argument, Field, Model, Operation, Ref, Scalar, Type, models_in

__all__ = [
    "answers",
    "argument_models",
    "doc",
    "earlier",
    "entry",
    "item",
    "item_path",
    "parameter",
    "result",
]

_TYPES = "types"
_EARLIER = {
    "delete_collection": ("version",),
    "get_collections": ("replica",),
    "put_file": ("bundle_uuid",),
}
_PLAIN = "bytes | JSONValue"  # parsed where it is JSON


def earlier(operation: Operation) -> tuple[str, ...]:
    """Return the arguments of earlier specifications, which are accepted and left out."""
    return _EARLIER.get(operation.name, ())


def answers(api: Api) -> list[Model]:
    """Return the models that are, or are part of, a JSON answer."""
    return [model for model in api.models if model.is_result]


def entry(field: Field) -> str:
    """Return the type of a TypedDict's entry."""
    kind = render.result_type(field.type)
    return kind if field.required else f"NotRequired[{kind}]"


def result(operation: Operation) -> str:
    """Return what an operation of the facade returns."""
    if operation.is_content:
        return _PLAIN
    if operation.method == "HEAD":
        return "Response"
    return _PLAIN if operation.result is None else _qualified(operation.result)


def item(operation: Operation) -> str:
    """Return the type of what a page lists."""
    assert operation.page is not None
    return _qualified(operation.page.item)


def _qualified(kind: Type) -> str:
    """Return a type of an answer; arguments take models of the same names."""
    text = render.result_type(kind)
    for name in models_in(kind):
        text = re.sub(rf"\b{name}\b", f"{_TYPES}.{name}", text)
    return text


def argument_models(api: Api) -> list[str]:
    """Return the models that arguments may be given as, and their TypedDicts."""
    kinds = [argument.type for operation in api.operations for argument in operation.arguments]
    names = {name for kind in kinds for name in models_in(kind)}
    return sorted(names | {render.typed_dict(name) for name in names})


def _is_word(argument: Argument) -> bool:
    return argument.place == "query" and argument.type == Scalar("bool")


def parameter(argument: Argument) -> str:
    """Return a parameter with its type; booleans of the API are plain words, too, as there."""
    if not _is_word(argument):
        return render.parameter(argument)
    optional = "" if argument.required else " | None = None"
    return f'{argument.name}: bool | Literal["true", "false"]{optional}'


def item_path(api: Api, operation: Operation) -> tuple[str, ...]:
    """Return the names on the wire that lead to a page's list."""
    assert operation.page is not None
    models = {model.name: model for model in api.models}
    path: list[str] = []
    kind = operation.result
    for name in operation.page.path:
        assert isinstance(kind, Ref), "parse.py has walked this path"
        field = next(each for each in models[kind.model].fields if each.name == name)
        path.append(field.wire_name)
        kind = field.type
    return tuple(path)


def doc(operation: Operation) -> str:
    """Return the text on an operation of the facade; the whole is with the client's own."""
    arguments = f"The arguments are those of `dss_client.DSSClient.{operation.name}`."
    return f"{operation.summary}.\n\n{arguments}"
