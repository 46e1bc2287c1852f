"""Keeps forked processes from using the parent's connections and locks."""

import os
from typing import Protocol
from weakref import WeakSet

__all__ = ["reset_after_fork"]


class _Resettable(Protocol):
    def after_fork(self) -> None: ...


_resettables: "WeakSet[_Resettable]" = WeakSet()


def reset_after_fork(target: _Resettable) -> None:
    """Have ``target.after_fork()`` called in every process that is forked from this one."""
    _resettables.add(target)


def _reset() -> None:
    for target in list(_resettables):
        target.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset)
