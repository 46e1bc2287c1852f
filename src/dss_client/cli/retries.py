"""Says on standard error that a request is tried again, instead of waiting in silence."""

import logging
from collections.abc import Generator
from contextlib import contextmanager

import click

from .output import one_line

__all__ = ["retries_told"]

_logger = logging.getLogger("dss_client.retry")


class _Teller(logging.Handler):
    """Shows a line for each try; what many requests meet at the same place is said once."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Show a line, unless another request had the same to say."""
        line = one_line(record.getMessage())
        what = line.rpartition(" in ")[0]  # but how long it waits, which is drawn
        if what not in self._said:
            self._said.add(what)
            click.echo(line, err=True)


@contextmanager
def retries_told() -> Generator[None]:
    """Say within this block when a request is tried again, why, and how often."""
    level, teller = _logger.level, _Teller()
    _logger.addHandler(teller)
    _logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        _logger.removeHandler(teller)
        _logger.setLevel(level)
