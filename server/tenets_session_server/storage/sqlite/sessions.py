"""The operations on sessions; all SQL that writes ``sessions``.

Each operation is atomic. Metadata is passed as the text that is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Final

import msgspec

from tenets_session_server.errors import (
    ChangeRefusedError,
    SessionExistsError,
)
from tenets_session_server.models.sessions import CreatedSession, SessionResult
from tenets_session_server.storage import metadata, names, timestamps
from tenets_session_server.storage.sqlite import states
from tenets_session_server.storage.sqlite.database import SWALLOWED, Database
from tenets_session_server.storage.sqlite.session_queries import R
from tenets_session_server.storage.sqlite.session_reader import BY_ID, SessionReader

WITHOUT_CONTEXT: Final = "session_id = ? AND context_id IS NULL AND type <> 'bound'"
"""SQL for the changes of a session but for those of its context; see :mod:`.states`."""


class Sessions:
    """The sessions of one :class:`Database`; it reads them as a :class:`.SessionReader` does.

    Every operation may raise a ``DatabaseError``. Nothing has been written then, unless it is an
    ``OutcomeUnknownError``. Those with ``if_state`` raise :class:`ConflictError`, see
    :func:`.states.require_unchanged`.
    """

    def __init__(self, database: Database) -> None:
        self._database, self._reader = database, SessionReader(database)
        self.get, self.get_active = self._reader.get, self._reader.get_active
        self.active, self.named = self._reader.active, self._reader.named
        self.with_id, self.page = self._reader.with_id, self._reader.page
        self.require, self.find_id = self._reader.require, self._reader.find_id
        self.id_of, self.chosen_id = self._reader.id_of, self._reader.chosen_id
        self.most_recently_active = self._reader.most_recently_active

    def create(
        self,
        name: str,
        metadata_text: bytes = metadata.EMPTY,
        *,
        active: bool = False,
        or_return: bool = False,
        or_else: str | None = None,
    ) -> CreatedSession:
        """Create a session, and activate it if ``active``.

        ``metadata_text`` is the text of a JSON object. If the name is taken, ``or_return`` returns
        that session as it is, but activated, and ``or_else`` is taken instead. Raises
        :class:`SessionExistsError`, :class:`InvalidArgumentError` or :class:`LimitExceededError`.
        """
        text = metadata.normalise(metadata_text)
        if active:
            text = metadata.merge(text, _activation(active=True), limited=False)
        with self._database.transaction():
            if or_return and (session_id := self.find_id(name)) is not None:
                if active and not self.by_id(session_id).active:
                    self.set_active(None, session_id=session_id)
                return self.written(session_id, CreatedSession, created=False)
            if or_else is not None and self.find_id(name) is not None:
                name = or_else
            return self.written(self.insert(name, text), CreatedSession, created=True)

    def set_active(
        self, name: str | None, active: bool = True, session_id: int | None = None
    ) -> SessionResult:
        """Activate or deactivate a session; activating it deactivates the one that was active.

        Merges ``active``, ``updated_at`` and ``resumed_at`` or ``ended_at`` into the metadata, as
        upstream's ``set_active`` does. Raises :class:`SessionNotFoundError`.
        """
        with self._database.transaction():
            # No limit: a session can be activated even if its metadata is full.
            found = self._merge(name, session_id, _activation(active=active), limited=False)
            if found.active is not active:
                raise ChangeRefusedError(
                    f"SQLite cannot read the metadata of {found.name!r}, so that session cannot be"
                    " active"
                )
        return found

    def update_metadata(
        self,
        name: str | None,
        updates: bytes,
        *,
        session_id: int | None = None,
        remove: Collection[str] = (),
        if_state: str | None = None,
    ) -> SessionResult:
        """Merge ``updates``, the text of a JSON object, into the metadata (top level only).

        Then the keys in ``remove`` go. Raises :class:`SessionNotFoundError`,
        :class:`InvalidArgumentError` or :class:`LimitExceededError`.
        """
        text = metadata.normalise(updates, "updates")
        if if_state is None:
            return self._merge(name, session_id, text, limited=True, remove=remove)
        with self._database.transaction():
            self._check(name, session_id, if_state)
            return self._merge(name, session_id, text, limited=True, remove=remove)

    def change_member(
        self,
        name: str | None,
        session_id: int | None,
        key: str,
        change: Callable[[object], object],
    ) -> SessionResult:
        """Replace one member of the metadata by what ``change`` makes of its value (None: none).

        Everything else stays as it is stored. Raises :class:`SessionNotFoundError` and
        :class:`LimitExceededError`.
        """
        with self._database.transaction():
            found, stored = self.stored(name, session_id)
            before = metadata.member(stored, key)
            after = change(before)
            if after != before and (after or before is not None):
                text = metadata.with_member(stored, key, after)
                self._set_metadata(found, text)
            return self.by_id(found)

    def rename(
        self,
        name: str | None,
        new_name: str,
        *,
        session_id: int | None = None,
        if_state: str | None = None,
    ) -> SessionResult:
        """Give a session another name, which :func:`.names.checked` has returned.

        Raises :class:`SessionNotFoundError` and :class:`SessionExistsError`.
        """
        with self._database.transaction():
            found = self._check(name, session_id, if_state)
            if found.name == new_name:
                return found
            try:
                self._database.change(
                    "UPDATE sessions SET name = ? WHERE id = ?", (new_name, found.id)
                )
            except ChangeRefusedError:
                self.require_free(new_name)
                raise
            return self.by_id(found.id)

    def find_or_create(
        self, name: str | None, session_id: int | None, *, check_name: bool
    ) -> tuple[int, str, bool]:
        """Return a session's id and name, and whether it was created; needs a transaction.

        By its id nothing is created. Raises :class:`SessionNotFoundError`.
        """
        if name is None or session_id is not None:
            found, stored = self._reader.require_row("id, CAST(name AS BLOB)", name, session_id)
            return found, stored.decode("utf-8", "replace"), False
        if rows := self._reader.rows_named("id, name", name):
            return *rows[0], False
        if check_name:
            name = names.checked(name, "sessionName")
        return self.insert(name, metadata.EMPTY), name, True

    def stored(self, name: str | None, session_id: int | None) -> tuple[int, bytes | None]:
        """Return the id of a session, and its metadata as it is stored.

        Raises :class:`SessionNotFoundError`.
        """
        row = self._reader.require_row("id, CAST(metadata AS BLOB)", name, session_id)
        return row[0], row[1]

    def require_free(self, name: str) -> None:
        """Raise :class:`SessionExistsError` if a session has this very name."""
        if self._database.run("SELECT 1 FROM sessions WHERE name = ?", (name,)):
            raise SessionExistsError(name)

    def insert(self, name: str, text: bytes) -> int:
        """Insert a session and return its id; needs a transaction.

        Raises :class:`SessionExistsError`.
        """
        try:
            self._database.change(
                "INSERT INTO sessions (name, created_at, metadata) VALUES (?, ?, ?)",
                (name, timestamps.now(), text.decode("utf-8")),
            )
        except ChangeRefusedError:
            self.require_free(name)
            raise
        return self._database.last_id

    def by_id(self, session_id: int) -> SessionResult:
        """Return a session that was written in this transaction."""
        return self.written(session_id, SessionResult)

    def written(self, session_id: int, kind: type[R], **more: Any) -> R:
        """Return the same as :meth:`by_id`, as a ``kind`` that has ``more`` members."""
        found = BY_ID.result(self._database, (session_id,), kind, **more)
        if found is None:
            raise ChangeRefusedError(SWALLOWED)
        return found

    def _check(
        self, name: str | None, session_id: int | None, if_state: str | None
    ) -> SessionResult:
        """Return the session; raise what :meth:`require` and ``if_state`` say."""
        found = self.require(name, session_id)
        states.require_unchanged(self._database, if_state, WITHOUT_CONTEXT, (found.id,))
        return found

    def _merge(
        self,
        name: str | None,
        session_id: int | None,
        updates: bytes,
        *,
        limited: bool,
        remove: Collection[str] = (),
    ) -> SessionResult:
        with self._database.transaction():
            found, stored = self.stored(name, session_id)
            text = metadata.merge(stored, updates, limited=limited, remove=remove)
            if text != stored or not limited:  # an activation is one even within the same second
                self._set_metadata(found, text)
            return self.by_id(found)

    def _set_metadata(self, session_id: int, text: bytes) -> None:
        self._database.change(
            "UPDATE sessions SET metadata = ? WHERE id = ?", (text.decode("utf-8"), session_id)
        )


def _activation(*, active: bool) -> bytes:
    now = timestamps.now_seconds()
    updates: dict[str, Any] = {
        "active": active,
        "updated_at": now,
        "resumed_at" if active else "ended_at": now,
    }
    return msgspec.json.encode(updates)
