"""Reads sessions: rows, whatever another program has stored in them, and pages of a list.

Text that another program wrote may not be UTF-8, and one such value fails the whole query. So each
query has two forms: one reads text as text; if that fails, the other reads text as bytes.

The cost of a page depends on its size, not on the number of sessions. A page walks the index of
``created_at`` from the cursor until it is full. With a name prefix there are two ways. If few names
match, they are found by name and sorted. If many match, the walk meets one often; if it does not,
it is given up, and the names are sorted after all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, TypeVar

from msgspec import UNSET, Raw

from tenets_session_server.models import Session, SessionList
from tenets_session_server.storage import cursors, metadata, timestamps
from tenets_session_server.storage.cursors import Position
from tenets_session_server.storage.database import Bindings, Database, Row, Value

T = TypeVar("T")

_ACTIVE: Final = "s.id IS (SELECT session_id FROM session_server_active)"
_AS_TEXT: Final = f"s.id, s.name, s.created_at, s.metadata, {_ACTIVE}, NULL"
_AS_BYTES: Final = f"""s.id, CAST(s.name AS BLOB),
    CASE typeof(s.created_at) WHEN 'text' THEN CAST(s.created_at AS BLOB) ELSE s.created_at END,
    CAST(s.metadata AS BLOB), {_ACTIVE}, typeof(s.created_at)"""


class SessionQuery:
    """A SELECT of sessions; ``{session}`` in ``sql`` stands for the columns of ``sessions AS s``.

    One more column may follow: the session's context count.
    """

    def __init__(self, sql: str) -> None:
        self._text = sql.format(session=_AS_TEXT)
        self._bytes = sql.format(session=_AS_BYTES)

    def first(self, database: Database, bindings: Bindings = ()) -> Session | None:
        """Return the first session, or None. Raises as :meth:`Database.run` does."""
        rows = self._run(database, bindings)
        return session(rows[0]) if rows else None

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
    name, stored = row[1], row[3]
    if isinstance(stored, str):
        stored = stored.encode("utf-8")
    elif stored is not None and not isinstance(stored, bytes):
        stored = str(stored).encode("ascii")  # a number
    return Session(
        row[0],
        name if isinstance(name, str) else _text(name),
        timestamps.readable(row[2]),
        bool(row[4]),
        Raw(metadata.readable(stored)),
        row[6] if len(row) > 6 else UNSET,
    )


def _text(stored: bytes | float) -> str:
    return stored.decode("utf-8", "replace") if isinstance(stored, bytes) else str(stored)


def position(row: Row) -> Position:
    """Return the position of a :class:`SessionQuery`'s row in the order of ``created_at``."""
    key = row[2]
    if isinstance(key, str):
        return Position(key.encode("utf-8"), True, row[0])
    return Position(key, isinstance(key, bytes) and row[5] == "text", row[0])


Order = Literal["newest", "oldest"]

PAGE_BYTES: Final = 8 * 1024 * 1024
"""A page ends once its metadata reaches this size, whatever its limit."""
FEW: Final = 2000
"""With fewer matching names than this they are sorted, which takes a millisecond or two."""
WALKED: Final = 20_000
"""Sessions that a walk visits before it is given up, which takes 10 ms."""

_COUNT: Final = ", (SELECT count(*) FROM session_context AS c WHERE c.session_id = s.id)"
_ACTIVE_ID: Final = "(SELECT session_id FROM session_server_active)"
_HAS_PREFIX: Final = "name >= :prefix AND name < :after"
_MATCHES: Final = f"SELECT count(*) FROM (SELECT 1 FROM sessions WHERE {_HAS_PREFIX} LIMIT :few)"


@dataclass(frozen=True, slots=True)
class Listing:
    """Which sessions are in a list and in which order; see :meth:`.sessions.Sessions.page`."""

    active: bool | None = None
    name_prefix: str | None = None
    order: Order = "newest"
    include_context_count: bool = False

    def scope(self) -> int:
        """Return what the cursors of the list have in common."""
        return cursors.scope("list", self.active, self.name_prefix, self.order)


def read_page(database: Database, listing: Listing, limit: int, cursor: str | None) -> SessionList:
    """Return at most ``limit`` sessions, those after ``cursor``.

    Raises :class:`InvalidArgumentError` for a cursor of another list, and as :meth:`Database.run`.
    """
    bindings: dict[str, Value] = {"rows": limit + 1}
    key = None
    if cursor is not None:
        start = cursors.load(cursor, listing.scope())
        key = "CAST(:key AS TEXT)" if start.is_text else ":key"
        bindings.update(key=start.key, id=start.id)
    prefix = listing.name_prefix
    if prefix is not None:
        after = _after_prefix(prefix)
        # If no string is above all that start with the prefix, every blob is.
        bindings.update(prefix=prefix, after=b"" if after is None else after)
    statements = _statements(
        listing.order, key, listing.active, prefix is not None, listing.include_context_count
    )

    def take(rows: Iterable[Row]) -> SessionList:
        return _page(rows, limit, listing)

    if prefix is None or listing.active:
        return statements.walk.read(database, bindings, take)
    with database.snapshot():
        ids = None
        if database.run(_MATCHES, {**bindings, "few": FEW})[0][0] == FEW:
            ids = _walk_for_ids(database, statements.all_in_order, bindings, limit + 1)
        if ids is None:
            ids = database.run(statements.ids_by_name, bindings)
        return take(statements.by_id.each(database, ids))


@dataclass(frozen=True, slots=True)
class _Statements:
    walk: SessionQuery
    all_in_order: str
    ids_by_name: str
    by_id: SessionQuery


@lru_cache
def _statements(
    order: Order, key: str | None, active: bool | None, prefixed: bool, counted: bool
) -> _Statements:
    """Return the statements of a list; ``key`` is the cursor's, as SQL."""
    comparison, direction = ("<", "DESC") if order == "newest" else (">", "ASC")
    in_order = f"ORDER BY s.created_at {direction}, s.id {direction}"
    after_cursor = "1" if key is None else f"(s.created_at, s.id) {comparison} ({key}, :id)"
    not_active = "1" if active is not False else f"s.id IS NOT {_ACTIVE_ID}"
    has_prefix = _HAS_PREFIX if prefixed else "1"
    columns = "{session}" + (_COUNT if counted else "")
    # A LIMIT keeps SQLite from flattening a subquery. So the active session is found by its id, and
    # names by the prefix (where LIMIT -1 limits nothing).
    walked = f"(SELECT * FROM sessions WHERE id = {_ACTIVE_ID} LIMIT 1)" if active else "sessions"
    named = f"(SELECT id, created_at FROM sessions WHERE {has_prefix} LIMIT -1)"
    return _Statements(
        walk=SessionQuery(
            f"SELECT {columns} FROM {walked} AS s WHERE {after_cursor} AND {has_prefix}"
            f" AND {not_active} {'' if active else in_order} LIMIT :rows"
        ),
        all_in_order=f"SELECT s.id, {has_prefix} AND {not_active} FROM sessions AS s"
        f" WHERE {after_cursor} {in_order} LIMIT :walked",
        ids_by_name=f"SELECT s.id FROM {named} AS s WHERE {after_cursor} AND {not_active}"
        f" {in_order} LIMIT :rows",
        by_id=SessionQuery(f"SELECT {columns} FROM sessions AS s WHERE s.id = :id"),
    )


def _walk_for_ids(
    database: Database, sql: str, bindings: dict[str, Value], count: int
) -> list[Row] | None:
    """Return the ids of the next sessions with the prefix, None if the walk is given up."""
    found: list[Row] = []
    walked = 0
    with database.rows(sql, {**bindings, "walked": WALKED}) as rows:
        for session_id, matches in rows:
            walked += 1
            if matches:
                found.append((session_id,))
                if len(found) == count:
                    return found
    return found if walked < WALKED else None


def _page(rows: Iterable[Row], limit: int, listing: Listing) -> SessionList:
    sessions: list[Session] = []
    last: Row = ()
    size = 0
    for row in rows:
        if len(sessions) == limit or size >= PAGE_BYTES:
            return SessionList(sessions, cursors.dump(position(last), listing.scope()))
        found = session(row)
        sessions.append(found)
        size += 0 if found.metadata is UNSET else len(found.metadata)
        last = row
    return SessionList(sessions, None)


def _after_prefix(prefix: str) -> str | None:
    """Return the least string above all that start with ``prefix``, in SQLite's BINARY order."""
    for end in range(len(prefix), 0, -1):
        code = ord(prefix[end - 1]) + 1
        if code == 0xD800:  # surrogates have no UTF-8
            code = 0xE000
        if code <= 0x10FFFF:
            return prefix[: end - 1] + chr(code)
    return None
