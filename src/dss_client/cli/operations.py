"""Operations as the command line has them: an option for each parameter."""

from typing import Any

import click

from dss_client._request import Parameter

from .json_value import json_object, json_objects

__all__ = ["is_list", "option", "option_name"]


def option_name(parameter: Parameter) -> str:
    """Return the name of the option that takes a parameter."""
    return f"--{parameter.name.replace('_', '-')}"


def is_list(parameter: Parameter) -> bool:
    """Tell whether a parameter takes several values."""
    return parameter.type == "array"


def option(parameter: Parameter) -> click.Option:
    """Return the option that takes a parameter."""
    names = [option_name(parameter), parameter.name]
    text = " ".join(parameter.description.split())
    settings: dict[str, Any] = {"help": text, "required": parameter.required}
    if parameter.choices:
        return click.Option(names, type=click.Choice(parameter.choices), **settings)
    match parameter.type:
        case "boolean":
            # `--directurls` and `--directurls true` are both what people write.
            return click.Option(names, type=bool, is_flag=False, flag_value=True, **settings)
        case "array":
            return click.Option(
                names, type=json_objects, multiple=True, metavar="JSON ...", **settings
            )
        case "integer":
            return click.Option(names, type=int, metavar="N", **settings)
        case "number":
            return click.Option(names, type=float, metavar="N", **settings)
        case "string":
            return click.Option(names, metavar="TEXT", **settings)
        case "object" | "any":
            return click.Option(names, type=json_object, metavar="JSON", **settings)
