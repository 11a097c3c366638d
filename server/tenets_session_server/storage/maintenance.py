"""Background work on a database: deferred deletes, and emptying the write-ahead log when idle.

It runs on the event loop in steps of a few milliseconds. If a step fails, clients are not affected;
the error is logged and the step is repeated later.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Final

from tenets_session_server.errors import DatabaseBusyError, DatabaseError
from tenets_session_server.storage.database import Database
from tenets_session_server.storage.deferred_deletes import DeferredDeletes

logger = logging.getLogger(__name__)

CHECKPOINT_AFTER: Final = 5.0
"""Seconds without a commit until the log is emptied. It grows again, which slows commits."""
RETRY_AFTER: Final = 0.25
"""Seconds until deferred deletes go on if the database was busy."""


class Maintenance:
    """The background work on one database, from :meth:`start` to :meth:`stop`."""

    def __init__(self, database: Database, deferred_deletes: DeferredDeletes) -> None:
        self._database, self._deferred_deletes = database, deferred_deletes
        self._loop: asyncio.AbstractEventLoop | None = None
        self._last_commit = 0.0
        self._checkpoint: asyncio.TimerHandle | None = None
        self._deleting: asyncio.Handle | None = None

    def start(self) -> None:
        """Begin, with the deferred deletes that earlier processes may have left."""
        self._loop = asyncio.get_running_loop()
        self._deferred_deletes.on_pending = self._delete_soon
        self._deleting = self._loop.call_soon(self._delete_batch)
        self.commit_seen()

    def stop(self) -> None:
        """Stop; what remains is for the next process."""
        self._deferred_deletes.on_pending = lambda: None
        for handle in (self._checkpoint, self._deleting):
            if handle is not None:
                handle.cancel()
        self._loop = self._checkpoint = self._deleting = None

    def commit_seen(self) -> None:
        """Empty the log :data:`CHECKPOINT_AFTER` seconds from now, unless more is committed."""
        self._last_commit = time.monotonic()
        if self._checkpoint is None and self._loop is not None:
            self._checkpoint = self._loop.call_later(CHECKPOINT_AFTER, self._checkpoint_if_idle)

    def _delete_soon(self) -> None:
        if self._loop is not None:  # may be called from another thread
            self._loop.call_soon_threadsafe(self._begin_deleting)

    def _begin_deleting(self) -> None:
        if self._loop is not None and self._deleting is None:
            self._deleting = self._loop.call_soon(self._delete_batch)

    def _delete_batch(self) -> None:
        """Remove one batch, and let the loop run before the next one."""
        self._deleting = None
        if self._loop is None:
            return
        try:
            if self._deferred_deletes.run_batch():
                self._deleting = self._loop.call_soon(self._delete_batch)
                self.commit_seen()
        except DatabaseError as error:
            logger.info("removing the context of deleted sessions is postponed: %s", error)
            if isinstance(error, DatabaseBusyError):
                self._deleting = self._loop.call_later(RETRY_AFTER, self._delete_batch)

    def _checkpoint_if_idle(self) -> None:
        self._checkpoint = None
        if self._loop is None:
            return
        left = self._last_commit + CHECKPOINT_AFTER - time.monotonic()
        if left > 0:
            self._checkpoint = self._loop.call_later(left, self._checkpoint_if_idle)
            return
        self._begin_deleting()  # after an error it may have stopped
        try:
            if not self._database.checkpoint():
                self.commit_seen()  # another connection is reading; try again later
        except DatabaseBusyError:
            self.commit_seen()
        except DatabaseError as error:
            logger.info("the write-ahead log could not be emptied: %s", error)
