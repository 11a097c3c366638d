"""Looks at a database for a moment: the current session's name for a prompt, names to complete.

A shell waits for it each time it prints a prompt. So it reads the file itself, without a daemon,
and imports next to nothing. It creates no file and writes to none. A file that was never opened by
a server, only by upstream, has no table of ours: then the rows alone say which session is active.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import apsw

from tenets_session_server.storage.sqlite import file_use, triggers

PATIENCE: Final = 100
"""Milliseconds for which another program's lock is waited for: a prompt rather shows nothing."""
# Another program's name may not be UTF-8.
_NAME: Final = "CAST(name AS BLOB)"
_BINDINGS: Final = """SELECT b.folder, CAST(s.name AS BLOB) FROM session_server_bindings AS b
    CROSS JOIN sessions AS s ON s.name = b.name"""
_ACTIVE: Final = f"""SELECT {_NAME} FROM sessions
    WHERE id = (SELECT session_id FROM session_server_active)"""
_ACTIVE_OF_UPSTREAM: Final = f"""SELECT {_NAME} FROM sessions
    WHERE {triggers.is_active("metadata")} ORDER BY created_at DESC, id DESC LIMIT 1"""
_NEWEST: Final = f"SELECT {_NAME} FROM sessions ORDER BY created_at DESC, id DESC LIMIT ?"
_BEGINNING_SO: Final = f"""SELECT {_NAME} FROM sessions
    WHERE name >= ? AND name < ? ORDER BY name LIMIT ?"""
_LAST_CHARACTER: Final = "\U0010ffff"


Row = tuple[Any, ...]


class UnreadableError(Exception):
    """The database cannot be read now; the message says why."""


def current_name(path: str, folder: str) -> str | None:
    """Return the name of the session that a folder shows, None if it shows none.

    It is the one bound to the folder, or to the nearest one that it is in, else the active one.
    Raises :class:`UnreadableError`.
    """
    with _opened(path) as database:
        if database is None:
            return None
        try:
            found = _bound(_rows(database, _BINDINGS), folder) or _rows(database, _ACTIVE)
        except apsw.SQLError:  # no such table
            found = _rows(database, _ACTIVE_OF_UPSTREAM)
        return _text(found[0][0]) if found else None


def names(path: str, prefix: str, most: int) -> list[str]:
    """Return the names of sessions that begin so; raises :class:`UnreadableError`.

    Without a prefix they are the newest ones.
    """
    with _opened(path) as database:
        if database is None:
            return []
        if prefix:
            rows = _rows(database, _BEGINNING_SO, (prefix, prefix + _LAST_CHARACTER, most))
        else:
            rows = _rows(database, _NEWEST, (most,))
        return [_text(name) for (name,) in rows]


@contextmanager
def _opened(path: str) -> Iterator[apsw.Connection | None]:
    """Give the block a snapshot of the database, None if there is no file."""
    if not _size(path):  # to open an empty file, SQLite removes the log beside it
        yield None
        return
    if _size(f"{os.path.realpath(path)}-wal") and not file_use.is_in_use(path):
        # A crash has left it. The first program that opens it has to look whether it is whole.
        raise UnreadableError("no server has opened the database since a program has crashed")
    try:
        flags = apsw.SQLITE_OPEN_READWRITE  # to read a write-ahead log, SQLite writes to its index
        database = apsw.Connection(path, flags=flags)
        try:
            database.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            database.set_busy_timeout(PATIENCE)
            database.execute("PRAGMA query_only = ON; PRAGMA trusted_schema = OFF; BEGIN")
            yield database
        finally:
            database.close(True)
    except (apsw.Error, UnicodeError) as error:
        raise UnreadableError(str(error)) from error


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _bound(bindings: list[Row], folder: str) -> list[Row]:
    """Return the name, as the one row, that is bound to a folder; no row if none is."""
    if not bindings:  # as usual; to import what compares folders takes 8 ms
        return []
    from tenets_session_server.errors import InvalidArgumentError
    from tenets_session_server.storage import uris

    try:
        by_folder = {uris.parse(one, "folder"): (name,) for one, name in bindings}
        nearest = uris.Folders(by_folder).nearest(uris.parse(folder, "folder"))
    except InvalidArgumentError as error:
        raise UnreadableError(str(error)) from error
    return [] if nearest is None else [by_folder[nearest]]


def _rows(database: apsw.Connection, sql: str, bindings: tuple[str | int, ...] = ()) -> list[Row]:
    return database.execute(sql, bindings).fetchall()


def _text(stored: bytes) -> str:
    return stored.decode("utf-8", "replace")
