"""How types and texts look in Python source."""

import keyword
import textwrap

from .ir import (
    AnyValue,
    Argument,
    Array,
    Enum,
    ErrorAnswer,
    Field,
    Map,
    Model,
    OpenObject,
    Operation,
    Ref,
    Scalar,
    Type,
)

__all__ = [
    "argument_type",
    "attributes",
    "base",
    "choices",
    "docstring",
    "entry_type",
    "has_plain_keys",
    "json_type",
    "operation_doc",
    "parameter",
    "result",
    "result_type",
    "string",
    "text",
    "tuple_of",
    "typed_dict",
]

_BASES = {"BundleVersion": "BundleModel", "SearchResult": "SearchModel"}
_WIDTH = 100
_PIECE = 72
_JSON_TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}
_ERROR_CLASSES = {
    "400": "BadRequest",
    "401": "Unauthorized",
    "403": "Forbidden",
    "404": "NotFound",
    "406": "NotAcceptable",
    "409": "Conflict",
    "422": "Unprocessable",
}


def string(text: str) -> str:
    """Return `text` as a Python string literal."""
    quoted = repr(text)
    return quoted if '"' in text else f'"{quoted[1:-1]}"'


def text(value: str) -> str:
    """Return a long text as literals that Python joins, each short enough for a line."""
    pieces: list[str] = []
    for line in value.splitlines(keepends=True):
        pieces += textwrap.wrap(
            line.rstrip("\n"), _PIECE, drop_whitespace=False, break_on_hyphens=False
        ) or [""]
        pieces[-1] += "\n" if line.endswith("\n") else ""
    literals = "\n".join(_exact(piece) for piece in pieces)
    return f"({literals})" if len(pieces) > 1 else literals


def _exact(piece: str) -> str:
    return string(piece) if piece.isprintable() else repr(piece)


def tuple_of(values: tuple[str, ...]) -> str:
    """Return a tuple of strings."""
    return f"({', '.join(map(string, values))}{',' if len(values) == 1 else ''})"


def choices(kind: Type) -> tuple[str, ...]:
    """Return the values that a type allows; empty where it names none."""
    return kind.values if isinstance(kind, Enum) else ()


def json_type(kind: Type) -> str:
    """Return the JSON type of a type's values."""
    match kind:
        case Scalar():
            return _JSON_TYPES[kind.name]
        case Enum():
            return "string"
        case Array():
            return "array"
        case AnyValue():
            return "any"
        case _:
            return "object"


def _literal(enum: Enum) -> str:
    return f"Literal[{', '.join(string(value) for value in enum.values)}]"


def result_type(kind: Type | None) -> str:
    """Return a type as an answer has it. Enums are open: a later service may send more."""
    match kind:
        case None:
            return "None"
        case Scalar():
            return kind.name
        case Enum():
            return f"{_literal(kind)} | str"
        case Array():
            return f"list[{result_type(kind.item)}]"
        case Map():
            return f"dict[str, {result_type(kind.value)}]"
        case Ref():
            return kind.model
        case OpenObject():
            return "JSONObject"
        case AnyValue():
            return "Any"


def argument_type(kind: Type) -> str:
    """Return a type as an argument takes it: enums closed, containers read-only."""
    match kind:
        case Scalar():
            return kind.name
        case Enum():
            return _literal(kind)
        case Array():
            return f"Sequence[{argument_type(kind.item)}]"
        case Map():
            return f"Mapping[str, {argument_type(kind.value)}]"
        case Ref():
            return f"{kind.model} | {typed_dict(kind.model)}"
        case OpenObject():
            return "JSONMapping"
        case AnyValue():
            return "object"


def parameter(argument: Argument) -> str:
    """Return an argument as the signature of a method has it."""
    kind = argument_type(argument.type)
    if kind == "str" and argument.name.endswith("uuid"):
        kind = "str | UUID"
    optional = "" if argument.required else " | None = None"
    return f"{argument.name}: {kind}{optional}"


def result(operation: Operation) -> str:
    """Return the type that an operation returns."""
    if operation.is_content:
        return "bytes"
    if operation.result is None and operation.metadata is not None:
        return operation.metadata
    return result_type(operation.result)


def base(model: Model) -> str:
    """Return the class that a model derives from."""
    return "HeaderModel" if model.is_metadata else _BASES.get(model.name, "Model")


def typed_dict(model: str) -> str:
    """Return the name of the TypedDict that stands for `model` in arguments."""
    return f"{model}Dict"


def entry_type(field: Field) -> str:
    """Return the type of a TypedDict's entry."""
    kind = argument_type(field.type)
    return kind if field.required else f"NotRequired[{kind}]"


def has_plain_keys(model: Model) -> bool:
    """Whether the names on the wire can be written as names in Python."""
    names = [field.wire_name for field in model.fields]
    return all(name.isidentifier() and not keyword.iskeyword(name) for name in names)


def docstring(text: str, indent: int) -> str:
    """Return `text` as a docstring, wrapped, for code at `indent` columns."""
    escaped = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    width = _WIDTH - indent
    lines: list[str] = []
    for line in escaped.splitlines():
        lines += _wrap(line, width - 3 if not lines else width)
    pad = " " * indent
    if len(lines) == 1 and len(lines[0]) <= width - 6 and not lines[0].endswith('"'):
        return f'"""{lines[0]}"""'
    body = "\n".join(pad + line if line and index else line for index, line in enumerate(lines))
    return f'"""{body}\n{pad}"""'


def _wrap(line: str, width: int) -> list[str]:
    stripped = line.lstrip()
    lead = line[: len(line) - len(stripped)]
    hang = lead + ("  " if stripped.startswith("* ") else "    " if lead else "")
    return textwrap.wrap(
        stripped,
        width,
        initial_indent=lead,
        subsequent_indent=hang,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [""]


def attributes(model: Model) -> str:
    """Return the lines on a model's fields."""
    return "\n".join(
        f"    {field.name}: {' '.join(field.description.split()) or 'Not described.'}"
        for field in model.fields
    )


def operation_doc(operation: Operation) -> str:
    """Return the full text on an operation: summary, description, arguments, result, errors."""
    parts = [f"{operation.summary}.", operation.description]
    if operation.arguments:
        parts.append("Args:\n" + "\n".join(_argument(arg) for arg in operation.arguments))
    parts.append(f"Returns:\n    {_returns(operation)}")
    parts.append("Raises:\n" + "\n".join(_raises(operation)))
    return "\n\n".join(part for part in parts if part)


def _argument(argument: Argument) -> str:
    text = " ".join(argument.description.split())
    return f"    {argument.name}: {text}" if text else f"    {argument.name}: See the service."


def _returns(operation: Operation) -> str:
    if operation.is_content:
        return "The content, as bytes."
    if operation.result is None and operation.metadata is None:
        return "Nothing; the call returns when the service has done it."
    if operation.result is None:
        return "The metadata."
    more = " The first page only; see `paginate` and `iterate`." if operation.page else ""
    return f"The body of the answer.{more}"


def _raises(operation: Operation) -> list[str]:
    lines: list[str] = []
    for error in operation.errors:
        name = _ERROR_CLASSES.get(error.status)
        if name and error.codes:
            lines.append(f"    {name}: {_codes(error)}.")
    rest = [error for error in operation.errors if error.status == "default" and error.codes]
    usual = f" Its usual codes: {_codes(rest[0])}." if rest else ""
    lines.append(f"    DSSResponseError: The service refused or failed.{usual}")
    lines.append("    DSSConnectionError, DSSTimeout: The service could not be reached in time.")
    return lines


def _codes(error: ErrorAnswer) -> str:
    return ", ".join(f"``{code}``" for code in error.codes)
