"""Sessions and their context in the database: every operation, each of them atomic.

This is what the protocol's handlers call. Values come and go in the form they are stored in (see
:class:`~tenets_session_server.models.StoredSession`); the seed's Python form of the same operations
is :class:`~tenets_session_server.storage.session_db.SessionDB`.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import apsw
import msgspec

from tenets_session_server.errors import SessionExistsError, SessionNotFoundError
from tenets_session_server.models import SessionPage, StoredContext, StoredSession
from tenets_session_server.storage import cursors, metadata, purges, timestamps
from tenets_session_server.storage.database import Database, Row, Value

Order = Literal["newest", "oldest"]

PAGE_BYTES: Final = 8 * 1024 * 1024
"""A page ends early once its metadata reaches this size, whatever its limit."""

# Text that another program wrote may not be UTF-8, and reading it as text would fail the whole
# query. So text is read as bytes; `created_at` can also be a number (see timestamps.readable).
_COLUMNS: Final = """
    s.id, CAST(s.name AS BLOB), typeof(s.created_at),
    CASE typeof(s.created_at) WHEN 'text' THEN CAST(s.created_at AS BLOB) ELSE s.created_at END,
    CAST(s.metadata AS BLOB), s.id IS (SELECT session_id FROM session_server_active)"""
_COUNT: Final = "(SELECT count(*) FROM session_context AS c WHERE c.session_id = s.id)"

_COUNTS: Final = (
    """SELECT (SELECT count(*) FROM sessions), (SELECT count(*) FROM session_context)"""
)

_BY_NAME: Final = f"SELECT {_COLUMNS} FROM sessions AS s WHERE s.name = ?"
_BY_ID: Final = f"SELECT {_COLUMNS} FROM sessions AS s WHERE s.id = ?"
_ACTIVE: Final = f"""SELECT {_COLUMNS} FROM session_server_active AS a
    JOIN sessions AS s ON s.id = a.session_id"""
_LAST_DEACTIVATED: Final = """SELECT CAST(s.name AS BLOB)
    FROM session_server_changes AS c CROSS JOIN sessions AS s ON s.id = c.session_id
    WHERE c.type = 'deactivated' AND s.id IS NOT (SELECT session_id FROM session_server_active)
    ORDER BY c.revision DESC LIMIT 1"""
_MOST_RECENTLY_ACTIVE: Final = """SELECT CAST(name AS BLOB) FROM (
        SELECT name, id, CASE WHEN json_valid(metadata) THEN
            max(coalesce(json_extract(metadata, '$.resumed_at'), ''),
                coalesce(json_extract(metadata, '$.ended_at'), '')) END AS last_active
        FROM sessions WHERE id IS NOT (SELECT session_id FROM session_server_active))
    WHERE last_active > '' ORDER BY last_active DESC, id DESC LIMIT 1"""


class SessionStore:
    """The operations on one :class:`Database`.

    Unless they say more, all raise the ``DatabaseError`` that fits when the file, the disk or
    another process is in the way, and then nothing has happened.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    def counts(self) -> tuple[int, int]:
        """Return how many sessions and entries there are; takes 10 ms for a million of them."""
        sessions, entries = self.database.run(_COUNTS)[0]
        return sessions, entries

    def create(
        self, name: str, metadata_text: bytes = metadata.EMPTY, *, active: bool = False
    ) -> StoredSession:
        """Create a session, and make it the active one where asked to.

        ``metadata_text`` is the text of a JSON object. Raises :class:`SessionExistsError`,
        :class:`InvalidArgumentError` or :class:`LimitExceededError`.
        """
        text = metadata.normalise(metadata_text)
        if active:
            text = metadata.merge(text, _activation(active=True), limited=False)
        with self.database.transaction():
            return self._insert(name, text)

    def get(self, name: str) -> StoredSession | None:
        """Return the session of this name."""
        rows = self.database.run(_BY_NAME, (name,))
        return _session(rows[0]) if rows else None

    def get_active(self) -> StoredSession | None:
        """Return the active session; costs the same however many sessions there are."""
        rows = self.database.run(_ACTIVE)
        return _session(rows[0]) if rows else None

    def page(
        self,
        *,
        limit: int = 100,
        cursor: str | None = None,
        active: bool | None = None,
        name_prefix: str | None = None,
        order: Order = "newest",
        include_context_count: bool = False,
    ) -> SessionPage:
        """Return at most ``limit`` sessions by ``created_at`` (then id), newest first by default.

        ``cursor`` is an earlier page's ``next_cursor``. A page whose metadata is very large has
        fewer than ``limit``. Raises :class:`InvalidArgumentError` for a bad cursor.
        """
        where: list[str] = ["1"]
        bindings: list[Value] = []
        if cursor is not None:
            position = cursors.load(cursor)
            key = "CAST(? AS TEXT)" if position.key_type == "text" else "?"
            where.append(f"(s.created_at, s.id) {'<' if order == 'newest' else '>'} ({key}, ?)")
            bindings += [position.key, position.id]
        if active is not None:
            negation = "" if active else "NOT"
            where.append(f"s.id IS {negation} (SELECT session_id FROM session_server_active)")
        if name_prefix:
            where.append("s.name >= ?")
            bindings.append(name_prefix)
            if (after := _after_prefix(name_prefix)) is not None:
                where.append("s.name < ?")
                bindings.append(after)
        direction = "DESC" if order == "newest" else "ASC"
        count = f", {_COUNT}" if include_context_count else ""
        sql = f"""SELECT {_COLUMNS}{count} FROM sessions AS s WHERE {" AND ".join(where)}
            ORDER BY s.created_at {direction}, s.id {direction} LIMIT ?"""
        return self._read_page(sql, [*bindings, limit + 1], limit)

    def most_recently_active(self) -> str | None:
        """Return the name of the inactive session that was active last, or None.

        That is the one that was deactivated last; where that is too long ago for the feed, the one
        with the newest ``resumed_at`` or ``ended_at`` in its metadata.
        """
        # The feed is exact, but forgets; the metadata is to the second.
        rows = self.database.run(_LAST_DEACTIVATED) or self.database.run(_MOST_RECENTLY_ACTIVE)
        return rows[0][0].decode("utf-8", "replace") if rows else None

    def set_active(self, name: str, active: bool = True) -> StoredSession:
        """Activate or deactivate a session; activating deactivates the one that was.

        Merges ``active``, ``updated_at`` and ``resumed_at`` or ``ended_at`` into the metadata, as
        the seed's ``set_active``. Raises :class:`SessionNotFoundError`.
        """
        # No limit: metadata that is full must not keep a session from being activated.
        return self._merge(name, _activation(active=active), limited=False)

    def update_metadata(self, name: str, updates: bytes) -> StoredSession:
        """Merge ``updates``, the text of a JSON object, into the metadata (top level only).

        Raises :class:`SessionNotFoundError`, :class:`InvalidArgumentError` or
        :class:`LimitExceededError`.
        """
        return self._merge(name, metadata.normalise(updates, "updates"), limited=True)

    def add_context(self, session_name: str, kind: str, content: str) -> tuple[StoredContext, bool]:
        """Append an entry, creating the session where it is missing.

        Returns the entry and whether the session was created.
        """
        size = len(content) if content.isascii() else len(content.encode("utf-8"))
        with self.database.transaction():
            rows = self.database.run("SELECT id FROM sessions WHERE name = ?", (session_name,))
            created = not rows
            session_id = self._insert(session_name, metadata.EMPTY).id if created else rows[0][0]
            now = timestamps.now()
            self.database.run(
                "INSERT INTO session_context (session_id, kind, content, created_at)"
                " VALUES (?, ?, ?, ?)",
                (session_id, kind, content, now),
            )
            entry_id = self.database.last_id
        return StoredContext(entry_id, session_id, session_name, kind, size, now), created

    def delete(self, name: str, *, purge_context: bool = True) -> bool:
        """Delete a session, and its context unless told otherwise; return whether there was one.

        Of much context a part is left for :meth:`purge_some`.
        """
        with self.database.transaction():
            rows = self.database.run("SELECT id FROM sessions WHERE name = ?", (name,))
            if not rows:
                return False
            self.database.run("DELETE FROM sessions WHERE id = ?", rows[0])
            if purge_context:
                purges.begin(self.database, rows[0][0])
            return True

    def delete_all(self, *, purge_context: bool = True) -> int:
        """Delete all sessions, and all context unless told otherwise; return how many sessions.

        Of much context a part is left for :meth:`purge_some`.
        """
        with self.database.transaction():
            count: int = self.database.run("SELECT count(*) FROM sessions")[0][0]
            self.database.run("DELETE FROM sessions")
            if purge_context:
                purges.begin(self.database, None)
            return count

    def purge_some(self) -> bool:
        """Remove some of what deleted sessions have left; tell whether there is more."""
        return purges.go_on(self.database)

    def _insert(self, name: str, text: bytes) -> StoredSession:
        now = timestamps.now()
        try:
            self.database.run(
                "INSERT INTO sessions (name, created_at, metadata) VALUES (?, ?, ?)",
                (name, now, text.decode("utf-8")),
            )
        except apsw.ConstraintError:
            if self.database.run("SELECT 1 FROM sessions WHERE name = ?", (name,)):
                raise SessionExistsError(name) from None
            raise
        return self._by_id(self.database.last_id)

    def _merge(self, name: str, updates: bytes, *, limited: bool) -> StoredSession:
        with self.database.transaction():
            rows = self.database.run(
                "SELECT id, CAST(metadata AS BLOB) FROM sessions WHERE name = ?", (name,)
            )
            if not rows:
                raise SessionNotFoundError(name)
            session_id, stored = rows[0]
            self.database.run(
                "UPDATE sessions SET metadata = ? WHERE id = ?",
                (metadata.merge(stored, updates, limited=limited).decode("utf-8"), session_id),
            )
            return self._by_id(session_id)

    def _by_id(self, session_id: int) -> StoredSession:
        return _session(self.database.run(_BY_ID, (session_id,))[0])

    def _read_page(self, sql: str, bindings: list[Value], limit: int) -> SessionPage:
        sessions: list[StoredSession] = []
        last: cursors.Position | None = None
        complete = True
        size = 0

        def take(row: Row) -> bool:
            nonlocal last, complete, size
            if len(sessions) == limit or (sessions and size >= PAGE_BYTES):
                complete = False
                return False
            sessions.append(_session(row))
            last = cursors.Position(row[2], row[3], row[0])
            size += len(row[4] or b"")
            return True

        self.database.read(sql, bindings, take)
        return SessionPage(sessions, None if complete or last is None else cursors.dump(last))


def _activation(*, active: bool) -> bytes:
    now = timestamps.now_seconds()
    updates: dict[str, Any] = {
        "active": active,
        "updated_at": now,
        "resumed_at" if active else "ended_at": now,
    }
    return msgspec.json.encode(updates)


def _session(row: Row) -> StoredSession:
    return StoredSession(
        id=row[0],
        name=row[1].decode("utf-8", "replace"),
        created_at=timestamps.readable(row[3]),
        metadata=metadata.readable(row[4]),
        active=bool(row[5]),
        context_count=row[6] if len(row) > 6 else None,
    )


def _after_prefix(prefix: str) -> str | None:
    """Return the least string above all that start with ``prefix``, in SQLite's BINARY order."""
    for end in range(len(prefix), 0, -1):
        code = ord(prefix[end - 1]) + 1
        if code == 0xD800:  # surrogates have no UTF-8
            code = 0xE000
        if code <= 0x10FFFF:
            return prefix[: end - 1] + chr(code)
    return None
