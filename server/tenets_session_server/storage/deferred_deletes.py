"""Removes the context of deleted sessions in batches, so that nobody waits for a large one.

The transaction that deletes a session also records what is to be removed
(``session_server_purges``). So the deletion takes effect at once, for every program. The rows are
then removed in short transactions. What a crash leaves is removed by the next process.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tenets_session_server.storage.database import Database

BATCH: Final = 2000
"""Entries that one transaction removes, which takes 5 ms."""

_DUE: Final = (
    "SELECT id, session_id, last_entry FROM session_server_purges WHERE id > 0 ORDER BY id LIMIT 2"
)


class DeferredDeletes:
    """The context of one database that is still to be removed.

    ``on_pending`` is called when a deletion has left something to do, inside its transaction.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.on_pending: Callable[[], None] = lambda: None

    def begin(self, session_id: int | None) -> None:
        """Have a session's context removed, or (None) all that there is; remove the first batch.

        Call it in the transaction that deletes the session, after that: the triggers record no
        change of context whose session is gone.
        """
        self._database.run(
            "INSERT INTO session_server_purges (session_id, last_entry)"
            " SELECT ?, coalesce(max(id), 0) FROM session_context",
            (session_id,),
        )
        if self._remove_batch():
            self.on_pending()

    def run_batch(self) -> bool:
        """Remove a batch of what is left; return whether there is more.

        Raises ``DatabaseError``; then the batch is still to be removed.
        """
        if not self._database.run(_DUE):
            return False
        with self._database.transaction():
            return self._remove_batch()

    def _remove_batch(self) -> bool:
        due = self._database.run(_DUE)
        if not due:
            return False
        purge, session_id, last_entry = due[0]
        of_session = "TRUE" if session_id is None else "session_id = :session"
        self._database.run(
            "DELETE FROM session_context WHERE id IN (SELECT id FROM session_context"
            f" WHERE {of_session} AND id <= :last LIMIT :most)",
            {"session": session_id, "last": last_entry, "most": BATCH},
        )
        if self._database.run("SELECT changes()")[0][0] == BATCH:
            return True
        self._database.run("DELETE FROM session_server_purges WHERE id = ?", (purge,))
        return len(due) > 1
