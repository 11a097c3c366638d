"""Reads sessions: rows, whatever another program has stored in them.

Text that another program wrote may not be UTF-8, and one such value fails the whole query. So each
query has two forms: one reads text as text; if that fails, the other reads text as bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, TypeVar

from msgspec import UNSET, Raw

from tenets_session_server.models.sessions import Session, SessionResult
from tenets_session_server.storage import metadata, timestamps
from tenets_session_server.storage.cursors import Position
from tenets_session_server.storage.sqlite import states
from tenets_session_server.storage.sqlite.database import Bindings, Database, Row

T = TypeVar("T")
R = TypeVar("R", bound=SessionResult)

_ACTIVE: Final = "s.id IS (SELECT session_id FROM session_server_active)"
_METADATA_AS_BYTES: Final = "CAST(s.metadata AS BLOB)"
_AS_TEXT: Final = f"s.id, s.name, s.created_at, s.metadata, {_ACTIVE}, NULL"
_AS_BYTES: Final = f"""s.id, CAST(s.name AS BLOB),
    CASE typeof(s.created_at) WHEN 'text' THEN CAST(s.created_at AS BLOB) ELSE s.created_at END,
    {_METADATA_AS_BYTES}, {_ACTIVE}, typeof(s.created_at)"""


class SessionQuery:
    """A SELECT of sessions; ``{session}`` in ``sql`` stands for the columns of ``sessions AS s``.

    With ``state`` those of the newest state follow, else the session's context count may follow.
    Without ``metadata`` that is not read.
    """

    def __init__(self, sql: str, *, metadata: bool = True, state: bool = False) -> None:
        more = f", {states.COLUMNS}" if state else ""
        self._text, self._bytes = (
            sql.format(session=(text if metadata else text.replace(stored, "NULL")) + more)
            for text, stored in ((_AS_TEXT, "s.metadata"), (_AS_BYTES, _METADATA_AS_BYTES))
        )

    def first(self, database: Database, bindings: Bindings = ()) -> Session | None:
        """Return the first session, or None. Raises as :meth:`Database.run` does."""
        rows = self._run(database, bindings)
        return session(rows[0]) if rows else None

    def result(
        self, database: Database, bindings: Bindings, kind: type[R], **more: Any
    ) -> R | None:
        """Return the first session with the state that it was read in, or None.

        ``kind`` is its type, and ``more`` are the members that this has beside those of a
        :class:`SessionResult`. The query has ``state``. Raises as :meth:`Database.run` does.
        """
        rows = self._run(database, bindings)
        if not rows:
            return None
        row = rows[0]
        if row[6] is None:  # the log is empty
            with database.snapshot():
                rows, newest = self._run(database, bindings), states.newest(database)
            if not rows:
                return None
            row = (*rows[0][:6], newest.revision, newest.token)
        state = states.text(row[6], row[7])
        return kind(*_members(row), revision=row[6], state=state, **more)

    def each(self, database: Database, ids: Iterable[Row]) -> Iterator[Row]:
        """Yield the row of each id, in the order given, for a query by ``:id``."""
        for (session_id,) in ids:
            yield from self._run(database, {"id": session_id})

    def read(self, database: Database, bindings: Bindings, take: Callable[[Iterable[Row]], T]) -> T:
        """Return ``take(rows)``; it need not read all rows, and may be called twice.

        Raises as :meth:`Database.run` does.
        """
        try:
            with database.rows(self._text, bindings) as rows:
                return take(rows)
        except UnicodeDecodeError:
            with database.rows(self._bytes, bindings) as rows:
                return take(rows)

    def _run(self, database: Database, bindings: Bindings) -> list[Row]:
        try:
            return database.run(self._text, bindings)
        except UnicodeDecodeError:
            return database.run(self._bytes, bindings)


def session(row: Row) -> Session:
    """Return the session in a row of a :class:`SessionQuery`."""
    return Session(*_members(row), row[6] if len(row) > 6 else UNSET)


def _members(row: Row) -> tuple[int, str, str, bool, Raw]:
    name, stored = row[1], row[3]
    if isinstance(stored, str):
        stored = stored.encode("utf-8")
    elif stored is not None and not isinstance(stored, bytes):
        stored = str(stored).encode("ascii")  # a number
    return (
        row[0],
        name if isinstance(name, str) else _text(name),
        timestamps.readable(row[2]),
        bool(row[4]),
        Raw(metadata.readable(stored)),
    )


def _text(stored: bytes | float) -> str:
    return stored.decode("utf-8", "replace") if isinstance(stored, bytes) else str(stored)


def position(row: Row) -> Position:
    """Return the position of a :class:`SessionQuery`'s row in the order of ``created_at``."""
    key = row[2]
    if isinstance(key, str):
        return Position(key.encode("utf-8"), True, row[0])
    return Position(key, isinstance(key, bytes) and row[5] == "text", row[0])
