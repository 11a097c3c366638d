"""Adopts the database of earlier versions, which was in another place by default.

They kept it in the user's cache directory, which cleaners may empty. Where the default place has no
sessions yet, the rows are copied there in one transaction, and the old file is renamed, not
deleted. No process can write to the old file meanwhile, as it is locked exclusively. Another
process may use the file in the default place: nothing that it has written is overwritten.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import apsw
from msgspec import Struct

from tenets_session_server import locations
from tenets_session_server.errors import DatabaseError
from tenets_session_server.storage.sqlite import connection_setup, file_system, schema
from tenets_session_server.storage.sqlite.file_system import readable_name as _name

if sys.platform != "win32":
    import fcntl

logger = logging.getLogger(__name__)

ADOPTION_TIMEOUT: Final = 2.0
"""Seconds to wait for another process' lock, of a database or of the folder."""
LOCK_INTERVAL: Final = 0.02
"""Seconds between attempts to lock the folder."""

Counts = tuple[int, int]
"""Numbers of sessions and of context entries."""
_NONE: Final = (0, 0)
_TABLES: Final = {
    table: ", ".join(sorted(columns)) for table, columns in schema.UPSTREAM_COLUMNS.items()
}


class Adoption(Struct, frozen=True):
    """Where the database is now.

    ``news`` are sentences for the user about what was done, ``warnings`` about what is to be done.
    ``reason`` says why it is not at the path that was asked for.
    """

    path: Path
    reason: str | None = None
    news: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def adopt(path: Path) -> Adoption:
    """Return the place of the database that should be at ``path``; adopt a former one if need be.

    Only for the default path there is a former one. Never raises: what goes wrong is a warning.
    """
    found = locations.former_database(os.fspath(path))
    if found is None or not os.path.isfile(found):  # noqa: PTH113 - the usual case, for every start
        return Adoption(path)
    former = Path(found)
    try:
        with _alone(former.parent) as alone:
            # If another process takes so long to move it, its sessions appear in one transaction.
            if alone and former.is_file():  # no other process has just moved it
                return _adopt(former, path)
            return Adoption(path)
    except (apsw.Error, DatabaseError, OSError) as error:
        warning = (
            f"The database of earlier versions, {_name(former)}, could not be moved to"
            f" {_name(path)}: {error}."
        )
        return Adoption(path, warnings=(warning,))


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Let one process at a time run the block; give it False if another one takes too long."""
    if sys.platform == "win32":
        yield True
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        until = time.monotonic() + ADOPTION_TIMEOUT
        while not (locked := _lock_folder(descriptor)) and time.monotonic() < until:
            time.sleep(LOCK_INTERVAL)
        yield locked
    finally:
        os.close(descriptor)


def _lock_folder(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _adopt(former: Path, path: Path) -> Adoption:
    if path.exists() and path.samefile(former):
        return Adoption(path)
    has_sessions = path.exists() and _has_sessions(path)
    with contextlib.closing(_connect(former)) as connection:
        try:
            if _count(connection, "main") == _NONE:
                return Adoption(path)
        except apsw.BusyError:  # whatever is in it, another process is using it
            return Adoption(path) if has_sessions else _in_place(former, path)
        if has_sessions:
            return _compare(connection, former, path)
        # Before the other file is attached, which other processes may write to meanwhile.
        if not _lock(connection):
            return _in_place(former, path)
        return _move(connection, former, path)


def _in_place(former: Path, path: Path) -> Adoption:
    warning = (
        f"The database is {_name(former)}, the default of earlier versions, because another process"
        f" has it open. It moves to {_name(path)} when the server next starts without that process."
    )
    return Adoption(former, "the default of earlier versions", warnings=(warning,))


def _move(connection: apsw.Connection, former: Path, path: Path) -> Adoption:
    file_system.create_private(path)
    file_system.make_private(path)
    with contextlib.closing(_connect(path)) as target:
        for statement in schema.UPSTREAM_TABLES:
            target.execute(statement)
    _attach(connection, path)
    connection.execute("BEGIN IMMEDIATE")
    if _count(connection, "target") != _NONE:  # another process has written to it just now
        connection.execute("ROLLBACK")
        return _compare(connection, former, path)
    _copy(connection)
    counts = _count(connection, "target")
    connection.execute("COMMIT")
    renamed = _rename(former)
    news = (
        f"Your sessions ({_text(counts)}) have been moved from {_name(former)} to {_name(path)},"
        f" which the tenets command line uses too. The old file is now {_name(renamed)}."
    )
    return Adoption(path, news=(news,))


def _compare(connection: apsw.Connection, former: Path, path: Path) -> Adoption:
    """Say that both have sessions; finish a move if a process ended before it renamed the file."""
    _attach(connection, path)
    # First without a lock, as another process may be using the former one on purpose.
    if _is_copied(connection) and _lock(connection) and _is_copied(connection):
        _rename(former)
        return Adoption(path)
    here, there = _text(_count(connection, "target")), _text(_count(connection, "main"))
    warning = (
        f"Two databases have sessions: {_name(path)} ({here}) is used, {_name(former)} ({there}),"
        f" the default of earlier versions, is not. Start the server with --database"
        f" {_name(former)} to use that one; rename or delete it to get rid of this."
    )
    return Adoption(path, warnings=(warning,))


def _attach(connection: apsw.Connection, path: Path) -> None:
    """Attach the database at ``path`` as ``target`` unless that is done."""
    if not connection.db_filename("target"):
        connection.execute("ATTACH ? AS target", (file_system.sqlite_name(path),))
        # The copy has to be there for good before the former file is renamed.
        connection.execute("PRAGMA target.synchronous = EXTRA")


def _lock(connection: apsw.Connection) -> bool:
    """Keep all other processes from using the former file; return False if one has it open."""
    try:
        connection.execute("PRAGMA main.locking_mode = EXCLUSIVE").fetchall()
        # Every version used a write-ahead log. It can be given up by the only connection only.
        mode = connection.execute("PRAGMA main.journal_mode = DELETE").get
        connection.execute("BEGIN EXCLUSIVE; COMMIT")
    except (apsw.BusyError, apsw.LockedError):
        return False
    return bool(mode == "delete")


def _kept(connection: apsw.Connection, table: str) -> str:
    """Return SQL for the rows to copy: not what was deleted; the trash stays behind."""
    rows = f"SELECT {_TABLES[table]} FROM main.{table} AS row"
    if table != "session_context":
        return rows
    hidden = {
        "session_server_purges": "h.session_id IS NULL OR h.session_id = row.session_id)"
        " AND row.id <= h.last_entry",
        "session_server_hidden": "h.session_id = row.session_id)"
        " AND row.id BETWEEN h.first_entry AND h.last_entry",
    }
    conditions = [
        f"NOT EXISTS (SELECT 1 FROM main.{name} AS h WHERE ({where})"
        for name, where in hidden.items()
        if connection.table_exists("main", name)
    ]
    return f"{rows} WHERE {' AND '.join(conditions) or 1}"


def _copy(connection: apsw.Connection) -> None:
    """Copy what is in the former database; needs a transaction.

    What we keep beside it follows: from the triggers that are there, or when they are created.
    """
    for table, columns in _TABLES.items():
        if not connection.table_exists("main", table):
            continue
        connection.execute(f"INSERT INTO target.{table} ({columns}) {_kept(connection, table)}")
        # No id is given twice, not even that of a row that is gone.
        last = "(SELECT max(seq) FROM main.sqlite_sequence WHERE name = :table)"
        connection.execute(
            f"UPDATE target.sqlite_sequence SET seq = max(seq, {last}) WHERE name = :table",
            {"table": table},
        )


def _is_copied(connection: apsw.Connection) -> bool:
    """Tell whether all that would be copied is there, and the same."""
    return all(
        not connection.execute(
            f"SELECT EXISTS ({_kept(connection, table)}"
            f" EXCEPT SELECT {columns} FROM target.{table})"
        ).get
        for table, columns in _TABLES.items()
        if connection.table_exists("main", table)
    )


def _rename(former: Path) -> Path:
    """Rename an adopted file, so that no program finds it; return its new path."""
    for number in itertools.count(1):
        renamed = former.with_name(f"{former.name}.moved{'' if number == 1 else number}")
        if not renamed.exists():
            break
    former.rename(renamed)
    logger.info("%s is now %s", former, renamed)
    return renamed


def _has_sessions(path: Path) -> bool:
    with contextlib.closing(_connect(path)) as connection:
        return _count(connection, "main") != _NONE


def _count(connection: apsw.Connection, database: str) -> Counts:
    """Return how much is in a database, nothing where it has no tables."""
    numbers = [
        connection.execute(f"SELECT count(*) FROM {database}.{table}").get
        if connection.table_exists(database, table)
        else 0
        for table in _TABLES
    ]
    return numbers[0], numbers[1]


def _connect(path: Path) -> apsw.Connection:
    connection = connection_setup.connect(path)
    connection_setup.set_busy_timeout(connection, ADOPTION_TIMEOUT)
    return connection


def _text(counts: Counts) -> str:
    sessions, entries = counts
    noun = "session" if sessions == 1 else "sessions"
    return f"{sessions} {noun}, {entries} context entries"
