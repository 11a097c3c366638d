"""The preview of a context entry: its first line that is not blank, shortened."""

from __future__ import annotations

from typing import Final

LONGEST: Final = 200
"""UTF-16 units, in which editors count."""
BLANKS: Final = "\t\n\v\f\r "
"""What may be left out at the start of a content of which only a part is read."""
MOST_READ: Final = 4 * LONGEST
"""Characters behind them that are enough: a preview is cut at blanks that are not these."""


def of(content: str) -> str:
    """Return the preview of a content, or of its first :data:`MOST_READ` characters."""
    line = content.lstrip()[:MOST_READ].partition("\n")[0].partition("\r")[0].rstrip()
    if len(line) <= LONGEST // 2:
        return line
    # Half of a surrogate pair at the end is left out.
    return line.encode("utf-16-le")[: 2 * LONGEST].decode("utf-16-le", "ignore")
