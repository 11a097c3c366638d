"""What the index has for a query: the newest matches that are there, ranked.

Two things would take long. A session in the trash stays in the index: large ones are left out of
the search, and what is visible of them is searched for by itself. And to find entries that have
several common words, FTS5 looks at all that have one of them: after a moment it is interrupted, and
only the newest entries are searched.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final, NamedTuple

from msgspec import Struct

from tenets_session_server.errors import InterruptedQueryError
from tenets_session_server.models.changes import State
from tenets_session_server.storage.search_query import Query, Scope
from tenets_session_server.storage.search_text import session_token
from tenets_session_server.storage.sqlite import states
from tenets_session_server.storage.sqlite.database import Database, Value
from tenets_session_server.storage.sqlite.hidden_context import FIRST, IS_ANY_HIDDEN, LAST, VISIBLE

RANKED: Final = 2000
"""Matches that are ranked: the newest ones."""
WALKED: Final = 10_000
"""Matches that are looked at for those that are there and that a filter lets through."""
WEIGHED: Final = 4_000_000
"""Entries times phrases, above which only the age counts: to weigh a phrase, FTS5 looks at each
entry that has it, which takes 25 ns."""
PATIENCE: Final = 0.05
"""Seconds after which a search is interrupted."""
AGAIN: Final = 0.02
"""Seconds for each further attempt."""
NEWEST: Final = 20_000
"""Entries that are searched then."""
RECENT: Final = 20
"""So many newer matches, and half of what is added for being recent is gone."""
LARGE: Final = 1000
"""Entries of a session in the trash, above which it is left out of the search."""
LEFT_OUT: Final = 32
"""Sessions that are left out at most, and ranges of hidden entries that are looked at of each: with
224,000 entries in the trash, a search takes 40 ms, but with 64 sessions it would take 160 ms."""

_SCORE: Final = "bm25(session_server_search, 1.0, 1.0, 0.0)"
_WHERE: Final = """WHERE f.session_server_search MATCH :match
        AND f.rowid BETWEEN :lowest AND :highest
    ORDER BY f.rowid DESC LIMIT :rows"""
_ALL: Final = f"SELECT f.rowid, {{}}, 1 FROM session_server_search AS f {_WHERE}"
# What is hidden does not count as looked at: else it would hide what is older.
_FILTERED: Final = f"""SELECT f.rowid, {{}}, (:kind IS NULL OR c.kind = :kind)
        AND (:author IS NULL OR
            (SELECT author FROM session_server_entries WHERE id = c.id) IS :author)
    FROM session_server_search AS f CROSS JOIN session_context AS c ON c.id = f.rowid
    {_WHERE.replace("ORDER", f"AND {VISIBLE} ORDER")}"""
_MATCHES: Final = {  # whether they are filtered, and weighed
    (filtered, weigh): (_FILTERED if filtered else _ALL).format(_SCORE if weigh else "-1.0")
    for filtered in (False, True)
    for weigh in (False, True)
}
# In one statement, as each takes 8 us.
_EXTENT: Final = f"""SELECT context_entries, ({IS_ANY_HIDDEN}) OR entries > context_entries,
        state, EXISTS (SELECT 1 FROM session_server_search_scans), {states.COLUMNS}
    FROM session_server_totals CROSS JOIN session_server_search_state"""
_NEWEST: Final = f"""SELECT id FROM session_server_search_docsize
    ORDER BY id DESC LIMIT 1 OFFSET {NEWEST}"""
# Sessions that were deleted by themselves, those that were deleted with others, those in items that
# are not counted yet, and those whose entries are being removed.
_LARGE: Final = f"""SELECT session_id FROM (SELECT session_id FROM session_server_trash
        WHERE entries > {LARGE} AND session_id IS NOT NULL ORDER BY entries DESC LIMIT {LEFT_OUT})
    UNION SELECT session_id FROM (SELECT h.session_id FROM session_server_hidden AS h
        WHERE h.trash_id IN (SELECT id FROM session_server_trash WHERE entries > {LARGE}
            AND session_id IS NULL ORDER BY entries DESC LIMIT {LEFT_OUT})
        AND h.last_entry - h.first_entry > {LARGE} LIMIT {LEFT_OUT})
    UNION SELECT session_id FROM (SELECT h.session_id FROM session_server_hidden AS h
        WHERE h.trash_id IN (SELECT id FROM session_server_trash WHERE entries IS NULL LIMIT 4)
        AND h.last_entry - h.first_entry > {LARGE} LIMIT {LEFT_OUT})
    UNION SELECT session_id FROM (SELECT session_id FROM session_server_hidden
        WHERE trash_id IS NULL AND last_entry - first_entry > {LARGE} LIMIT {LEFT_OUT})
    LIMIT {LEFT_OUT}"""
_RANGES: Final = f"""SELECT first_entry, last_entry FROM session_server_hidden
    WHERE session_id = ? ORDER BY first_entry DESC LIMIT {LEFT_OUT}"""
_ANY_WITHIN: Final = """SELECT EXISTS (SELECT 1 FROM session_context
    WHERE session_id = ? AND id BETWEEN ? AND ?)"""


class Extent(NamedTuple):
    """What there is to search: how many entries, at which state of the change log.

    ``some_gone``: the index has entries that are hidden or gone. ``is_behind``: it lacks some.
    """

    entries: int
    some_gone: bool
    state: State
    is_behind: bool


class _Part(Struct, frozen=True):
    """A part of the index: what else an entry has to match, and which ids it may have."""

    also: str = ""
    lowest: int = FIRST
    highest: int = LAST


class Matches:
    """The matches in one :class:`Database`; call it in a snapshot."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def extent(self) -> Extent:
        """Return what there is to search."""
        entries, some_gone, indexed, scanning, *newest = self._database.run(_EXTENT)[0]
        empty_log = newest[0] is None
        state = states.newest(self._database) if empty_log else states.of_row(tuple(newest))
        return Extent(entries, bool(some_gone), state, bool(scanning) or indexed != str(state))

    def ranked(
        self, query: Query, scope: Scope, extent: Extent
    ) -> tuple[list[tuple[float, int]], bool]:
        """Return scores and ids of the newest matches, best first, and whether there are more."""
        assert query.expression is not None  # noqa: S101 - else nothing can match
        weigh, gone = extent.entries * query.phrases <= WEIGHED, extent.some_gone
        with suppress(InterruptedQueryError), self._database.interrupted_after(PATIENCE):
            return self._ranked(query.expression, scope, FIRST, weigh=weigh, some_gone=gone)
        # FTS5 collects all that begins so before it looks at which entries are new.
        for expression in dict.fromkeys((query.expression, query.expression.replace('" *', '"'))):
            with suppress(InterruptedQueryError), self._database.interrupted_after(AGAIN):
                newest = self._database.run(_NEWEST)
                lowest = newest[0][0] if newest else FIRST
                found, _ = self._ranked(expression, scope, lowest, weigh=False, some_gone=gone)
                return found, True
        return [], True

    def _ranked(
        self, expression: str, scope: Scope, lowest: int, *, weigh: bool, some_gone: bool
    ) -> tuple[list[tuple[float, int]], bool]:
        parts = self._parts(scope) if some_gone else [_Part(_of_session(scope.session_id))]
        filtered = scope.is_filter or some_gone
        sql = _MATCHES[filtered, weigh]
        walked, is_incomplete = 0, False
        matches: list[tuple[int, float]] = []
        for part in parts:
            bindings: dict[str, Value] = {
                "match": f"({{text parts}} : ({expression})){part.also}",
                "lowest": max(lowest, part.lowest),
                "highest": part.highest,
                "rows": max(1, WALKED - walked),
            }
            if filtered:
                bindings |= {"kind": scope.kind, "author": scope.author}
            found = 0
            try:
                with self._database.rows(sql, bindings) as rows:
                    for entry_id, weight, is_match in rows:
                        walked += 1
                        if is_match:
                            matches.append((entry_id, weight))
                            found += 1
                            if found > RANKED:
                                break
            except InterruptedQueryError:  # the newest ones have been found already
                if not matches:
                    raise
                is_incomplete = True
                break
            is_incomplete = is_incomplete or walked >= WALKED or found > RANKED
        matches.sort(reverse=True)
        ranked = [
            (-weight * (1 + RECENT / (RECENT + newer)), entry_id)
            for newer, (entry_id, weight) in enumerate(matches[:RANKED])
        ]
        ranked.sort(reverse=True)
        return ranked, is_incomplete or len(matches) > RANKED

    def _parts(self, scope: Scope) -> list[_Part]:
        """Return the parts of the index in which visible entries are to be found.

        The first one has what is not in a large session of the trash. Each of the others is a gap
        between the hidden ranges of such a session.
        """
        large = {row[0] for row in self._database.run(_LARGE)}
        if scope.session_id is not None:
            if scope.session_id not in large:
                return [_Part(_of_session(scope.session_id))]
            return self._gaps(scope.session_id)
        if not large:
            return [_Part()]
        tokens = " OR ".join(f'"{session_token(session_id)}"' for session_id in sorted(large))
        parts = [_Part(f" NOT session : ({tokens})")]
        for session_id in sorted(large):
            parts += self._gaps(session_id)
        return parts

    def _gaps(self, session_id: int) -> list[_Part]:
        """Return the parts of a session that may have visible entries."""
        highest = LAST
        parts: list[_Part] = []
        also = _of_session(session_id)
        ranges = self._database.run(_RANGES, (session_id,))
        for first, last in [*ranges, (FIRST, FIRST)]:
            if last < highest and self._has_entries(session_id, last + 1, highest):
                parts.append(_Part(also, last + 1, highest))
            highest = first - 1
            if first == FIRST:
                break
        return parts

    def _has_entries(self, session_id: int, first: int, last: int) -> bool:
        return bool(self._database.run(_ANY_WITHIN, (session_id, first, last))[0][0])


def _of_session(session_id: int | None) -> str:
    return "" if session_id is None else f' AND session : "{session_token(session_id)}"'
