"""Runs in the environment of the reference client: calls it as lines of JSON ask.

Each line of standard input is ``{"directory", "how", "method", "arguments"}``; each answer is one
line with ``value`` or ``error``. What the client needs on a Python of today is set here, at run
time only: its package stays as it was published.
"""

import asyncio
import importlib
import inspect
import json
import os
import sys
import types
from typing import Any


def main() -> None:
    """Answer until standard input ends."""
    vars(asyncio)["coroutine"] = types.coroutine  # gone since Python 3.11, used at import
    util = importlib.import_module("hca.util")
    util.SwaggerClient.scheme = "http"
    client: Any = importlib.import_module("hca.dss").DSSClient()
    answers, sys.stdout = sys.stdout, sys.stderr  # its commands print
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            answer = {"value": _call(client, **asked)}
        except Exception as error:  # noqa: BLE001 - whatever it raises is the answer
            answer = {"error": _described(error)}
        print(json.dumps(answer), file=answers, flush=True)


def _call(client: Any, directory: str, how: str, method: str, arguments: dict[str, Any]) -> object:
    os.chdir(directory)
    function = getattr(client, method)
    match how:
        case "call":
            return _plain(function(**arguments))
        case "iterate":
            return list(function.iterate(**arguments))
        case "paginate":
            return list(function.paginate(**arguments))
        case "parameters":
            shown = inspect.signature(function).parameters.values()
            return [[parameter.name, repr(parameter.default)] for parameter in shown]
        case "has":
            return hasattr(function, arguments["name"])
        case _:
            with function.stream(**arguments) as response:
                return _plain(response.content)


def _plain(value: Any) -> object:
    if isinstance(value, bytes):
        return value.hex()
    if hasattr(value, "status_code"):
        return {
            "status": value.status_code,
            "headers": {name.lower(): text for name, text in value.headers.items()},
        }
    return value


def _described(error: Exception) -> dict[str, object]:
    return {
        "type": type(error).__name__,
        "status": getattr(error, "code", None),
        "code": getattr(error, "reason", None),
        "text": str(error),
    }


if __name__ == "__main__":
    main()
