"""The databases that are measured: so many sessions, ten entries each, one session active.

Every size is built once in a run, with the schema, the triggers and the settings of the server;
what the contestants get are copies, made while nobody has the file open.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import apsw

from tenets_session_server.config import TenetsConfig
from tenets_session_server.storage.session_db import SessionDB

ENTRIES_PER_SESSION: Final = 10
PREFIXED: Final = 10
"""How many sessions of every database have a name that starts with :data:`PREFIX`."""
PREFIX: Final = "review-"
METADATA: Final = {"pinned_files": ["/home/user/project/src/main.py"], "note": "kept by its user"}
ENTRY: Final = "what was kept with the session, a line of it"

_BEGIN: Final = datetime(2026, 1, 1, tzinfo=UTC)
_INSERT_SESSION: Final = "INSERT INTO sessions (name, created_at, metadata) VALUES (?, ?, ?)"
_INSERT_ENTRY: Final = """INSERT INTO session_context (session_id, kind, content, created_at)
    VALUES (?, 'note', ?, ?)"""

Row = tuple[Any, ...]


def name(number: int, size: int) -> str:
    """Return the name of one of ``size`` sessions; the prefixed ones are spread evenly."""
    step = max(1, size // PREFIXED)
    if number % step == 0 and number // step < PREFIXED:
        return f"{PREFIX}{number // step}"
    return f"session-{number}"


def active_name(size: int) -> str:
    """Return the name of the session that is active before anything is measured."""
    return name(size // 3, size)


def session_rows(size: int) -> Iterator[Row]:
    """Yield name, creation date and metadata of each session; metadata as ``tenets`` writes it."""
    text = json.dumps(METADATA)
    for number in range(size):
        yield name(number, size), _moment(number), text


def entry_rows(size: int) -> Iterator[Row]:
    """Yield session id, content and creation date of each entry."""
    for number in range(size * ENTRIES_PER_SESSION):
        yield number // ENTRIES_PER_SESSION + 1, ENTRY, _moment(number)


def build(path: Path, size: int) -> None:
    """Make a database of ``size`` sessions."""
    open_database(path).close()
    with contextlib.closing(apsw.Connection(str(path))) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        with connection:
            connection.executemany(_INSERT_SESSION, session_rows(size))
        with connection:
            connection.executemany(_INSERT_ENTRY, entry_rows(size))
    with contextlib.closing(open_database(path)) as database:
        database.set_active(active_name(size), True)
    _flush(path)


def copy(source: Path, target: Path) -> None:
    """Copy a database that nobody has open into a folder of its own; leave it on the disk.

    Its own, because the server is told by the system of every write in its database's folder. On
    the disk, because else the system writes the copies there while something is measured.
    """
    target.parent.mkdir(parents=True)
    shutil.copyfile(source, target)
    _flush(target)


def open_database(path: Path) -> SessionDB:
    """Open a database with the settings under which our server runs."""
    return SessionDB(TenetsConfig(database=path, synchronous="full", busy_timeout=0.0))


def _moment(number: int) -> str:
    return (_BEGIN + timedelta(seconds=number, microseconds=123456)).isoformat()


def _flush(path: Path) -> None:
    # Nobody has it open: closing this descriptor drops no lock of SQLite's.
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
