"""Snippets: the part of a text that shows best what a query has found, and the matches in it.

A text is compared without case and diacritics, as the index does. Positions are kept by having one
character for each of the original; only a text that is not in NFC needs a map.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from tenets_session_server.storage import search_text
from tenets_session_server.storage.search_query import Term

LENGTH: Final = 160
"""Characters of a snippet, more or less: it is cut between words."""
BEFORE: Final = 40
"""Characters before the first match, at most."""
SLACK: Final = 20
"""Characters by which a snippet is shortened at most, so that it is not cut within a word."""
MOST_MATCHES: Final = 50
"""Matches of one term that are looked at in a text."""

_MARKS: Final = "\u0300-\u036f"
_COMBINING: Final = f"{_MARKS}\u1160-\u11ff\u3099\u309a"
_CLUSTER: Final = re.compile(f".[{_COMBINING}]*", re.DOTALL)
_NEEDS_MAP: Final = re.compile(f"[{_COMBINING}]")
_ONLY_MARKS: Final = re.compile(f"[{_MARKS}]")
# White space, control characters, and what shows a line otherwise than it is stored.
_BLANKS: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]+")
_BETWEEN: Final = r"[\W_]{0,100}?"

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Finder:
    """Finds one spelling of a term: a single ``word`` or a ``pattern`` with a group for each."""

    word: str
    pattern: re.Pattern[str] | None
    is_beginning: bool

    @classmethod
    def of(cls, term: Term) -> Finder:
        """Return what finds a term."""
        folded = [search_text.folded(_ONLY_MARKS.sub("", one)) for one in term.segments]
        if len(folded) == 1:  # most queries: compiling a pattern would take longer than the search
            return cls(folded[0], None, term.is_beginning)
        groups = (f"({re.escape(segment)})" for segment in folded)
        return cls("", re.compile(_BETWEEN.join(groups)), term.is_beginning)

    def spans(self, text: str, folded: str) -> Iterator[Span]:
        """Yield where the term is in a text, which is given as it is and folded."""
        if self.pattern is None:
            position = folded.find(self.word)
            while position >= 0:
                end = position + len(self.word)
                if _is_boundary(text, position) and (self.is_beginning or _is_boundary(text, end)):
                    yield position, end
                position = folded.find(self.word, end)
            return
        for match in self.pattern.finditer(folded):
            *whole, (last, end) = match.regs[1:]
            if (
                all(_is_boundary(text, position) for span in whole for position in span)
                and _is_boundary(text, last)
                and (self.is_beginning or _is_boundary(text, end))
            ):
                yield match.start(), end


def finders(terms: Iterable[Iterable[Term]]) -> list[list[Finder]]:
    """Return what :func:`snippet` looks for: of each term of a query, its spellings."""
    return [[Finder.of(spelling) for spelling in spellings] for spellings in terms]


def snippet(text: str, wanted: Sequence[Sequence[Finder]]) -> tuple[str, list[list[int]]]:
    """Return about :data:`LENGTH` characters of a text, and where in them the matches are.

    White space is collapsed. The positions are in UTF-16 units; the end is exclusive.
    """
    composed, starts = text, None
    if not text.isascii() and _NEEDS_MAP.search(text):
        composed, starts = _composed(text)
    folded = search_text.folded(composed)
    found = list[tuple[int, int, int]]()
    for number, spellings in enumerate(wanted):
        for finder in spellings:
            spans = islice(finder.spans(composed, folded), MOST_MATCHES)
            found += [(begin, end, number) for begin, end in spans]
    if starts is not None:
        found = [(starts[begin], starts[end], number) for begin, end, number in found]
    if len(found) == 1 and len(text) <= LENGTH and _is_plain(text):  # most notes are short
        return text, [[*found[0][:2]]]
    found.sort()
    begin, end = _window(text, found)
    return _shown(text, begin, end, _merged(found, begin, end))


def _composed(text: str) -> tuple[str, list[int]]:
    """Return a text in NFC without further marks, and where each character begins in the original.

    There is one position more, for the end.
    """
    characters, starts = list[str](), list[int]()
    for cluster in _CLUSTER.finditer(text):
        for character in _ONLY_MARKS.sub("", unicodedata.normalize("NFC", cluster[0])):
            characters.append(character)
            starts.append(cluster.start())
    return "".join(characters), [*starts, len(text)]


def _is_boundary(text: str, index: int) -> bool:
    """Tell whether a word, or a part of an identifier, begins or ends at ``index``."""
    if index in {0, len(text)}:
        return True
    before, after = text[index - 1], text[index]
    return (
        not (before.isalnum() and after.isalnum())
        or search_text.is_part_boundary(text, index)
        or search_text.is_cjk(before)
        or search_text.is_cjk(after)
    )


def _window(text: str, found: list[tuple[int, int, int]]) -> Span:
    """Return the part of a text that has the most terms, and of those the first."""
    if len(text) <= LENGTH:
        return 0, len(text)
    best, chosen = (0, 0), (0, 0)
    begins = [begin for begin, _, _ in found]
    for index, (begin, end, _) in enumerate(found):
        inside = found[index : bisect_right(begins, begin + LENGTH - BEFORE)]
        inside = [one for one in inside if one[1] <= begin + LENGTH - BEFORE]
        rank = len({number for _, _, number in inside}), len(inside)
        if rank > best:
            best, chosen = rank, (begin, max((one[1] for one in inside), default=end))
    first, last = chosen
    end = min(len(text), max(0, first - BEFORE) + LENGTH)
    begin = max(0, min(first - BEFORE, end - LENGTH))
    return _to_word(text, begin, first), _from_word(text, max(last, end - SLACK), end)


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


def _merged(found: list[tuple[int, int, int]], begin: int, end: int) -> list[Span]:
    """Return the matches inside of a window, those that overlap as one."""
    spans = list[Span]()
    inside = (match for match in found if match[1] > begin and match[0] < end)
    for first, last in ((max(one[0], begin), min(one[1], end)) for one in inside):
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
    shown, matches = "", list[list[int]]()
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
