"""Puts the content of another file into a database, while editors have it open.

It is written into the file that is there, as one transaction, by SQLite's backup API. So the file
keeps its inode and its one write-ahead log, everybody who has it open sees the new content with the
next read, and a crash leaves the old or the new one. A damaged file is first declared empty
(SQLITE_DBCONFIG_RESET_DATABASE). What was there is kept in the folder of the backups.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

import apsw

from tenets_session_server.config import TenetsConfig
from tenets_session_server.errors import (
    DatabaseBusyError,
    DatabaseCorruptError,
    DatabaseError,
    OtherProgramsDatabaseError,
)
from tenets_session_server.storage.sqlite import (
    backup_files,
    backups,
    connection_setup,
    file_system,
    migrations,
)
from tenets_session_server.storage.sqlite.backups import Progress, nothing
from tenets_session_server.storage.sqlite.damage import EMPTY, quick_check
from tenets_session_server.storage.sqlite.database import Database
from tenets_session_server.storage.sqlite.sqlite_errors import translate

BUSY_TIMEOUT: Final = 5.0
"""Seconds for which other processes' locks are waited for."""
CHECK_TIMEOUT: Final = 60.0
"""Seconds for which it is looked for damage."""
CHUNK: Final = 1024 * 1024
CHANGED: Final = "the file has changed since it was looked at; nothing was done: run it again"


def problem_of(path: Path) -> str | None:
    """Return what is lost or damaged, so that it has to be recovered; None if nothing is.

    Nothing is written. Raises a ``DatabaseError`` if the file cannot be looked at, as another
    program has locked it, for instance.
    """
    log = file_system.size(file_system.companion(path, "-wal"))
    if not path.exists():
        return "the file is gone"
    if file_system.size(path) <= EMPTY and not log and not backup_files.listed(path):
        return None  # a new one
    try:
        with backups.opened(path) as connection:
            migrations.check_tables(connection)
            if quick_check(connection, CHECK_TIMEOUT) is False:
                return "the file is damaged"
    except DatabaseCorruptError as error:
        return str(error)
    return None


def is_of_another_program(path: Path) -> bool:
    """Tell whether a file is a sound database of another program, which must not be replaced."""
    with suppress(DatabaseError), backups.opened(path) as connection:
        try:
            migrations.check_tables(connection)
        except OtherProgramsDatabaseError:
            return quick_check(connection) is not False
        except DatabaseCorruptError:
            return False
    return False


def copy_bytes(database: Path, target: Path) -> bool:
    """Copy the bytes of a database and its logs as they are; return False if there is nothing.

    No connection of this process may have the file open. Raises OSError, and
    ``DatabaseBusyError`` if one of them goes meanwhile, as somebody else recovers it.
    """
    if not any(map(file_system.size, _files(database))):
        return False
    try:
        for source, copied in zip(_files(database), _files(target), strict=True):
            if source.is_file():
                descriptor = os.open(copied, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
                with os.fdopen(descriptor, "wb") as written, source.open("rb") as read:
                    shutil.copyfileobj(read, written, CHUNK)
                    written.flush()
                    os.fsync(written.fileno())
    except FileNotFoundError as error:
        raise DatabaseBusyError(CHANGED) from error
    except OSError as error:  # writing does not say where
        raise OSError(error.errno, error.strerror, error.filename or str(target)) from error
    return True


def keep_bytes(database: Path, copied: Path) -> Path:
    """Move what :func:`copy_bytes` has copied to the backups; return its path there."""
    kept = backup_files.new(database, "damaged")
    copied.touch()  # where only the log is left
    for source, target in zip(_files(copied), _files(kept), strict=True):
        if source.exists():
            backup_files.publish(source, target)
    return kept


def check_unchanged(database: Path, copied: Path, *, is_open: bool = False) -> None:
    """Raise ``DatabaseBusyError`` unless a database and its log have the bytes that were copied.

    ``is_open``: this process has opened it, and SQLite may have made a journal, or removed the log
    beside an empty file.
    """
    copied_size = file_system.size(copied)
    for file, copy in zip(_files(database), _files(copied), strict=True):
        if is_open and (file.name.endswith("-journal") or (file != database and not copied_size)):
            continue
        if file_system.size(file) != file_system.size(copy) or not _is_same(file, copy):
            raise DatabaseBusyError(CHANGED)


def _files(database: Path) -> list[Path]:
    beside = (file_system.companion(database, suffix) for suffix in ("-wal", "-journal"))
    return [*beside, database]


def _is_same(file: Path, copy: Path) -> bool:
    """Compare bytes. The file is read through SQLite: this process may have it open."""
    if not file_system.size(file):
        return True
    flags = apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_READONLY
    try:
        opened = apsw.VFSFile("", os.path.realpath(file), [flags, 0])
    except apsw.CantOpenError:  # it has just gone
        return False
    try:
        with copy.open("rb") as other:
            return all(
                opened.xRead(len(chunk), number * CHUNK) == chunk
                for number, chunk in enumerate(iter(lambda: other.read(CHUNK), b""))
            )
    finally:
        opened.xClose()


def bring_up_to_date(database: Path) -> None:
    """Apply what a database lacks, and put back its triggers. Raises a ``DatabaseError``."""
    with closing(Database(TenetsConfig(database=database))) as opened:
        opened.open()


def match_page_size(copied: Path, database: Path) -> None:
    """Give a copy the page size of the database that it replaces: a log is for one size only.

    Raises a ``DatabaseError``.
    """
    try:
        with backups.opened(database) as connection:
            wanted = backups.page_size(connection)
    except DatabaseError:  # a damaged one is declared empty, and takes any size
        return
    try:
        with closing(connection_setup.connect(copied)) as target:
            if backups.page_size(target) != wanted:
                target.execute("PRAGMA journal_mode = DELETE").fetchall()
                target.execute(f"PRAGMA page_size = {wanted}; VACUUM").fetchall()
    except apsw.Error as error:
        raise translate(error) or DatabaseError(str(error)) from error


def replace(database: Path, source: Path, progress: Progress = nothing) -> Path:
    """Put the content of ``source`` into a sound database; return where what was there is kept.

    Nothing that others commit meanwhile is lost: it is in what is kept, or comes after. Raises a
    ``DatabaseError``.
    """
    try:
        with backups.opened(source) as content:
            return _replace_sound(database, content, progress)
    except apsw.Error as error:
        raise translate(error) or DatabaseError(str(error)) from error


def replace_damaged(
    database: Path, source: Path, copied: Path, progress: Progress = nothing
) -> None:
    """Put the content of ``source`` in the place of a damaged database, or of none.

    ``copied`` has the bytes that were there. Raises ``DatabaseBusyError`` if others are there by
    now, as somebody else may have recovered it, and other ``DatabaseError``.
    """
    check_unchanged(database, copied)
    file_system.create_private(database)
    try:
        with (
            backups.opened(source) as content,
            closing(connection_setup.connect(database)) as target,
        ):
            _declare_empty(target)
            _write(
                target, content, lambda: check_unchanged(database, copied, is_open=True), progress
            )
    except apsw.Error as error:
        raise translate(error) or DatabaseError(str(error)) from error


def _replace_sound(database: Path, content: apsw.Connection, progress: Progress) -> Path:
    kept = backup_files.new(database, "replaced")
    with closing(connection_setup.connect(database)) as reader:
        connection_setup.set_busy_timeout(reader, BUSY_TIMEOUT)
        version = reader.execute("PRAGMA data_version").get
        kept = backups.copy(reader, kept)

        def keep_again() -> None:
            """Keep it once more if others have committed since; now they cannot."""
            nonlocal kept
            if reader.execute("PRAGMA data_version").get != version:
                kept.unlink()
                kept = backups.copy(reader, kept)

        with closing(connection_setup.connect(database)) as target:
            _write(target, content, keep_again, progress)
    return kept


def _declare_empty(target: apsw.Connection) -> None:
    with suppress(apsw.Error):  # if it can be read, it stays in WAL mode
        target.execute("SELECT count(*) FROM sqlite_schema").fetchall()
    target.config(apsw.SQLITE_DBCONFIG_RESET_DATABASE, 1)


def _write(
    target: apsw.Connection,
    content: apsw.Connection,
    when_locked: Callable[[], None],
    progress: Progress,
) -> None:
    """Write the content into the target in one transaction."""
    page_size = backups.page_size(content)
    with target.backup("main", content, "main") as backup:
        until = time.monotonic() + BUSY_TIMEOUT
        while True:  # until it has the lock
            try:
                backup.step(1)
                break
            except (apsw.BusyError, apsw.LockedError):
                if time.monotonic() > until:
                    raise DatabaseBusyError(
                        "another program has the database open and does not let go of it: close"
                        " it, or run `tenets-session-server stop`, and try again"
                    ) from None
                time.sleep(0.02)
        when_locked()
        while not backup.done:
            backup.step(backups.PAGES)
            done = backup.page_count - backup.remaining
            progress(done * page_size, backup.page_count * page_size)
