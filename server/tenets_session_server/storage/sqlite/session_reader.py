"""Reads single sessions, and pages of them.

A session is named by its name, by its id, or by both, which must fit each other then.
"""

from __future__ import annotations

from typing import Final

from tenets_session_server.errors import InvalidArgumentError, SessionNotFoundError
from tenets_session_server.models.sessions import Order, Session, SessionList, SessionResult
from tenets_session_server.storage import names
from tenets_session_server.storage.sqlite.database import Database, Row
from tenets_session_server.storage.sqlite.session_pages import Listing, read_page
from tenets_session_server.storage.sqlite.session_queries import SessionQuery

_SELECT_NAMED: Final = "SELECT {session} FROM sessions AS s WHERE s.name = ?"
_SELECT_BY_ID: Final = "SELECT {session} FROM sessions AS s WHERE s.id = ?"
_SELECT_ACTIVE: Final = (
    "SELECT {session} FROM session_server_active AS a JOIN sessions AS s ON s.id = a.session_id"
)
_BY_NAME: Final = SessionQuery(_SELECT_NAMED, state=True)
BY_ID: Final = SessionQuery(_SELECT_BY_ID, state=True)
_ACTIVE: Final = SessionQuery(_SELECT_ACTIVE, state=True)
_ACTIVE_ONLY: Final = SessionQuery(_SELECT_ACTIVE)
_NAMED_ONLY: Final = SessionQuery(_SELECT_NAMED)
_WITH_ID_ONLY: Final = SessionQuery(_SELECT_BY_ID)
_RECENT: Final = "SELECT recent FROM session_server_active"
_INACTIVE: Final = """SELECT id FROM sessions
    WHERE id = ? AND id IS NOT (SELECT session_id FROM session_server_active)"""


class SessionReader:
    """Reads the sessions of one :class:`Database`; raises as :meth:`Database.run` does."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: str | None, session_id: int | None = None) -> SessionResult | None:
        """Return the session of this name, or with this id, or None.

        Raises :class:`SessionNotFoundError` if both are given and do not fit.
        """
        found = None
        if name is None:
            found = BY_ID.result(self._database, (_checked_id(session_id),), SessionResult)
        else:
            for form in names.forms(name):
                if (found := _BY_NAME.result(self._database, (form,), SessionResult)) is not None:
                    break
            if session_id is not None and (found is None or found.id != session_id):
                raise SessionNotFoundError(name, session_id=session_id)
        return found

    def get_active(self) -> SessionResult | None:
        """Return the active session, at the same cost however many sessions there are."""
        return _ACTIVE.result(self._database, (), SessionResult)

    # The same without the state, for what has a state itself.

    def active(self) -> Session | None:
        """Return the active session."""
        return _ACTIVE_ONLY.first(self._database)

    def named(self, name: str) -> Session | None:
        """Return the session of this very name."""
        return _NAMED_ONLY.first(self._database, (name,))

    def with_id(self, session_id: int) -> Session | None:
        """Return the session with this id."""
        return _WITH_ID_ONLY.first(self._database, (session_id,))

    def page(
        self,
        *,
        limit: int = 100,
        cursor: str | None = None,
        active: bool | None = None,
        name_prefix: str | None = None,
        order: Order = "newest",
        include_context_count: bool = False,
        include_metadata: bool = True,
    ) -> SessionList:
        """Return at most ``limit`` sessions by ``created_at`` (then id), newest first by default.

        ``order="recent"`` sorts by the last change instead, and has one page only. ``cursor`` is
        the ``next_cursor`` of a page with the same ``active``, ``name_prefix`` and ``order``;
        another one raises :class:`InvalidArgumentError`. A page with very large metadata has fewer
        sessions than ``limit``.
        """
        # Every name starts with "".
        listing = Listing(
            active, name_prefix or None, order, include_context_count, include_metadata
        )
        return read_page(self._database, listing, limit, cursor)

    def most_recently_active(self) -> int | None:
        """Return the id of the inactive session that was active last, or None.

        About a hundred are remembered. If all of those have been deleted, the result is None.
        """
        with self._database.snapshot():
            recent: str = self._database.run(_RECENT)[0][0]
            for session_id in recent.split(",")[:-1]:  # the last id may be cut off
                if rows := self._database.run(_INACTIVE, (session_id,)):
                    found: int = rows[0][0]
                    return found
        return None

    def require(self, name: str | None, session_id: int | None = None) -> SessionResult:
        """Return the session of this name, this id, or both.

        Raises :class:`SessionNotFoundError` if there is none.
        """
        if (found := self.get(name, session_id)) is None:
            raise SessionNotFoundError(name, session_id=session_id)
        return found

    def find_id(self, name: str | None, session_id: int | None = None) -> int | None:
        """Return the id of the session of this name, this id, or both; None if there is none.

        Raises :class:`SessionNotFoundError` if both are given and do not fit.
        """
        row = self._row("id", name, session_id)
        return None if row is None else row[0]

    def id_of(self, name: str | None, session_id: int | None) -> int:
        """Return the same as :meth:`find_id`; raises :class:`SessionNotFoundError` for none."""
        found: int = self.require_row("id", name, session_id)[0]
        return found

    def chosen_id(self, name: str | None, session_id: int | None) -> int | None:
        """Return the same as :meth:`id_of`; None if neither a name nor an id is given."""
        return None if name is None and session_id is None else self.id_of(name, session_id)

    def require_row(self, columns: str, name: str | None, session_id: int | None) -> Row:
        """Return ``columns`` of a session, the first of which is the id.

        Raises :class:`SessionNotFoundError` if there is none.
        """
        if (row := self._row(columns, name, session_id)) is None:
            raise SessionNotFoundError(name, session_id=session_id)
        return row

    def _row(self, columns: str, name: str | None, session_id: int | None) -> Row | None:
        """Return ``columns`` of a session, the first of which is the id."""
        if name is None:
            where = (_checked_id(session_id),)
            rows = self._database.run(f"SELECT {columns} FROM sessions WHERE id = ?", where)
        else:
            rows = self.rows_named(columns, name)
            if session_id is not None and (not rows or rows[0][0] != session_id):
                raise SessionNotFoundError(name, session_id=session_id)
        return rows[0] if rows else None

    def rows_named(self, columns: str, name: str) -> list[Row]:
        """Return ``columns`` of the session of this name, in whatever form it is stored."""
        for form in names.forms(name):
            rows = self._database.run(f"SELECT {columns} FROM sessions WHERE name = ?", (form,))
            if rows:
                return rows
        return []


def _checked_id(session_id: int | None) -> int:
    if session_id is None:
        raise InvalidArgumentError("name", "the name of a session, or its sessionId")
    return session_id
