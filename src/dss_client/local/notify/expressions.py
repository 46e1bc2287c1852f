"""JMESPath expressions of subscriptions (docs/behaviour.md 11.2, 11.3)."""

import json
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError


class ExpressionError(Exception):
    """An expression that is not valid, or that fails on a document."""


def check_expression(expression: str) -> None:
    """Refuse a text that is not a JMESPath expression; an empty one is not.

    Raises:
        ExpressionError: The message says where it is wrong.
    """
    try:
        jmespath.compile(expression)
    except (JMESPathError, RecursionError) as error:
        raise ExpressionError(_text(error)) from error


def evaluate(expression: str, document: object) -> Any:
    """Return the value of an expression on a document, None when it finds nothing.

    Raises:
        ExpressionError: It fails, or its value is nothing that JSON can hold.
    """
    try:
        value = jmespath.search(expression, document)
        json.dumps(value, allow_nan=False)
    except (
        JMESPathError,
        ArithmeticError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
    ) as e:
        raise ExpressionError(_text(e)) from e
    return value


def _text(error: Exception) -> str:
    return str(error) or type(error).__name__
