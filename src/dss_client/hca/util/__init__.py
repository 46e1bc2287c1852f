"""What scripts import from `hca.util`."""

from .._swagger_client import DEFAULT_THREAD_COUNT, RetryPolicy, SwaggerClient
from . import exceptions, tsv
from .exceptions import SwaggerAPIException

__all__ = [
    "DEFAULT_THREAD_COUNT",
    "RetryPolicy",
    "SwaggerAPIException",
    "SwaggerClient",
    "exceptions",
    "tsv",
]
