"""Which session is active: activate one, leave one, return to one."""

from __future__ import annotations

from tenets_session_server.errors import SessionNotFoundError
from tenets_session_server.models.sessions import SessionResult
from tenets_session_server.storage.sqlite.database import Database
from tenets_session_server.storage.sqlite.sessions import Sessions
from tenets_session_server.storage.sqlite.workspace import Workspace


class Switching:
    """The switches of one :class:`Database`; raises as :class:`~.sessions.Sessions` does."""

    def __init__(self, database: Database, sessions: Sessions, workspace: Workspace) -> None:
        self._database, self._sessions, self._workspace = database, sessions, workspace

    def activate_previous(self) -> SessionResult:
        """Activate the session that was active most recently, besides the one that is.

        Raises :class:`SessionNotFoundError` if there is none.
        """
        with self._database.transaction():
            return self._sessions.set_active(None, session_id=self._most_recent())

    def resume(
        self,
        name: str | None = None,
        session_id: int | None = None,
        folder: str | None = None,
    ) -> SessionResult:
        """Activate the session that is named, else the one that ``folder`` shows.

        Without any of them it is the one that was active last. Raises
        :class:`SessionNotFoundError`.
        """
        with self._database.transaction():
            if name is None and session_id is None:
                if folder is not None:
                    session_id = self._workspace.session_id(folder)
                elif (found := self._sessions.get_active()) is not None:
                    return found
                else:
                    session_id = self._most_recent()
            return self._sessions.set_active(name, session_id=session_id)

    def leave(
        self,
        name: str | None = None,
        session_id: int | None = None,
        folder: str | None = None,
    ) -> SessionResult:
        """Deactivate the session that is named, else the one that ``folder`` shows.

        Without any of them it is the active one. Raises :class:`SessionNotFoundError`.
        """
        with self._database.transaction():
            if name is None and session_id is None:
                if folder is not None:
                    session_id = self._workspace.session_id(folder)
                elif (found := self._sessions.active()) is not None:
                    session_id = found.id
                else:
                    raise SessionNotFoundError(None, "no session is active")
            return self._sessions.set_active(name, False, session_id)

    def leave_active(self) -> SessionResult | None:
        """Deactivate the active session; return None if there is none."""
        with self._database.transaction():
            active = self._sessions.active()
            return None if active is None else self.leave(session_id=active.id)

    def _most_recent(self) -> int:
        found = self._sessions.most_recently_active()
        if found is None:
            raise SessionNotFoundError(
                None, "there is no other session to activate: name one, or create one"
            )
        return found
