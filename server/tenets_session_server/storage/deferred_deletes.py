"""Removes the context of deleted sessions in batches, so that no client waits for a large one.

The transaction that deletes a session also records what remains to be removed
(``session_server_purges``), so the deletion takes effect at once for every program. Short
transactions then remove the rows. After a crash, the next process goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tenets_session_server.storage.database import Database

BATCH: Final = 2000
"""Entries that one transaction removes; it takes 5 ms."""

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

    def begin(self, session_id: int | None) -> None:
        """Remove a first batch of a session's context, or (None) of all, and record the rest.

        Call it after the session is deleted, in the same transaction: the triggers record no change
        of context whose session is gone.
        """
        self._database.run(
            "INSERT INTO session_server_purges (session_id, last_entry)"
            " SELECT ?, coalesce(max(id), 0) FROM session_context",
            (session_id,),
        )
        if self._remove_batch():
            self.on_pending()

    def run_batch(self) -> bool:
        """Remove one batch; return whether there is more.

        Raises a ``DatabaseError``; then the batch remains to be removed.
        """
        if not self._database.run(_DUE):
            return False
        with self._database.transaction():
            return self._remove_batch()

    def _remove_batch(self) -> bool:
        due = self._database.run(_DUE)
        if not due:
            return False
        delete_id, session_id, last_entry = due[0]
        of_session = "TRUE" if session_id is None else "session_id = :session"
        self._database.run(
            "DELETE FROM session_context WHERE id IN (SELECT id FROM session_context"
            f" WHERE {of_session} AND id <= :last LIMIT :most)",
            {"session": session_id, "last": last_entry, "most": BATCH},
        )
        if self._database.run("SELECT changes()")[0][0] == BATCH:
            return True
        self._database.run("DELETE FROM session_server_purges WHERE id = ?", (delete_id,))
        return len(due) > 1
