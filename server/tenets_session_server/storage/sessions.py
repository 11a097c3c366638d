"""Sessions and their context in the database: every operation, each of them atomic.

This is what the protocol's handlers call. Values come and go in the form they are stored in (see
:class:`~tenets_session_server.models.StoredSession`); the seed's Python form of the same operations
is :class:`~tenets_session_server.storage.session_db.SessionDB`.
"""

from __future__ import annotations

from typing import Any, Final

import apsw
import msgspec

from tenets_session_server.errors import SessionExistsError, SessionNotFoundError
from tenets_session_server.models import SessionPage, StoredContext, StoredSession
from tenets_session_server.storage import deferred_deletes as purges
from tenets_session_server.storage import metadata, timestamps
from tenets_session_server.storage import session_pages as pages
from tenets_session_server.storage.database import Database
from tenets_session_server.storage.rows import SessionQuery
from tenets_session_server.storage.session_pages import Order

_COUNTS: Final = "SELECT sessions, context_entries FROM session_server_totals"

_BY_NAME: Final = SessionQuery("SELECT {session} FROM sessions AS s WHERE s.name = ?")
_BY_ID: Final = SessionQuery("SELECT {session} FROM sessions AS s WHERE s.id = ?")
_ACTIVE: Final = SessionQuery(
    "SELECT {session} FROM session_server_active AS a JOIN sessions AS s ON s.id = a.session_id"
)
_RECENT: Final = "SELECT recent FROM session_server_active"
_INACTIVE_NAME: Final = """SELECT CAST(name AS BLOB) FROM sessions
    WHERE id = ? AND id IS NOT (SELECT session_id FROM session_server_active)"""


class SessionStore:
    """The operations on one :class:`Database`.

    Unless they say more, all raise the ``DatabaseError`` that fits when the file, the disk or
    another process is in the way, and then nothing has happened.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    def counts(self) -> tuple[int, int]:
        """Return how many sessions and entries there are, as the triggers have counted."""
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
        return _BY_NAME.first(self.database, (name,))

    def get_active(self) -> StoredSession | None:
        """Return the active session; costs the same however many sessions there are."""
        return _ACTIVE.first(self.database)

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
        wanted = pages.Filter(active, name_prefix, order, include_context_count)
        return pages.read_page(self.database, wanted, limit, cursor)

    def most_recently_active(self) -> str | None:
        """Return the name of the inactive session that was active last, or None.

        So many are remembered that it is forgotten only where all the others have been deleted.
        """
        with self.database.snapshot():
            recent: str = self.database.run(_RECENT)[0][0]
            for session_id in recent.split(",")[:-1]:  # after the last comma one is incomplete
                rows = self.database.run(_INACTIVE_NAME, (session_id,))
                if rows:
                    return str(rows[0][0].decode("utf-8", "replace"))
        return None

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
            self.database.run("DELETE FROM sessions")
            count: int = self.database.run("SELECT changes()")[0][0]
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
        found = _BY_ID.first(self.database, (session_id,))
        assert found is not None  # noqa: S101 - it was written in this transaction
        return found


def _activation(*, active: bool) -> bytes:
    now = timestamps.now_seconds()
    updates: dict[str, Any] = {
        "active": active,
        "updated_at": now,
        "resumed_at" if active else "ended_at": now,
    }
    return msgspec.json.encode(updates)
