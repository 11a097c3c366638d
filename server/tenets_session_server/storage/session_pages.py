"""Pages of sessions: the cost depends on the size of the page, not on the number of sessions.

A page walks the index of ``created_at`` from the cursor until it is full. With a name prefix there
are two ways. If few names match, they are found by name and sorted. If many match, the walk meets
one often; if it does not, it is given up, and the names are sorted after all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from tenets_session_server.models import Session, SessionList
from tenets_session_server.storage import cursors
from tenets_session_server.storage.database import Database, Row, Value
from tenets_session_server.storage.rows import SessionQuery, position, session

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
class Filter:
    """Which sessions are in a list and in which order; see :meth:`.sessions.Sessions.page`."""

    active: bool | None = None
    name_prefix: str | None = None
    order: Order = "newest"
    include_context_count: bool = False

    def scope(self) -> int:
        """Return what the cursors of the list have in common."""
        return cursors.scope("list", self.active, self.name_prefix or None, self.order)


def read_page(database: Database, wanted: Filter, limit: int, cursor: str | None) -> SessionList:
    """Return at most ``limit`` sessions, those after ``cursor``.

    Raises :class:`InvalidArgumentError` for a cursor of another list, and as :meth:`Database.run`.
    """
    bindings: dict[str, Value] = {"rows": limit + 1}
    key = None
    if cursor is not None:
        start = cursors.load(cursor, wanted.scope())
        key = "CAST(:key AS TEXT)" if start.is_text else ":key"
        bindings.update(key=start.key, id=start.id)
    if wanted.name_prefix:
        after = _after_prefix(wanted.name_prefix)
        # If no string is above all that start with the prefix, every blob is.
        bindings.update(prefix=wanted.name_prefix, after=b"" if after is None else after)
    shape = _Shape(
        "DESC" if wanted.order == "newest" else "ASC",
        key,
        wanted.active,
        prefixed=bool(wanted.name_prefix),
        counted=wanted.include_context_count,
    )

    def take(rows: Iterable[Row]) -> SessionList:
        return _page(rows, limit, wanted)

    if not shape.prefixed or wanted.active:
        return _walk(shape).read(database, bindings, take)
    with database.snapshot():
        ids = None
        if database.run(_MATCHES, {**bindings, "few": FEW})[0][0] == FEW:
            ids = _walk_for_ids(database, shape, bindings, limit + 1)
        if ids is None:
            ids = database.run(_ids_by_name(shape), bindings)
        return take(_by_id(shape).each(database, ids))


@dataclass(frozen=True, slots=True)
class _Shape:
    """What the text of a statement depends on; values are bound."""

    direction: Literal["ASC", "DESC"]
    key: str | None
    active: bool | None
    prefixed: bool
    counted: bool

    @property
    def columns(self) -> str:
        return "{session}" + (_COUNT if self.counted else "")

    @property
    def after_cursor(self) -> str:
        comparison = "<" if self.direction == "DESC" else ">"
        return f"(s.created_at, s.id) {comparison} ({self.key}, :id)" if self.key else "1"

    @property
    def not_active(self) -> str:
        return f"s.id IS NOT {_ACTIVE_ID}" if self.active is False else "1"

    @property
    def order(self) -> str:
        return f"ORDER BY s.created_at {self.direction}, s.id {self.direction}"


@lru_cache
def _walk(shape: _Shape) -> SessionQuery:
    prefix = _HAS_PREFIX if shape.prefixed else "1"
    conditions = f"{shape.after_cursor} AND {prefix} AND {shape.not_active}"
    if shape.active:
        # The LIMIT keeps SQLite from flattening the subquery, which finds the session by its id.
        source, order = f"(SELECT * FROM sessions WHERE id = {_ACTIVE_ID} LIMIT 1)", ""
    else:
        source, order = "sessions", shape.order
    return SessionQuery(
        f"SELECT {shape.columns} FROM {source} AS s WHERE {conditions} {order} LIMIT :rows"
    )


def _walk_for_ids(
    database: Database, shape: _Shape, bindings: dict[str, Value], count: int
) -> list[Row] | None:
    """Return the ids of the next sessions with the prefix, None if the walk is given up."""
    found: list[Row] = []
    walked = 0
    with database.rows(_all_in_order(shape), {**bindings, "walked": WALKED}) as rows:
        for session_id, matches in rows:
            walked += 1
            if matches:
                found.append((session_id,))
                if len(found) == count:
                    return found
    return found if walked < WALKED else None


@lru_cache
def _all_in_order(shape: _Shape) -> str:
    return (
        f"SELECT s.id, {_HAS_PREFIX} AND {shape.not_active} FROM sessions AS s"
        f" WHERE {shape.after_cursor} {shape.order} LIMIT :walked"
    )


@lru_cache
def _ids_by_name(shape: _Shape) -> str:
    return (
        # LIMIT -1 limits nothing, but keeps SQLite from flattening the subquery.
        f"SELECT s.id FROM (SELECT id, created_at FROM sessions WHERE {_HAS_PREFIX} LIMIT -1) AS s"
        f" WHERE {shape.after_cursor} AND {shape.not_active} {shape.order} LIMIT :rows"
    )


@lru_cache
def _by_id(shape: _Shape) -> SessionQuery:
    return SessionQuery(f"SELECT {shape.columns} FROM sessions AS s WHERE s.id = :id")


def _page(rows: Iterable[Row], limit: int, wanted: Filter) -> SessionList:
    sessions: list[Session] = []
    last: Row = ()
    size = 0
    for row in rows:
        if len(sessions) == limit or size >= PAGE_BYTES:
            return SessionList(sessions, cursors.dump(position(last), wanted.scope()))
        sessions.append(session(row))
        size += len(sessions[-1].metadata)
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
