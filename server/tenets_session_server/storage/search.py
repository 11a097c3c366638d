"""Searches the entries and the names of sessions.

The index gives ids and how well each fits; everything else is read from the tables as they are in
the same moment. So nothing is found that is not there any more, whatever the index still has.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final

import msgspec

from tenets_session_server.errors import DatabaseError
from tenets_session_server.models.search import FoundSession, SearchHit, SearchResult
from tenets_session_server.storage import search_query, states
from tenets_session_server.storage.context_pages import read_starts
from tenets_session_server.storage.database import Database, InterruptedQueryError, Value
from tenets_session_server.storage.hidden_context import FIRST, LAST, VISIBLE
from tenets_session_server.storage.search_index import SearchIndex
from tenets_session_server.storage.search_query import Query
from tenets_session_server.storage.search_snippets import Snippets
from tenets_session_server.storage.search_text import session_token

logger = logging.getLogger(__name__)

FEEDING: Final = 0.004
"""Seconds for which the index is brought up to date before a search."""
RANKED: Final = 2000
"""Matches that are ranked: the newest ones."""
WALKED: Final = 10_000
"""Matches that are looked at for those that are there and that a filter lets through."""
WEIGHED: Final = 4_000_000
"""Entries times phrases, above which only the age counts: to weigh a phrase, FTS5 looks at each
entry that has it, which takes 25 ns."""
QUICK: Final = 500_000
"""Entries times words, up to which a query is quick; one of a single word always is."""
LONGEST: Final = 0.05
"""Seconds for which others wait for a search; then only the newest entries are looked at."""
NEWEST: Final = 200_000
"""So many of the newest entries, divided by the number of words, are looked at then."""
MOST_GAPS: Final = 50
"""Gaps between hidden entries of a session that are looked at, the newest ones."""
START: Final = 64 * 1024
"""Bytes of a content in which a snippet is looked for."""
READ: Final = 2 * 1024 * 1024
"""Bytes of contents after which a search reads no more than 2 KiB of each."""
ONE_LETTER: Final = 200_000
"""Entries above which one letter is a word, and no beginning: nearly all entries would have it, and
to find that out would take 30 ms of each million."""
RECENT: Final = 20
"""So many newer matches, and half of what is added for being recent is gone."""

_MATCHES: Final = """SELECT f.rowid, {score} FROM session_server_search AS f
    WHERE f.session_server_search MATCH :match AND f.rowid >= :lowest
    ORDER BY f.rowid DESC LIMIT :rows"""
_FILTERED: Final = f"""SELECT f.rowid, {{score}}, (:kind IS NULL OR c.kind = :kind)
        AND (:author IS NULL OR
            (SELECT author FROM session_server_entries WHERE id = c.id) IS :author)
        AND c.id IS NOT NULL AND {VISIBLE}
    FROM session_server_search AS f LEFT JOIN session_context AS c ON c.id = f.rowid
    WHERE f.session_server_search MATCH :match AND f.rowid BETWEEN :lowest AND :highest
    ORDER BY f.rowid DESC LIMIT :rows"""
_OF_ONE_SESSION: Final = """FROM session_server_trash AS t
    CROSS JOIN session_server_hidden AS h ON h.trash_id = t.id
    WHERE t.sessions <= 1 AND t.entries"""
# Those that have not been counted yet may be large.
_LARGEST_HIDDEN: Final = f"""SELECT h.session_id {_OF_ONE_SESSION} IS NULL
    UNION ALL SELECT * FROM (
        SELECT h.session_id {_OF_ONE_SESSION} > 1000 ORDER BY t.entries DESC LIMIT 16)"""
_HIDDEN_RANGES: Final = """SELECT first_entry, last_entry FROM session_server_hidden
    WHERE session_id = ? ORDER BY first_entry"""
_NEWEST: Final = "SELECT id FROM session_context ORDER BY id DESC LIMIT 1 OFFSET ?"
_NAMES: Final = """SELECT f.rowid, bm25(session_server_search_names), CAST(s.name AS BLOB)
    FROM session_server_search_names AS f CROSS JOIN sessions AS s ON s.id = f.rowid
    WHERE f.session_server_search_names MATCH :match ORDER BY f.rowid DESC LIMIT :rows"""
_NAME: Final = """SELECT f.rowid, bm25(session_server_search_names), CAST(s.name AS BLOB)
    FROM session_server_search_names AS f CROSS JOIN sessions AS s ON s.id = f.rowid
    WHERE f.session_server_search_names MATCH :match AND f.rowid = :session"""
# Whether the index has entries that are hidden, or not there any more.
_SOME_GONE: Final = """SELECT EXISTS (SELECT 1 FROM session_server_hidden) OR
    (SELECT entries FROM session_server_search_state) >
    (SELECT context_entries FROM session_server_totals)"""
_COUNT: Final = "SELECT context_entries FROM session_server_totals"
_SCORE: Final = "bm25(session_server_search, 1.0, 1.0, 0.0)"


@dataclass(frozen=True, slots=True)
class Scope:
    """What is searched: everything, or a session (its id), a kind, an author."""

    session: int | None = None
    kind: str | None = None
    author: str | None = None

    @property
    def is_filter(self) -> bool:
        """Whether it is up to the entry, and not only to its session."""
        return self.kind is not None or self.author is not None


class Search:
    """The searches in one :class:`Database`."""

    def __init__(self, database: Database, index: SearchIndex) -> None:
        self._database, self._index = database, index

    def search(self, text: str, scope: Scope, limit: int) -> SearchResult:
        """Return at most ``limit`` hits, the best first.

        The index is brought up to date before, as far as a few milliseconds reach. Raises a
        ``DatabaseError`` if the file cannot be read.
        """
        count: int = self._database.run(_COUNT)[0][0]
        query = search_query.parse(text, one_letter_begins=count <= ONE_LETTER)
        if query.expression is not None:
            self._feed()
        with self._database.snapshot():
            state = states.newest(self._database)
            hits, is_incomplete = self._hits(query, scope, limit, count)
            if query.expression is not None and not is_incomplete:
                is_incomplete = self._index.backlog(state) > 0
        return SearchResult(hits, is_incomplete, state.revision, str(state))

    def _feed(self) -> None:
        try:
            self._index.feed(FEEDING)
        except DatabaseError as error:
            if self._database.in_transaction:
                raise  # that of others, which may have been rolled back
            logger.debug("the search index is not brought up to date: %s", error)

    def _hits(
        self, query: Query, scope: Scope, limit: int, count: int
    ) -> tuple[list[SearchHit], bool]:
        if query.expression is None:
            return [], False
        ranked, is_incomplete = self._ranked(query, scope, count)
        snippets = Snippets(query.terms)
        names = [] if scope.is_filter else self._names(query, scope, limit, snippets)
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
        return hits, is_incomplete or more

    def _ranked(
        self, query: Query, scope: Scope, count: int
    ) -> tuple[list[tuple[float, int]], bool]:
        """Return scores and ids of the newest matches, best first, and whether there are more."""
        score = _SCORE if count * query.phrases <= WEIGHED else "-1.0"
        words = sum(len(one.segments) for either in query.terms for one in either)
        words = max(words, query.phrases)
        try:
            if words == 1 or count * words <= QUICK:
                matches, is_incomplete = self._matches(query, scope, score, FIRST)
            else:
                with self._database.interrupted_after(LONGEST):
                    matches, is_incomplete = self._matches(query, scope, score, FIRST)
        except InterruptedQueryError:  # by age, as to weigh a phrase all of its entries count
            newest = self._database.run(_NEWEST, (max(RANKED, NEWEST // words),))
            lowest = newest[0][0] if newest else FIRST
            matches, _ = self._matches(query, scope, "-1.0", lowest)
            is_incomplete = True
        ranked = [
            (-weight * (1 + RECENT / (RECENT + newer)), entry_id)
            for newer, (entry_id, weight) in enumerate(matches[:RANKED])
        ]
        ranked.sort(reverse=True)
        return ranked, is_incomplete

    def _matches(
        self, query: Query, scope: Scope, score: str, lowest: int
    ) -> tuple[list[tuple[int, float]], bool]:
        """Return the newest matches from an id on, and whether there may be more."""
        plain = match = f"{{text parts}} : ({query.expression})"
        if scope.session is not None:
            match = f'({match}) AND session : "{session_token(scope.session)}"'
        if not scope.is_filter and not self._database.run(_SOME_GONE)[0][0]:
            bindings: dict[str, Value] = {"match": match, "rows": RANKED + 1, "lowest": lowest}
            matches = self._database.run(_MATCHES.format(score=score), bindings)
            return matches, len(matches) > RANKED
        # Sessions with many hidden entries are left out. What they have beside is added.
        largest = [*dict.fromkeys(row[0] for row in self._database.run(_LARGEST_HIDDEN))]
        if scope.session is not None:
            largest = [scope.session] if scope.session in largest else []
        if largest and scope.session is None:
            tokens = " OR ".join(f'"{session_token(one)}"' for one in largest)
            match = f"({match}) NOT (session : ({tokens}))"
        found, is_incomplete = list[tuple[int, float]](), False
        if not (largest and scope.session is not None):
            found, is_incomplete = self._walked(match, scope, score, (lowest, LAST))
        for session_id in largest:
            of_session = f'({plain}) AND session : "{session_token(session_id)}"'
            for gap in self._gaps(session_id, lowest):
                more, cut = self._walked(of_session, scope, score, gap)
                found, is_incomplete = found + more, is_incomplete or cut
        found.sort(reverse=True)
        return found, is_incomplete or len(found) > RANKED

    def _gaps(self, session_id: int, lowest: int) -> list[tuple[int, int]]:
        """Return the first and last ids of what is not hidden of a session, the newest first."""
        gaps, start = list[tuple[int, int]](), lowest
        for first, last in self._database.run(_HIDDEN_RANGES, (session_id,)):
            if start < first:
                gaps.append((start, first - 1))
            start = max(start, last + 1)
        return [*gaps, (start, LAST)][: -MOST_GAPS - 1 : -1]

    def _walked(
        self, match: str, scope: Scope, score: str, within: tuple[int, int]
    ) -> tuple[list[tuple[int, float]], bool]:
        """Return the newest matches that are there, and whether there may be more."""
        bindings: dict[str, Value] = {
            "match": match,
            "rows": WALKED,
            "lowest": within[0],
            "highest": within[1],
            "kind": scope.kind,
            "author": scope.author,
        }
        found, walked = list[tuple[int, float]](), 0
        with self._database.rows(_FILTERED.format(score=score), bindings) as rows:
            for entry_id, weight, matching in rows:
                walked += 1
                if matching:
                    found.append((entry_id, weight))
                    if len(found) > RANKED:
                        break
        return found, walked == WALKED or len(found) > RANKED

    def _names(self, query: Query, scope: Scope, limit: int, snippets: Snippets) -> list[SearchHit]:
        """Return the sessions whose name matches, best first: one more than fit."""
        bindings: dict[str, Value] = {"match": query.expression, "rows": limit + 1}
        sql = _NAMES
        if scope.session is not None:
            bindings = {"match": query.expression, "session": scope.session}
            sql = _NAME
        hits = list[SearchHit]()
        for session_id, weight, stored in self._database.run(sql, bindings):
            name = stored.decode("utf-8", "replace")
            shown, matches = snippets.of(name)
            hits.append(SearchHit(FoundSession(session_id, name), None, shown, matches, -weight))
        return sorted(hits, key=lambda hit: hit.score, reverse=True)

    def _entries(self, ranked: list[tuple[float, int]], snippets: Snippets) -> list[SearchHit]:
        """Return the hits of those entries that are there, in this order."""
        ids = [entry_id for _, entry_id in ranked]
        found = read_starts(self._database, ids, START, READ)
        hits = list[SearchHit]()
        for score, entry_id in ranked:
            if entry_id in found:
                entry, start = found[entry_id]
                shown, matches = snippets.of(start)
                session = FoundSession(entry.session_id, entry.session_name)
                hits.append(SearchHit(session, entry, shown, matches, score))
        return hits
