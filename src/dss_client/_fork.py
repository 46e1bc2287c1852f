"""Keeps forked processes from using the parent's connections and locks."""

import os
from typing import Protocol
from weakref import WeakSet

from .errors import DSSError

__all__ = ["need_process", "reset_after_fork"]


class _Resettable(Protocol):
    def after_fork(self) -> None: ...


_resettables: "WeakSet[_Resettable]" = WeakSet()


def reset_after_fork(target: _Resettable) -> None:
    """Have ``target.after_fork()`` called in every process that is forked from this one."""
    _resettables.add(target)


def need_process(process: int) -> None:
    """Refuse to go on with what the process of that id began, such as a half-read answer.

    Raises:
        DSSError: This is another process.
    """
    if process != os.getpid():
        raise DSSError(
            "a stream or search that was open when the process was forked is the parent's:"
            " open a new one here"
        )


def _reset() -> None:
    for target in list(_resettables):
        target.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset)
