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
from msgspec import Struct

from tenets_session_server.config import TenetsConfig
from tenets_session_server.errors import (
    DatabaseBusyError,
    DatabaseCorruptError,
    DatabaseError,
)
from tenets_session_server.storage import (
    backup_files,
    backups,
    connection_setup,
    file_system,
    migrations,
)
from tenets_session_server.storage.backups import Progress, nothing
from tenets_session_server.storage.damage import quick_check
from tenets_session_server.storage.database import Database
from tenets_session_server.storage.hidden_context import visible
from tenets_session_server.storage.sqlite_errors import translate

BUSY_TIMEOUT: Final = 5.0
"""Seconds for which other processes' locks are waited for."""
CHUNK: Final = 1024 * 1024
SHOWN_NAMES: Final = 10
"""Names of a difference that are listed."""


class Difference(Struct, frozen=True, rename="camel"):
    """What would be another after a recovery: numbers, and the names of some of the sessions."""

    lost_sessions: int
    lost_names: list[str]
    lost_entries: int
    gained_sessions: int
    gained_names: list[str]
    gained_entries: int
    changed_entries: int

    @property
    def is_empty(self) -> bool:
        """Whether nothing is another."""
        return not any(
            (
                *(self.lost_sessions, self.lost_entries, self.changed_entries),
                *(self.gained_sessions, self.gained_entries),
            )
        )


def problem_of(path: Path) -> str | None:
    """Return what keeps a database from being used as it is, None if nothing does.

    Nothing is written. Damage within a large file may not be found.
    """
    if not path.exists():
        return "the file is gone"
    try:
        with backups.opened(path) as connection:
            migrations.check_tables(connection)
            backups.contents(connection)
            if quick_check(connection, 60.0) is False:
                return "the file is damaged"
    except DatabaseError as error:
        return str(error)
    return None


def is_of_another_program(path: Path) -> bool:
    """Tell whether a file is a sound database of another program, which must not be replaced."""
    with suppress(DatabaseError), backups.opened(path) as connection:
        try:
            migrations.check_tables(connection)
        except DatabaseCorruptError:
            return quick_check(connection) is not False
    return False


def copy_bytes(database: Path, target: Path) -> bool:
    """Copy the bytes of a database and its log as they are; return False if there is nothing.

    No connection of this process may have the file open. Raises OSError.
    """
    log = file_system.companion(database, "-wal")
    if not file_system.size(database) and not file_system.size(log):
        return False
    for source, copied in ((log, file_system.companion(target, "-wal")), (database, target)):
        descriptor = os.open(copied, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "wb") as written:
            if source.is_file():
                with source.open("rb") as read:
                    shutil.copyfileobj(read, written, CHUNK)
            written.flush()
            os.fsync(written.fileno())
    return True


def keep_bytes(database: Path, copied: Path) -> Path:
    """Move what :func:`copy_bytes` has copied to the backups; return its path there."""
    kept = backup_files.new(database, "damaged")
    file_system.companion(copied, "-wal").rename(file_system.companion(kept, "-wal"))
    copied.rename(kept)
    return kept


def difference(now: Path, then: Path) -> Difference:
    """Return what differs between a database and the one that would replace it.

    Raises a ``DatabaseError`` if one of them cannot be read.
    """
    with backups.opened(then) as connection:
        connection.execute("ATTACH ? AS now", (file_system.sqlite_name(now),))

        def count(sql: str) -> int:
            return int(connection.execute(f"SELECT count(*) FROM {sql}").get or 0)

        def sessions(table: str, other: str) -> tuple[int, list[str]]:
            missing = f"""{table}.sessions AS s WHERE NOT EXISTS
                (SELECT 1 FROM {other}.sessions AS o WHERE o.name = s.name)"""
            names = connection.execute(
                f"SELECT CAST(s.name AS BLOB) FROM {missing} ORDER BY s.id DESC LIMIT {SHOWN_NAMES}"
            )
            shown = [str(bytes(name), "utf-8", "replace") for (name,) in names.fetchall()]  # type: ignore[arg-type]
            return count(missing), shown

        def entries(table: str, other: str, condition: str) -> int:
            return count(
                f"""{table}.session_context AS c WHERE {_visible(connection, table, "c")}
                AND {condition} (SELECT 1 FROM {other}.session_context AS o
                    WHERE o.id = c.id AND o.created_at IS c.created_at
                    {"AND o.content IS NOT c.content" if condition == "EXISTS" else ""}
                    AND {_visible(connection, other, "o")})"""
            )

        lost, lost_names = sessions("now", "main")
        gained, gained_names = sessions("main", "now")
        return Difference(
            lost,
            lost_names,
            entries("now", "main", "NOT EXISTS"),
            gained,
            gained_names,
            entries("main", "now", "NOT EXISTS"),
            entries("now", "main", "EXISTS"),
        )


def _visible(connection: apsw.Connection, schema: str, alias: str) -> str:
    """Return SQL for whether an entry is there for a reader."""
    if not connection.table_exists(schema, "session_server_hidden"):
        return "1"
    return visible(alias, f"{schema}.")


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


def replace(
    database: Path, source: Path, *, is_sound: bool, progress: Progress = nothing
) -> Path | None:
    """Put the content of ``source`` into a database; return where what was there is kept.

    ``source`` is sound. ``is_sound`` says whether the database is; else its bytes have been kept
    already, by :func:`keep_bytes`, and None is returned. Nothing that others commit meanwhile is
    lost: it is in what is kept, or comes after. Raises a ``DatabaseError``.
    """
    file_system.create_private(database)
    try:
        with backups.opened(source) as content:
            if is_sound:
                return _replace_sound(database, content, progress)
            with closing(connection_setup.connect(database)) as target:
                _declare_empty(target)
                _write(target, content, lambda: None, progress)
    except apsw.Error as error:
        raise translate(error) or DatabaseError(str(error)) from error
    return None


def _replace_sound(database: Path, content: apsw.Connection, progress: Progress) -> Path:
    kept = backup_files.new(database, "replaced")
    with closing(connection_setup.connect(database)) as reader:
        connection_setup.set_busy_timeout(reader, BUSY_TIMEOUT)
        version = reader.execute("PRAGMA data_version").get
        backups.copy(reader, kept)

        def keep_again() -> None:
            """Keep it once more if others have committed since; now they cannot."""
            if reader.execute("PRAGMA data_version").get != version:
                kept.unlink()
                backups.copy(reader, kept)

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
