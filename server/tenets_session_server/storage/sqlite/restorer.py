"""Brings back what is in the trash, with the ids that it had."""

from __future__ import annotations

from typing import Final

from tenets_session_server.errors import (
    InvalidArgumentError,
    SessionExistsError,
    SessionNotFoundError,
    TrashNotFoundError,
)
from tenets_session_server.models.sessions import Session
from tenets_session_server.models.trash import Restored
from tenets_session_server.storage import timestamps
from tenets_session_server.storage.sqlite import states, triggers
from tenets_session_server.storage.sqlite.database import Database, Row
from tenets_session_server.storage.sqlite.hidden_context import HIDDEN, VISIBLE, HiddenContext
from tenets_session_server.storage.sqlite.schema import CHANGES_KEPT
from tenets_session_server.storage.sqlite.sessions import Sessions
from tenets_session_server.storage.sqlite.trash import STAGED, Trash
from tenets_session_server.storage.sqlite.whole_sessions import WholeSessions

MOST: Final = 1000
"""Sessions that are returned of an item."""

_ITEM: Final = f"""SELECT type, sessions, entries, session_id FROM session_server_trash
    WHERE id = ? AND type <> '{STAGED}'"""
_OF_ITEM: Final = "FROM session_server_trash_sessions WHERE trash_id = ?"
TAKEN: Final = """SELECT s.id, CAST(s.name AS BLOB), t.id FROM session_server_trash_sessions AS t
    CROSS JOIN sessions AS s ON s.name = t.name WHERE t.trash_id = ?"""
_BOUND: Final = """session_server_bindings AS b JOIN session_server_trash_sessions AS t
    ON t.name = b.name AND t.trash_id = :id WHERE b.name <> :name
        AND NOT EXISTS (SELECT 1 FROM sessions WHERE name = b.name)"""
_REPORT_BOUND: Final = f"""INSERT INTO session_server_changes
        (type, session_id, session_name, folder, token)
    SELECT 'bound', t.id, :name, b.folder, random() FROM {_BOUND}"""
_REBIND: Final = f"""UPDATE session_server_bindings SET name = :name
    WHERE folder IN (SELECT b.folder FROM {_BOUND})"""
_INSERT: Final = f"""INSERT INTO sessions (id, name, created_at, metadata)
    SELECT id, name, created_at, CASE WHEN {triggers.is_active("metadata")}
        THEN {triggers.DEACTIVATED} ELSE metadata END
    {_OF_ITEM} ORDER BY id"""
_REPORT_ORPHANS: Final = f"""INSERT INTO session_server_changes
        (type, session_id, context_id, token)
    SELECT 'contextAdded', c.session_id, c.id, random() FROM {HIDDEN}
    WHERE h.trash_id = ? AND h.session_id NOT IN (SELECT id FROM sessions)
    LIMIT {2 * CHANGES_KEPT}"""
_INSERT_ENTRY: Final = """INSERT INTO session_context (id, session_id, kind, content, created_at)
    SELECT id, session_id, kind, content, created_at
    FROM session_server_trash_context WHERE trash_id = ?"""
_INSERT_DETAILS: Final = """INSERT OR REPLACE INTO session_server_entries (id, author, updated_at,
        location, place, resolved_place, identity_key, key_session_id, imported_author)
    SELECT id, author, updated_at, location, place, resolved_place, identity_key,
        CASE WHEN identity_key IS NOT NULL THEN session_id END, imported_author
    FROM session_server_trash_context WHERE trash_id = ?"""
# A key is unique among the entries of an author in a session: those that are there keep theirs.
_TAKEN_KEY: Final = f"""EXISTS (SELECT 1 FROM session_server_entries AS e
        JOIN session_context AS c ON c.id = e.id AND c.session_id = :session
        WHERE e.key_session_id = :session AND e.identity_key = mine.identity_key
            AND e.author IS mine.author AND {VISIBLE})"""
_DROP_TAKEN_KEYS: Final = f"""UPDATE session_server_entries AS mine SET identity_key = NULL
    WHERE key_session_id = :session AND identity_key IS NOT NULL AND {_TAKEN_KEY}
        AND EXISTS (SELECT 1 FROM session_server_hidden AS h WHERE h.trash_id = :item
            AND h.session_id = :session AND mine.id BETWEEN h.first_entry AND h.last_entry)"""
_DROP_TAKEN_KEY: Final = f"""UPDATE session_server_trash_context AS mine SET identity_key = NULL
    WHERE trash_id = :item AND {_TAKEN_KEY}"""
_CREATE: Final = "INSERT INTO sessions (id, name, created_at, metadata) VALUES (?, ?, ?, '{}')"
_ITEM_OF_SESSION: Final = "SELECT trash_id FROM session_server_trash_sessions WHERE id = ?"


class Restorer:
    """Restores items of one :class:`.trash.Trash`; raises as :meth:`Database.run` does."""

    def __init__(
        self,
        database: Database,
        sessions: Sessions,
        whole_sessions: WholeSessions,
        trash: Trash,
        hidden: HiddenContext,
    ) -> None:
        self._database, self._sessions = database, sessions
        self._whole_sessions, self._trash, self._hidden = whole_sessions, trash, hidden

    def restore(
        self, trash_id: int, new_name: str | None = None, *, replace: bool = False
    ) -> Restored:
        """Bring an item back: all of it, or nothing.

        ``new_name``, which :func:`.names.checked` has returned, is for an item that is one session.
        With ``replace``, sessions that hold the names go to the trash. Raises
        :class:`TrashNotFoundError`, :class:`InvalidArgumentError`, :class:`SessionExistsError`, and
        :class:`SessionNotFoundError` if the session of an entry is gone.
        """
        with self._database.transaction():
            rows = self._database.run(_ITEM, (trash_id,))
            if not rows:
                raise TrashNotFoundError(trash_id)
            item_type, count, entries, session_id = rows[0]
            if new_name is not None and count > 1:
                raise InvalidArgumentError("newName", "none, unless the item is one session")
            if entries is None:  # not counted yet
                entries = self._hidden.count(trash_id)
            replaced = None
            sessions: list[Session] = []
            if item_type == "sessions":
                replaced = self._make_room(trash_id, new_name, replace=replace)
                sessions = self.insert_sessions(trash_id)
            else:
                if session_id is not None:
                    replaced, count = self._need_session(session_id, new_name, replace=replace)
                self._restore_context(trash_id, session_id)
                sessions = self._found([session_id] if count else [])
            self._trash.forget(trash_id)
            state = states.newest(self._database)
        return Restored(sessions, count, entries, replaced, state.revision, str(state))

    def insert_sessions(self, trash_id: int, *, as_new: bool = False) -> list[Session]:
        """Insert the sessions of an item and reveal its context; return some of them.

        With ``as_new`` they are reported as created. Needs a transaction. The names are free.
        """
        ids = self._database.run(f"SELECT id {_OF_ITEM} ORDER BY id LIMIT {MOST}", (trash_id,))
        if not as_new:
            mark = f"INSERT INTO session_server_unreported SELECT id {_OF_ITEM}"
            self._database.run(mark, (trash_id,))
        self._database.run(_INSERT, (trash_id,))
        self._database.run("DELETE FROM session_server_unreported")
        self._database.run(_REPORT_ORPHANS, (trash_id,))
        self._hidden.reveal(trash_id)
        return self._found([one for (one,) in ids])

    def _found(self, ids: list[int]) -> list[Session]:
        """Return these sessions; their metadata only if it is one, as it may be large."""
        found = [one for each in ids if (one := self._sessions.with_id(each)) is not None]
        return found if len(found) < 2 else [one.without_metadata() for one in found]

    def _make_room(self, trash_id: int, new_name: str | None, *, replace: bool) -> int | None:
        """Free the names; return the item of the sessions that had them, None if there are none."""
        if new_name is not None:
            for sql in (_REPORT_BOUND, _REBIND):
                self._database.run(sql, {"id": trash_id, "name": new_name})
            self._database.run(
                "UPDATE session_server_trash_sessions SET name = ? WHERE trash_id = ?",
                (new_name, trash_id),
            )
        taken: list[Row] = self._database.run(TAKEN, (trash_id,))
        if not taken:
            return None
        if not replace:
            raise SessionExistsError(taken[0][1].decode("utf-8", "replace"))
        return self._whole_sessions.discard([row[0] for row in taken])

    def _need_session(
        self, session_id: int, new_name: str | None, *, replace: bool
    ) -> tuple[int | None, int]:
        """Have the session of some entries, which is made anew as ``new_name`` if it is gone.

        Returns the item of what it replaces, and how many sessions were made.
        """
        if self._database.run("SELECT 1 FROM sessions WHERE id = ?", (session_id,)):
            if new_name is not None:
                raise InvalidArgumentError("newName", "none, as the session is still there")
            return None, 0
        items = self._database.run(_ITEM_OF_SESSION, (session_id,))
        if items or new_name is None:  # another session of its id could not be restored any more
            what = "give a newName, for a session with these entries"
            if items:
                what = f"restore item {items[0][0]} of the trash first"
            raise SessionNotFoundError(
                None,
                f"the session of these entries, with the id {session_id}, is gone: {what}",
                session_id=session_id,
            )
        replaced = None
        if (holder := self._sessions.named(new_name)) is not None:
            if not replace:
                raise SessionExistsError(new_name)
            replaced = self._whole_sessions.discard([holder.id])
        self._database.change(_CREATE, (session_id, new_name, timestamps.now()))
        return replaced, 1

    def _restore_context(self, trash_id: int, session_id: int | None) -> None:
        bindings = {"item": trash_id, "session": session_id}
        moved = self._database.run(
            "SELECT id FROM session_server_trash_context WHERE trash_id = ?", (trash_id,)
        )
        if session_id is None:  # entries without a session
            self._database.run(_REPORT_ORPHANS, (trash_id,))
            self._hidden.reveal(trash_id)
        elif moved:
            self._hidden.reveal_entry(session_id, moved[0][0])
            self._database.run(_DROP_TAKEN_KEY, bindings)
            self._database.change(_INSERT_ENTRY, (trash_id,))
            self._database.change(_INSERT_DETAILS, (trash_id,))
        else:
            self._database.run(_DROP_TAKEN_KEYS, bindings)
            self._hidden.reveal(trash_id)
            self._database.change(
                "INSERT INTO session_server_changes (type, session_id, session_name, token)"
                " SELECT 'restored', id, name, random() FROM sessions WHERE id = ?",
                (session_id,),
            )
