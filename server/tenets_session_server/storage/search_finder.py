"""Finds a term of a query in a text: to mark it in a snippet.

A text is compared without case and diacritics, as the index does. Positions are kept by having one
character for each of the original; only a text that is not in NFC needs a map.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from functools import lru_cache
from typing import Final

from msgspec import Struct

from tenets_session_server.storage import search_text
from tenets_session_server.storage.search_query import Term

MOST_LOOKS: Final = 500
"""Places of a text that are looked at for one spelling of a term."""
LONGEST_CLUSTER: Final = 32
"""Characters that are taken for one with its marks; to sort more would take long."""

_MARKS: Final = "\u0300-\u036f"
_COMBINING: Final = f"{_MARKS}\u1160-\u11ff\u3099\u309a"
_CLUSTER: Final = re.compile(f".[{_COMBINING}]+", re.DOTALL)
_NEEDS_MAP: Final = re.compile(f"[{_COMBINING}]")
_ONLY_MARKS: Final = re.compile(f"[{_MARKS}]")
# What is no segment of its own.
_BETWEEN: Final = re.compile(f"(?:[^\\w{search_text.CJK}{search_text.SYMBOLS}]|_){{0,100}}")

Span = tuple[int, int]


class Finder(Struct, frozen=True):
    """Finds one spelling of a term: its segments, folded, one after the other."""

    first: str
    others: tuple[str, ...]
    is_beginning: bool

    @classmethod
    def of(cls, term: Term) -> Finder:
        """Return what finds a term."""
        first, *others = map(_folded, term.segments)
        return cls(first, tuple(others), term.is_beginning)

    def spans(self, text: str, folded: str, most: int) -> list[Span]:
        """Return where the term is in a text, which is given as it is and folded: the first ones.

        It is a walk forward, of at most :data:`MOST_LOOKS` looks at a segment.
        """
        looks = MOST_LOOKS
        found: list[Span] = []
        position = folded.find(self.first)
        while position >= 0 and looks > 0 and len(found) < most:
            looks -= 1
            end: int | None = position + len(self.first)
            if not _is_boundary(text, position):
                end = None
            for segment in self.others:
                end = None if end is None else _following(text, folded, end, segment)
                if end is None:
                    break
                looks -= 1
            if end is not None and (self.is_beginning or _is_boundary(text, end)):
                found.append((position, end))
                position = folded.find(self.first, end)
            else:
                position = folded.find(self.first, position + 1)
        return found


class Origins:
    """Where the characters of a composed text begin in the original."""

    def __init__(self) -> None:
        # Behind each cluster that was composed: where, and by how much the original is longer.
        self._ends, self._shifts = [0], [0]

    def composed(self, begin: int, cluster: str, composed: str) -> None:
        """Note that a cluster, which begins there in the original, was composed."""
        shift = self._shifts[-1]
        # All of its characters but the first may be gone; each begins where the cluster does.
        for index in range(1, len(composed)):
            self._ends.append(begin - shift + index)
            self._shifts.append(shift - index)
        self._ends.append(begin - shift + len(composed))
        self._shifts.append(shift + len(cluster) - len(composed))

    def of(self, position: int) -> int:
        """Return the position in the original."""
        return position + self._shifts[bisect_right(self._ends, position) - 1]


def comparable(text: str) -> tuple[str, str, Origins | None]:
    """Return a text as a :class:`Finder` has it, the same folded, and the map if there is one."""
    if text.isascii():
        return text, text.lower(), None
    composed, origins = text, None
    if _NEEDS_MAP.search(text):
        composed, origins = _composed(text)
    return composed, search_text.folded(composed), origins


def _composed(text: str) -> tuple[str, Origins]:
    """Return a text in NFC without further marks, and where its characters are from.

    Only what has marks is looked at one by one.
    """
    origins = Origins()

    def compose(match: re.Match[str]) -> str:
        composed = _composed_cluster(match[0][:LONGEST_CLUSTER])
        origins.composed(match.start(), match[0], composed)
        return composed

    return _CLUSTER.sub(compose, text), origins


@lru_cache(1024)
def _composed_cluster(cluster: str) -> str:
    return _ONLY_MARKS.sub("", unicodedata.normalize("NFC", cluster))


def _folded(segment: str) -> str:
    if segment.isascii():
        return segment.lower()
    return search_text.folded(_ONLY_MARKS.sub("", segment))


def _following(text: str, folded: str, end: int, segment: str) -> int | None:
    """Return where a segment ends that follows the one that ends at ``end``, None if it doesn't."""
    between = _BETWEEN.match(folded, end)
    begin = between.end() if between else end
    if not folded.startswith(segment, begin):
        return None
    is_whole = _is_boundary(text, end) and _is_boundary(text, begin)
    return begin + len(segment) if is_whole else None


def _is_boundary(text: str, index: int) -> bool:
    """Tell whether a word, or a part of an identifier, begins or ends at ``index``."""
    if not 0 < index < len(text):
        return True
    before, after = text[index - 1], text[index]
    return (
        not (before.isalnum() and after.isalnum())
        or search_text.is_part_boundary(text, index)
        or search_text.is_cjk(before)
        or search_text.is_cjk(after)
    )
