"""Background work on a database: deferred work, and emptying the write-ahead log when idle.

Deferred work is what no client waits for, such as removing entries that have expired. What remains
to be done is recorded in the database, so after a crash the next process goes on.

It runs on the event loop in steps of a few milliseconds. If a step fails, clients are not affected;
the error is logged and the step is repeated later.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from tenets_session_server.errors import DatabaseBusyError, DatabaseError
from tenets_session_server.storage.sqlite.database import Database

logger = logging.getLogger(__name__)

CHECKPOINT_AFTER: Final = 5.0
"""Seconds without a commit until the log is emptied. It grows again, which slows commits."""
RETRY_AFTER: Final = 0.25
"""Seconds until deferred work goes on if the database was busy."""


class Maintenance:
    """The background work on one database, from :meth:`start` to :meth:`stop`.

    Each of ``steps`` does a step of some deferred work, and returns whether there is more of it.
    ``on_done`` is called when there is none any more.
    """

    def __init__(self, database: Database, *steps: Callable[[], bool]) -> None:
        self._database, self._steps = database, steps
        self.on_done: Callable[[], None] = lambda: None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._last_commit = 0.0
        self._checkpoint: asyncio.TimerHandle | None = None
        self._next_step: asyncio.Handle | None = None

    def start(self) -> None:
        """Begin, with the deferred work that earlier processes may have left."""
        self._loop = asyncio.get_running_loop()
        self._next_step = self._loop.call_soon(self._run_step)
        self.commit_seen()

    def stop(self) -> None:
        """Stop; what remains is for the next process."""
        for handle in (self._checkpoint, self._next_step):
            if handle is not None:
                handle.cancel()
        self._loop = self._checkpoint = self._next_step = None

    def commit_seen(self) -> None:
        """Empty the log :data:`CHECKPOINT_AFTER` seconds from now, unless more is committed."""
        self._last_commit = time.monotonic()
        if self._checkpoint is None and self._loop is not None:
            self._checkpoint = self._loop.call_later(CHECKPOINT_AFTER, self._checkpoint_if_idle)

    def wake(self) -> None:
        """Say that there is deferred work; may be called from any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._begin)

    def _begin(self) -> None:
        if self._loop is not None and self._next_step is None:
            self._next_step = self._loop.call_soon(self._run_step)

    def _run_step(self) -> None:
        """Do one step, and let the loop run before the next one."""
        self._next_step = None
        if self._loop is None:
            return
        try:
            if any(step() for step in self._steps):
                self._next_step = self._loop.call_soon(self._run_step)
                self.commit_seen()
            else:
                self.on_done()
        except DatabaseError as error:
            logger.info("deferred work is postponed: %s", error)
            if isinstance(error, DatabaseBusyError):
                self._next_step = self._loop.call_later(RETRY_AFTER, self._run_step)

    def _checkpoint_if_idle(self) -> None:
        self._checkpoint = None
        if self._loop is None:
            return
        left = self._last_commit + CHECKPOINT_AFTER - time.monotonic()
        if left > 0:
            self._checkpoint = self._loop.call_later(left, self._checkpoint_if_idle)
            return
        self._begin()  # after an error it may have stopped
        try:
            if not self._database.checkpoint():
                self.commit_seen()  # another connection is reading; try again later
        except DatabaseBusyError:
            self.commit_seen()
        except DatabaseError as error:
            logger.info("the write-ahead log could not be emptied: %s", error)
