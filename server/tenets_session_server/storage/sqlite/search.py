"""Searches the entries and the names of sessions.

The index gives ids and how well each fits; everything else is read from the tables as they are in
the same moment. So nothing is found that is not there any more, whatever the index still has.
"""

from __future__ import annotations

import logging
from typing import Final

import msgspec

from tenets_session_server.errors import (
    DamagedIndexError,
    DatabaseError,
    InterruptedQueryError,
)
from tenets_session_server.models.search import FoundSession, SearchHit, SearchResult
from tenets_session_server.storage import search_query
from tenets_session_server.storage.search_query import Query, Scope
from tenets_session_server.storage.search_snippets import Snippets
from tenets_session_server.storage.sqlite import states
from tenets_session_server.storage.sqlite.context_pages import read_starts
from tenets_session_server.storage.sqlite.database import Database, Value
from tenets_session_server.storage.sqlite.search_index import SearchIndex
from tenets_session_server.storage.sqlite.search_matches import AGAIN, Extent, Matches
from tenets_session_server.storage.sqlite.sessions import Sessions

logger = logging.getLogger(__name__)

FEEDING: Final = 0.004
"""Seconds for which the index is brought up to date before a search."""
START: Final = 64 * 1024
"""Bytes of a content in which a snippet is looked for."""
READ: Final = 2 * 1024 * 1024
"""Bytes of contents after which a search reads no more than 2 KiB of each."""
ONE_LETTER: Final = 200_000
"""Entries above which one letter is a word, and no beginning: nearly all entries would have it, and
to find that out would take 30 ms of each million."""
_NAMES: Final = """SELECT f.rowid, bm25(session_server_search_names), CAST(s.name AS BLOB)
    FROM session_server_search_names AS f CROSS JOIN sessions AS s ON s.id = f.rowid
    WHERE f.session_server_search_names MATCH :match ORDER BY f.rowid DESC LIMIT :rows"""
_NAME: Final = """SELECT f.rowid, bm25(session_server_search_names), CAST(s.name AS BLOB)
    FROM session_server_search_names AS f CROSS JOIN sessions AS s ON s.id = f.rowid
    WHERE f.session_server_search_names MATCH :match AND f.rowid = :session"""


class Search:
    """The searches in one :class:`Database`."""

    def __init__(self, database: Database, sessions: Sessions, index: SearchIndex) -> None:
        self._database, self._sessions, self._index = database, sessions, index
        self._matches = Matches(database)

    def search(self, text: str, scope: Scope, limit: int) -> SearchResult:
        """Return at most ``limit`` hits, the best first.

        The index is brought up to date before, as far as a few milliseconds reach. Raises
        :class:`SessionNotFoundError`, and a ``DatabaseError`` if the file cannot be read.
        """
        session_id = self._sessions.chosen_id(scope.session_name, scope.session_id)
        if session_id is not None:
            scope = msgspec.structs.replace(scope, session_name=None, session_id=session_id)
        try:
            if (found := self._search(text, scope, limit, fed=False)) is None:
                self._feed()
                found = self._search(text, scope, limit, fed=True)
        except DamagedIndexError as error:
            logger.warning("%s: it is made anew", error)
            self._index.make_anew()
            found = None
        if found is not None:
            return found
        state = states.newest(self._database)
        return SearchResult([], is_incomplete=True, revision=state.revision, state=str(state))

    def _search(self, text: str, scope: Scope, limit: int, *, fed: bool) -> SearchResult | None:
        """Return what is found; None if the index has to be fed before, and was not."""
        with self._database.snapshot():
            extent = self._matches.extent()
            query = search_query.parse(text, one_letter_begins=extent.entries <= ONE_LETTER)
            is_behind = query.expression is not None and extent.is_behind
            if is_behind and not fed:
                return None
            hits, is_incomplete = self._hits(query, scope, limit, extent)
        state = extent.state
        return SearchResult(hits, is_incomplete or is_behind, state.revision, str(state))

    def _feed(self) -> None:
        try:
            self._index.feed(FEEDING)
        except DamagedIndexError:
            raise
        except DatabaseError as error:
            if self._database.in_transaction:
                raise  # that of others, which may have been rolled back
            logger.debug("the search index is not brought up to date: %s", error)

    def _hits(
        self, query: Query, scope: Scope, limit: int, extent: Extent
    ) -> tuple[list[SearchHit], bool]:
        if query.expression is None:
            return [], False
        ranked, is_incomplete = self._matches.ranked(query, scope, extent)
        snippets = Snippets(query.terms)
        names: list[SearchHit] = []
        try:
            with self._database.interrupted_after(AGAIN):
                names = [] if scope.is_filter else self._names(query, scope, limit, snippets)
        except InterruptedQueryError:
            is_incomplete = True
        best = ranked[0][0] if ranked else 0.0
        hits = names[: max(1, limit // 2)]
        # A name that fits is what its user has called the matter.
        hits = [msgspec.structs.replace(hit, score=hit.score + best + 1) for hit in hits]
        position = 0
        while len(hits) < limit and position < len(ranked):  # some may be gone
            chunk = ranked[position : position + limit - len(hits)]
            hits += self._entries(chunk, snippets)
            position += len(chunk)
        more = position < len(ranked) or len(names) > max(1, limit // 2)
        return hits, is_incomplete or query.is_narrowed or more

    def _names(self, query: Query, scope: Scope, limit: int, snippets: Snippets) -> list[SearchHit]:
        """Return the sessions whose name matches, best first: one more than fit."""
        bindings: dict[str, Value] = {"match": query.expression, "rows": limit + 1}
        sql = _NAMES
        if scope.session_id is not None:
            bindings = {"match": query.expression, "session": scope.session_id}
            sql = _NAME
        hits: list[SearchHit] = []
        for session_id, weight, stored in self._database.run(sql, bindings):
            name = stored.decode("utf-8", "replace")
            shown, matches = snippets.of(name)
            hits.append(SearchHit(FoundSession(session_id, name), None, shown, matches, -weight))
        return sorted(hits, key=lambda hit: hit.score, reverse=True)

    def _entries(self, ranked: list[tuple[float, int]], snippets: Snippets) -> list[SearchHit]:
        """Return the hits of those entries that are there, in this order."""
        ids = [entry_id for _, entry_id in ranked]
        found = read_starts(self._database, ids, START, READ)
        hits: list[SearchHit] = []
        for score, entry_id in ranked:
            if (one := found.get(entry_id)) is not None:
                entry, start = one
                shown, matches = snippets.of(start)
                session = FoundSession(entry.session_id, entry.session_name)
                hits.append(SearchHit(session, entry, shown, matches, score))
        return hits
