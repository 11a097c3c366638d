"""Interrupts queries that take too long.

A thread does it. To start or wake one for each query costs 0.1 ms, as much as half of a search for
a rare word. So the thread goes on for a while after the last query. It never sleeps longer than
:data:`POLL`, so it is awake when a timeout of that length or longer ends.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

POLL: Final = 0.05
"""Seconds that the thread sleeps at most; a shorter timeout may end late by as much."""
LINGER: Final = 5.0
"""Seconds after the last query until the thread ends."""
REPEAT: Final = 0.01
"""Seconds until a block is interrupted again: it may have been between two statements."""


class QueryTimeout:
    """Calls ``interrupt``, in a thread, while a block runs longer than it may."""

    def __init__(self, interrupt: Callable[[], None]) -> None:
        self._interrupt = interrupt
        self._lock = threading.Lock()  # nothing is interrupted that follows a block
        self._deadline: float | None = None
        self._last_use = 0.0
        self._is_watching = False

    @contextmanager
    def limit(self, seconds: float) -> Iterator[None]:
        """Let the block run for so long; one block at a time."""
        with self._lock:
            self._last_use = time.monotonic()
            self._deadline = self._last_use + seconds
            if not self._is_watching:
                threading.Thread(target=self._watch, name="query timeout", daemon=True).start()
                self._is_watching = True
        try:
            yield
        finally:
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
