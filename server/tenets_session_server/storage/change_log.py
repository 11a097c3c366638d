"""The change log: what any program has committed to the file, in order.

Triggers record every change within its own transaction (see :mod:`.schema`), so the log has what is
committed and nothing else. The key of its rows is the *revision*. Only
:meth:`ChangeLog.resume_after` writes.
"""

from __future__ import annotations

import contextlib
from typing import Any, Final

from msgspec import UNSET

from tenets_session_server.errors import DatabaseReadOnlyError, RevisionExpiredError
from tenets_session_server.models import Change, ChangeBatch, ChangeList
from tenets_session_server.storage.database import Database
from tenets_session_server.storage.sessions import Sessions

_NEWEST: Final = "SELECT max(revision) FROM session_server_changes"
# For a log that is empty. The row is written with the first change, and stays.
_LAST: Final = "SELECT seq FROM sqlite_sequence WHERE name = 'session_server_changes'"
_OLDEST: Final = "SELECT min(revision) FROM session_server_changes"
_AFTER: Final = """SELECT revision, type, session_id, CAST(session_name AS BLOB), context_id
    FROM session_server_changes WHERE revision > ? ORDER BY revision LIMIT ?"""
_EVERYTHING: Final = -1  # as a LIMIT


class ChangeLog:
    """The change log of one database, for any number of readers.

    All methods raise a ``DatabaseError`` if the file cannot be read.
    """

    def __init__(self, database: Database, sessions: Sessions) -> None:
        self._database, self._sessions = database, sessions
        self._seen: tuple[int, int] | None = None  # the generation, and its data version

    def newest_revision(self) -> int:
        """Return the number of the newest change, 0 if there was none yet."""
        newest: int | None = self._database.run(_NEWEST)[0][0]
        if newest is not None:
            return newest
        last = self._database.run(_LAST)
        return int(last[0][0]) if last else 0

    def since(self, revision: int, limit: int) -> ChangeList:
        """Return at most ``limit`` changes after ``revision``.

        Raises :class:`RevisionExpiredError` if some of them are no longer kept, or if the file has
        never had that revision.
        """
        with self._database.snapshot():
            newest = self.newest_revision()
            oldest: int | None = self._database.run(_OLDEST)[0][0]
            if oldest is None:
                oldest = newest + 1
            if not oldest - 1 <= revision <= newest:
                raise RevisionExpiredError(oldest)
            changes = self._after(revision, limit + 1)
        return ChangeList(changes[:limit], newest, truncated=len(changes) > limit)

    def batch_after(self, revision: int) -> ChangeBatch | None:
        """Return all changes after ``revision`` and the active session; None if there are none.

        ``incomplete`` is set if some of the changes are no longer kept.
        """
        with self._database.snapshot():
            changes = self._after(revision, _EVERYTHING)
            # Revisions are consecutive, unless some are no longer kept or the file was replaced.
            incomplete = not changes or changes[0].revision != revision + 1
            newest = self.newest_revision() if incomplete else changes[-1].revision
            if newest == revision:
                return None
            return ChangeBatch(newest, changes, self._sessions.get_active(), incomplete)

    def resume_after(self, revision: int) -> ChangeBatch:
        """Return an incomplete batch for clients whose ``revision`` may be that of another file.

        No list of changes leads from that file to this one, and the revisions of this one may be
        lower. Then the log is emptied. As revisions that are sent must only increase, new ones
        continue above ``revision``. (In a read-only file they stay lower; changes are sent once
        they are above.)
        """
        if self.newest_revision() <= revision != 0:
            with contextlib.suppress(DatabaseReadOnlyError), self._database.transaction():
                if self.newest_revision() <= revision:
                    self._database.run("DELETE FROM session_server_changes")
                    self._database.run(
                        "DELETE FROM sqlite_sequence WHERE name = 'session_server_changes'"
                    )
                    self._database.run(
                        "INSERT INTO sqlite_sequence (name, seq)"
                        " VALUES ('session_server_changes', ?)",
                        (revision + 1,),
                    )
        with self._database.snapshot():
            active = self._sessions.get_active()
            return ChangeBatch(self.newest_revision(), [], active, incomplete=True)

    def has_external_commits(self) -> bool:
        """Tell whether another connection has committed since the last call; costs 3 us."""
        data_version = self._database.run("PRAGMA data_version")[0][0]
        seen, self._seen = self._seen, (self._database.generation, data_version)
        return self._seen != seen

    def _after(self, revision: int, limit: int) -> list[Change]:
        return [_change(row) for row in self._database.run(_AFTER, (revision, limit))]


def _change(row: tuple[Any, ...]) -> Change:
    return Change(
        revision=row[0],
        type=row[1],
        session_id=row[2],
        session_name=(row[3] or b"").decode("utf-8", "replace"),
        context_id=UNSET if row[4] is None else row[4],
    )
