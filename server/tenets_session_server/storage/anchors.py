"""Finds the place of a note again after its file was changed. It never guesses.

An anchor has the lines of the note (the quote), three lines on each side, and how often the quote
occurred. White space is collapsed, so a change of the indentation does no harm. A place counts if
the whole quote is there. The lines around it decide which place it is. A line *fits* if it has a
letter or a digit, and is near a place as it was near the note; blank lines and braces prove
nothing.

* A quote that occurred once then, and does so now, needs one line that fits, or twenty letters and
  digits of its own. If it has any at all, it is also enough that nothing has changed within three
  lines, the beginning and the end of the file included.
* Any other needs two lines that fit, more than at every other place, and more than the best of the
  other places had when the note was made (``rival``): ours may be gone, and that one left. If there
  are more places than there were, one is a copy, which may look more like ours than ours does now.
  So two lines may fit at one place only.
* A client's anchor may not say what the rival had. Then a quote that occurred several times is only
  placed where nothing has changed: same line, same lines around it, as many places.

Else the note is lost. ``tests/benchmarks/anchors.py`` measures that on git repositories.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Self

from msgspec import UNSET

from tenets_session_server.models.context import Anchor, Position, Range
from tenets_session_server.storage.lines import (
    indent_of,
    index_of,
    lines_of,
    units_of,
    whole_lines,
)
from tenets_session_server.storage.steps import Steps

MOST_QUOTED: Final = 20
"""Lines of a quote; of a longer range it has the first ones."""
CONTEXT: Final = 3
"""Lines that are kept on each side."""
LONGEST: Final = 500
"""Characters of a line that are kept and compared."""
ENOUGH: Final = 20
"""Letters and digits with which a quote that occurs once needs no line around it."""
MOST_PLACES: Final = 100
"""Places of one quote that are compared. With more, those without a fitting neighbour are not."""
MOST_SCREENED: Final = 5_000
"""Places whose neighbours are looked at, which takes 5 ms. With more, the note is lost."""
UNBEATABLE: Final = 2 * CONTEXT
_MOST_WITHOUT_NEIGHBOUR: Final = 2 * (CONTEXT - 1)
"""Lines that fit at most where the lines directly before and after a place do not."""
_LINES_A_STEP: Final = 5_000


class Text:
    """A text in which notes are placed; ``lines`` have their ends."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = lines
        self._collapsed: list[str] | None = None
        self._index: dict[str, list[int]] = {}

    @classmethod
    def indexed(cls, lines: Sequence[str]) -> Steps[Self]:
        """Return a text in which many notes are looked for; a step takes about 2 ms."""
        text = cls(lines)
        index = text._index
        collapsed: list[str] = []
        for start in range(0, len(lines), _LINES_A_STEP):
            part = _collapse_all(lines[start : start + _LINES_A_STEP])
            for number, line in enumerate(part, start):
                if line in index:
                    index[line].append(number)
                else:
                    index[line] = [number]
            collapsed += part
            yield 0.0
        text._collapsed = collapsed
        return text

    def anchor(self, range_: Range) -> Anchor | None:
        """Return the anchor of a range, None if it begins beyond the end of the text.

        Lines beyond the end are left out. So is the empty line that follows the last line end.
        """
        first, last = lines_of(range_)
        last = min(last, len(self.lines) - 1)
        if first > last:
            return None
        if last > first and last == len(self.lines) - 1 and not self.lines[last]:
            last -= 1
        quote = self._window(first, min(last + 1, first + MOST_QUOTED))
        before, after = self._around(first, last - first)
        places = self._places(quote)
        fits = self._fits(places, last - first, before, after)
        rival = UNBEATABLE
        if fits is not None:
            rival = max((fit for fit, at in fits if at != first), default=0)
        indents = [indent_of(self.lines[first]), indent_of(self.lines[last])]
        return Anchor("\n".join(quote), before, after, len(places), rival, indents)

    def locate(self, range_: Range, anchor: Anchor) -> Range | None:
        """Return where the lines of a range are now, None if they are lost.

        A column moves with the indentation of its line. Beyond the end of the line it is at the
        end.
        """
        first, last = lines_of(range_)
        quote = [_collapse(line) for line in anchor.quote.split("\n")][:MOST_QUOTED]
        before, after = (list(map(_collapse, one)) for one in (anchor.before, anchor.after))
        # Where the text ended before the range did, the quote says how long it was.
        span = max(last - first, len(quote) - 1) if len(quote) == MOST_QUOTED else len(quote) - 1
        places = self._places(quote)
        fits = self._fits(places, span, before, after)
        if not fits:
            return None
        (second, _), (best, place) = ((0, -1), *sorted(fits))[-2:]
        is_unchanged = self._around(place, span) == (before, after)
        solid = sum(map(str.isalnum, anchor.quote))
        rival = anchor.rival
        if anchor.occurrences == 1:
            rival = 0
        if anchor.occurrences == 1 and len(places) == 1 and solid:
            is_sure = best >= 1 or solid >= ENOUGH or is_unchanged
        else:
            is_grown = len(places) > anchor.occurrences
            is_sure = best >= 2 and (second < 2 if is_grown else best > second)
            if rival is not UNSET:
                is_sure = is_sure and best > rival
            else:
                is_same = place == first and len(places) == anchor.occurrences
                is_sure = is_sure and is_same and is_unchanged
        if not is_sure or not self._has_end(place, span, len(quote), after):
            return None
        indents = (None, None) if anchor.indents is UNSET else anchor.indents
        start = Position(place, self._column(place, range_.start.character, indents[0]))
        if range_.end.line <= last and span == last - first:
            end = place + span
            return Range(start, Position(end, self._column(end, range_.end.character, indents[1])))
        return Range(start, whole_lines(self.lines, place, place + span).end)

    def _window(self, start: int, end: int) -> list[str]:
        """Return some of the lines, collapsed; those before the first one are left out."""
        start = max(0, start)
        if self._collapsed is not None:
            return self._collapsed[start:end]
        return [_collapse(line) for line in self.lines[start:end]]

    def _around(self, place: int, span: int) -> tuple[list[str], list[str]]:
        """Return the lines before a place and those after it; fewer at the ends of the text."""
        end = place + span + 1
        return self._window(place - CONTEXT, place), self._window(end, end + CONTEXT)

    def _places(self, quote: list[str]) -> list[int]:
        """Return the lines where all of a quote is, in their order; places may overlap."""
        longest = max(range(len(quote)), key=lambda at: len(quote[at]))
        found: Sequence[int]
        if self._collapsed is not None:
            found = self._index.get(quote[longest], ())
        else:  # for one note, an index takes longer than this
            word = max(quote[longest].split() or [""], key=len)
            found = [at for at, line in enumerate(self.lines) if word in line]
            found = [at for at in found if _collapse(self.lines[at]) == quote[longest]]
        starts = (at - longest for at in found if at >= longest)
        if len(quote) == 1:
            return list(starts)
        return [at for at in starts if self._window(at, at + len(quote)) == quote]

    def _fits(
        self, places: list[int], span: int, before: list[str], after: list[str]
    ) -> list[tuple[int, int]] | None:
        """Return how many lines fit at each place, and the place; None if there are too many.

        Of a place that is not compared, it is the most that may fit.
        """
        if len(places) > MOST_SCREENED:
            return None
        compared = places
        if len(places) > MOST_PLACES:
            compared = [at for at in places if self._has_neighbour(at, span, before, after)]
            if len(compared) > MOST_PLACES:
                return None
        fits: list[tuple[int, int]] = []
        for at in compared:
            then = self._around(at, span)
            fits.append((_common(before, then[0]) + _common(after, then[1]), at))
        if len(compared) < len(places):
            fits.append((_MOST_WITHOUT_NEIGHBOUR, -1))
        return fits

    def _has_neighbour(self, place: int, span: int, before: list[str], after: list[str]) -> bool:
        end = place + span + 1
        return (
            self._window(place - 1, place) == before[-1:] or self._window(end, end + 1) == after[:1]
        )

    def _has_end(self, place: int, span: int, quoted: int, after: list[str]) -> bool:
        """Tell whether the last line of a range is where it should be.

        If the quote does not reach it, the lines after it decide; fewer than three end the text.
        """
        if place < 0 or place + span >= len(self.lines):
            return False
        if span < quoted:
            return True
        is_solid = len(after) < CONTEXT or any(map(_is_solid, after))
        return is_solid and self._around(place, span)[1] == after

    def _column(self, number: int, character: int, indent: int | None) -> int:
        """Return where a column of a line with some ``indent`` is now, in UTF-16 units."""
        line = self.lines[number]
        if indent is not None and character:
            now = indent_of(line)
            character = character - indent + now if character >= indent else min(character, now)
        return units_of(line, index_of(line, character))


def _collapse(line: str) -> str:
    return " ".join(line.split())[:LONGEST]


def _collapse_all(lines: Sequence[str]) -> list[str]:
    """Return the same as :func:`_collapse` of each, in half the time."""
    found = list(map(" ".join, map(str.split, lines)))
    return found if max(map(len, found)) <= LONGEST else [one[:LONGEST] for one in found]


def _is_solid(line: str) -> bool:
    return any(map(str.isalnum, line))


def _common(then: list[str], now: list[str]) -> int:
    """Return how many lines both have in the same order; those without letters do not count."""
    if then == now:
        return sum(map(_is_solid, then))
    counts = [0] * (len(now) + 1)
    for one in then:
        if one not in now or not _is_solid(one):
            continue
        above = 0
        for at, other in enumerate(now, start=1):
            diagonal, above = above, counts[at]
            counts[at] = diagonal + 1 if one == other else max(above, counts[at - 1])
    return counts[-1]
