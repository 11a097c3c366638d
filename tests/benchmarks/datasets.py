"""The databases that are measured: so many sessions, ten entries each, one session active.

Every size is built once in a run. The server creates the schema and sets the active session, plain
SQL adds the rows. The contestants get copies, made while no process has the file open.
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

from benchmarks.lean_client import LeanClient, request

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


def build(path: Path, size: int, command: str) -> None:
    """Make a database of ``size`` sessions; ``command`` starts the server that creates it."""
    _ask(command, path, "stats", {})
    with contextlib.closing(apsw.Connection(str(path))) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        with connection:
            connection.executemany(_INSERT_SESSION, session_rows(size))
        with connection:
            connection.executemany(_INSERT_ENTRY, entry_rows(size))
    _ask(command, path, "setActive", {"name": active_name(size)})
    _flush(path)


def copy(source: Path, target: Path) -> None:
    """Copy a database that no process has open into a folder of its own, and flush the copy.

    A folder of its own, because a server is notified of every write in its database's folder.
    Flushed, because otherwise the system writes the copies to the disk during the measurements.
    """
    target.parent.mkdir(parents=True)
    shutil.copyfile(source, target)
    _flush(target)


def _ask(command: str, path: Path, verb: str, params: dict[str, Any]) -> None:
    """Start a server on a database, send one request, and end the server."""
    with path.with_suffix(".log").open("ab") as log:
        client = LeanClient([command, "--standalone", "--database", str(path)], log)
        try:
            client.call(request(1, "initialize", {"processId": None, "capabilities": {}}))
            client.tell("initialized")
            client.call(request(2, f"tenets/session.{verb}", params))
            client.call(request(3, "shutdown", None))
            client.tell("exit")
            client.end()
        finally:
            client.kill()


def _moment(number: int) -> str:
    return (_BEGIN + timedelta(seconds=number, microseconds=123456)).isoformat()


def _flush(path: Path) -> None:
    # Closing this descriptor drops no lock of SQLite's, as no process has the file open.
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
