"""Timestamps: written as upstream does, and read whatever another program wrote.

Written ones are ISO 8601 in UTC, which is valid RFC 3339. Reading turns every value into RFC 3339,
so that no row is unreadable.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

_RFC3339: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?[+-]\d{2}:\d{2}", re.ASCII
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def now() -> str:
    """Return the current time to the microsecond, as upstream stores ``created_at``."""
    return datetime.now(UTC).isoformat()


def now_seconds() -> str:
    """Return the current time to the second, as upstream stores ``updated_at`` and the like."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@lru_cache(maxsize=1024)
def readable(stored: str | bytes | float | None) -> str:
    """Return RFC 3339 for any value of a ``created_at`` column.

    ``stored`` is text (bytes if it may not be UTF-8), a number (Unix time in seconds) or None. Text
    without an offset is UTC. Anything else becomes 1970-01-01T00:00:00+00:00.
    """
    try:
        if isinstance(stored, str | bytes):
            text = (stored if isinstance(stored, str) else stored.decode("utf-8")).strip()
            if _RFC3339.fullmatch(text) and datetime.fromisoformat(text):
                return text
            parsed = datetime.fromisoformat(text)
        elif isinstance(stored, int | float):
            parsed = _EPOCH + timedelta(seconds=stored)
        else:
            parsed = _EPOCH
    except (ValueError, OverflowError):
        parsed = _EPOCH
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).isoformat()
