"""Pages of sessions, each at the cost of the page, however many sessions there are.

The index of ``created_at`` is walked from where the page begins until it is full. Sessions whose
names start with a prefix are found by name and then sorted, where they are few; where they are many
the walk meets one often enough, or is given up.
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
"""A page ends early once its metadata reaches this size, whatever its limit."""
FEW: Final = 2000
"""Fewer names than this that start with a prefix are sorted, which takes a millisecond or two."""
WALKED: Final = 20_000
"""So many sessions are looked at to find those of a prefix among them, which takes 10 ms; where
these do not fill a page, the names are sorted, however many there are."""

_COUNT: Final = "(SELECT count(*) FROM session_context AS c WHERE c.session_id = s.id)"
_ACTIVE_ID: Final = "(SELECT session_id FROM session_server_active)"
_MATCHES: Final = """SELECT count(*) FROM (
    SELECT 1 FROM sessions WHERE name >= :prefix AND name < :after LIMIT :few)"""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which sessions, in which order; see :meth:`.session_store.SessionStore.page`."""

    active: bool | None = None
    name_prefix: str | None = None
    order: Order = "newest"
    include_context_count: bool = False


def read_page(database: Database, wanted: Filter, limit: int, cursor: str | None) -> SessionList:
    """Return at most ``limit`` sessions, those after ``cursor``.

    Raises :class:`InvalidArgumentError` for a bad cursor, and as :meth:`Database.run` does.
    """
    bindings: dict[str, Value] = {"rows": limit + 1}
    key = None
    if cursor is not None:
        start = cursors.load(cursor)
        key = "CAST(:key AS TEXT)" if start.key_type == "text" else ":key"
        bindings.update(key=start.key, id=start.id)
    if wanted.name_prefix:
        # Where no string is above all that start with the prefix, every blob is.
        after = _after_prefix(wanted.name_prefix)
        bindings.update(prefix=wanted.name_prefix, after=b"" if after is None else after)
    shape = _Shape(
        "DESC" if wanted.order == "newest" else "ASC",
        key,
        wanted.active,
        prefixed=bool(wanted.name_prefix),
        counted=wanted.include_context_count,
    )

    def take(rows: Iterable[Row]) -> SessionList:
        return _page(rows, limit)

    if not shape.prefixed or wanted.active:
        return _walk(shape).read(database, bindings, take)
    with database.snapshot():
        ids = None
        if database.run(_MATCHES, {**bindings, "few": FEW})[0][0] == FEW:
            ids = _look_for_ids(database, shape, bindings, limit + 1)
        if ids is None:
            ids = database.run(_ids_by_name(shape), bindings)
        return take(_by_id(shape).each(database, ids))


@dataclass(frozen=True, slots=True)
class _Shape:
    """What decides over the text of the statement; the values are bound."""

    direction: str
    key: str | None
    active: bool | None
    prefixed: bool
    counted: bool


@lru_cache
def _walk(shape: _Shape) -> SessionQuery:
    # The limit keeps the subquery by itself: the active session is found by its id.
    active = f"(SELECT * FROM sessions WHERE id = {_ACTIVE_ID} LIMIT 1)"
    conditions = _after_the_cursor(shape)
    if shape.prefixed:
        conditions.append("s.name >= :prefix AND s.name < :after")
    if shape.active is False:
        conditions.append(f"s.id IS NOT {_ACTIVE_ID}")
    order = f"ORDER BY s.created_at {shape.direction}, s.id {shape.direction}"
    return SessionQuery(
        f"SELECT {{session}}{_counted(shape)} FROM {active if shape.active else 'sessions'} AS s"
        f" WHERE {' AND '.join(conditions)} {'' if shape.active else order} LIMIT :rows"
    )


def _look_for_ids(
    database: Database, shape: _Shape, bindings: dict[str, Value], count: int
) -> list[Row] | None:
    """Return the ids of the next sessions of a prefix; None where that would take too long."""
    found: list[Row] = []
    walked = 0
    with database.rows(_all_in_order(shape), {**bindings, "walked": WALKED}) as rows:
        for session_id, fits in rows:
            walked += 1
            if fits:
                found.append((session_id,))
                if len(found) == count:
                    return found
    return found if walked < WALKED else None


@lru_cache
def _all_in_order(shape: _Shape) -> str:
    fits = "s.name >= :prefix AND s.name < :after"
    if shape.active is False:
        fits += f" AND s.id IS NOT {_ACTIVE_ID}"
    return (
        f"SELECT s.id, {fits} FROM sessions AS s WHERE {' AND '.join(_after_the_cursor(shape))}"
        f" ORDER BY s.created_at {shape.direction}, s.id {shape.direction} LIMIT :walked"
    )


@lru_cache
def _ids_by_name(shape: _Shape) -> str:
    conditions = _after_the_cursor(shape)
    if shape.active is False:
        conditions.append(f"s.id IS NOT {_ACTIVE_ID}")
    return (
        # The limit, which is none, keeps the subquery by itself.
        "SELECT s.id FROM (SELECT id, created_at FROM sessions"
        " WHERE name >= :prefix AND name < :after LIMIT -1) AS s"
        f" WHERE {' AND '.join(conditions)}"
        f" ORDER BY s.created_at {shape.direction}, s.id {shape.direction} LIMIT :rows"
    )


@lru_cache
def _by_id(shape: _Shape) -> SessionQuery:
    return SessionQuery(f"SELECT {{session}}{_counted(shape)} FROM sessions AS s WHERE s.id = :id")


def _counted(shape: _Shape) -> str:
    return f", {_COUNT}" if shape.counted else ""


def _after_the_cursor(shape: _Shape) -> list[str]:
    if shape.key is None:
        return ["1"]
    comparison = "<" if shape.direction == "DESC" else ">"
    return [f"(s.created_at, s.id) {comparison} ({shape.key}, :id)"]


def _page(rows: Iterable[Row], limit: int) -> SessionList:
    sessions: list[Session] = []
    last: Row = ()
    size = 0
    for row in rows:
        if len(sessions) == limit or size >= PAGE_BYTES:
            return SessionList(sessions, cursors.dump(position(last)))
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
