"""The lines of a text, and positions in them as LSP 3.17 counts: from 0, in UTF-16 units."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from tenets_session_server.models.context import Position, Range

_LINE: Final = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")
_ENDS_OF_PYTHON: Final = "\v\f\x1c\x1d\x1e\x85\u2028\u2029"
"""What ends a line for ``str.splitlines``, but not in LSP."""


def split(text: str) -> list[str]:
    """Return the lines of a text with their ends; the last one may be empty.

    LSP knows three ends of lines; ``str.splitlines`` knows eleven.
    """
    if not any(one in text for one in _ENDS_OF_PYTHON):  # as usual, and three times as fast
        lines = text.splitlines(keepends=True)
        return [*lines, ""] if not lines or lines[-1].endswith(("\n", "\r")) else lines
    found = _LINE.findall(text)
    # At the end of the text, the pattern matches an empty line once more.
    return found[:-1] if len(found) > 1 and not found[-2].endswith(("\n", "\r")) else found


def index_of(line: str, units: int) -> int:
    """Return which character is at a position of a line, in UTF-16 units.

    A position behind the text of the line is at its end (LSP 3.17, Position); one inside of a
    character is before it.
    """
    text = line.rstrip("\r\n")
    if units >= len(text) * 2:
        return len(text)
    if text.isascii():
        return min(units, len(text))
    found = text.encode("utf-16-le", "surrogatepass")[: 2 * units]
    return len(found.decode("utf-16-le", "ignore"))


def units_of(line: str, index: int) -> int:
    """Return the position of a character in a line, in UTF-16 units."""
    before = line[:index]
    return index if before.isascii() else len(before.encode("utf-16-le", "surrogatepass")) // 2


def indent_of(line: str) -> int:
    """Return how many UTF-16 units of white space a line begins with."""
    text = line.rstrip("\r\n")
    return len(text) - len(text.lstrip())  # white space has one unit a character


def lines_of(range_: Range) -> tuple[int, int]:
    """Return the first and the last line of a range; an end at character 0 excludes that line."""
    start, end = range_.start.line, range_.end.line
    if range_.end.character == 0 and end > start:
        end -= 1
    return start, max(start, end)


def whole_lines(lines: Sequence[str], first: int, last: int) -> Range:
    """Return the range of whole lines."""
    if last + 1 < len(lines):
        return Range(Position(first, 0), Position(last + 1, 0))
    text = lines[last].rstrip("\r\n")
    return Range(Position(first, 0), Position(last, units_of(text, len(text))))
