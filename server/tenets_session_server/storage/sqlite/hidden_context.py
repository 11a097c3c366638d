"""Context that is in its table, but not there for any reader: in the trash, or to be removed.

However many entries a session has, deleting it and bringing it back are a few rows: each range of
hidden entries is a row of ``session_server_hidden``. Those of one session do not overlap. With a
``trash_id`` the entries are kept. Without one they are to be removed, which is done in batches, so
that no client waits for a large one. After a crash, the next process goes on.

Older servers do not know of that table. They show what is in the trash, but a trigger keeps them,
as other programs, from deleting it. What they have still to remove is in ``session_server_purges``.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

from tenets_session_server.storage.sqlite.database import Database, Row
from tenets_session_server.storage.sqlite.triggers import has_context

BATCH: Final = 2000
"""Entries that one transaction removes at most; it takes 5 ms."""
BATCH_BYTES: Final = 4 * 1024 * 1024
"""Bytes of contents that one transaction removes, more or less."""
STEP: Final = 0.004
"""Seconds for which one transaction removes small ranges."""
SKIPPED_FROM, SKIPPED_TO = 10_000, 1_000_000
"""Ids in a range, of whose entries most are skipped when it is counted."""
SAMPLE: Final = 1000
"""Entries of which it is seen whether a session has most of the ids in its range."""
FIRST, LAST = -(2**63), 2**63 - 1
"""The least and the largest id of a row in SQLite."""


def visible(entry: str = "c", schema: str = "") -> str:
    """Return SQL for whether an entry is there for a reader.

    ``entry`` is its alias; ``schema`` is that of an attached database, with a dot.
    """
    return f"""(coalesce((SELECT h.last_entry FROM {schema}session_server_hidden AS h
            WHERE h.session_id = {entry}.session_id AND h.first_entry <= {entry}.id
            ORDER BY h.first_entry DESC LIMIT 1), {FIRST}) < {entry}.id
        AND NOT EXISTS (SELECT 1 FROM {schema}session_server_purges AS p
            WHERE (p.session_id IS NULL OR p.session_id = {entry}.session_id)
                AND {entry}.id <= p.last_entry))"""


VISIBLE: Final = visible()
"""SQL for whether the entry ``c`` is there for a reader."""
IS_ANY_HIDDEN: Final = """SELECT EXISTS (SELECT 1 FROM session_server_hidden)
    OR EXISTS (SELECT 1 FROM session_server_purges)"""

# The ids of sessions that have entries are found one after the other, without a look at each entry.
OWNERS: Final = """WITH RECURSIVE owner(id) AS (
        SELECT min(session_id) FROM session_context
        UNION ALL
        SELECT (SELECT min(session_id) FROM session_context WHERE session_id > owner.id)
            FROM owner WHERE owner.id IS NOT NULL)"""
"""SQL that defines ``owner``: the ids of all sessions with entries, whether they exist or not."""

_RANGES: Final = "SELECT first_entry, last_entry FROM session_server_hidden WHERE session_id = ?"
_WITHIN: Final = "FROM session_context WHERE session_id = :id AND id BETWEEN :first AND :last"
_RANGES_OF_ITEM: Final = """SELECT session_id, first_entry, last_entry FROM session_server_hidden
    WHERE trash_id = ? LIMIT 2"""
_NTH: Final = """SELECT session_id, id FROM session_context WHERE session_id >= ?
    ORDER BY session_id, id LIMIT 1 OFFSET ?"""
# Two lookups in an index, which min() and max() in one query are not.
_BOUNDS: Final = f"SELECT (SELECT min(id) {_WITHIN}), (SELECT max(id) {_WITHIN})"
_HIDE: Final = """INSERT INTO session_server_hidden
    (session_id, first_entry, last_entry, trash_id) VALUES (?, ?, ?, ?)"""
_HIDE_ALL: Final = f"""{OWNERS} INSERT INTO session_server_hidden
        (session_id, first_entry, last_entry, trash_id)
    SELECT id, (SELECT min(id) FROM session_context WHERE session_id = owner.id),
        (SELECT max(id) FROM session_context WHERE session_id = owner.id), ?
    FROM owner WHERE id IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM session_server_hidden WHERE session_id = owner.id)"""
_PARTLY_HIDDEN: Final = f"""SELECT DISTINCT session_id FROM session_server_hidden AS q
    WHERE {has_context("q.session_id")}"""
_COVERING: Final = """SELECT id, first_entry, last_entry FROM session_server_hidden
    WHERE session_id = ? AND ? BETWEEN first_entry AND last_entry"""
_BELOW: Final = """INSERT INTO session_server_hidden
        (session_id, first_entry, last_entry, trash_id)
    SELECT session_id, first_entry, ? - 1, trash_id FROM session_server_hidden WHERE id = ?"""
_ABOVE: Final = "UPDATE session_server_hidden SET first_entry = ? + 1 WHERE id = ?"
_DISCARD: Final = "UPDATE session_server_hidden SET trash_id = NULL WHERE trash_id = ?"
# By the index of sessions: an item may have many ranges.
_DISCARD_SESSION: Final = """UPDATE session_server_hidden SET trash_id = NULL
    WHERE +trash_id = ? AND session_id = ?"""
_REVEAL: Final = "DELETE FROM session_server_hidden WHERE trash_id = ?"
HIDDEN: Final = """session_server_hidden AS h CROSS JOIN session_context AS c
    ON c.session_id = h.session_id AND c.id BETWEEN h.first_entry AND h.last_entry"""
"""SQL for the entries ``c`` in the ranges ``h``."""
_COUNT: Final = f"SELECT count(*) FROM {HIDDEN} WHERE h.trash_id = ?"
_DUE: Final = """SELECT id, session_id, first_entry, last_entry FROM session_server_hidden
    WHERE trash_id IS NULL ORDER BY id LIMIT 1"""
_SIZES: Final = """SELECT id, octet_length(content) FROM session_context
    WHERE session_id = :session AND id BETWEEN :first AND :last ORDER BY id LIMIT :most"""
_REMOVE: Final = """DELETE FROM session_context
    WHERE session_id = :session AND id BETWEEN :first AND :last"""
_OLDER_DUE: Final = """SELECT id, session_id, last_entry FROM session_server_purges
    ORDER BY id LIMIT 1"""
# What is in the trash stays.
_REMOVE_OLDER: Final = """DELETE FROM session_context WHERE id IN (
    SELECT c.id FROM session_context AS c
    WHERE {} AND c.id <= :last AND NOT EXISTS (SELECT 1 FROM session_server_hidden AS h
        WHERE h.session_id = c.session_id AND c.id BETWEEN h.first_entry AND h.last_entry)
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
        self._finish_older()
        self._database.run(_REVEAL, (trash_id,))

    def reveal_entry(self, session_id: int, entry_id: int) -> None:
        """Make one entry visible that is put back among hidden ones."""
        self._finish_older()
        for range_id, first, last in self._database.run(_COVERING, (session_id, entry_id)):
            if first < entry_id:
                self._database.run(_BELOW, (entry_id, range_id))
            if last > entry_id:
                self._database.run(_ABOVE, (entry_id, range_id))
            else:
                self._database.run("DELETE FROM session_server_hidden WHERE id = ?", (range_id,))

    def discard(self, trash_id: int) -> None:
        """Have the entries of an item removed."""
        self._database.run(_DISCARD, (trash_id,))

    def discard_sessions(self, trash_id: int, session_ids: Iterable[int]) -> None:
        """Have the entries of these sessions in an item removed."""
        self._database.run_many(
            _DISCARD_SESSION,
            ((trash_id, session_id) for session_id in session_ids),
        )

    def count(self, trash_id: int) -> int:
        """Return how many entries of an item are hidden; looks at an index only."""
        ranges = self._database.run(_RANGES_OF_ITEM, (trash_id,))
        if len(ranges) == 1:
            return self._count_range(*ranges[0])
        found: int = self._database.run(_COUNT, (trash_id,))[0][0]
        return found

    def _count_range(self, session_id: int, first: int, last: int) -> int:
        """Return how many entries a range has.

        SQLite counts with 24 ns for each, as it compares each with the end of the range. Without an
        end, it skips so many entries with 8 ns for each. A large session often came in one go: then
        it has nearly all ids in its range. If it seems to, seven eighths are skipped.
        """
        skipped, start, span = 0, first, last - first + 1
        if SKIPPED_FROM <= span <= SKIPPED_TO and self._nth(session_id, 0) == (session_id, first):
            for number in (SAMPLE, span * 7 // 8):
                owner, entry_id = self._nth(session_id, number)
                if owner != session_id or entry_id > min(last, first + number * 8 // 7):
                    break
                skipped, start = number, entry_id
        bounds = {"id": session_id, "first": start, "last": last}
        rest: int = self._database.run(f"SELECT count(*) {_WITHIN}", bounds)[0][0]
        return skipped + rest

    def _nth(self, session_id: int, number: int) -> Row:
        """Return the session and the id of the entry that follows so many of a session."""
        rows = self._database.run(_NTH, (session_id, number))
        return rows[0] if rows else (None, LAST)

    def run_batch(self) -> bool:
        """Remove one batch of what is due; return whether there is more.

        Raises a ``DatabaseError``; then the batch remains to be removed.
        """
        if not self._database.run(_DUE) and not self._database.run(_OLDER_DUE):
            return False
        until = time.monotonic() + STEP
        with self._database.transaction():
            left = BATCH
            while left > 0 and time.monotonic() < until and (due := self._database.run(_DUE)):
                left -= self._remove(due[0], left)
            if left == BATCH:
                self._remove_older(BATCH)
        return True

    def _remove(self, due: Row, most: int) -> int:
        """Remove at most so many entries of a range, and the range if that is all; count them."""
        range_id, session_id, first, last = due
        bindings = {"session": session_id, "first": first, "last": last, "most": most}
        size = removed = 0
        upper = last
        for entry_id, content_size in self._database.run(_SIZES, bindings):
            removed, size = removed + 1, size + (content_size or 0)
            if removed == most or size >= BATCH_BYTES:
                upper = entry_id
                break
        bindings = {"session": session_id, "first": first, "last": upper}
        self._database.run(_REMOVE, bindings)
        if upper == last:
            self._database.run("DELETE FROM session_server_hidden WHERE id = ?", (range_id,))
        else:
            self._database.run(_ABOVE, (upper, range_id))
        return most if size >= BATCH_BYTES else removed

    def _remove_older(self, most: int) -> bool:
        """Remove some of what an older server has recorded; tell whether there was anything."""
        for range_id, session_id, last in self._database.run(_OLDER_DUE):
            of_session = "TRUE" if session_id is None else "c.session_id = :session"
            bindings = {"session": session_id, "last": last, "most": most}
            self._database.run(_REMOVE_OLDER.format(of_session), bindings)
            if self._database.run("SELECT changes()")[0][0] < most:
                self._database.run("DELETE FROM session_server_purges WHERE id = ?", (range_id,))
            return True
        return False

    def _finish_older(self) -> None:
        """Remove all that older servers have recorded: it would cover what is revealed, too."""
        while self._remove_older(1_000_000):
            pass
