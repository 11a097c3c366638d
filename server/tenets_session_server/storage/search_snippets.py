"""Snippets: the part of a text that shows best what a query has found, and the matches in it.

All those of a search have a limited time. Then they are plain beginnings, without matches.
"""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Iterable
from typing import Final

from tenets_session_server.storage import search_text
from tenets_session_server.storage.search_finder import LONGEST_CLUSTER, Finder, Span, comparable
from tenets_session_server.storage.search_query import Term

LENGTH: Final = 160
"""Characters of a snippet, more or less: it is cut between words."""
BEFORE: Final = 40
"""Characters before the first match, at most."""
SLACK: Final = 20
"""Characters by which a snippet is shortened at most, so that it is not cut within a word."""
MOST_MATCHES: Final = 100
"""Matches that are looked at in a text."""
FEWEST_MATCHES: Final = 6
"""Matches of one spelling of a term that are looked at, although there are many terms."""
BUDGET: Final = 0.02
"""Seconds for the snippets of one search."""

# White space, control characters, and what shows a line otherwise than it is stored.
_BLANKS: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]+")
_JOINER: Final = "\u200d"

Match = tuple[int, int, int]
"""Where it begins and ends, and the number of its term."""


class Snippets:
    """Makes the snippets of one search, with marks as long as :data:`BUDGET` lasts."""

    def __init__(self, terms: Iterable[Iterable[Term]]) -> None:
        self._wanted = [[Finder.of(spelling) for spelling in spellings] for spellings in terms]
        self._most = max(FEWEST_MATCHES, MOST_MATCHES // max(1, sum(map(len, self._wanted))))
        self._left = BUDGET

    def of(self, text: str) -> tuple[str, list[list[int]]]:
        """Return about :data:`LENGTH` characters of a text, and where in them the matches are.

        White space is collapsed. The positions are in UTF-16 units; the end is exclusive. When the
        time is up, it is the beginning of the text, without matches.
        """
        if self._left <= 0:
            return _shown(text, *_window(text, []), [])
        begun = time.monotonic()
        text = text.rstrip()  # many notes end with a line feed
        found = self._found(text, begun + self._left)
        if len(found) == 1 and len(text) <= LENGTH and _is_plain(text):  # most notes are short
            first, last, _ = found[0]
            shown = text, [[first, last]]
        else:
            begin, end = _window(text, found)
            shown = _shown(text, begin, end, _merged(text, found, begin, end))
        self._left -= time.monotonic() - begun
        return shown

    def _found(self, text: str, until: float) -> list[Match]:
        """Return the matches in a text, in order."""
        composed, folded, origins = comparable(text)
        found: list[Match] = []
        for number, spellings in enumerate(self._wanted):
            if number and time.monotonic() > until:
                break
            for finder in spellings:
                for begin, end in finder.spans(composed, folded, self._most):
                    found.append((begin, end, number))
        if origins is not None:
            found = [(origins.of(begin), origins.of(end), number) for begin, end, number in found]
        if len(found) > 1:
            found.sort()
        return found


def _cluster_end(text: str, end: int) -> int:
    """Return where the character ends that a user sees: with its combining marks, for instance."""
    most = min(len(text), end + LONGEST_CLUSTER)
    while 0 < end < most and (
        unicodedata.category(text[end])[0] == "M"
        or search_text.is_modifier(text[end])
        or text[end] == _JOINER
        or (text[end - 1] == _JOINER and search_text.is_symbol(text[end]))
    ):
        end += 1
    return end


def _window(text: str, found: list[Match]) -> Span:
    """Return the part of a text that has the most terms, and of those the first."""
    if len(text) <= LENGTH:
        return 0, len(text)
    first, last = _fullest(found)
    end = min(len(text), max(0, first - BEFORE) + LENGTH)
    begin = max(0, min(first - BEFORE, end - LENGTH))
    end = _cluster_end(text, _from_word(text, max(last, end - SLACK), end))
    return _to_word(text, begin, first), end


def _fullest(found: list[Match]) -> Span:
    """Return from where to where those matches are that fit together: most terms, most matches.

    A match enters and leaves a sliding window once.
    """
    width = LENGTH - BEFORE
    by_end = sorted((min(end, begin + width), begin, number) for begin, end, number in found)
    best, chosen = (0, 0), (0, 0)
    counts = dict.fromkeys((number for _, _, number in found), 0)
    entered = terms = matches = last = 0
    for begin, _, number in found:
        while entered < len(by_end) and by_end[entered][0] <= begin + width:
            last, first, entering = by_end[entered]
            entered += 1
            if first >= begin:
                terms += not counts[entering]
                matches += 1
                counts[entering] += 1
        if (terms, matches) > best:
            best, chosen = (terms, matches), (begin, last)
        counts[number] -= 1
        matches -= 1
        terms -= not counts[number]
    return chosen


def _to_word(text: str, begin: int, most: int) -> int:
    if begin == 0:
        return 0
    blank = _BLANKS.search(text, begin - 1, min(begin + SLACK, most))
    return blank.end() if blank else begin


def _from_word(text: str, least: int, end: int) -> int:
    if end == len(text):
        return end
    blanks = [match.start() for match in _BLANKS.finditer(text, least, end + 1)]
    return blanks[-1] if blanks else end


def _merged(text: str, found: list[Match], begin: int, end: int) -> list[Span]:
    """Return the matches inside of a window, those that overlap as one."""
    spans: list[Span] = []
    for found_begin, found_end, _ in found:
        if found_end <= begin or found_begin >= end:
            continue
        first, last = max(found_begin, begin), min(_cluster_end(text, found_end), end)
        if spans and first < spans[-1][1]:
            spans[-1] = spans[-1][0], max(last, spans[-1][1])
        else:
            spans.append((first, last))
    return spans


def _shown(text: str, begin: int, end: int, spans: list[Span]) -> tuple[str, list[list[int]]]:
    """Return a part of a text with white space collapsed, and where the spans are then."""
    shown = text[begin:end]
    if _is_plain(shown):
        return shown, [[first - begin, last - begin] for first, last in spans]  # most texts
    shown = ""
    matches: list[list[int]] = []
    position = begin
    for first, last in [*spans, (end, end)]:
        shown = (shown + _collapsed(text[position:first])).lstrip()
        start = _units(shown)
        shown += _collapsed(text[first:last])
        if last > first:
            matches.append([start, _units(shown)])
        position = last
    return shown.rstrip(), matches


def _is_plain(text: str) -> bool:
    """Tell whether a text is shown as it is, and each of its characters is one UTF-16 unit."""
    return text.isascii() and text.isprintable() and "  " not in text and text == text.strip()


def _collapsed(text: str) -> str:
    return _BLANKS.sub(" ", text)


def _units(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2
