"""Background work on a database: deferred deletes, and emptying the write-ahead log when idle.

The context of a deleted session is removed in batches, so that no client waits for a large one. The
transaction that deletes the session also records what remains to be removed
(``session_server_purges``), so the deletion takes effect at once for every program. Short
transactions then remove the rows. After a crash, the next process goes on.

The work runs on the event loop in steps of a few milliseconds. If a step fails, clients are not
affected; the error is logged and the step is repeated later.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from tenets_session_server.errors import DatabaseBusyError, DatabaseError
from tenets_session_server.storage.database import Database, Row

logger = logging.getLogger(__name__)

BATCH: Final = 2000
"""Entries that one transaction removes; it takes 5 ms."""
CHECKPOINT_AFTER: Final = 5.0
"""Seconds without a commit until the log is emptied. It grows again, which slows commits."""
RETRY_AFTER: Final = 0.25
"""Seconds until deferred deletes go on if the database was busy."""

_DUE: Final = (
    "SELECT id, session_id, last_entry FROM session_server_purges WHERE id > 0 ORDER BY id LIMIT 2"
)


class DeferredDeletes:
    """The context of one database that remains to be removed.

    ``on_pending`` is called, inside its transaction, by a deletion that needs more batches.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.on_pending: Callable[[], None] = lambda: None

    def record(self, session_id: int | None) -> tuple[int, int | None, int]:
        """Record that a session's context, or (None) all context, is to be removed.

        For every reader it is gone then. Call it in the transaction that deletes the session,
        before that: the change log tells then that the context goes with it. Afterwards give what
        is returned to :meth:`begin`.
        """
        rows = self._database.run("SELECT coalesce(max(id), 0) FROM session_context")
        last_entry: int = rows[0][0]
        self._database.run(
            "INSERT INTO session_server_purges (session_id, last_entry) VALUES (?, ?)",
            (session_id, last_entry),
        )
        return self._database.last_id, session_id, last_entry

    def begin(self, due: tuple[int, int | None, int]) -> None:
        """Remove a first batch, in the same transaction."""
        if self._remove_batch(due):
            self.on_pending()

    def run_batch(self) -> bool:
        """Remove one batch; return whether there is more.

        Raises a ``DatabaseError``; then the batch remains to be removed.
        """
        if not self._database.run(_DUE):
            return False
        with self._database.transaction():
            due = self._database.run(_DUE)
            return bool(due) and (self._remove_batch(due[0]) or len(due) > 1)

    def _remove_batch(self, due: Row) -> bool:
        """Remove one batch of what is due; return whether there is more of it."""
        delete_id, session_id, last_entry = due
        of_session = "TRUE" if session_id is None else "session_id = :session"
        self._database.run(
            "DELETE FROM session_context WHERE id IN (SELECT id FROM session_context"
            f" WHERE {of_session} AND id <= :last LIMIT :most)",
            {"session": session_id, "last": last_entry, "most": BATCH},
        )
        if self._database.run("SELECT changes()")[0][0] == BATCH:
            return True
        self._database.run("DELETE FROM session_server_purges WHERE id = ?", (delete_id,))
        return False


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
