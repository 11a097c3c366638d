"""The rows of the search index: what is indexed of an entry and of a session's name.

All SQL that reads or writes FTS5's tables by id is here. Which rows are to be renewed, and when, is
up to :mod:`.search_index`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final, Literal

from tenets_session_server.errors import DamagedIndexError
from tenets_session_server.storage import search_text
from tenets_session_server.storage.sqlite import schema
from tenets_session_server.storage.sqlite.database import Database, as_json

What = Literal["context", "names"]

LARGEST: Final = 128 * 1024
"""Bytes of a content that are indexed, which takes 15 to 40 ms; the rest is not found."""
BATCH_BYTES: Final = 72 * 1024
"""A batch ends when its contents reach this size."""
LEAST: Final = 300
"""Rows that are looked at in any case, so that a small new database is indexed at once."""
STALE_BATCH: Final = 1000
"""Entries of the index that are looked at together, whether they still exist."""
MERGED_PAGES: Final = 32
"""Pages that one merge writes; it takes about 3 ms."""

TABLES: Final[dict[What, str]] = {
    "context": "session_server_search",
    "names": "session_server_search_names",
}
_GIVEN: Final = "(SELECT value FROM json_each(?))"
_CONTENTS: Final = f"""SELECT id, session_id,
        CASE WHEN octet_length(content) <= {LARGEST} THEN CAST(content AS BLOB) END
    FROM session_context WHERE id IN {_GIVEN}"""
_NAMES: Final = f"SELECT id, CAST(name AS BLOB) FROM sessions WHERE id IN {_GIVEN}"
_PRESENT: Final = f"SELECT rowid FROM {{0}} WHERE rowid IN {_GIVEN}"
_MISSING: Final = """SELECT value FROM json_each(?)
    WHERE value NOT IN (SELECT id FROM session_context)"""
_DELETE: Final = "DELETE FROM {0} WHERE rowid = ?"
_TABLES: Final = """SELECT name FROM sqlite_schema
    WHERE type = 'table' AND name GLOB 'session_server_search*'
        AND sql NOT LIKE 'CREATE VIRTUAL%'"""
_INSERT: Final = """INSERT INTO session_server_search (rowid, text, parts, session)
    VALUES (?, ?, ?, ?)"""
_INSERT_NAME: Final = """INSERT INTO session_server_search_names (rowid, text, parts)
    VALUES (?, ?, ?)"""
_FROM: Final = f"""SELECT rowid FROM session_server_search WHERE rowid >= ?
    ORDER BY rowid LIMIT {STALE_BATCH}"""
_WITHIN: Final = """SELECT rowid FROM {0} WHERE rowid BETWEEN ? AND ?
    ORDER BY rowid DESC LIMIT ?"""


class IndexRows:
    """The rows of one database's index; call what writes in a transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def renew(self, ids: Collection[int]) -> int:
        """Index entries as they are now; return by how many entries the index has grown."""
        removed = self.remove(ids)
        return self.add(ids) - removed

    def add(self, ids: Collection[int]) -> int:
        """Index entries that the index does not have; return how many of them there are."""
        if not ids:
            return 0
        rows = self._database.run(_CONTENTS, (as_json(ids),))
        self._database.run_many(_INSERT, [self._indexed(*row) for row in rows])
        return len(rows)

    def _indexed(
        self, entry_id: int, session_id: int, content: bytes | None
    ) -> tuple[int, str, str, str]:
        """Return the row of an entry; ``content`` is None if it is large."""
        if content is None:
            content = self._database.start_of("session_context", "content", entry_id, LARGEST)
        text, parts = search_text.prepared(content.decode("utf-8", "replace"))
        return entry_id, text, parts, search_text.session_token(session_id)

    def renew_names(self, ids: Collection[int]) -> None:
        """Index the names of sessions as they are now."""
        self._remove("names", ids)
        for session_id, name in self._database.run(_NAMES, (as_json(ids),)):
            text, parts = search_text.prepared(name.decode("utf-8", "replace"))
            self._database.run(_INSERT_NAME, (session_id, text, parts))

    def clear(self) -> None:
        """Empty the index."""
        for table in TABLES.values():
            self._database.run(f"INSERT INTO {table} ({table}) VALUES ('delete-all')")

    def damaged_tables(self) -> list[str]:
        """Return the tables of the index that SQLite cannot read, and so cannot drop.

        Call it in no transaction: in one in which it has met damage, SQLite changes no schema.
        """
        return [table for (table,) in self._database.run(_TABLES) if not self._is_sound(table)]

    def make_anew(self, damaged: Iterable[str]) -> None:
        """Replace the index by an empty one.

        The ``damaged`` tables are taken out of the schema, and their pages stay unused until
        somebody runs VACUUM.
        """
        # Without the virtual tables, those that hold their data are tables like others.
        self._take_out([*TABLES.values(), *damaged])
        for (table,) in self._database.run(_TABLES):
            self._database.run(f"DROP TABLE {table}")
        for sql in (*schema.SEARCH_TABLES, *schema.SEARCH_MERGES, *schema.SEARCH_PREFIXES):
            self._database.run(sql)

    def _is_sound(self, table: str) -> bool:
        try:
            return self._database.run(f"PRAGMA quick_check('{table}')") == [("ok",)]
        except DamagedIndexError:
            return False

    def _take_out(self, tables: Iterable[str]) -> None:
        """Remove tables and their indexes from the schema, and leave their pages as they are."""
        self._database.run("PRAGMA writable_schema = ON")
        try:
            for table in tables:
                self._database.run("DELETE FROM sqlite_schema WHERE tbl_name = ?", (table,))
        finally:
            self._database.run("PRAGMA writable_schema = RESET")

    def within(self, what: What, lowest: int, highest: int, limit: int) -> list[int]:
        """Return the ids of rows, the highest first."""
        bindings = (lowest, highest, limit)
        return [row[0] for row in self._database.run(_WITHIN.format(TABLES[what]), bindings)]

    def following(self, start: int) -> list[int]:
        """Return the ids of :data:`STALE_BATCH` rows from an id on; fewer are the last ones."""
        return [row[0] for row in self._database.run(_FROM, (start,))]

    def present(self, what: What, ids: Iterable[int]) -> list[int]:
        """Return those of the ids that are in the index."""
        rows = self._database.run(_PRESENT.format(TABLES[what]), (as_json(ids),))
        return [row[0] for row in rows]

    def missing(self, ids: Iterable[int]) -> list[int]:
        """Return those of the ids that no entry has."""
        return [row[0] for row in self._database.run(_MISSING, (as_json(ids),))]

    def remove(self, ids: Collection[int]) -> int:
        """Remove entries from the index; return how many of them were in it."""
        return self._remove("context", ids) if ids else 0

    def merge(self) -> bool:
        """Merge a little of what was written piece by piece; return whether there was a need."""
        merged = False
        for table in TABLES.values():
            before = self._changes()
            sql = f"INSERT INTO {table} ({table}, rank) VALUES ('merge', {MERGED_PAGES})"
            self._database.run(sql)
            # As FTS5 documents it: the statement itself counts as one change.
            merged = merged or self._changes() - before >= 2
        return merged

    def _changes(self) -> int:
        found: int = self._database.run("SELECT total_changes()")[0][0]
        return found

    def _remove(self, what: What, ids: Iterable[int]) -> int:
        present = self.present(what, ids)
        for one in present:
            self._database.run(_DELETE.format(TABLES[what]), (one,))
        return len(present)


def batch(sizes: list[int]) -> tuple[int, int]:
    """Return how many contents of these sizes are indexed together, and for how many they count.

    It is one at least; large ones count for all that are looked at in any case.
    """
    total = 0
    for number, size in enumerate(sizes, start=1):
        total += min(size, LARGEST)
        if total >= BATCH_BYTES:
            return number, max(number, LEAST)
    return len(sizes), len(sizes)
