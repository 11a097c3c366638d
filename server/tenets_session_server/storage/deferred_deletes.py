"""Removing the context of deleted sessions: much of it takes long, and nobody is to wait for that.

What is to go is written down in the transaction that deletes the session
(``session_server_purges``), which so takes effect at once, for everybody. It is then removed in
short transactions by whoever has time, and what a crash leaves is taken up by the next one.
"""

from __future__ import annotations

from typing import Final

from tenets_session_server.storage.database import Database

AT_ONCE: Final = 2000
"""How many entries are removed in one transaction, which takes 5 ms."""

_DUE: Final = (
    "SELECT id, session_id, last_entry FROM session_server_purges WHERE id > 0 ORDER BY id LIMIT 2"
)


def begin(database: Database, session_id: int | None) -> None:
    """Have a session's context removed, or (None) all that there is, and remove the first of it.

    To be called in the transaction that deletes the session, after that: its triggers tell nothing
    of context without a session.
    """
    database.run(
        "INSERT INTO session_server_purges (session_id, last_entry)"
        " SELECT ?, coalesce(max(id), 0) FROM session_context",
        (session_id,),
    )
    _go_on(database)


def go_on(database: Database) -> bool:
    """Remove some of what is left; tell whether there is more."""
    if not database.run(_DUE):
        return False
    with database.transaction():
        return _go_on(database)


def _go_on(database: Database) -> bool:
    due = database.run(_DUE)
    if not due:
        return False
    purge, session_id, last_entry = due[0]
    of_it = "TRUE" if session_id is None else "session_id = :session"
    database.run(
        "DELETE FROM session_context WHERE id IN (SELECT id FROM session_context"
        f" WHERE {of_it} AND id <= :last LIMIT :most)",
        {"session": session_id, "last": last_entry, "most": AT_ONCE},
    )
    if database.run("SELECT changes()")[0][0] == AT_ONCE:
        return True
    database.run("DELETE FROM session_server_purges WHERE id = ?", (purge,))
    return len(due) > 1
