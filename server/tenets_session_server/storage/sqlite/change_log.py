"""The change log: what any program has committed to the file, in order.

Triggers record every change within its own transaction (see :mod:`.triggers`), so the log has what
is committed and nothing else. The key of its rows is the *revision*. Each has a random token as
well; both together are a *state*. Only :meth:`ChangeLog.resume_after` writes.
"""

from __future__ import annotations

import contextlib
from typing import Any, Final

from msgspec import UNSET

from tenets_session_server.errors import DatabaseReadOnlyError, RevisionExpiredError
from tenets_session_server.models.changes import Change, ChangeBatch, ChangeList, State
from tenets_session_server.storage.sqlite import states
from tenets_session_server.storage.sqlite.database import Database
from tenets_session_server.storage.sqlite.schema import NO_SESSION
from tenets_session_server.storage.sqlite.sessions import Sessions

_COLUMNS: Final = """revision, token, type, session_id, CAST(session_name AS BLOB), author,
    context_id, folder, context_kept"""
_FROM: Final = f"""SELECT {_COLUMNS} FROM session_server_changes
    WHERE revision >= ? ORDER BY revision LIMIT ?"""
# Of all sessions that have, or had, the name.
_FILTERED: Final = f"""SELECT {_COLUMNS} FROM session_server_changes
    WHERE revision >= :start AND (:any OR session_id = :id OR session_name = :name)
        AND (:not_author IS NULL OR author IS NOT :not_author)
    ORDER BY revision LIMIT :rows"""
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

    def since(
        self,
        start: int | str | None,
        limit: int,
        *,
        name: str | None = None,
        session_id: int | None = None,
        not_author: str | None = None,
    ) -> ChangeList:
        """Return at most ``limit`` changes after ``start``, a revision or the text of a state.

        None returns no changes, and the state of now. With ``name`` or ``session_id``, only changes
        of the session that has it, or had it; with ``not_author``, none that this author made.
        Raises :class:`RevisionExpiredError` if some of the changes are no longer kept, or if the
        file has never been in that state.
        """
        with self._database.snapshot():
            newest = self.state()
            if start is None:
                return ChangeList([], newest.revision, str(newest), truncated=False)
            oldest = states.oldest_kept(self._database, newest)
            revision = (
                start if isinstance(start, int) else states.known_revision(self._database, start)
            )
            if revision is None or not oldest - 1 <= revision <= newest.revision:
                raise RevisionExpiredError(oldest, newest.revision, str(newest))
            if name is None and session_id is None and not_author is None:
                rows = self._database.run(_FROM, (revision + 1, limit + 1))
            else:
                if name is not None and (found := self._sessions.find_id(name, session_id)):
                    session_id = found
                bindings = {
                    "start": revision + 1,
                    "rows": limit + 1,
                    "not_author": not_author,
                    "id": session_id,
                    "name": name,
                    "any": name is None and session_id is None,
                }
                rows = self._database.run(_FILTERED, bindings)
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
                is_base = states.oldest_kept(self._database, self.state()) == start.revision + 1
                known = is_base and states.token(self._database, start.revision) == start.token
            if known and not rows:
                return None
            newest = states.of_row(rows[-1]) if rows else self.state()
            changes = [_change(row) for row in rows] if known else []
            return ChangeBatch(
                newest.revision,
                str(newest),
                changes,
                self._sessions.active(),
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
            newest, active = self.state(), self._sessions.active()
            return ChangeBatch(newest.revision, str(newest), [], active, incomplete=True)

    def has_external_commits(self) -> bool:
        """Tell whether another connection has committed since the last call; costs 3 us."""
        data_version = self._database.run("PRAGMA data_version")[0][0]
        seen, self._seen = self._seen, (self._database.generation, data_version)
        return self._seen != seen


def _change(row: tuple[Any, ...]) -> Change:
    revision, _, change_type, session_id, name, author, context_id, folder, context_kept = row
    return Change(
        revision=revision,
        type=change_type,
        session_id=None if change_type == "bound" and session_id == NO_SESSION else session_id,
        session_name=None if name is None else name.decode("utf-8", "replace"),
        author=author,
        context_id=UNSET if context_id is None else context_id,
        folder=UNSET if folder is None else folder,
        context_kept=True if context_kept else UNSET,
    )
