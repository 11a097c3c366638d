"""Operations on a session and its context as a whole: copy, reset, delete.

Each is one change in the log, however much context goes with it. What is removed goes to the trash.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from tenets_session_server.models.sessions import (
    Deleted,
    DeletedCount,
    ReplacedSession,
)
from tenets_session_server.storage import metadata
from tenets_session_server.storage.sqlite import states
from tenets_session_server.storage.sqlite.context import Context
from tenets_session_server.storage.sqlite.database import Database
from tenets_session_server.storage.sqlite.sessions import Sessions
from tenets_session_server.storage.sqlite.trash import Trash

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
        trash: Trash,
    ) -> None:
        self._database, self._sessions, self._context = database, sessions, context
        self._trash = trash

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
            replaced, trash_id = self._sessions.get(new_name), None
            if replaced is not None and (not overwrite or replaced.id == original):
                self._sessions.require_free(replaced.name)
            if replaced is None:  # perhaps not any more
                states.require_unchanged(self._database, if_state, "session_name = ?", (new_name,))
            else:
                self._check(replaced.id, if_state)
                trash_id = self.discard([replaced.id])
                new_name = replaced.name
            text = metadata.merge(stored, metadata.EMPTY, limited=False, remove=NOT_COPIED)
            copy_id = self._sessions.insert(new_name, text)
            if include_context:
                with self._unreported(copy_id):
                    self._context.copy(original, copy_id)
            if active:
                self._sessions.set_active(None, session_id=copy_id)
            return self._sessions.written(copy_id, ReplacedSession, trash_id=trash_id)

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
            trash_id = self._trash.keep_context(found)
            self._database.change(
                "INSERT INTO session_server_changes (type, session_id, session_name, token)"
                " SELECT 'reset', id, name, random() FROM sessions WHERE id = ?",
                (found,),
            )
            return self._sessions.written(found, ReplacedSession, trash_id=trash_id)

    def delete(
        self,
        name: str | None,
        *,
        session_id: int | None = None,
        purge_context: bool = True,
        if_state: str | None = None,
    ) -> Deleted:
        """Delete a session and, by default, its context. Raises :class:`ConflictError`."""
        with self._database.transaction():
            found = self._sessions.find_id(name, session_id)
            if found is None:
                return Deleted(deleted=False)
            self._check(found, if_state)
            return Deleted(deleted=True, trash_id=self.discard([found], with_context=purge_context))

    def delete_all(self, *, purge_context: bool = True) -> DeletedCount:
        """Delete all sessions and, by default, all context; see :meth:`delete`."""
        with self._database.transaction():
            trash_id = self._trash.new_item("sessions")
            if purge_context:
                self._context.report_removal_of_orphans()
            self._trash.keep_all(trash_id, with_context=purge_context)
            self._database.run("DELETE FROM sessions")
            count: int = self._database.run("SELECT changes()")[0][0]
            return DeletedCount(count, self._trash.finish_item(trash_id))

    def discard(self, session_ids: Iterable[int], *, with_context: bool = True) -> int | None:
        """Delete sessions and, by default, their context; return their item in the trash.

        Needs a transaction.
        """
        trash_id = self._trash.new_item("sessions")
        for session_id in session_ids:
            self._trash.keep_session(trash_id, session_id, with_context=with_context)
            self._database.change("DELETE FROM sessions WHERE id = ?", (session_id,))
        return self._trash.finish_item(trash_id)

    def _check(self, session_id: int, if_state: str | None) -> None:
        states.require_unchanged(self._database, if_state, WITH_CONTEXT, (session_id,))

    @contextmanager
    def _unreported(self, session_id: int) -> Iterator[None]:
        """Have the triggers record no change of this session, except creation and deletion."""
        where = (session_id,)
        self._database.change("INSERT INTO session_server_unreported VALUES (?)", where)
        yield
        self._database.change("DELETE FROM session_server_unreported WHERE session_id = ?", where)
