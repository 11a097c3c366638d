"""The preview of a context entry: its first line that is not blank, shortened."""

from __future__ import annotations

from typing import Final

LONGEST: Final = 200
"""UTF-16 units, in which editors count."""
_BLANKS: Final = "char(9, 10, 11, 12, 13, 32)"
# Four times as much, as a preview is cut at blanks that are not these.
START: Final = f"substr(ltrim({{}}, {_BLANKS}), 1, {4 * LONGEST})"
"""SQL for the part of a content that a preview is made of; ``{}`` stands for the content."""


def of(content: str) -> str:
    """Return the preview of a content, or of the part of it that :data:`START` gives."""
    line = content.lstrip()[: 4 * LONGEST].partition("\n")[0].partition("\r")[0].rstrip()
    if len(line) <= LONGEST // 2:
        return line
    # Half of a surrogate pair at the end is left out.
    return line.encode("utf-16-le")[: 2 * LONGEST].decode("utf-16-le", "ignore")
