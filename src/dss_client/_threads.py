"""What is said where the system allows no further thread."""

from .errors import DSSError

__all__ = ["no_thread"]


def no_thread(error: RuntimeError) -> DSSError:
    """Return the error of what cannot have the threads that it needs."""
    return DSSError(
        f"the system allows no further thread ({error}): raise the limit (ulimit -u), or end other"
        " programs"
    )
