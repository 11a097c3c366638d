"""Texts for people: what others have written is shown inert, times are relative."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

# Control characters, which terminals obey, and characters that show a line otherwise than it is
# stored (Unicode, "Bidirectional Algorithm"; what has no width); lines and paragraphs end with \n
# only.
_CONTROL: Final = r"\x00-\x08\x0b-\x1f\x7f-\x9f"
_DECEPTIVE: Final = (
    r"\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2064\u2066-\u2069\ufeff\ud800-\udfff"
    r"\U000e0000-\U000e007f"
)
# They are compiled when they are used: it takes a millisecond each.
_UNSAFE: Final = f"[{_CONTROL}{_DECEPTIVE}]"
_UNSAFE_IN_LINE: Final = rf"[{_CONTROL}{_DECEPTIVE}\t\n]"
_UNSAFE_IN_JSON: Final = f"[\x7f-\x9f{_DECEPTIVE}]"

_UNITS: Final = (
    (60, 1, "second"),
    (3600, 60, "minute"),
    (86_400, 3600, "hour"),
    (7 * 86_400, 86_400, "day"),
    (31 * 86_400, 7 * 86_400, "week"),
    (365 * 86_400, 30 * 86_400, "month"),
)


def block(given: str) -> str:
    r"""Return a text in which nothing acts on a terminal: such characters as ``\x1b``."""
    return re.sub(_UNSAFE, _escaped, given.replace("\r\n", "\n"))


def line(given: str) -> str:
    r"""Return a text as one line in which nothing acts on a terminal; ends of lines as ``\n``."""
    return re.sub(_UNSAFE_IN_LINE, _escaped, given)


def json(given: str) -> str:
    """Return JSON text that has the same value and does not act on a terminal."""
    return re.sub(_UNSAFE_IN_JSON, _escaped_in_json, given)


def ago(when: str) -> str:
    """Return how long ago an RFC 3339 time was, as "2 hours ago"."""
    from datetime import UTC, datetime

    try:
        then = datetime.fromisoformat(when)
        passed = (datetime.now(UTC) - then).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return line(when)
    if passed < -60:
        return when[:16].replace("T", " ")  # a clock that goes wrong, here or there
    if passed < 10:
        return "just now"
    for end, size, unit in _UNITS:
        if passed < end:
            return f"{count(int(passed // size), unit)} ago"
    return f"{count(int(passed // (365 * 86_400)), 'year')} ago"


def place(location: dict[str, Any]) -> str:
    """Return a location as ``FILE:3-7``."""
    from urllib.parse import unquote, urlsplit

    uri = str(location["uri"])
    if uri.startswith("file:///"):
        uri = unquote(urlsplit(uri).path)
    if "range" not in location:
        return uri
    first = location["range"]["start"]["line"] + 1
    end = location["range"]["end"]
    last = end["line"] + (0 if end["character"] == 0 and end["line"] >= first else 1)
    return f"{uri}:{first}" if last == first else f"{uri}:{first}-{last}"


def count(number: int, one: str, several: str = "") -> str:
    """Return a number with its noun, such as "1 note" or "2,000 notes"."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def size(number: int) -> str:
    """Return a number of bytes, as "12 KiB"."""
    if number < 1024:
        return count(number, "byte")
    amount = float(number)
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        amount /= 1024
        if amount < 1024 or unit == "TiB":
            break
    return f"{amount:.1f} {unit}"


def _escaped_in_json(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    plain = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(found[0])
    return plain or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")
