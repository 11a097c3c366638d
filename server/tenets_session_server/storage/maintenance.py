"""What a database needs when nobody is waiting: deferred deletes, and a short write-ahead log.

It works between :meth:`Maintenance.start` and :meth:`Maintenance.stop`, on the running event loop,
in pieces of a few milliseconds. Where something fails, clients are not affected. It is logged, and
tried again.
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
"""Seconds without a commit after which the write-ahead log is emptied. The next commits take longer,
as the log has to grow again."""
RETRY_AFTER: Final = 0.25
"""Seconds until deferred deletes go on after an error."""


class Maintenance:
    """The maintenance of one database."""

    def __init__(self, database: Database, deferred_deletes: DeferredDeletes) -> None:
        self._database, self._deferred_deletes = database, deferred_deletes
        self._loop: asyncio.AbstractEventLoop | None = None
        self._last_commit = 0.0
        self._checkpoint: asyncio.TimerHandle | None = None
        self._deleting: asyncio.Handle | None = None

    def start(self) -> None:
        """Begin, with what earlier processes may have left."""
        self._loop = asyncio.get_running_loop()
        self._deferred_deletes.on_pending = self._delete_soon
        self._deleting = self._loop.call_soon(self._delete_batch)
        self.commit_seen()

    def stop(self) -> None:
        """End; what is left is for the next process."""
        self._deferred_deletes.on_pending = lambda: None
        for handle in (self._checkpoint, self._deleting):
            if handle is not None:
                handle.cancel()
        self._loop = self._checkpoint = self._deleting = None

    def commit_seen(self) -> None:
        """Empty the log :data:`CHECKPOINT_AFTER` seconds from now, unless there are more commits."""
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
        """Remove one batch; others have their turn before the next one."""
        self._deleting = None
        if self._loop is None:
            return
        try:
            if self._deferred_deletes.run_batch():
                self._deleting = self._loop.call_soon(self._delete_batch)
                self.commit_seen()
        except DatabaseError as error:
            logger.info("context of deleted sessions is removed later: %s", error)
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
        self._begin_deleting()  # what an error has interrupted
        try:
            if not self._database.checkpoint():
                self.commit_seen()  # another connection is reading; try again later
        except DatabaseBusyError:
            self.commit_seen()
        except DatabaseError as error:
            logger.info("the write-ahead log cannot be emptied: %s", error)
