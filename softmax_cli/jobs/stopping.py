"""Signals that end a run at the next good moment, and at once when they come again."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any


class StoppedError(BaseException):
    """A run ended at a signal, with what it had done kept: `done` of `total` inputs."""

    def __init__(self, number: int):
        super().__init__(number)
        self.number = number
        self.done = 0
        self.total = 0


class Stop:
    """Whether a signal asked to stop."""

    def __init__(self) -> None:
        self.number: int | None = None

    def check(self) -> None:
        """Stop here, if asked to.

        Raises StoppedError.
        """
        if self.number is not None:
            raise StoppedError(self.number)


@contextlib.contextmanager
def stopping(told: Callable[[str], None]) -> Iterator[Stop]:
    """Take SIGINT, SIGTERM and SIGHUP as a wish for the block; the second ends it at once.

    told: takes what the user is told at the first.
    """
    stop = Stop()
    before: dict[int, Any] = {}

    def ask(number: int, frame: FrameType | None) -> None:
        if stop.number is not None:
            raise StoppedError(number)
        stop.number = number
        with contextlib.suppress(RuntimeError):  # where stderr is being written to at this very moment
            told("stopping after the batch under way; again: at once")

    if threading.current_thread() is threading.main_thread():  # else somebody else's signals
        names = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
        numbers = [getattr(signal, name) for name in names]
        # One that is ignored (nohup) stays so.
        before.update({n: signal.getsignal(n) for n in numbers if signal.getsignal(n) is not signal.SIG_IGN})
        for number in before:
            signal.signal(number, ask)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
