"""Signals that end a command, all of them as Ctrl-C does."""

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import NoReturn

__all__ = ["signals_interrupt", "status_of"]

_SIGNALS = ("SIGTERM", "SIGHUP")  # Windows has no SIGHUP
_BASE = 128  # of the exit statuses that shells give for signals


class _Interrupted(KeyboardInterrupt):
    """A signal that ends the command."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def status_of(interrupt: KeyboardInterrupt) -> int:
    """Return the exit status after an interrupt, as shells have it: 130 for Ctrl-C."""
    return _BASE + (interrupt.number if isinstance(interrupt, _Interrupted) else signal.SIGINT)


@contextmanager
def signals_interrupt() -> Generator[None]:
    """Raise a `KeyboardInterrupt` for SIGTERM and SIGHUP, too.

    What whoever started the command ignores stays ignored, such as SIGHUP under ``nohup``.
    """
    taken: list[int] = []
    if threading.current_thread() is threading.main_thread():
        numbers = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
        taken = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, _raise)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def _raise(number: int, _frame: object) -> NoReturn:
    raise _Interrupted(number)
