"""How a transfer is stopped."""

__all__ = ["Stopped"]


class Stopped(Exception):
    """The transfer was stopped by an interrupt or another error."""
