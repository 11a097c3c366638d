"""Operations on a session and its context as a whole: copy, reset, delete.

Each is one change in the log, however much context goes with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tenets_session_server.models.sessions import (
    Deleted,
    DeletedCount,
    ReplacedSession,
)
from tenets_session_server.storage import metadata, states
from tenets_session_server.storage.context import Context
from tenets_session_server.storage.database import Database
from tenets_session_server.storage.maintenance import DeferredDeletes
from tenets_session_server.storage.sessions import Sessions

NOT_COPIED: Final = frozenset({"active", "resumed_at", "ended_at"})
"""Members of the metadata that say when a session was active, which a copy never was."""
WITH_CONTEXT: Final = "session_id = ? AND type <> 'bound'"
"""SQL for the changes of a session and its context; see :mod:`.states`."""


class WholeSessions:
    """The operations on one :class:`Database`; they raise as those of :class:`.Sessions` do."""

    def __init__(
        self,
        database: Database,
        sessions: Sessions,
        context: Context,
        deferred_deletes: DeferredDeletes,
    ) -> None:
        self._database, self._sessions, self._context = database, sessions, context
        self._deferred_deletes = deferred_deletes

    def copy(
        self,
        name: str | None,
        new_name: str,
        *,
        session_id: int | None = None,
        overwrite: bool = False,
        include_context: bool = True,
        active: bool = False,
        if_state: str | None = None,
    ) -> ReplacedSession:
        """Create a session with the metadata and the context of another one.

        Its entries have new ids, and their kind, content, time, author, location and identity key.
        With ``overwrite`` a session of the new name is deleted before, and ``if_state`` concerns
        that one. Raises :class:`SessionNotFoundError`, :class:`SessionExistsError` and
        :class:`ConflictError`.
        """
        with self._database.transaction():
            original, stored = self._sessions.stored(name, session_id)
            replaced = self._sessions.get(new_name)
            if replaced is not None and (not overwrite or replaced.id == original):
                self._sessions.require_free(replaced.name)
            if replaced is None:  # perhaps not any more
                states.require_unchanged(self._database, if_state, "session_name = ?", (new_name,))
            else:
                self._check(replaced.id, if_state)
                self._delete(replaced.id, purge_context=True)
                new_name = replaced.name
            text = metadata.merge(stored, metadata.EMPTY, limited=False, remove=NOT_COPIED)
            copy_id = self._sessions.insert(new_name, text)
            if include_context:
                with self._unreported(copy_id):
                    self._context.copy(original, copy_id)
            if active:
                self._sessions.set_active(None, session_id=copy_id)
            return self._sessions.written(copy_id, ReplacedSession)

    def reset(
        self, name: str | None, *, session_id: int | None = None, if_state: str | None = None
    ) -> ReplacedSession:
        """Remove a session's context, and activate it; its metadata stays.

        Raises :class:`SessionNotFoundError` and :class:`ConflictError`.
        """
        with self._database.transaction():
            found = self._sessions.id_of(name, session_id)
            self._check(found, if_state)
            with self._unreported(found):
                self._sessions.set_active(None, session_id=found)
            self._deferred_deletes.begin(self._deferred_deletes.record(found))
            self._database.change(
                "INSERT INTO session_server_changes (type, session_id, session_name, token)"
                " SELECT 'reset', id, name, random() FROM sessions WHERE id = ?",
                (found,),
            )
            return self._sessions.written(found, ReplacedSession)

    def delete(
        self,
        name: str | None,
        *,
        session_id: int | None = None,
        purge_context: bool = True,
        if_state: str | None = None,
    ) -> Deleted:
        """Delete a session and, by default, its context.

        It takes effect at once; :class:`.maintenance.DeferredDeletes` removes the rest of a
        large context. Raises :class:`ConflictError`.
        """
        with self._database.transaction():
            found = self._sessions.find_id(name, session_id)
            if found is None:
                return Deleted(deleted=False)
            self._check(found, if_state)
            self._delete(found, purge_context=purge_context)
            return Deleted(deleted=True)

    def delete_all(self, *, purge_context: bool = True) -> DeletedCount:
        """Delete all sessions and, by default, all context; see :meth:`delete`."""
        with self._database.transaction():
            due = None
            if purge_context:
                self._context.report_removal_of_orphans()
                due = self._deferred_deletes.record(None)
            self._database.run("DELETE FROM sessions")
            count: int = self._database.run("SELECT changes()")[0][0]
            if due is not None:
                self._deferred_deletes.begin(due)
            return DeletedCount(count)

    def _delete(self, session_id: int, *, purge_context: bool) -> None:
        due = None
        if purge_context and self._context.has_entries(session_id):
            due = self._deferred_deletes.record(session_id)
        self._database.change("DELETE FROM sessions WHERE id = ?", (session_id,))
        if due is not None:
            self._deferred_deletes.begin(due)

    def _check(self, session_id: int, if_state: str | None) -> None:
        states.require_unchanged(self._database, if_state, WITH_CONTEXT, (session_id,))

    @contextmanager
    def _unreported(self, session_id: int) -> Iterator[None]:
        """Have the triggers record no change of this session, except creation and deletion."""
        where = (session_id,)
        self._database.change("INSERT INTO session_server_unreported VALUES (?)", where)
        yield
        self._database.change("DELETE FROM session_server_unreported WHERE session_id = ?", where)
