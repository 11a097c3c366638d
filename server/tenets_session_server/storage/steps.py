"""Long work in steps, so that others have their turns in between."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Final, TypeVar

from tenets_session_server.errors import DatabaseBusyError

T = TypeVar("T")

Steps = Generator[float, None, T]
"""Yields the seconds until the next step, and returns the result."""
BUSY_TIMEOUT: Final = 5.0
"""Seconds for which a call or a step is tried again while another process holds the lock."""
BUSY_PAUSE: Final = 0.02


def finished(steps: Steps[T]) -> T:
    """Return the result of steps that are taken one after the other, as nobody else has turns."""
    while True:
        try:
            pause = next(steps)
        except StopIteration as done:
            result: T = done.value
            return result
        if pause:
            time.sleep(pause)


def patiently(work: Callable[[], T]) -> Steps[T]:
    """Return what ``work`` returns, as soon as no other process holds the lock."""
    until = time.monotonic() + BUSY_TIMEOUT
    while True:
        try:
            return work()
        except DatabaseBusyError:
            if time.monotonic() > until:
                raise
        yield BUSY_PAUSE
