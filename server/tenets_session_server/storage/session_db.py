"""The seed's ``tenets.storage.session_db``, re-implemented: same class, same file, swap the import.

What is different from the seed (tenets 0.13.3), all of it on purpose:

* every operation is atomic, and at most one session is ever active, whoever writes;
* a taken name raises :class:`~tenets_session_server.errors.SessionExistsError`, and database
  errors are those of :mod:`tenets_session_server.errors` instead of ``sqlite3``'s;
* metadata that is not JSON (NaN, infinities) is refused instead of stored unreadably;
* one row that another program damaged does not hide the others;
* one connection is kept open: :meth:`SessionDB.close`, or use it as a context manager.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from tenets_session_server import __version__
from tenets_session_server.config import CacheConfig, Synchronous, TenetsConfig
from tenets_session_server.errors import (
    DatabaseBusyError,
    DatabaseError,
    InvalidArgumentError,
    SessionNotFoundError,
)
from tenets_session_server.models import SessionRecord, Totals
from tenets_session_server.storage import metadata as metadata_text
from tenets_session_server.storage.change_log import Feed
from tenets_session_server.storage.database import Database
from tenets_session_server.storage.sessions import SessionStore

__all__ = ["SessionDB", "SessionRecord"]


class SessionDB:
    """SQLite-backed sessions, with the seed's methods, signatures and return values.

    ``defer_open=True`` lets construction succeed where the database cannot be opened yet; every
    call then tries again. ``sessions`` is the same data in the form the protocol uses, ``feed``
    what was changed in it by whomever, ``db`` the connection. May be used from several threads.

    Raises a :class:`~tenets_session_server.errors.DatabaseError` where the file cannot be opened.
    """

    def __init__(self, config: TenetsConfig, *, defer_open: bool = False) -> None:
        # The seed's own, or any with a ``cache.directory``, is as good as ours.
        if not isinstance(config, TenetsConfig):
            config = TenetsConfig(cache=CacheConfig(directory=config.cache.directory))
        self.config = config
        self.logger = logging.getLogger(__name__)
        self.db = Database(config)
        self.sessions = SessionStore(self.db)
        self.feed = Feed(self.db, self.sessions)
        if not defer_open:
            self.db.open()

    @classmethod
    def for_server(cls, path: str, synchronous: Synchronous, *, named: bool) -> Self:
        """Return the database that a server serves, not opened yet (see :meth:`introduce`).

        ``named`` tells whether the user has named the file; its permissions are then theirs.
        """
        directory, database = (None, path) if named else (os.path.dirname(path), None)  # noqa: PTH120
        # A busy one is waited for by the protocol, which lets other requests pass meanwhile.
        config = TenetsConfig(CacheConfig(directory), database, synchronous, busy_timeout=0.0)
        return cls(config, defer_open=True)

    def totals(self) -> Totals:
        """Return how much there is, counted at one moment. Raises ``DatabaseError``."""
        with self.db.snapshot():
            counts, revision = self.sessions.counts(), self.feed.revision()
        return Totals(*counts, revision, *self.db.sizes())

    def introduce(self) -> None:
        """Open the database for a new client, if that is possible now, and log how it stands.

        One that cannot be opened is no reason to turn the client away: it learns of that from
        ``initialize``'s warnings and from the error of each request, and it may be there later.
        """
        self.logger.info("tenets-session-server %s, database %s", __version__, self.db.name)
        before = self.db.opened
        try:
            self.db.look_anew()
            self.db.open()
        except DatabaseBusyError as error:  # several may be making it at the same time
            self.logger.info("%s: %s; it is tried again", self.db.name, error)
        except DatabaseError as error:
            self.logger.error("%s: %s", self.db.name, error)  # noqa: TRY400 - no traceback
        if self.db.opened == before:  # else they were logged just now
            for warning in self.db.warnings:
                self.logger.warning("%s", warning)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; further calls raise ``DatabaseUnavailableError``."""
        self.db.close()

    def create_session(self, name: str, metadata: dict[str, Any] | None = None) -> SessionRecord:
        """Create a session; seed: ``create_session``.

        Raises :class:`~tenets_session_server.errors.SessionExistsError` for a taken name and
        :class:`~tenets_session_server.errors.InvalidArgumentError` where metadata is not JSON.
        """
        _check_text("name", name)
        return self.sessions.create(name, metadata_text.encode(metadata)).to_record()

    def get_session(self, name: str) -> SessionRecord | None:
        """Return the session of this name, or None; seed: ``get_session``."""
        found = self.sessions.get(name)
        return found.to_record() if found else None

    def list_sessions(self) -> list[SessionRecord]:
        """Return all sessions, newest first; seed: ``list_sessions``."""
        records: list[SessionRecord] = []
        cursor: str | None = None
        with self.db.snapshot():
            while True:
                page = self.sessions.page(limit=1000, cursor=cursor)
                records += [session.to_record() for session in page.sessions]
                cursor = page.next_cursor
                if cursor is None:
                    return records

    def get_active_session(self) -> SessionRecord | None:
        """Return the active session, or None; seed: ``get_active_session``.

        Where another program had marked several before this file was first opened here, the most
        recently created of them was kept.
        """
        found = self.sessions.get_active()
        return found.to_record() if found else None

    def add_context(self, session_name: str, kind: str, content: str) -> None:
        """Append an entry, creating the session where it is missing; seed: ``add_context``."""
        for member, value in (
            ("session_name", session_name),
            ("kind", kind),
            ("content", content),
        ):
            _check_text(member, value)
        self.sessions.add_context(session_name, kind, content)

    def delete_session(self, name: str, purge_context: bool = True) -> bool:
        """Delete a session and, by default, its context; seed: ``delete_session``.

        Returns whether there was such a session.
        """
        deleted = self.sessions.delete(name, purge_context=purge_context)
        self._purge_the_rest()
        return deleted

    def delete_all_sessions(self, purge_context: bool = True) -> int:
        """Delete all sessions and, by default, all context; seed: ``delete_all_sessions``.

        Returns the number of sessions deleted.
        """
        count = self.sessions.delete_all(purge_context=purge_context)
        self._purge_the_rest()
        return count

    def _purge_the_rest(self) -> None:
        try:
            while self.sessions.purge_some():
                pass
        except DatabaseError as error:  # it has been deleted all the same; somebody will go on
            self.logger.info("left some context of deleted sessions for later: %s", error)

    def update_session_metadata(self, name: str, updates: Mapping[str, Any]) -> bool:
        """Merge ``updates`` into the top level of the metadata; seed: ``update_session_metadata``.

        Returns whether there is such a session.
        """
        try:
            self.sessions.update_metadata(name, metadata_text.encode(updates))
        except SessionNotFoundError:
            return False
        return True

    def set_active(self, name: str, active: bool) -> bool:
        """Mark a session as active or inactive; seed: ``set_active``.

        Activating one deactivates the other, with ``updated_at`` and ``ended_at`` on it. Returns
        whether there is such a session.
        """
        try:
            self.sessions.set_active(name, active)
        except SessionNotFoundError:
            return False
        return True


def _check_text(member: str, value: object) -> None:
    """Raise where SQLite would store something else than was given, or nothing."""
    try:
        if isinstance(value, str) and value.encode("utf-8") is not None:
            return
    except UnicodeEncodeError:
        pass
    raise InvalidArgumentError(member, "a string without unpaired surrogates")
