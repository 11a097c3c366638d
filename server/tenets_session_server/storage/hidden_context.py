"""Context that is in its table, but not there for any reader: in the trash, or to be removed.

However many entries a session has, deleting it and bringing it back are a few rows: each range of
hidden entries is one row of ``session_server_purges``. With a ``trash_id`` the entries are kept.
Without one they are to be removed, which is done in batches, so that no client waits for a large
one. The ids of our rows are negative: older servers remove what positive ones cover, from the first
entry of the session on.
"""

from __future__ import annotations

import time
from typing import Final

from tenets_session_server.storage.database import Database, Row
from tenets_session_server.storage.triggers import has_context

BATCH: Final = 2000
"""Entries that one transaction removes at most; it takes 5 ms."""
STEP: Final = 0.004
"""Seconds for which one transaction removes small ranges."""
FIRST, LAST = -(2**63), 2**63 - 1
"""The least and the largest id of a row in SQLite."""

VISIBLE: Final = """NOT EXISTS (SELECT 1 FROM session_server_purges AS p
        WHERE (p.session_id IS NULL OR p.session_id = c.session_id)
            AND c.id BETWEEN p.first_entry AND p.last_entry)"""
"""SQL for whether the entry ``c`` is there for a reader."""

# The ids of sessions that have entries are found one after the other, without a look at each entry.
OWNERS: Final = """WITH RECURSIVE owner(id) AS (
        SELECT min(session_id) FROM session_context
        UNION ALL
        SELECT (SELECT min(session_id) FROM session_context WHERE session_id > owner.id)
            FROM owner WHERE owner.id IS NOT NULL)"""
"""SQL that defines ``owner``: the ids of all sessions with entries, whether they exist or not."""

_RANGES: Final = "SELECT first_entry, last_entry FROM session_server_purges WHERE session_id = ?"
_WITHIN: Final = "FROM session_context WHERE session_id = :id AND id BETWEEN :first AND :last"
# Two lookups in an index, which min() and max() in one query are not.
_BOUNDS: Final = f"SELECT (SELECT min(id) {_WITHIN}), (SELECT max(id) {_WITHIN})"
_LEAST: Final = "(SELECT coalesce(min(id), 0) FROM session_server_purges WHERE id < 0)"
_HIDE: Final = f"""INSERT INTO session_server_purges
    (id, session_id, first_entry, last_entry, trash_id) VALUES ({_LEAST} - 1, ?, ?, ?, ?)"""
_HIDE_ALL: Final = f"""{OWNERS} INSERT INTO session_server_purges
        (id, session_id, first_entry, last_entry, trash_id)
    SELECT {_LEAST} - row_number() OVER (), id,
        (SELECT min(id) FROM session_context WHERE session_id = owner.id),
        (SELECT max(id) FROM session_context WHERE session_id = owner.id), ?
    FROM owner WHERE id IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM session_server_purges WHERE session_id = owner.id)"""
_PARTLY_HIDDEN: Final = f"""SELECT DISTINCT session_id FROM session_server_purges AS q
    WHERE session_id IS NOT NULL AND {has_context("q.session_id")}"""
_COVERING: Final = """SELECT id, first_entry, last_entry FROM session_server_purges
    WHERE (session_id IS NULL OR session_id = ?) AND ? BETWEEN first_entry AND last_entry"""
_BELOW: Final = f"""INSERT INTO session_server_purges
        (id, session_id, first_entry, last_entry, trash_id)
    SELECT {_LEAST} - 1, session_id, first_entry, ? - 1, trash_id
    FROM session_server_purges WHERE id = ?"""
_ABOVE: Final = "UPDATE session_server_purges SET first_entry = ? + 1 WHERE id = ?"
_DISCARD: Final = "UPDATE session_server_purges SET trash_id = NULL WHERE trash_id = :item"
_REVEAL: Final = "DELETE FROM session_server_purges WHERE trash_id = :item"
HIDDEN: Final = """session_server_purges AS p CROSS JOIN session_context AS c
    ON c.session_id = p.session_id AND c.id BETWEEN p.first_entry AND p.last_entry"""
"""SQL for the entries ``c`` in the ranges ``p`` of sessions."""
_DUE: Final = """SELECT id, session_id, first_entry, last_entry FROM session_server_purges
    WHERE trash_id IS NULL ORDER BY id LIMIT 1"""
# A range of an older server, which has no first entry, may reach into others that are kept.
_REMOVE: Final = """DELETE FROM session_context WHERE id IN (
    SELECT id FROM session_context AS c WHERE {} AND id BETWEEN :first AND :last
        AND NOT EXISTS (SELECT 1 FROM session_server_purges AS p WHERE p.session_id = c.session_id
            AND p.trash_id IS NOT NULL AND c.id BETWEEN p.first_entry AND p.last_entry)
    LIMIT :most)"""


class HiddenContext:
    """The hidden context of one :class:`Database`; raises as :meth:`Database.run` does.

    All but :meth:`count` and :meth:`run_batch` need a transaction.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def hide(self, trash_id: int, session_id: int) -> None:
        """Hide the entries of a session, for an item of the trash."""
        ranges = sorted(self._database.run(_RANGES, (session_id,)))
        start = FIRST
        for first, last in [*ranges, (LAST, LAST)]:
            if start < first:
                within = {"id": session_id, "first": start, "last": first - 1}
                oldest, newest = self._database.run(_BOUNDS, within)[0]
                if oldest is not None:
                    self._database.run(_HIDE, (session_id, oldest, newest, trash_id))
            start = max(start, min(last, LAST - 1) + 1)

    def hide_all(self, trash_id: int) -> None:
        """Hide all entries, also those whose session is gone, for an item of the trash."""
        partly_hidden = self._database.run(_PARTLY_HIDDEN)
        self._database.run(_HIDE_ALL, (trash_id,))
        for (session_id,) in partly_hidden:
            self.hide(trash_id, session_id)

    def hide_new(self, trash_id: int, session_id: int) -> None:
        """Hide all entries that a session will have, for an item."""
        self._database.run(_HIDE, (session_id, FIRST, LAST, trash_id))

    def reveal(self, trash_id: int) -> None:
        """Make the entries of an item visible again."""
        self._database.run(_REVEAL, {"item": trash_id})

    def reveal_entry(self, session_id: int, entry_id: int) -> None:
        """Make one entry visible that is put back among hidden ones."""
        for range_id, first, last in self._database.run(_COVERING, (session_id, entry_id)):
            if first < entry_id:
                self._database.run(_BELOW, (entry_id, range_id))
            if last > entry_id:
                self._database.run(_ABOVE, (entry_id, range_id))
            else:
                self._database.run("DELETE FROM session_server_purges WHERE id = ?", (range_id,))

    def discard(self, trash_id: int, session_id: int | None = None) -> None:
        """Have the entries of an item removed, or those of one session in it."""
        of_session = "" if session_id is None else " AND session_id = :session"
        bindings = {"item": trash_id, "session": session_id}
        self._database.run(f"{_DISCARD}{of_session}", bindings)

    def count(self, trash_id: int) -> int:
        """Return how many entries of an item are hidden; looks at an index only."""
        rows = self._database.run(
            f"SELECT count(*) FROM {HIDDEN} WHERE p.trash_id = ?", (trash_id,)
        )
        found: int = rows[0][0]
        return found

    def run_batch(self) -> bool:
        """Remove one batch of what is due; return whether there is more.

        Raises a ``DatabaseError``; then the batch remains to be removed.
        """
        if not self._database.run(_DUE):
            return False
        until = time.monotonic() + STEP
        with self._database.transaction():
            left = BATCH
            while left > 0 and time.monotonic() < until and (due := self._database.run(_DUE)):
                left -= self._remove(due[0], left)
        return True

    def _remove(self, due: Row, most: int) -> int:
        """Remove at most so many entries of a range, and the range if that is all; count them."""
        range_id, session_id, first, last = due
        of_session = "TRUE" if session_id is None else "session_id = :session"
        bindings = {"session": session_id, "first": first, "last": last, "most": most}
        self._database.run(_REMOVE.format(of_session), bindings)
        removed: int = self._database.run("SELECT changes()")[0][0]
        if removed < most:
            self._database.run("DELETE FROM session_server_purges WHERE id = ?", (range_id,))
        return removed
