"""The operations on sessions; all SQL that writes ``sessions``.

Each operation is atomic. Metadata is passed as the text that is stored.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tenets_session_server.errors import (
    ChangeRefusedError,
    SessionExistsError,
    SessionNotFoundError,
)
from tenets_session_server.models import Deleted, DeletedCount, Session, SessionList
from tenets_session_server.storage import metadata, names, timestamps
from tenets_session_server.storage.database import SWALLOWED, Database, Row
from tenets_session_server.storage.maintenance import DeferredDeletes
from tenets_session_server.storage.session_queries import (
    Listing,
    Order,
    SessionQuery,
    read_page,
)

_BY_NAME: Final = SessionQuery("SELECT {session} FROM sessions AS s WHERE s.name = ?")
_BY_ID: Final = SessionQuery("SELECT {session} FROM sessions AS s WHERE s.id = ?")
_ACTIVE: Final = SessionQuery(
    "SELECT {session} FROM session_server_active AS a JOIN sessions AS s ON s.id = a.session_id"
)
_RECENT: Final = "SELECT recent FROM session_server_active"
_INACTIVE_NAME: Final = """SELECT CAST(name AS BLOB) FROM sessions
    WHERE id = ? AND id IS NOT (SELECT session_id FROM session_server_active)"""


class Sessions:
    """The sessions of one :class:`Database`.

    Every operation may raise a ``DatabaseError``. Nothing has been written then, unless it is an
    ``OutcomeUnknownError``.
    """

    def __init__(self, database: Database, deferred_deletes: DeferredDeletes) -> None:
        self._database, self._deferred_deletes = database, deferred_deletes

    def create(
        self, name: str, metadata_text: bytes = metadata.EMPTY, *, active: bool = False
    ) -> Session:
        """Create a session, and activate it if ``active``.

        ``metadata_text`` is the text of a JSON object. Raises :class:`SessionExistsError`,
        :class:`InvalidArgumentError` or :class:`LimitExceededError`.
        """
        text = metadata.normalise(metadata_text)
        if active:
            text = metadata.merge(text, _activation(active=True), limited=False)
        with self._database.transaction():
            return self._insert(name, text)

    def get(self, name: str) -> Session | None:
        """Return the session of this name."""
        for form in names.forms(name):
            if (found := _BY_NAME.first(self._database, (form,))) is not None:
                return found
        return None

    def get_active(self) -> Session | None:
        """Return the active session, at the same cost however many sessions there are."""
        return _ACTIVE.first(self._database)

    def page(
        self,
        *,
        limit: int = 100,
        cursor: str | None = None,
        active: bool | None = None,
        name_prefix: str | None = None,
        order: Order = "newest",
        include_context_count: bool = False,
    ) -> SessionList:
        """Return at most ``limit`` sessions by ``created_at`` (then id), newest first by default.

        ``cursor`` is the ``next_cursor`` of a page with the same ``active``, ``name_prefix`` and
        ``order``; another one raises :class:`InvalidArgumentError`. A page with very large metadata
        has fewer sessions than ``limit``.
        """
        # Every name starts with "".
        listing = Listing(active, name_prefix or None, order, include_context_count)
        return read_page(self._database, listing, limit, cursor)

    def most_recently_active(self) -> str | None:
        """Return the name of the inactive session that was active last, or None.

        About a hundred are remembered. If all of those have been deleted, the result is None.
        """
        with self._database.snapshot():
            recent: str = self._database.run(_RECENT)[0][0]
            for session_id in recent.split(",")[:-1]:  # the last id may be cut off
                rows = self._database.run(_INACTIVE_NAME, (session_id,))
                if rows:
                    return str(rows[0][0].decode("utf-8", "replace"))
        return None

    def set_active(self, name: str, active: bool = True) -> Session:
        """Activate or deactivate a session; activating it deactivates the one that was active.

        Merges ``active``, ``updated_at`` and ``resumed_at`` or ``ended_at`` into the metadata, as
        upstream's ``set_active`` does. Raises :class:`SessionNotFoundError`.
        """
        with self._database.transaction():
            # No limit: a session can be activated even if its metadata is full.
            session = self._merge(name, _activation(active=active), limited=False)
            if session.active is not active:
                raise ChangeRefusedError(
                    f"SQLite cannot read the metadata of {name!r}, so that session cannot be active"
                )
        return session

    def update_metadata(self, name: str, updates: bytes) -> Session:
        """Merge ``updates``, the text of a JSON object, into the metadata (top level only).

        Raises :class:`SessionNotFoundError`, :class:`InvalidArgumentError` or
        :class:`LimitExceededError`.
        """
        return self._merge(name, metadata.normalise(updates, "updates"), limited=True)

    def id_of(self, name: str | None, session_id: int | None) -> int:
        """Return the id of the session with this name, or this id, or both.

        Raises :class:`SessionNotFoundError` if there is none, or they do not fit each other.
        """
        if name is not None:
            rows = self._find("id", name)
        else:
            rows = self._database.run("SELECT id FROM sessions WHERE id = ?", (session_id,))
        if not rows or (session_id is not None and rows[0][0] != session_id):
            raise SessionNotFoundError(name, session_id=session_id)
        found: int = rows[0][0]
        return found

    def find_or_create(self, name: str, *, check_name: bool) -> tuple[int, str, bool]:
        """Return a session's id and name, and whether it was created; needs a transaction."""
        if rows := self._find("id, name", name):
            return *rows[0], False
        if check_name:
            name = names.checked(name, "sessionName")
        return self._insert(name, metadata.EMPTY).id, name, True

    def delete(self, name: str, *, purge_context: bool = True) -> Deleted:
        """Delete a session and, by default, its context.

        It takes effect at once; :class:`.maintenance.DeferredDeletes` removes the rest of a
        large context.
        """
        with self._database.transaction():
            rows = self._find("id", name)
            if not rows:
                return Deleted(deleted=False)
            self._database.change("DELETE FROM sessions WHERE id = ?", rows[0])
            if purge_context:
                self._deferred_deletes.begin(rows[0][0])
            return Deleted(deleted=True)

    def delete_all(self, *, purge_context: bool = True) -> DeletedCount:
        """Delete all sessions and, by default, all context; see :meth:`delete`."""
        with self._database.transaction():
            self._database.run("DELETE FROM sessions")
            count: int = self._database.run("SELECT changes()")[0][0]
            if purge_context:
                self._deferred_deletes.begin(None)
            return DeletedCount(count)

    def _insert(self, name: str, text: bytes) -> Session:
        now = timestamps.now()
        try:
            self._database.change(
                "INSERT INTO sessions (name, created_at, metadata) VALUES (?, ?, ?)",
                (name, now, text.decode("utf-8")),
            )
        except ChangeRefusedError:
            if self._database.run("SELECT 1 FROM sessions WHERE name = ?", (name,)):
                raise SessionExistsError(name) from None
            raise
        return self._by_id(self._database.last_id)

    def _merge(self, name: str, updates: bytes, *, limited: bool) -> Session:
        with self._database.transaction():
            rows = self._find("id, CAST(metadata AS BLOB)", name)
            if not rows:
                raise SessionNotFoundError(name)
            session_id, stored = rows[0]
            self._database.change(
                "UPDATE sessions SET metadata = ? WHERE id = ?",
                (metadata.merge(stored, updates, limited=limited).decode("utf-8"), session_id),
            )
            return self._by_id(session_id)

    def _find(self, columns: str, name: str) -> list[Row]:
        for form in names.forms(name):
            rows = self._database.run(f"SELECT {columns} FROM sessions WHERE name = ?", (form,))
            if rows:
                return rows
        return []

    def _by_id(self, session_id: int) -> Session:
        found = _BY_ID.first(self._database, (session_id,))
        if found is None:  # though it was written in this transaction
            raise ChangeRefusedError(SWALLOWED)
        return found


def _activation(*, active: bool) -> bytes:
    now = timestamps.now_seconds()
    updates: dict[str, Any] = {
        "active": active,
        "updated_at": now,
        "resumed_at" if active else "ended_at": now,
    }
    return msgspec.json.encode(updates)
