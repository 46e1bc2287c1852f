"""From the client's errors to those that scripts for `hca` catch."""

from collections.abc import Generator
from contextlib import contextmanager

from ..errors import DSSConnectionError, DSSResponseError, DSSTimeout

__all__ = ["translate_errors"]


@contextmanager
def translate_errors() -> Generator[None]:
    """Raise the facade's error in the place of the client's, which becomes its cause.

    Raises:
        SwaggerAPIException: The service refused or failed.
        ConnectionFailed, TimedOut: It could not be reached.
    """
    from .util import exceptions

    try:
        yield
    except DSSResponseError as error:
        raise exceptions.SwaggerAPIException.of(error) from error
    except (DSSConnectionError, DSSTimeout) as error:
        kind = exceptions.TimedOut if isinstance(error, DSSTimeout) else exceptions.ConnectionFailed
        raise kind.of(error) from error
