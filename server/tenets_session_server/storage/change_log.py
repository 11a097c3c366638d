"""The change log: what any program has committed to the file, in order.

Triggers record every change within its own transaction (see :mod:`.schema`), so the log has what is
committed and nothing else. The key of its rows is the *revision*. Each has a
random token as well; both together are a *state*. Only :meth:`ChangeLog.resume_after` writes.
"""

from __future__ import annotations

import contextlib
from typing import Any, Final

from msgspec import UNSET

from tenets_session_server.errors import DatabaseReadOnlyError, RevisionExpiredError
from tenets_session_server.models import Change, ChangeBatch, ChangeList, State
from tenets_session_server.storage import states
from tenets_session_server.storage.database import Database
from tenets_session_server.storage.sessions import Sessions

_OLDEST: Final = "SELECT min(revision) FROM session_server_changes"
_OF_REVISION: Final = """SELECT coalesce(
    (SELECT token FROM session_server_changes WHERE revision = ?), token)
    FROM session_server_history"""
_FROM: Final = """SELECT revision, token, type, session_id, CAST(session_name AS BLOB), context_id
    FROM session_server_changes WHERE revision >= ? ORDER BY revision LIMIT ?"""
_EVERYTHING: Final = -1  # as a LIMIT


class ChangeLog:
    """The change log of one database, for any number of readers.

    All methods raise a ``DatabaseError`` if the file cannot be read.
    """

    def __init__(self, database: Database, sessions: Sessions) -> None:
        self._database, self._sessions = database, sessions
        self._seen: tuple[int, int] | None = None  # the generation, and its data version

    def state(self) -> State:
        """Return the state after the newest change; its revision is 0 if there was none yet."""
        return states.newest(self._database)

    def since(self, start: int | str | None, limit: int) -> ChangeList:
        """Return at most ``limit`` changes after ``start``, a revision or the text of a state.

        None returns no changes, and the state of now. Raises :class:`RevisionExpiredError` if some
        of the changes are no longer kept, or if the file has never been in that state.
        """
        with self._database.snapshot():
            newest = self.state()
            if start is None:
                return ChangeList([], newest.revision, str(newest), truncated=False)
            oldest = self._oldest(newest)
            revision = start if isinstance(start, int) else self._known_revision(start)
            if revision is None or not oldest - 1 <= revision <= newest.revision:
                raise RevisionExpiredError(oldest, newest.revision, str(newest))
            rows = self._database.run(_FROM, (revision + 1, limit + 1))
        truncated = len(rows) > limit
        last = states.of_row(rows[limit - 1]) if truncated else newest
        changes = [_change(row) for row in rows[:limit]]
        return ChangeList(changes, last.revision, str(last), truncated)

    def batch_after(self, start: State) -> ChangeBatch | None:
        """Return all changes after a state and the active session; None if there are none.

        If some of the changes are not known, the batch is ``incomplete`` and has none: they are no
        longer kept, or the file has never been in that state.
        """
        with self._database.snapshot():
            rows = self._database.run(_FROM, (start.revision, _EVERYTHING))
            if rows and rows[0][0] == start.revision:
                known = states.of_row(rows.pop(0)) == start
            else:
                is_base = self._oldest(self.state()) == start.revision + 1
                known = is_base and self._token(start.revision) == start.token
            if known and not rows:
                return None
            newest = states.of_row(rows[-1]) if rows else self.state()
            changes = [_change(row) for row in rows] if known else []
            return ChangeBatch(
                newest.revision,
                str(newest),
                changes,
                self._sessions.get_active(),
                incomplete=not known,
            )

    def resume_after(self, revision: int) -> ChangeBatch:
        """Return an incomplete batch for clients whose ``revision`` may be that of another file.

        No list of changes leads from that file to this one, and the revisions of this one may be
        lower. Then the log is emptied. As revisions that are sent must only increase, new ones
        continue above ``revision``. (In a read-only file they stay lower; changes are sent once
        they are above.)
        """
        if self.state().revision <= revision != 0:
            with contextlib.suppress(DatabaseReadOnlyError), self._database.transaction():
                if self.state().revision <= revision:
                    self._database.run("DELETE FROM session_server_changes")
                    self._database.run("UPDATE session_server_history SET token = random()")
                    self._database.run(
                        "DELETE FROM sqlite_sequence WHERE name = 'session_server_changes'"
                    )
                    self._database.run(
                        "INSERT INTO sqlite_sequence (name, seq)"
                        " VALUES ('session_server_changes', ?)",
                        (revision + 1,),
                    )
        with self._database.snapshot():
            newest, active = self.state(), self._sessions.get_active()
            return ChangeBatch(newest.revision, str(newest), [], active, incomplete=True)

    def has_external_commits(self) -> bool:
        """Tell whether another connection has committed since the last call; costs 3 us."""
        data_version = self._database.run("PRAGMA data_version")[0][0]
        seen, self._seen = self._seen, (self._database.generation, data_version)
        return self._seen != seen

    def _oldest(self, newest: State) -> int:
        """Return the oldest revision that is kept, or would be if the log were not empty."""
        oldest: int | None = self._database.run(_OLDEST)[0][0]
        return newest.revision + 1 if oldest is None else oldest

    def _known_revision(self, text: str) -> int | None:
        """Return the revision of a state's text, None if this file is not known to have had it."""
        try:
            state = State.parse(text)
        except ValueError:
            return None
        known = 0 <= state.revision < 2**63 and self._token(state.revision) == state.token
        return state.revision if known else None

    def _token(self, revision: int) -> int:
        """Return the token of a revision; of the state before the first one if it is not kept."""
        return states.of_row((revision, self._database.run(_OF_REVISION, (revision,))[0][0])).token


def _change(row: tuple[Any, ...]) -> Change:
    return Change(
        revision=row[0],
        type=row[2],
        session_id=row[3],
        session_name=(row[4] or b"").decode("utf-8", "replace"),
        context_id=UNSET if row[5] is None else row[5],
    )
