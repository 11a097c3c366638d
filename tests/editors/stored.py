"""What another program finds in the database that an editor has worked on."""

from __future__ import annotations

from pathlib import Path

from tenets_session_server.config import TenetsConfig
from tenets_session_server.storage.session_db import SessionDB


def stored(database: Path) -> SessionDB:
    """Return the product's own view of the file."""
    return SessionDB(TenetsConfig(database=database))


def active_name(database: Path) -> str | None:
    """Return the name of the session that is active in the file."""
    with stored(database) as db:
        active = db.get_active_session()
        return None if active is None else active.name


def names(database: Path) -> list[str]:
    """Return the names of all sessions in the file, newest first."""
    with stored(database) as db:
        return [session.name for session in db.list_sessions()]


def context(database: Path) -> list[tuple[object, ...]]:
    """Return all context in the file: session, kind and content."""
    with stored(database) as db:
        rows = db.db.run(
            "SELECT s.name, c.kind, c.content FROM session_context c"
            " JOIN sessions s ON s.id = c.session_id ORDER BY c.id"
        )
        return [tuple(row) for row in rows]
