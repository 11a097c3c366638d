"""What an edit does to the lines of a document, told by the lines themselves.

The range of an edit says less. Editors send different ranges for the same edit, and some compare
characters: a line that is put before another one with the same beginning arrives as a change in the
middle of a line (Neovim).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import takewhile
from typing import Final

KEPT: Final = 3
"""A line that was changed is the same line if the third part of its text is still there."""


class Edit:
    """An edit that has made the lines ``after`` of the lines ``before``, from ``start`` on.

    Lines at both ends that it has left alone, or changed in their white space only, are no part of
    it. ``from_above``: they are taken off above first, which matters where two lines are equal.
    """

    def __init__(
        self, start: int, before: Sequence[str], after: Sequence[str], *, from_above: bool = True
    ) -> None:
        self.shift = len(after) - len(before)
        head = tail = 0
        if from_above:
            head = _common(before, after)
        tail = _common(reversed(before[head:]), reversed(after[head:]))
        if not from_above:
            head = _common(before[: len(before) - tail], after[: len(after) - tail])
        self.start = start + head
        self.before = before[head : len(before) - tail]
        self.after = after[head : len(after) - tail]

    def moved(self, first: int, last: int) -> tuple[int, int] | None:
        """Return where the lines from ``first`` to ``last`` are now, None if that is not sure."""
        end = self.start + len(self.before)
        if last < self.start:
            return first, last
        if first >= end:
            return first + self.shift, last + self.shift
        if first < self.start and last >= end:  # inside of them
            return first, last + self.shift
        if len(self.before) == 1:
            return self._in_one_line(first, last)
        top = first if first < self.start else self._moved_lines.get(first)
        bottom = last + self.shift if last >= end else self._moved_lines.get(last)
        if top is None or bottom is None or bottom - top != last - first:
            return None
        return top, bottom

    def has_put(self, line: str) -> bool:
        """Tell whether a line is among the new ones; its white space is collapsed."""
        return line in self._put

    def _in_one_line(self, first: int, last: int) -> tuple[int, int] | None:
        """Return what :meth:`moved` does where one line was changed, the first or the last one."""
        count = len(self.after)
        if not count:
            return None
        if count == 1 and first < last:  # the others say that it is the same line
            return first, last
        old, new = _solid(self.before[0]), [_solid(line) for line in self.after]
        head = _common(old, new[0])
        tail = min(_common(reversed(old), reversed(new[-1])), len(old) - head)
        # It was split, and nothing of it was deleted; or enough of it is left.
        is_kept = head + tail == len(old) if count > 1 else KEPT * (head + tail) >= len(old)
        if not is_kept:
            return None
        top = first if first < self.start or head else first + count - 1
        bottom = last + self.shift if last > self.start or tail else last
        return top, bottom

    @cached_property
    def _moved_lines(self) -> dict[int, int]:
        """Where lines are now that are there once before and once after."""
        before, after = ([" ".join(line.split()) for line in x] for x in (self.before, self.after))
        then, now = Counter(before), Counter(after)
        places = {line: number for number, line in enumerate(after, self.start)}
        return {
            number: places[line]
            for number, line in enumerate(before, self.start)
            if then[line] == 1 and now[line] == 1 and any(map(str.isalnum, line))
        }

    @cached_property
    def _put(self) -> set[str]:
        return {" ".join(line.split()) for line in self.after}


def _common(before: Iterable[str], after: Iterable[str]) -> int:
    """Return how many lines, or characters, both begin with; white space does not count."""
    pairs = zip(before, after, strict=False)
    same = takewhile(lambda pair: pair[0] == pair[1] or pair[0].split() == pair[1].split(), pairs)
    return sum(1 for _ in same)


def _solid(line: str) -> str:
    return "".join(line.split())
