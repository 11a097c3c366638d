"""Backups: copies of a database of one moment, which are checked before they are called good.

They are made by SQLite's backup API on a connection of their own, in any thread, while others write
(sqlite.org/backup.html). A copy gets its name when it is complete, checked and on the disk.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import apsw
from msgspec import Struct

from tenets_session_server.errors import (
    DatabaseCorruptError,
    DatabaseError,
    DatabaseFullError,
    DatabaseUnavailableError,
)
from tenets_session_server.storage import timestamps
from tenets_session_server.storage.sqlite import (
    backup_files,
    connection_setup,
    file_system,
    file_use,
)
from tenets_session_server.storage.sqlite.damage import check_tables
from tenets_session_server.storage.sqlite.left_log import LeftLog
from tenets_session_server.storage.sqlite.sqlite_errors import translate
from tenets_session_server.storage.sqlite.trash import HIDDEN_ENTRIES

PAGES: Final = 64
"""Pages that are copied between two looks at whether to go on."""
SYNCED_PAGES: Final = 64
"""Pages after which the copy goes to the disk: much at once would delay others' commits."""
INSTRUCTIONS: Final = 20_000
"""Steps of SQLite's virtual machine between two pauses of a check."""
SPARE_BYTES: Final = 64 * 1024 * 1024
"""Free space that a backup leaves on the disk."""
BUSY_TIMEOUT: Final = 5.0
"""Seconds for which another process' lock is waited for."""
_TABLES: Final = ("sessions", "session_context")
_NEWEST: Final = (
    ("session_context", "SELECT created_at FROM session_context ORDER BY id DESC LIMIT 1"),
    ("sessions", "SELECT created_at FROM sessions ORDER BY id DESC LIMIT 1"),
    ("session_server_entries", "SELECT max(updated_at) FROM session_server_entries"),
)

# What a state consists of; the change log may be empty.
_STATE: Final = """SELECT (SELECT max(revision) FROM session_server_changes),
    (SELECT token FROM session_server_changes ORDER BY revision DESC LIMIT 1),
    (SELECT token FROM session_server_history),
    (SELECT seq FROM sqlite_sequence WHERE name = 'session_server_changes')"""

Progress = Callable[[int, int], None]
"""Gets the bytes that are done, and all of them. Copying is one half of it, checking the other."""


class Contents(Struct, frozen=True, rename="camel"):
    """What is in a database: how many sessions and entries, and when the newest was written.

    ``newest`` is RFC 3339, None where there is nothing.
    """

    sessions: int
    entries: int
    newest: str | None


def nothing(_done: int, _all: int) -> None:
    """Be a :data:`Progress` that does nothing."""


@contextmanager
def opened(path: Path) -> Iterator[apsw.Connection]:
    """Give the block a connection to a database that it only reads; raises a ``DatabaseError``.

    A backup is read without a lock, as nobody writes it. To look at a file changes nothing, also
    where a crash has left its log.
    """
    if not path.exists():
        raise DatabaseUnavailableError(f"{file_system.readable_name(path)} does not exist")
    file_system.check_files(path)
    if not file_system.size(path):
        raise DatabaseCorruptError("the file is empty")  # SQLite would remove a log beside it
    connection: apsw.Connection | None = None
    immutable = backup_files.is_backup(path) or file_system.is_immutable(path)
    left = None if immutable or file_use.is_in_use(str(path)) else LeftLog(path)
    try:
        connection = connection_setup.connect(path, immutable=immutable)
        connection_setup.set_busy_timeout(connection, BUSY_TIMEOUT)
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        if left:
            left.check(connection)
        connection.execute("PRAGMA query_only = ON; PRAGMA trusted_schema = OFF")
        yield connection
    except apsw.Error as error:
        raise translate(error) or DatabaseError(str(error)) from error
    finally:
        if connection is not None:
            connection.close(True)


def contents(connection: apsw.Connection) -> Contents:
    """Return what is in a database, of upstream or of ours. Raises apsw's errors."""
    sessions, entries = (
        connection.execute(f"SELECT count(*) FROM {table}").get
        if connection.table_exists("main", table)
        else 0
        for table in _TABLES
    )
    if connection.table_exists("main", "session_server_hidden"):
        entries -= connection.execute(HIDDEN_ENTRIES).get
    times = [
        timestamps.readable(found)
        for table, sql in _NEWEST
        if connection.table_exists("main", table)
        and (found := connection.execute(sql).get) is not None
    ]
    # Of a damaged database, what hides an entry may be left without it.
    return Contents(int(sessions), max(0, int(entries)), max(times, default=None))


def copy(
    source: apsw.Connection, target: Path, progress: Progress = nothing, pause: float = 0.0
) -> Path:
    """Copy what a connection sees now to a new file, check it, and give it its name; return that.

    It is ``target``, or the next number of a backup's name.

    ``pause``: for how long others have the disk after each piece, as a multiple of the time that
    the piece took. Raises a ``DatabaseError``, ``DatabaseCorruptError`` if the copy is damaged as
    the source then is, and OSError. Then there is no new file.
    """
    unfinished = backup_files.unfinished(target)
    size = _size(source)
    free = shutil.disk_usage(target.parent).free
    if free < size + SPARE_BYTES:
        raise DatabaseFullError(
            f"{target.parent} has {free:,} bytes left: a backup takes {size:,} bytes, and"
            f" {SPARE_BYTES:,} bytes have to stay free"
        )
    os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    try:
        with closing(connection_setup.connect(unfinished)) as copied:
            # A file that nobody sees needs no journal, and goes to the disk by _sync.
            copied.execute("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF").fetchall()
            _copy_pages(source, copied, unfinished, progress, pause)
            copied.execute("PRAGMA journal_mode = DELETE").fetchall()
            check(copied, progress, pause)
        _sync(unfinished)
        target = backup_files.publish(unfinished, target)
        if os.name == "posix":
            _sync(target.parent)
    except apsw.Error as error:
        raise translate(error) or DatabaseError(str(error)) from error
    finally:
        unfinished.unlink(missing_ok=True)
    return target


def _copy_pages(
    source: apsw.Connection,
    target: apsw.Connection,
    file: Path,
    progress: Progress,
    pause: float,
) -> None:
    # In one snapshot: else each commit of another connection would make it begin anew.
    source.execute("BEGIN; SELECT count(*) FROM sqlite_schema").fetchall()
    try:
        synced, size = 0, page_size(source)
        with target.backup("main", source, "main") as backup:
            while not backup.done:
                started = time.monotonic()
                backup.step(PAGES)
                done = backup.page_count - backup.remaining
                if done - synced >= SYNCED_PAGES:
                    synced = done
                    _sync(file)
                progress(done * size, 2 * backup.page_count * size)
                time.sleep((time.monotonic() - started) * pause)
    finally:
        source.execute("ROLLBACK")


def state(connection: apsw.Connection) -> object:
    """Return what differs after each change that the log has; None for upstream's database.

    Raises apsw's errors.
    """
    try:
        return connection.execute(_STATE).fetchall()
    except apsw.SQLError:  # there is no log
        return None


def check(connection: apsw.Connection, progress: Progress = nothing, pause: float = 0.0) -> None:
    """Check a whole database; ``pause`` as for :func:`copy`.

    Raises ``DatabaseCorruptError`` and apsw's errors. A damaged search index is no damage: it is
    made anew.
    """
    size, last = _size(connection), time.monotonic()

    def step() -> bool:
        nonlocal last
        progress(size, 2 * size)
        time.sleep((time.monotonic() - last) * pause)
        last = time.monotonic()
        return False

    connection.set_progress_handler(step, INSTRUCTIONS)
    try:
        for table, found in check_tables(connection):
            if found:
                raise DatabaseCorruptError(f"the database is damaged: {table}: {found[0]}")
    finally:
        connection.set_progress_handler(None)


def page_size(connection: apsw.Connection) -> int:
    """Return how many bytes a page of a database has."""
    return int(connection.execute("PRAGMA page_size").get or 0)


def _size(connection: apsw.Connection) -> int:
    return int(connection.execute("PRAGMA page_count").get or 0) * page_size(connection)


def _sync(path: Path) -> None:
    """Have a file, or the names in a folder, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
