"""Interrupts queries that take too long.

A thread does it. To start or wake one for each query costs 0.1 ms, as much as half of a search for
a rare word. So the thread goes on for a while after the last query. It never sleeps longer than
:data:`POLL`, so it is awake when a timeout of that length or longer ends.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

POLL: Final = 0.05
"""Seconds that the thread sleeps at most; a shorter timeout may end late by as much."""
LINGER: Final = 5.0
"""Seconds after the last query until the thread ends."""
REPEAT: Final = 0.01
"""Seconds until a block is interrupted again: it may have been between two statements."""


class _Limit(AbstractContextManager[None]):
    """A block that may run for so long. A generator would take 4 us more, of 10."""

    __slots__ = ("_seconds", "_timeout")

    def __init__(self, timeout: QueryTimeout, seconds: float) -> None:
        self._timeout, self._seconds = timeout, seconds

    def __enter__(self) -> None:
        self._timeout.begin(self._seconds)

    def __exit__(self, *_: object) -> None:
        self._timeout.end()


class QueryTimeout:
    """Calls ``interrupt``, in a thread, while a block runs longer than it may."""

    def __init__(self, interrupt: Callable[[], None]) -> None:
        self._interrupt = interrupt
        self._lock = threading.Lock()  # nothing is interrupted that follows a block
        self._deadline: float | None = None
        self._last_use = 0.0
        self._is_watching = False

    def limit(self, seconds: float) -> AbstractContextManager[None]:
        """Let the block run for so long; one block at a time."""
        return _Limit(self, seconds)

    def begin(self, seconds: float) -> None:
        """Begin to count."""
        with self._lock:
            self._last_use = time.monotonic()
            self._deadline = self._last_use + seconds
            if not self._is_watching:
                threading.Thread(target=self._watch, name="query timeout", daemon=True).start()
                self._is_watching = True

    def end(self) -> None:
        """Interrupt nothing any more."""
        with self._lock:
            self._deadline = None

    def _watch(self) -> None:
        while (pause := self._check()) is not None:
            time.sleep(pause)

    def _check(self) -> float | None:
        """Interrupt the block if it is time; return the seconds to sleep, None to end."""
        with self._lock:
            now = time.monotonic()
            if self._deadline is None:
                self._is_watching = now - self._last_use < LINGER
                return POLL if self._is_watching else None
            if now < self._deadline:
                return min(POLL, self._deadline - now)
            self._interrupt()
            return REPEAT
