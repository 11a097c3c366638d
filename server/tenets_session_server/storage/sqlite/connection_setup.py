"""Sets up a connection: SQLite's settings for our file, and warnings about where it is."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final
from urllib.parse import quote

import apsw

from tenets_session_server.config import Synchronous
from tenets_session_server.storage.sqlite import file_system, migrations

SAFE_SQLITE: Final = (3, 51, 3)
"""The first SQLite that cannot lose committed rows to the WAL-reset bug (sqlite.org/wal.html)."""
JOURNAL_SIZE_LIMIT: Final = 4 * 1024 * 1024
CACHE_KIBIBYTES: Final = 8 * 1024
PAUSE: Final = 0.005
"""Seconds between two attempts to change the journal mode."""


def connect(path: Path, *, immutable: bool = False) -> apsw.Connection:
    """Return a connection to a file that exists; raises apsw's errors.

    ``immutable``: nobody can write to it. Then SQLite reads it without a lock, and without a file
    beside it, which it would have to write.
    """
    name = file_system.sqlite_name(path)
    if not immutable:
        return apsw.Connection(name, flags=apsw.SQLITE_OPEN_READWRITE)
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    return apsw.Connection(f"file:{quote(name)}?immutable=1", flags=flags)


def set_up(
    connection: apsw.Connection, path: Path, synchronous: Synchronous, *, other_name: str | None
) -> list[str]:
    """Apply SQLite's settings; return warnings for the user. Raises apsw's errors.

    ``other_name`` as :meth:`.file_identity.FileIdentity.other_name`: then nothing is written.
    """
    warnings = [engine_warning(apsw.sqlite_lib_version())]
    if shared := file_system.shared_file_system(path):
        warnings.append(
            f"The database is on a network or shared file system ({shared}), where SQLite's locks "
            "are not reliable; keep it on a local disk."
        )
    # Without it SQLite prepares some statements anew for each execution, to plan with the values.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA foreign_keys = OFF")  # as upstream: context may outlive sessions
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIBIBYTES}")
    connection.execute(f"PRAGMA journal_size_limit = {JOURNAL_SIZE_LIMIT}").fetchall()
    set_synchronous(connection, synchronous)
    migrations.check_tables(connection)
    if connection.readonly("main"):
        what = file_system.not_writable(path)
        warnings.append(f"{what} cannot be written: sessions are read-only.")
    elif other_name is not None:
        warnings.append(f"{other_name}: sessions are read-only until it has one name only.")
    else:
        # A write-ahead log needs memory that all processes share, which such file systems lack.
        wanted = "delete" if shared else "wal"
        mode = _set_journal_mode(connection, wanted)
        if mode != wanted:
            warnings.append(
                f"SQLite's journal mode is {mode} and should be {wanted}: another program has the "
                "database open, or it is in a place where that mode does not work."
            )
    return [warning for warning in warnings if warning]


def _set_journal_mode(connection: apsw.Connection, wanted: str) -> str:
    until = time.monotonic() + int(connection.execute("PRAGMA busy_timeout").get) / 1000
    while (mode := str(connection.execute("PRAGMA journal_mode").get)) != wanted:
        try:
            return str(connection.execute(f"PRAGMA journal_mode = {wanted}").get)
        except apsw.BusyError:
            if mode == "wal":  # another program has it open
                return mode
            # SQLite does not wait where two processes change the mode at one moment.
            if time.monotonic() > until:
                raise
            time.sleep(PAUSE)
    return mode


def set_synchronous(connection: apsw.Connection, synchronous: Synchronous) -> None:
    """Say whether a commit has to be on the disk when it returns."""
    # EXTRA is FULL, and for a rollback journal it means that the journal is gone for good.
    level = "EXTRA" if synchronous == "full" else "NORMAL"
    connection.execute(f"PRAGMA synchronous = {level}")


def set_busy_timeout(connection: apsw.Connection, seconds: float) -> None:
    """Say how long a statement waits for another process' lock."""
    connection.set_busy_timeout(round(seconds * 1000))


def engine_warning(version: str) -> str | None:
    """Return a warning if SQLite ``version`` ("3.51.3") may lose committed rows."""
    if tuple(int(part) for part in version.split(".")) >= SAFE_SQLITE:
        return None
    safe = ".".join(map(str, SAFE_SQLITE))
    return (
        f"SQLite {version} can lose committed rows when several programs write at once; "
        f"install apsw {safe} or newer."
    )
