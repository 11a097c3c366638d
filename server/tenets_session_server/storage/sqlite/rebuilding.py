"""Makes a new database of the rows that can still be read in a damaged one (see :mod:`.salvage`).

Rows that have lost their table are recognised by the types of their columns. A session that is lost
with its name, while entries of it are there, is named after its id.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Final

import apsw
from msgspec import Struct

from tenets_session_server.errors import DatabaseError
from tenets_session_server.storage import timestamps
from tenets_session_server.storage.sqlite import (
    backups,
    connection_setup,
    file_system,
    migrations,
    schema,
)
from tenets_session_server.storage.sqlite.backups import Contents
from tenets_session_server.storage.sqlite.salvage import DamagedFile, Row, Value
from tenets_session_server.storage.sqlite.sqlite_errors import translate

SHAPES: Final = {
    "sessions": "nstS",
    "session_context": "nisst",
    "session_server_entries": "nSSSSSSIS",
    "session_server_bindings": "",
    "session_server_hidden": "niiiI",
    "session_server_trash": "nsISiIitS",
    "session_server_trash_sessions": "iistS",
    "session_server_trash_context": "niisstSSSSSSS",
    "session_server_settings": "",
}
"""The tables that are rebuilt, and the types of their columns.

n: null, as an INTEGER PRIMARY KEY is; i: integer; s: text; t: a time; a capital: or null. A table
without types is too much like others for its rows to be recognised."""
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
_NAMELESS: Final = """SELECT DISTINCT session_id FROM session_context AS c
    WHERE session_id NOT IN (SELECT id FROM sessions)
        AND session_id NOT IN (SELECT id FROM session_server_trash_sessions)"""
_CREATE: Final = "INSERT OR IGNORE INTO sessions (id, name, created_at) VALUES (?, ?, ?)"


class Rebuilt(Struct, frozen=True, rename="camel"):
    """What could be read of a damaged database.

    ``unreadable_pages`` are the numbers of pages that could not; ``nameless`` is how many sessions
    got a new name; ``unowned``, how many rows were recognised. Of these some may have been deleted,
    if it is not known which pages are free.
    """

    contents: Contents
    unreadable_pages: list[int]
    nameless: int
    unowned: int


def rebuild(file: Path, log: Path, target: Path) -> Rebuilt:
    """Write what can be read of a damaged file and its log to ``target``, a new database.

    Raises a ``DatabaseError`` and OSError for the target only.
    """
    try:
        return _rebuild(file, log, target)
    except apsw.Error as error:
        raise translate(error) or DatabaseError(str(error)) from error


def _rebuild(file: Path, log: Path, target: Path) -> Rebuilt:
    damaged = DamagedFile(file, log)
    file_system.create_private(target)
    with closing(connection_setup.connect(target)) as new:
        new.execute("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF").fetchall()
        for statement in schema.UPSTREAM_TABLES:
            new.execute(statement)
        roots = damaged.tables()
        has_lost = bool(damaged.unreadable) or "sessions" not in roots
        later: dict[str, list[Row]] = {}
        for table in SHAPES:
            if root := roots.pop(table, None):
                if table in schema.UPSTREAM_COLUMNS:
                    _insert(new, table, damaged.rows(root))
                else:
                    later[table] = list(damaged.rows(root))
        has_lost |= bool(damaged.unreadable)
        for root in roots.values():  # what is theirs is not lost
            for _ in damaged.rows(root):
                pass
        unowned = 0
        if has_lost:
            for row in damaged.lost_rows():
                owner = _table_of(row)
                unowned += owner is not None
                if owner in schema.UPSTREAM_COLUMNS:
                    _insert(new, owner, [row])
                elif owner is not None:
                    later.setdefault(owner, []).append(row)
        migrations.migrate(new)
        for table, rows in later.items():
            _insert(new, table, rows)
        nameless = _name_sessions(new) if has_lost else 0
        new.execute("PRAGMA journal_mode = DELETE").fetchall()
        found = backups.contents(new)
    return Rebuilt(found, sorted(damaged.unreadable), nameless, unowned)


def _insert(new: apsw.Connection, table: str, rows: Iterable[Row]) -> None:
    columns = [str(row[1]) for row in new.execute(f"PRAGMA table_info({table})").fetchall()]
    holders = {
        count: f"INSERT OR IGNORE INTO {table} ({', '.join(columns[:count])})"
        f" VALUES ({', '.join('?' * count)})"
        for count in range(1, len(columns) + 1)
    }
    new.execute("BEGIN")
    for row in rows:
        # Rows that are older than a column lack it.
        if sql := holders.get(len(row.values)):
            values = row.values if row.values[0] is not None else (row.rowid, *row.values[1:])
            new.execute(sql, values)
    new.execute("COMMIT")


def _table_of(row: Row) -> str | None:
    """Return the table that a row is of, None if it is not known."""
    for table, shape in SHAPES.items():
        if len(shape) == len(row.values) and all(map(_fits, row.values, shape)):
            return table
    return None


def _fits(value: Value, kind: str) -> bool:
    if value is None:
        return kind == "n" or kind.isupper()
    if kind == "t":
        return isinstance(value, str) and _TIME.match(value) is not None
    return isinstance(value, int if kind in "iI" else str) and kind != "n"


def _name_sessions(new: apsw.Connection) -> int:
    nameless = [row[0] for row in new.execute(_NAMELESS).fetchall()]
    for session_id in nameless:
        name = f"recovered session {session_id}"
        new.execute(_CREATE, (session_id, name, timestamps.now()))
    return len(nameless)
