"""The trash: what was deleted is kept for a while, and can be brought back (:mod:`.restorer`).

All that one request removes is one item. The context of sessions stays in its table, hidden (see
:mod:`.hidden_context`). Rows of sessions and of single entries are moved to tables of the trash.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from tenets_session_server.models.trash import Emptied, ItemType, TrashItem, TrashList
from tenets_session_server.storage import cursors, timestamps
from tenets_session_server.storage.cursors import Position
from tenets_session_server.storage.sqlite import states
from tenets_session_server.storage.sqlite.database import Database, Row
from tenets_session_server.storage.sqlite.hidden_context import HIDDEN, LAST, HiddenContext

KEPT_FOR: Final = timedelta(days=30)
SHOWN_NAMES: Final = 10
STAGED: Final = "import"
"""The type of an item that is no deletion, but an import that is not complete yet."""
IS_ITEM: Final = f"type <> '{STAGED}'"
_INSERT: Final = """INSERT INTO session_server_trash
    (type, session_id, session_name, deleted_at, author)
    VALUES (:type, :session, (SELECT name FROM sessions WHERE id = :session), :now, :author)"""
_STAGE: Final = f"""INSERT INTO session_server_trash (type, entries, deleted_at, author)
    VALUES ('{STAGED}', 0, ?, ?)"""
_TOUCH: Final = """UPDATE session_server_trash SET deleted_at = ?, entries = entries + ?
    WHERE id = ?"""
_KEEP_SESSIONS: Final = """INSERT INTO session_server_trash_sessions
        (trash_id, id, name, created_at, metadata)
    SELECT ?, id, name, created_at, metadata FROM sessions"""
_KEEP_ENTRY: Final = """INSERT INTO session_server_trash_context
        (trash_id, id, session_id, kind, content, created_at, author, updated_at, location,
        place, resolved_place, identity_key, imported_author)
    SELECT ?, c.id, c.session_id, c.kind, c.content, c.created_at, e.author, e.updated_at,
        e.location, e.place, e.resolved_place, e.identity_key, e.imported_author
    FROM session_context AS c LEFT JOIN session_server_entries AS e ON e.id = c.id
    WHERE c.id = ?"""
_COUNT_ROWS: Final = """UPDATE session_server_trash SET
    type = CASE WHEN EXISTS (SELECT 1 FROM session_server_trash_sessions WHERE trash_id = :id)
        THEN 'sessions' ELSE 'context' END,
    sessions = (SELECT count(*) FROM session_server_trash_sessions WHERE trash_id = :id),
    size = (SELECT coalesce(sum(octet_length(name) + coalesce(octet_length(metadata), 0)), 0)
        FROM session_server_trash_sessions WHERE trash_id = :id),
    entries = CASE WHEN EXISTS (SELECT 1 FROM session_server_hidden WHERE trash_id = :id)
        THEN NULL ELSE 0 END WHERE id = :id"""
_COUNTS: Final = "SELECT sessions, entries FROM session_server_trash WHERE id = ?"
HIDDEN_ENTRIES: Final = f"""SELECT
    coalesce((SELECT sum(entries) FROM session_server_trash AS t WHERE entries > 0 AND NOT EXISTS
        (SELECT 1 FROM session_server_trash_context WHERE trash_id = t.id)), 0)
    + (SELECT count(*) FROM {HIDDEN} WHERE h.trash_id IS NULL)
    + (SELECT count(*) FROM {HIDDEN} WHERE h.trash_id IN
        (SELECT id FROM session_server_trash WHERE entries IS NULL))"""
_PAGE: Final = f"""SELECT id, type, sessions, entries, size, deleted_at, author,
    CAST(session_name AS BLOB) FROM session_server_trash WHERE id < ? AND {IS_ITEM}
    ORDER BY id DESC LIMIT ?"""
_NAMES: Final = f"""SELECT CAST(name AS BLOB) FROM session_server_trash_sessions WHERE trash_id = ?
    ORDER BY id LIMIT {SHOWN_NAMES}"""
_EMPTY: Final = (
    *(
        statement.format(f"WHERE trash_id IN (SELECT id FROM session_server_trash WHERE {IS_ITEM})")
        for statement in (
            "UPDATE session_server_hidden SET trash_id = NULL {}",
            "DELETE FROM session_server_trash_sessions {}",
            "DELETE FROM session_server_trash_context {}",
        )
    ),
    f"DELETE FROM session_server_trash WHERE {IS_ITEM}",
)
_COUNT_ALL: Final = f"""SELECT count(*), coalesce(sum(octet_length(c.content)), 0) FROM {HIDDEN}
    WHERE h.trash_id = ?"""
SET_COUNTED: Final = """UPDATE session_server_trash SET entries = ?, size = size + ?
    WHERE id = ? AND entries IS NULL"""


class Trash:
    """The trash of one :class:`Database`; raises as :meth:`Database.run` does.

    ``on_change`` is called, in the transaction, when there is work for :mod:`.trash_upkeep`.
    """

    def __init__(self, database: Database, hidden: HiddenContext) -> None:
        self._database, self._hidden = database, hidden
        self.on_change: Callable[[], None] = lambda: None

    # -- what is deleted; all needs a transaction ----------------------------------------------

    def new_item(self, item_type: ItemType, session_id: int | None = None) -> int:
        """Begin an item: of sessions, or of the context of one; return its id."""
        bindings = {
            "type": item_type,
            "session": session_id,
            "now": timestamps.now(),
            "author": self._database.author,
        }
        self._database.change(_INSERT, bindings)
        return self._database.last_id

    def stage(self) -> int:
        """Begin an item that is an import, and stays while it is touched; return its id."""
        self._database.run(_STAGE, (timestamps.now(), self._database.author))
        return self._database.last_id

    def touch(self, trash_id: int, entries: int) -> bool:
        """Add to the number of staged entries; return False if the item is not there any more."""
        bindings = (timestamps.now(), entries, trash_id)
        self._database.run(_TOUCH, bindings)
        return bool(self._database.run("SELECT changes()")[0][0])

    def keep_session(self, trash_id: int, session_id: int, *, with_context: bool) -> None:
        """Add a session that is about to be deleted, and hide its context unless it stays."""
        self._database.run(f"{_KEEP_SESSIONS} WHERE id = ?", (trash_id, session_id))
        if with_context:
            self._hidden.hide(trash_id, session_id)

    def keep_all(self, trash_id: int, *, with_context: bool) -> None:
        """Add all sessions, and hide all context unless it stays."""
        self._database.run(_KEEP_SESSIONS, (trash_id,))
        if with_context:
            self._hidden.hide_all(trash_id)

    def keep_context(self, session_id: int) -> int | None:
        """Hide the context of a session as an item of its own; return its id, None without any."""
        trash_id = self.new_item("context", session_id)
        self._hidden.hide(trash_id, session_id)
        return self.finish_item(trash_id)

    def keep_entry(self, entry_id: int, session_id: int, size: int) -> int:
        """Add an entry that is about to be deleted, as an item of its own; return its id."""
        trash_id = self.new_item("context", session_id)
        self._database.change(_KEEP_ENTRY, (trash_id, entry_id))
        self._database.run(SET_COUNTED, (1, size, trash_id))
        self.on_change()
        return trash_id

    def finish_item(self, trash_id: int) -> int | None:
        """Complete an item; return its id, None if there is nothing in it."""
        self._database.run(_COUNT_ROWS, {"id": trash_id})
        counted = self._database.run(_COUNTS, (trash_id,))[0]
        if counted == (0, 0):
            self.forget(trash_id)
            return None
        self.on_change()
        return trash_id

    # -- what is there -------------------------------------------------------------------------

    def page(self, limit: int = 100, cursor: str | None = None) -> TrashList:
        """Return at most ``limit`` items, newest first.

        Raises :class:`InvalidArgumentError` for a cursor of another list.
        """
        scope = cursors.scope("listTrash")
        start = LAST if cursor is None else cursors.load(cursor, scope).id
        with self._database.snapshot():
            rows = self._database.run(_PAGE, (start, limit + 1))
            items = [self._item(row) for row in rows]
            state = states.newest(self._database)
        more = len(items) > limit
        next_cursor = cursors.dump(Position(0, False, items[limit - 1].id), scope) if more else None
        return TrashList(items[:limit], next_cursor, state.revision, str(state))

    def _item(self, row: Row) -> TrashItem:
        trash_id, item_type, sessions, entries, size, deleted_at, author, name = row
        if entries is None:  # just deleted
            entries, of_entries = self._database.run(_COUNT_ALL, (trash_id,))[0]
            size += of_entries
        names = [(name,)] if sessions == 0 else self._database.run(_NAMES, (trash_id,))
        return TrashItem(
            trash_id,
            item_type,
            sessions,
            entries,
            [one.decode("utf-8", "replace") for (one,) in names if one is not None],
            size,
            deleted_at,
            (datetime.fromisoformat(deleted_at) + KEPT_FOR).isoformat(),
            author,
        )

    def hidden_entries(self) -> int:
        """Return how many entries in the table of context are hidden."""
        found: int = self._database.run(HIDDEN_ENTRIES)[0][0]
        return found

    # -- its end -------------------------------------------------------------------------------

    def empty(self, trash_id: int | None = None) -> Emptied:
        """Remove an item, or all of them, for good."""
        with self._database.transaction():
            if trash_id is not None:
                sql = f"SELECT id FROM session_server_trash WHERE id = ? AND {IS_ITEM}"
                for _ in (rows := self._database.run(sql, (trash_id,))):
                    self.discard(trash_id)
                return Emptied(len(rows))
            for sql in _EMPTY:
                self._database.run(sql)
            removed: int = self._database.run("SELECT changes()")[0][0]
            self.on_change()
            return Emptied(removed)

    def discard(self, trash_id: int) -> None:
        """Remove an item for good; needs a transaction."""
        self._hidden.discard(trash_id)
        self.forget(trash_id)
        self.on_change()

    def forget(self, trash_id: int) -> None:
        """Remove an item, but not its hidden context; needs a transaction."""
        for table in ("trash_sessions", "trash_context"):
            sql = f"DELETE FROM session_server_{table} WHERE trash_id = ?"
            self._database.run(sql, (trash_id,))
        self._database.run("DELETE FROM session_server_trash WHERE id = ?", (trash_id,))
