"""What a forked process must not inherit: connections, which the parent uses, and held locks."""

import os
from typing import Protocol
from weakref import WeakSet

__all__ = ["reset_after_fork"]


class _Resets(Protocol):
    def after_fork(self) -> None: ...


_known: "WeakSet[_Resets]" = WeakSet()


def reset_after_fork(thing: _Resets) -> None:
    """Have ``thing.after_fork()`` called in every process that is forked from this one."""
    _known.add(thing)


def _reset() -> None:
    for thing in list(_known):
        thing.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset)
