"""Keeps the search index up to date with what any program has committed.

The index follows the change log. Its own rows say up to which state, so each step, in a transaction
of its own, leaves it in order, and several processes may work on it in turns.

* Where the log has a gap (much was written while no server ran), everything is scanned, from the
  newest down. What is indexed stays searchable meanwhile.
* If the state is not one of this history, the index is emptied first.
* Where clients add faster than the index grows, it is noted down which entries are to be scanned.
* The log tells of a session that comes with its context, but not of each entry: that session is
  scanned. Entries that go without a change show when the index has more than there are.

Entries that are hidden, as in the trash, stay in the index as long as their rows.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from tenets_session_server.models.changes import State
from tenets_session_server.storage.sqlite import search_rows, states
from tenets_session_server.storage.sqlite.database import Database, Row, as_json
from tenets_session_server.storage.sqlite.hidden_context import FIRST, LAST
from tenets_session_server.storage.sqlite.search_rows import LEAST, TABLES, IndexRows, batch
from tenets_session_server.storage.sqlite.trash import STAGED

BATCH: Final = 400
"""Changes that are looked at together; it takes about 3 ms."""
SCANNED: Final = 800
"""Rows of a scan that are looked at together: 5 ms. With each, FTS5 begins a part of the index."""
LEAST_OF_A_BATCH: Final = 100
"""Rows that a batch counts for, whose few rows may be long."""
DEFERRED: Final = 2000
"""Changes behind which new entries are scanned later; noting that down takes 1 us each."""

_STATE: Final = """SELECT state, entries, uncounted,
    EXISTS (SELECT 1 FROM session_server_search_scans) FROM session_server_search_state"""
_SAVE: Final = "UPDATE session_server_search_state SET state = ?, entries = ?, uncounted = ?"
_COUNTED: Final = "SELECT context_entries FROM session_server_totals"
# Entries are about to be removed, or are staged by an import.
_UNSETTLED: Final = f"""SELECT EXISTS (SELECT 1 FROM session_server_hidden WHERE trash_id IS NULL)
    OR EXISTS (SELECT 1 FROM session_server_purges)
    OR EXISTS (SELECT 1 FROM session_server_trash WHERE type = '{STAGED}')"""
_CHANGES: Final = f"""SELECT revision, token, type, session_id, context_id
    FROM session_server_changes WHERE revision > ? ORDER BY revision LIMIT {BATCH}"""
_ADDED: Final = f"""SELECT revision, token, type, context_id
    FROM session_server_changes WHERE revision > ? ORDER BY revision LIMIT {2 * DEFERRED}"""
_SIZES: Final = """SELECT id, octet_length(content) FROM session_context
    WHERE id IN (SELECT value FROM json_each(?))"""
_SCAN: Final = """SELECT id, what, session_id, lowest, position FROM session_server_search_scans
    ORDER BY id DESC LIMIT 1"""
_BEGIN_SCAN: Final = """INSERT INTO session_server_search_scans
    (what, session_id, lowest, position) VALUES (?, ?, ?, ?)"""
_NEXT_ROWS: Final = f"ORDER BY id DESC LIMIT {SCANNED}"
_ENTRIES: Final = "SELECT id, octet_length(content) FROM session_context WHERE id BETWEEN ? AND ?"
_SCANS: Final[dict[str, str]] = {
    "names": f"SELECT id, 0 FROM sessions WHERE id BETWEEN ? AND ? {_NEXT_ROWS}",
    "context": f"{_ENTRIES} {_NEXT_ROWS}",
    "session": f"{_ENTRIES} AND session_id = ? {_NEXT_ROWS}",
}

_NO_ROWS: Final = frozenset({"updated", "activated", "deactivated", "bound"})
"""Types of changes that concern neither a name nor context."""


@dataclass(slots=True)
class _Progress:
    """The row of the state table."""

    state: str
    entries: int
    uncounted: int
    scanning: bool


class SearchIndex:
    """The search index of one database; its methods raise a ``DatabaseError``."""

    def __init__(self, database: Database) -> None:
        self._database, self._rows = database, IndexRows(database)
        self._swept: int | None = None  # how far a sweep has come

    def backlog(self, now: State | None = None) -> int:
        """Return about how many changes the index is behind ``now``, 0 if it is up to date."""
        progress, now = self._progress(), now or states.newest(self._database)
        if progress.state == str(now):
            return int(progress.scanning)
        try:
            return max(1, now.revision - State.parse(progress.state).revision)
        except ValueError:
            return max(1, now.revision)

    def feed(self, seconds: float) -> bool:
        """Index what was committed, for about so many seconds; return whether there is more.

        It is one transaction, or part of the one that is open.
        """
        if not self.backlog():
            return False
        until = time.monotonic() + seconds
        with self._database.transaction():
            self._database.keep_quiet()
            progress, now = self._progress(), states.newest(self._database)
            self._follow(progress, now)
            more, looked_at = True, 0
            while more and (looked_at < LEAST or time.monotonic() < until):
                taken = self._defer(progress, now) or self._apply_changes(progress)
                taken = taken or self._scan(progress)
                more = taken > 0
                looked_at += max(taken, LEAST_OF_A_BATCH)
            self._save(progress)
        return more

    def merge(self) -> bool:
        """Merge a little of what was written piece by piece; return whether there may be more.

        FTS5 would do it by itself, but so much at a time that others wait.
        """
        with self._database.transaction():
            self._database.keep_quiet()
            return self._rows.merge()

    def make_anew(self) -> None:
        """Begin with an empty index."""
        damaged = self._rows.damaged_tables()
        with self._database.transaction():
            self._database.keep_quiet()
            self._rows.make_anew(damaged)

    def repair(self, seconds: float) -> bool:
        """Look for entries that came or went without a change; return whether there is more.

        Call it when the index is up to date. It counts entries only if the totals differ.
        """
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self._database.run(_UNSETTLED)[0][0]:
                return False
            progress, counted = self._progress(), self._database.run(_COUNTED)[0][0]
            if counted == progress.entries + progress.uncounted:
                self._swept = None
                return False
            if self._swept is None and not self._settle(swept=False):
                return self.backlog() > 0
            if not self._sweep():
                self._settle(swept=True)
        return True

    # -- what was committed ------------------------------------------------------------------

    def _follow(self, progress: _Progress, now: State) -> None:
        """Begin a scan if no list of changes leads from the state of the index to now."""
        try:
            seen = State.parse(progress.state)
        except ValueError:  # a new index
            seen = None
        if seen == now:
            return
        oldest = states.oldest_kept(self._database, now)
        if seen is not None and seen.revision <= now.revision:
            if states.token(self._database, seen.revision) == seen.token:
                if seen.revision >= oldest - 1:
                    return
            elif seen.revision >= oldest:
                seen = None  # of another history
        else:
            seen = None
        if seen is None:
            self._rows.clear()
            progress.entries = 0
        self._begin_full_scan()
        progress.state = str(now)

    def _defer(self, progress: _Progress, now: State) -> bool:
        """Have many new entries scanned later; return whether there were many.

        The log keeps the newest changes only: with a gap in it, all entries would be scanned.
        """
        since = State.parse(progress.state).revision
        if now.revision - since < DEFERRED:
            return False
        added: list[Row] = []
        with self._database.rows(_ADDED, (since,)) as rows:
            for row in rows:
                if row[2] != "contextAdded" or (added and row[3] <= added[-1][3]):
                    break
                added.append(row)
        if len(added) < DEFERRED // 2:
            return False
        lowest, highest = added[0][3], added[-1][3]
        if self._rows.within("context", lowest, highest, 1):  # rows that replace others
            return False
        self._database.run(_BEGIN_SCAN, ("context", None, lowest, highest))
        progress.state = str(states.of_row(added[-1]))
        return True

    def _apply_changes(self, progress: _Progress) -> int:
        """Apply a batch of changes; return how many."""
        since = State.parse(progress.state).revision
        changes = self._database.run(_CHANGES, (since,))
        if not changes:
            return 0
        entries = [row[4] for row in changes if row[4] is not None]
        sizes = {row[0]: row[1] for row in self._database.run(_SIZES, (as_json(entries),))}
        taken, looked_at = batch([sizes.get(row[4], 0) for row in changes])
        changes = changes[:taken]
        progress.state = str(states.of_row(changes[-1]))
        progress.entries += self._rows.renew({row[4] for row in changes if row[4] is not None})
        of_sessions = [row for row in changes if row[4] is None and row[2] not in _NO_ROWS]
        if of_sessions:
            self._rows.renew_names({row[3] for row in of_sessions})
        # Context may have come with it, whatever else follows.
        for session_id in {row[3] for row in of_sessions if row[2] in {"created", "restored"}}:
            self._database.run(_BEGIN_SCAN, ("context", session_id, FIRST, LAST))
        return looked_at

    # -- scans -------------------------------------------------------------------------------

    def _begin_full_scan(self) -> None:
        self._database.run("DELETE FROM session_server_search_scans")
        for what in TABLES:  # the last one is first: names are few
            self._database.run(_BEGIN_SCAN, (what, None, FIRST, LAST))

    def _scan(self, progress: _Progress) -> int:
        """Scan a batch of rows; return how many were looked at, at least 1 if there is a scan."""
        scans = self._database.run(_SCAN)
        if not scans:
            return 0
        scan_id, what, session_id, end, position = scans[0]
        bounds = (end, position) if session_id is None else (end, position, session_id)
        rows = self._database.run(_SCANS[what if session_id is None else "session"], bounds)
        taken, looked_at = batch([size or 0 for _, size in rows])
        lowest = end if taken == len(rows) < SCANNED else rows[taken - 1][0]
        ids = {row[0] for row in rows[:taken]}
        if (session_id, end) != (None, FIRST):  # what is indexed is up to date
            if self._rows.within("context", lowest, position, 1):
                ids.difference_update(self._rows.present("context", ids))
            progress.entries += self._rows.add(ids)
        else:  # also what is in the index only
            within = self._rows.within(what, lowest, position, SCANNED)
            if len(within) == SCANNED:
                lowest = within[-1]
            ids = {one for one in ids if one >= lowest} | {*within}
            if what == "names":
                self._rows.renew_names(ids)
            else:
                progress.entries += self._rows.renew(ids)
        if lowest <= end:
            self._database.run("DELETE FROM session_server_search_scans WHERE id = ?", (scan_id,))
            if (what, session_id, end) == ("context", None, FIRST):
                progress.uncounted = self._database.run(_COUNTED)[0][0] - progress.entries
        else:
            self._database.run(
                "UPDATE session_server_search_scans SET position = ? WHERE id = ?",
                (lowest - 1, scan_id),
            )
        return max(1, looked_at)

    def _sweep(self) -> bool:
        """Remove a batch of entries of the index that are gone; return whether there is more."""
        found = self._rows.following(FIRST if self._swept is None else self._swept)
        gone = self._rows.missing(found)
        at_end = len(found) < search_rows.STALE_BATCH
        self._swept = None if at_end else found[-1]
        if gone:
            with self._database.transaction():
                self._database.keep_quiet()
                progress = self._progress()
                progress.entries -= self._rows.remove(gone)
                self._save(progress)
        return not at_end

    def _settle(self, *, swept: bool) -> bool:
        """Count; scan if entries lack, or note how far the totals are off; tell if to sweep."""
        with self._database.transaction():
            self._database.keep_quiet()
            progress = self._progress()
            there: int = self._database.run("SELECT count(*) FROM session_context")[0][0]
            if self.backlog():
                return False
            if there > progress.entries:
                self._begin_full_scan()
            elif there == progress.entries or swept:
                progress.uncounted = self._database.run(_COUNTED)[0][0] - progress.entries
                self._save(progress)
            return there < progress.entries and not swept

    def _progress(self) -> _Progress:
        state, entries, uncounted, scanning = self._database.run(_STATE)[0]
        return _Progress(state, entries, uncounted, bool(scanning))

    def _save(self, progress: _Progress) -> None:
        self._database.run(_SAVE, (progress.state, progress.entries, progress.uncounted))
