"""Pages of a list of sessions.

The cost of a page depends on its size, not on the number of sessions. A page walks the index of
``created_at`` from the cursor until it is full. With a name prefix there are two ways. If few names
match, they are found by name and sorted. If many match, the walk meets one often; if it does not,
it is given up, and the names are sorted after all. The order of the last change is that of the
change log.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from msgspec import UNSET, structs

from tenets_session_server.errors import InvalidArgumentError
from tenets_session_server.models.sessions import Order, Session, SessionList
from tenets_session_server.storage import cursors
from tenets_session_server.storage.sqlite import states
from tenets_session_server.storage.sqlite.database import Database, Row, Value
from tenets_session_server.storage.sqlite.hidden_context import FIRST, LAST, VISIBLE
from tenets_session_server.storage.sqlite.session_queries import SessionQuery, position, session

PAGE_BYTES: Final = 4 * 1024 * 1024
"""A page ends once its metadata reaches this size, whatever its limit."""
FEW: Final = 2000
"""With fewer matching names than this they are sorted, which takes a millisecond or two."""
_CHANGED: Final = """SELECT c.revision, s.id FROM session_server_changes AS c
    CROSS JOIN sessions AS s ON s.id = c.session_id
    WHERE c.revision < :start AND c.type <> 'bound' AND {} AND {}
    ORDER BY c.revision DESC LIMIT 500"""
WALKED: Final = 20_000
"""Sessions that a walk visits before it is given up, which takes 10 ms."""

# After a reset some are hidden: then what is before and behind each range is counted.
_GAP: Final = f"""(SELECT count(*) FROM session_context AS c WHERE c.session_id = s.id
    AND c.id > {{0}} AND c.id < coalesce((SELECT min(first_entry) FROM session_server_hidden
        WHERE session_id = s.id AND first_entry > {{0}}), {LAST}))"""
_COUNT: Final = f""", CASE WHEN EXISTS (SELECT 1 FROM session_server_purges)
    THEN (SELECT count(*) FROM session_context AS c WHERE c.session_id = s.id AND {VISIBLE})
    WHEN EXISTS (SELECT 1 FROM session_server_hidden WHERE session_id = s.id)
    THEN {_GAP.format(FIRST)} + (SELECT sum({_GAP.format("h.last_entry")})
        FROM session_server_hidden AS h WHERE h.session_id = s.id)
    ELSE (SELECT count(*) FROM session_context AS c WHERE c.session_id = s.id) END"""
_ACTIVE_ID: Final = "(SELECT session_id FROM session_server_active)"
_HAS_PREFIX: Final = "name >= :prefix AND name < :after"
_MATCHES: Final = f"SELECT count(*) FROM (SELECT 1 FROM sessions WHERE {_HAS_PREFIX} LIMIT :few)"


Shape = tuple[Order, bool | None, bool, bool, bool]


@dataclass(frozen=True, slots=True)
class Listing:
    """Which sessions are in a list and in which order; see :meth:`.sessions.Sessions.page`."""

    active: bool | None = None
    name_prefix: str | None = None
    order: Order = "newest"
    include_context_count: bool = False
    include_metadata: bool = True

    def shape(self) -> Shape:
        """Return what its statements depend on."""
        return (
            self.order,
            self.active,
            self.name_prefix is not None,
            self.include_context_count,
            self.include_metadata,
        )

    def scope(self) -> int:
        """Return what the cursors of the list have in common."""
        return cursors.scope("list", self.active, self.name_prefix, self.order)


def read_page(database: Database, listing: Listing, limit: int, cursor: str | None) -> SessionList:
    """Return at most ``limit`` sessions, those after ``cursor``.

    Raises :class:`InvalidArgumentError` for a cursor of another list, and as :meth:`Database.run`.
    """
    if cursor is not None and listing.order == "recent":
        raise InvalidArgumentError("cursor", "none, as this order has one page only")
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
    if listing.order == "recent":
        return _most_recent(database, listing, bindings, limit)
    statements = _statements(listing.shape(), key)

    def take(rows: Iterable[Row]) -> SessionList:
        return _page(database, rows, limit, listing)

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
def _statements(shape: Shape, key: str | None) -> _Statements:
    """Return the statements of a list; ``key`` is the cursor's, as SQL."""
    order, active, prefixed, counted, with_metadata = shape
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
            f" AND {not_active} {'' if active else in_order} LIMIT :rows",
            metadata=with_metadata,
        ),
        all_in_order=f"SELECT s.id, {has_prefix} AND {not_active} FROM sessions AS s"
        f" WHERE {after_cursor} {in_order} LIMIT :walked",
        ids_by_name=f"SELECT s.id FROM {named} AS s WHERE {after_cursor} AND {not_active}"
        f" {in_order} LIMIT :rows",
        by_id=SessionQuery(
            f"SELECT {columns} FROM sessions AS s WHERE s.id = :id",
            metadata=with_metadata,
        ),
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


def _page(database: Database, rows: Iterable[Row], limit: int, listing: Listing) -> SessionList:
    state = states.newest(database)  # of the moment of the rows, whose query is still open
    sessions: list[Session] = []
    last: Row = ()
    cursor = None
    size = 0
    for row in rows:
        if len(sessions) == limit or size >= PAGE_BYTES:
            cursor = cursors.dump(position(last), listing.scope())
            break
        found = session(row)
        if not listing.include_metadata:
            found = found.without_metadata()
        sessions.append(found)
        size += 0 if found.metadata is UNSET else len(found.metadata)
        last = row
    return SessionList(sessions, cursor, state.revision, str(state))


def _most_recent(
    database: Database, listing: Listing, bindings: dict[str, Value], limit: int
) -> SessionList:
    """Return the sessions that changed last, then those without a known change, newest first."""
    by_time = replace(listing, order="newest")
    with database.snapshot():
        # Without metadata no page ends early.
        rest = read_page(database, replace(by_time, include_metadata=False), limit, None)
        changed = [] if listing.active else _by_last_change(database, listing, bindings, limit)
        ids = dict.fromkeys([*changed, *(one.id for one in rest.sessions)])  # in this order
        by_id = _statements(by_time.shape(), None).by_id
        page = _page(database, by_id.each(database, [(one,) for one in ids]), limit, listing)
    return structs.replace(page, next_cursor=None)


def _by_last_change(
    database: Database, listing: Listing, bindings: dict[str, Value], limit: int
) -> list[int]:
    """Return the ids of at most ``limit`` sessions whose last change is known, the latest first."""
    sql = _CHANGED.format(
        "1" if listing.name_prefix is None else _HAS_PREFIX,
        "1" if listing.active is None else f"s.id IS NOT {_ACTIVE_ID}",
    )
    found: dict[int, None] = {}  # in this order
    start = 2**63 - 1
    while len(found) < limit and (rows := database.run(sql, {**bindings, "start": start})):
        found |= dict.fromkeys(session_id for _, session_id in rows)
        start = rows[-1][0]
    return list(found)[:limit]


def _after_prefix(prefix: str) -> str | None:
    """Return the least string above all that start with ``prefix``, in SQLite's BINARY order."""
    for end in range(len(prefix), 0, -1):
        code = ord(prefix[end - 1]) + 1
        if code == 0xD800:  # surrogates have no UTF-8
            code = 0xE000
        if code <= 0x10FFFF:
            return prefix[: end - 1] + chr(code)
    return None
