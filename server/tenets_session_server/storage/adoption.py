"""Adopts the database of earlier versions, which was in another place by default.

They kept it in the user's cache directory, which cleaners may empty. Where the default place has no
sessions yet, that database is copied there by SQLite's backup, and the old file is renamed, not
deleted. No process can write to it meanwhile: the copy is made under an exclusive lock.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import apsw
from msgspec import Struct

from tenets_session_server import locations
from tenets_session_server.errors import DatabaseError
from tenets_session_server.storage import connection_setup, file_system
from tenets_session_server.storage.file_system import readable_name as _name

if sys.platform != "win32":
    import fcntl

logger = logging.getLogger(__name__)

BUSY_TIMEOUT: Final = 0.1
"""Seconds to wait for another process' lock: every start waits for this."""

Counts = tuple[int, int]
"""Numbers of sessions and of context entries."""
_NONE: Final = (0, 0)


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
        with _alone(former.parent):
            if former.is_file():  # no other process has just moved it
                return _adopt(former, path)
            return Adoption(path)
    except (apsw.Error, DatabaseError, OSError) as error:
        warning = (
            f"The database of earlier versions, {_name(former)}, could not be moved to"
            f" {_name(path)}: {error}."
        )
        return Adoption(path, warnings=(warning,))


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process at a time run the block."""
    if sys.platform == "win32":
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _adopt(former: Path, path: Path) -> Adoption:
    if path.exists() and path.samefile(former):
        return Adoption(path)
    there = _count(former)
    if there == _NONE:
        return Adoption(path)
    here = _count(path) if path.exists() else _NONE
    if here == _NONE:
        return _move(former, path, there)
    if _contains(path, former):  # a process ended between copying and renaming
        _rename(former)
        return Adoption(path)
    warning = (
        f"Two databases have sessions: {_name(path)} ({_text(here)}) is used, {_name(former)}"
        f" ({_text(there)}), the default of earlier versions, is not. Start the server with"
        f" --database {_name(former)} to use that one; rename or delete it to get rid of this."
    )
    return Adoption(path, warnings=(warning,))


def _move(former: Path, path: Path, counts: Counts) -> Adoption:
    with contextlib.closing(_connect(former)) as source:
        if not _lock(source):
            warning = (
                f"The database is {_name(former)}, the default of earlier versions, because another"
                f" process has it open. It moves to {_name(path)} when the server next starts"
                " without that process."
            )
            return Adoption(former, "the default of earlier versions", warnings=(warning,))
        file_system.create_private(path)
        with (
            contextlib.closing(_connect(path)) as target,
            target.backup("main", source, "main") as backup,
        ):
            backup.step(-1)
        renamed = _rename(former)
    news = (
        f"Your sessions ({_text(counts)}) have been moved from {_name(former)} to {_name(path)},"
        f" which the tenets command line uses too. The old file is now {_name(renamed)}."
    )
    return Adoption(path, news=(news,))


def _lock(connection: apsw.Connection) -> bool:
    """Keep all other processes from using the file; return False if one has it open."""
    connection.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()
    try:
        # Every version used a write-ahead log. It can be given up by the only connection only.
        mode = connection.execute("PRAGMA journal_mode = DELETE").get
        connection.execute("BEGIN EXCLUSIVE; COMMIT")
    except (apsw.BusyError, apsw.LockedError):
        return False
    return bool(mode == "delete")


def _rename(former: Path) -> Path:
    """Rename an adopted file, so that no program finds it; return its new path."""
    for number in itertools.count(1):
        renamed = former.with_name(f"{former.name}.moved{'' if number == 1 else number}")
        if not renamed.exists():
            break
    former.rename(renamed)
    logger.info("%s is now %s", former, renamed)
    return renamed


def _count(path: Path) -> Counts:
    """Return how much is in a database, nothing where it has no tables."""
    with contextlib.closing(_connect(path)) as connection:
        numbers = [
            connection.execute(f"SELECT count(*) FROM {table}").get
            if connection.table_exists("main", table)
            else 0
            for table in ("sessions", "session_context")
        ]
    return numbers[0], numbers[1]


def _contains(path: Path, former: Path) -> bool:
    """Tell whether everything in ``former`` is at ``path`` as well."""
    with contextlib.closing(_connect(path)) as connection:
        connection.execute("ATTACH ? AS former", (file_system.sqlite_name(former),))
        missing: int = connection.execute(
            """SELECT count(*) FROM (
                SELECT * FROM (SELECT id, name, created_at FROM former.sessions
                    EXCEPT SELECT id, name, created_at FROM main.sessions)
                UNION ALL
                SELECT * FROM (SELECT id, session_id, content FROM former.session_context
                    EXCEPT SELECT id, session_id, content FROM main.session_context))"""
        ).get
    return not missing


def _connect(path: Path) -> apsw.Connection:
    connection = apsw.Connection(file_system.sqlite_name(path), flags=apsw.SQLITE_OPEN_READWRITE)
    connection_setup.set_busy_timeout(connection, BUSY_TIMEOUT)
    return connection


def _text(counts: Counts) -> str:
    sessions, entries = counts
    noun = "session" if sessions == 1 else "sessions"
    return f"{sessions} {noun}, {entries} context entries"
