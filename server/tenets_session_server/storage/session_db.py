"""The class of upstream's ``tenets.storage.session_db``, on the same file: swap the import.

It differs from upstream (tenets 0.13.3) on purpose:

* every operation is atomic, and at most one session is active, whichever program writes;
* a taken name raises :class:`~tenets_session_server.errors.SessionExistsError`, and database errors
  are those of :mod:`tenets_session_server.errors` instead of ``sqlite3``'s;
* metadata that is not JSON (NaN, infinities) is refused: other programs could not read it;
* a row that another program damaged does not hide the others;
* one connection stays open: call :meth:`SessionDB.close`, or use it as a context manager.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Self

from tenets_session_server.config import CacheConfig, TenetsConfig
from tenets_session_server.errors import InvalidArgumentError, SessionNotFoundError
from tenets_session_server.models.sessions import SessionRecord
from tenets_session_server.storage import metadata as metadata_text
from tenets_session_server.storage.sqlite.store import SQLiteStore

__all__ = ["SessionDB", "SessionRecord"]

logger = logging.getLogger(__name__)


class SessionDB:
    """SQLite-backed sessions, with upstream's methods, signatures and return values.

    Several threads may use it. ``config``, ``logger`` and ``db`` are as upstream; ``store`` is what
    the server uses. Raises a :class:`~tenets_session_server.errors.DatabaseError` if it cannot be
    opened.
    """

    def __init__(self, config: TenetsConfig) -> None:
        # Upstream's own configuration will do, as any object with a ``cache.directory``.
        ours = config
        if not isinstance(config, TenetsConfig):
            ours = TenetsConfig(cache=CacheConfig(directory=config.cache.directory))
        self.config, self.logger = config, logger
        self.store = SQLiteStore(ours)
        self.db = self.store.database
        self.db.open()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; further calls raise ``DatabaseUnavailableError``."""
        self.store.close()

    def create_session(self, name: str, metadata: dict[str, Any] | None = None) -> SessionRecord:
        """Create a session; upstream: ``create_session``.

        Raises :class:`~tenets_session_server.errors.SessionExistsError` for a taken name and
        :class:`~tenets_session_server.errors.InvalidArgumentError` if metadata is not JSON.
        """
        _check_text("name", name)
        return self.store.sessions.create(name, metadata_text.encode(metadata)).to_record()

    def get_session(self, name: str) -> SessionRecord | None:
        """Return the session of this name, or None; upstream: ``get_session``."""
        found = self.store.sessions.get(name)
        return found.to_record() if found else None

    def list_sessions(self) -> list[SessionRecord]:
        """Return all sessions, newest first; upstream: ``list_sessions``."""
        with self.store.database.snapshot():
            page = self.store.sessions.page(limit=1000)
            records = [session.to_record() for session in page.sessions]
            while page.next_cursor is not None:
                page = self.store.sessions.page(limit=1000, cursor=page.next_cursor)
                records += [session.to_record() for session in page.sessions]
        return records

    def get_active_session(self) -> SessionRecord | None:
        """Return the active session, or None; upstream: ``get_active_session``.

        If several were marked as active when a server first opened the file, the newest one stayed.
        """
        found = self.store.sessions.get_active()
        return found.to_record() if found else None

    def add_context(self, session_name: str, kind: str, content: str) -> None:
        """Append an entry, creating the session if it is missing; upstream: ``add_context``."""
        _check_text("session_name", session_name)
        _check_text("kind", kind)
        _check_text("content", content)
        self.store.context.add(session_name, kind, content)

    def delete_session(self, name: str, purge_context: bool = True) -> bool:
        """Delete a session and, by default, its context; upstream: ``delete_session``.

        Returns whether there was such a session.
        """
        found = self.store.whole_sessions.delete(name, purge_context=purge_context)
        return found.deleted

    def delete_all_sessions(self, purge_context: bool = True) -> int:
        """Delete all sessions and, by default, all context; upstream: ``delete_all_sessions``.

        Returns the number of sessions deleted.
        """
        found = self.store.whole_sessions.delete_all(purge_context=purge_context)
        return found.deleted

    def update_session_metadata(self, name: str, updates: Mapping[str, Any]) -> bool:
        """Merge ``updates`` into the metadata's top level; upstream: ``update_session_metadata``.

        Returns whether there is such a session.
        """
        try:
            self.store.sessions.update_metadata(name, metadata_text.encode(updates))
        except SessionNotFoundError:
            return False
        return True

    def set_active(self, name: str, active: bool) -> bool:
        """Mark a session as active or inactive; upstream: ``set_active``.

        Activating one deactivates the other, with ``updated_at`` and ``ended_at`` on it. Returns
        whether there is such a session.
        """
        try:
            self.store.sessions.set_active(name, active)
        except SessionNotFoundError:
            return False
        return True


def _check_text(member: str, value: object) -> None:
    """Raise ``InvalidArgumentError`` for what SQLite would not store as this very text."""
    try:
        if isinstance(value, str) and value.encode("utf-8") is not None:
            return
    except UnicodeEncodeError:
        pass
    raise InvalidArgumentError(member, "a string without unpaired surrogates")
