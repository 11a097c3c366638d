"""What can wait about the trash: items are counted, those that have expired are removed.

So are the rows of entries that are not kept any more. All is done in steps of a few milliseconds.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from tenets_session_server.storage.sqlite.database import Database, Row, Value
from tenets_session_server.storage.sqlite.hidden_context import FIRST, HiddenContext
from tenets_session_server.storage.sqlite.trash import IS_ITEM, KEPT_FOR, SET_COUNTED, STAGED, Trash

STAGED_FOR: Final = timedelta(minutes=10)
"""Time without progress after which an import is given up."""
TIDY_INTERVAL: Final = 60.0
"""Seconds between two looks at all items, for those that have expired."""
LARGE: Final = 1024 * 1024
"""Bytes of an item after which the others are looked at, at once."""
KEPT_BYTES: Final = 256 * 1024 * 1024
"""Of all items together. The newest one is kept whatever its size."""
COUNTED: Final = 2000
"""Entries that are counted in one step, 0.3 ms: who has deleted them may go on at once."""
STEP: Final = 0.004
"""Seconds for which small ranges are counted in one step."""

_UNCOUNTED: Final = """SELECT id, deleted_at FROM session_server_trash WHERE entries IS NULL
    ORDER BY id LIMIT 1"""
_NEXT_RANGE: Final = """SELECT id, session_id, first_entry, last_entry FROM session_server_hidden
    WHERE trash_id = ? AND id > ? ORDER BY id LIMIT 1"""
_COUNT_SOME: Final = """SELECT count(*), coalesce(sum(size), 0), max(id) FROM
    (SELECT id, octet_length(content) AS size FROM session_context
        WHERE session_id = ? AND id BETWEEN ? AND ? ORDER BY id LIMIT ?)"""
_EXPIRED: Final = f"""SELECT id FROM session_server_trash
    WHERE type = '{STAGED}' AND deleted_at < :given_up
    UNION ALL SELECT * FROM (SELECT id FROM session_server_trash WHERE {IS_ITEM}
        AND (deleted_at < :too_old
            OR id < (SELECT max(id) FROM session_server_trash WHERE {IS_ITEM})
                AND (SELECT sum(size) FROM session_server_trash) > :too_much)
        ORDER BY id LIMIT 1)
    LIMIT 1"""


@dataclass(slots=True)
class _Count:
    """How far an item has been counted: its ``range`` up to the entry ``position``.

    ``item`` is its id and the time of its deletion: in a file that replaces this one, another item
    may have the id.
    """

    item: Row
    range: int = FIRST
    position: int = FIRST
    entries: int = 0
    size: int = 0


class TrashUpkeep:
    """The upkeep of one :class:`.trash.Trash`; raises as :meth:`Database.run` does."""

    def __init__(self, database: Database, trash: Trash, hidden: HiddenContext) -> None:
        self._database, self._trash, self._hidden = database, trash, hidden
        self._count: _Count | None = None
        self._tidied = 0.0  # when nothing was found that had expired

    def run_step(self) -> bool:
        """Do a step of what can wait; return whether there is more to do.

        Rows of removed items are deleted, new items counted, and those that have expired removed.
        """
        return self._hidden.run_batch() or self._tidy()

    def _tidy(self) -> bool:
        for item in self._database.run(_UNCOUNTED):
            self._count_step(item)
            return True
        if self._tidied and time.monotonic() - self._tidied < TIDY_INTERVAL:
            return False
        now = datetime.now(UTC)
        bindings: dict[str, Value] = {
            "given_up": (now - STAGED_FOR).isoformat(),
            "too_old": (now - KEPT_FOR).isoformat(),
            "too_much": KEPT_BYTES,
        }
        if not self._database.run(_EXPIRED, bindings):
            self._tidied = time.monotonic()
            return False
        with self._database.transaction():
            for (expired,) in self._database.run(_EXPIRED, bindings):
                self._trash.discard(expired)
        return True

    def _count_step(self, item: Row) -> None:
        trash_id, count = item[0], self._count
        if count is None or count.item != item:
            count = self._count = _Count(item)
        until = time.monotonic() + STEP
        while time.monotonic() < until:
            rows = self._database.run(_NEXT_RANGE, (trash_id, count.range))
            if not rows:
                break
            range_id, session_id, first, last = rows[0]
            bounds = (session_id, max(first, count.position), last, COUNTED)
            entries, size, newest = self._database.run(_COUNT_SOME, bounds)[0]
            count.entries += entries
            count.size += size
            if entries == COUNTED:
                count.position = newest + 1
                return
            count.range, count.position = range_id, FIRST
        else:
            return
        with self._database.transaction():
            self._database.run(SET_COUNTED, (count.entries, count.size, trash_id))
        self._count = None
        if count.size > LARGE:
            self._tidied = 0.0
