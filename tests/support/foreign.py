"""Another program on the same database file: SQL, as the ``tenets`` command line has it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self

import apsw

from tenets_session_server.storage.session_db import SessionDB

UPSTREAM_SCHEMA = """
    CREATE TABLE IF NOT EXISTS sessions (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT UNIQUE NOT NULL,
        created_at TIMESTAMP NOT NULL,
        metadata TEXT
    );
    CREATE TABLE IF NOT EXISTS session_context (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        session_id INTEGER NOT NULL,
        kind TEXT NOT NULL,
        content TEXT NOT NULL,
        created_at TIMESTAMP NOT NULL,
        FOREIGN KEY(session_id) REFERENCES sessions(id)
    );
"""
INSERT = "INSERT INTO sessions (name, created_at, metadata) VALUES (?, ?, ?)"
NOW = "2026-01-01T00:00:00+00:00"


class ForeignWriter:
    """A connection of its own, with the statements of upstream's ``SessionDB`` (tenets 0.13.3)."""

    def __init__(self, database: Path | str) -> None:
        self.connection = apsw.Connection(str(database))
        self.connection.set_busy_timeout(20_000)

    @classmethod
    def on_new_file(cls, database: Path) -> Self:
        """Create the file, and its folder if that is missing, with the tables of upstream."""
        database.parent.mkdir(parents=True, exist_ok=True)
        found = cls(database)
        found.create_tables()
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    @contextlib.contextmanager
    def transaction(self, end: Literal["COMMIT", "ROLLBACK"] = "COMMIT") -> Iterator[None]:
        """Hold the write lock; end the transaction in this way."""
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.execute("ROLLBACK")
            raise
        self.execute(end)

    def create_tables(self) -> None:
        """Create the tables, as upstream does at each start."""
        self.execute(UPSTREAM_SCHEMA)

    def execute(self, sql: str, bindings: apsw.Bindings = ()) -> apsw.Cursor:
        """Execute any statement."""
        return self.connection.execute(sql, bindings)

    def create(self, name: str, metadata: dict[str, Any] | None = None) -> None:
        """As ``create_session``."""
        self.execute(INSERT, (name, datetime.now(UTC).isoformat(), json.dumps(metadata or {})))

    def set_active(self, name: str, active: bool = True) -> None:
        """As ``set_active``: first this session, then the others, each in a commit of its own."""
        self.update(name, {"active": active})
        if active:
            for other in self.names():
                if other != name:
                    self.update(other, {"active": False})

    def add_context(self, name: str, content: str) -> None:
        """As ``add_context`` to a session that exists."""
        self.execute(
            "INSERT INTO session_context (session_id, kind, content, created_at)"
            " SELECT id, 'note', ?, ? FROM sessions WHERE name = ?",
            (content, datetime.now(UTC).isoformat(), name),
        )

    def add_much_context(self, name: str, count: int) -> None:
        """Add so many entries in one fast commit."""
        self.execute(
            "WITH n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
            " INSERT INTO session_context (session_id, kind, content, created_at)"
            " SELECT s.id, 'note', 'x', ? FROM sessions AS s, n WHERE s.name = ?",
            (count, NOW, name),
        )

    def delete(self, name: str) -> None:
        """As ``delete_session``: first the context, then the session, in one commit."""
        with self.connection:
            of_session = "SELECT id FROM sessions WHERE name = ?"
            self.execute(f"DELETE FROM session_context WHERE session_id = ({of_session})", (name,))
            self.execute("DELETE FROM sessions WHERE name = ?", (name,))

    def copy_to(self, other: Path) -> None:
        """Make a copy of the whole database, which may be in use."""
        self.execute("VACUUM INTO ?", (str(other),))

    def restore_from(self, other: Path) -> None:
        """Replace the content by that of another file, with SQLite's backup."""
        with (
            ForeignWriter(other) as source,
            self.connection.backup("main", source.connection, "main") as backup,
        ):
            backup.step()

    def names(self) -> list[str]:
        """Return the names of all sessions, in the order of their ids."""
        return [row[0] for row in self.rows("SELECT name FROM sessions ORDER BY id")]

    def contents(self) -> list[str]:
        """Return the content of all entries, in the order of their ids."""
        return [row[0] for row in self.rows("SELECT content FROM session_context ORDER BY id")]

    def objects(self) -> dict[str, str]:
        """Return the SQL of each table, index and trigger, by its name."""
        return dict(self.rows("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))

    def integrity(self) -> str:
        """Return what SQLite's check finds: "ok"."""
        return str(self.rows("PRAGMA integrity_check")[0][0])

    def revision(self) -> int:
        """Return the newest revision in the file."""
        return int(self.rows("SELECT max(revision) FROM session_server_changes")[0][0] or 0)

    def rows(self, sql: str, *bindings: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        return self.execute(sql, bindings).fetchall()

    def update(self, name: str, updates: dict[str, Any]) -> None:
        """As ``update_session_metadata``."""
        ((stored,),) = self.rows("SELECT metadata FROM sessions WHERE name = ?", name)
        merged = json.dumps({**json.loads(stored or "{}"), **updates})
        self.execute("UPDATE sessions SET metadata = ? WHERE name = ?", (merged, name))


def changes(db: SessionDB) -> list[tuple[str, str]]:
    """Return the change log as (type, session name)."""
    rows = db.db.run("SELECT type, session_name FROM session_server_changes ORDER BY revision")
    return [(row[0], row[1]) for row in rows]


def active_names(db: SessionDB) -> list[str]:
    return [record.name for record in db.list_sessions() if record.metadata.get("active")]


def totals(db: SessionDB) -> tuple[int, int]:
    """Return how many sessions and entries there are, as the triggers have counted them."""
    found = db.store.totals()
    return found.sessions, found.context_entries


def most_recently_active(db: SessionDB) -> str | None:
    """Return the name of the session that is activated again by default."""
    found = db.store.sessions.most_recently_active()
    return None if found is None else db.store.sessions.by_id(found).name
