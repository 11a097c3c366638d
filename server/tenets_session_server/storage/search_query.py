"""What a user searches for: from the text of a query to FTS5's expression, and to what to mark.

Words, all of which must occur; ``"..."`` is a phrase; ``-word`` and ``-"..."`` exclude. The last
word may be a beginning, unless a blank follows it. Nothing else has a meaning, so no query is an
error.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from tenets_session_server.storage import search_text

LONGEST: Final = 4096
"""Characters of a query that count. What follows is ignored."""
MOST_TERMS: Final = 32
"""Words and phrases that count; each costs a look at all entries that have it."""
MOST_SEGMENTS: Final = 64
"""Words of a phrase that count, and twice as many CJK characters."""

# An exclusion begins with one dash: ``--force`` is an option that somebody looks for.
_TERM: Final = re.compile(r'(?P<minus>-(?=[^\s-]))?(?:"(?P<phrase>[^"]*)(?P<end>"?)|(?P<word>\S+))')


class Term(Struct, frozen=True):
    """What stands one after the other in a text: words, runs of CJK characters, symbols.

    ``is_beginning``: the last one may go on.
    """

    segments: tuple[str, ...]
    is_beginning: bool = False


class Scope(Struct, frozen=True):
    """What is searched: everything, or a session (name, id, or both), a kind, an author."""

    session_name: str | None = None
    session_id: int | None = None
    kind: str | None = None
    author: str | None = None

    @property
    def is_filter(self) -> bool:
        """Whether it is up to the entry, and not only to its session."""
        return self.kind is not None or self.author is not None


class Query(Struct, frozen=True):
    """A query.

    ``expression`` is FTS5's, None if nothing can match. ``phrases`` is how many phrases are in it.
    ``terms`` are what to mark in a text: of each, one of several spellings. ``is_narrowed``: a
    letter would be a beginning if there were less to search.
    """

    expression: str | None
    phrases: int
    terms: tuple[tuple[Term, ...], ...]
    is_narrowed: bool = False


def parse(text: str, *, one_letter_begins: bool = True) -> Query:
    """Return the query of a text; ``one_letter_begins``: one letter may be a beginning."""
    cut = text[:LONGEST]
    wanted: list[str] = []
    excluded: list[str] = []
    terms: list[tuple[Term, ...]] = []
    is_narrowed = False
    for match in _TERM.finditer(cut):
        if len(wanted) + len(excluded) == MOST_TERMS:
            break
        given = match["phrase"] if match["word"] is None else match["word"]
        minus = match["minus"] is not None
        # A phrase without its closing quote is still being typed, as a word is.
        typing = match.end() == len(text) and not (minus or match["end"])
        is_letter = typing and not one_letter_begins and _is_letter(given)
        is_narrowed = is_narrowed or is_letter
        is_beginning = typing and not is_letter
        spellings = _spellings(given, is_beginning and search_text.ends_in_a_word(given))
        if not spellings:
            continue
        found = [
            search_text.phrase(one.segments, is_beginning=one.is_beginning) for one in spellings
        ]
        either = found[0] if len(found) == 1 else f"({' OR '.join(found)})"
        if either in (excluded if minus else wanted):
            continue
        if minus:
            excluded.append(either)
        else:
            wanted.append(either)
            terms.append(tuple(spellings))
    if not wanted:
        return Query(None, 0, ())
    expression = " AND ".join(wanted)
    if excluded:
        expression = f"({expression}) NOT ({' OR '.join(excluded)})"
    return Query(expression, expression.count('"') // 2, tuple(terms), is_narrowed)


def _spellings(given: str, is_beginning: bool) -> list[Term]:
    """Return the segments of a word or phrase, and its other spelling: ``aB`` is also ``a_b``."""
    whole = [_cut(segment) for segment in search_text.segments(given)[:MOST_SEGMENTS]]
    if not whole:
        return []
    parts = [
        part
        for segment in whole
        for part in (
            search_text.split_identifier(segment)
            if len(segment) <= search_text.LONGEST_IDENTIFIER
            else [segment]
        )
    ][:MOST_SEGMENTS]
    spellings = [whole] if parts == whole else [whole, parts]
    return [Term(tuple(spelling), is_beginning) for spelling in spellings]


def _is_letter(given: str) -> bool:
    return len(given) == 1 and given.isascii()


def _cut(segment: str) -> str:
    return segment[: 2 * MOST_SEGMENTS] if search_text.is_cjk(segment[0]) else segment
