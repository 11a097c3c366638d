"""The context entries of sessions; all SQL that adds to ``session_context``."""

from __future__ import annotations

from tenets_session_server.errors import ChangeRefusedError
from tenets_session_server.models import AddedContext
from tenets_session_server.storage import timestamps
from tenets_session_server.storage.database import SWALLOWED, Database
from tenets_session_server.storage.sessions import Sessions


class Context:
    """The context entries of one :class:`Database`; raises as :class:`~.sessions.Sessions` does."""

    def __init__(self, database: Database, sessions: Sessions) -> None:
        self._database, self._sessions = database, sessions

    def add(
        self, session_name: str, kind: str, content: str, *, check_name: bool = False
    ) -> AddedContext:
        """Append an entry, and create the session in the same transaction if it is missing.

        With ``check_name`` a new session gets a name as :func:`.names.checked` returns it, or
        :class:`InvalidArgumentError` is raised.
        """
        size = len(content) if content.isascii() else len(content.encode("utf-8"))
        with self._database.transaction():
            session_id, session_name, created = self._sessions.find_or_create(
                session_name, check_name=check_name
            )
            now = timestamps.now()
            self._database.change(
                "INSERT INTO session_context (session_id, kind, content, created_at)"
                " VALUES (?, ?, ?, ?)",
                (session_id, kind, content, now),
            )
            entry_id = self._database.last_id
            if not self._database.run("SELECT 1 FROM session_context WHERE id = ?", (entry_id,)):
                raise ChangeRefusedError(SWALLOWED)
        return AddedContext(entry_id, session_id, session_name, kind, size, now, created)
