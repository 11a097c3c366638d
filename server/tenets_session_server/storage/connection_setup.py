"""Sets up a connection: SQLite's settings for our file, and warnings about where it is."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import apsw

from tenets_session_server.config import Synchronous
from tenets_session_server.storage import file_system, migrations

SAFE_SQLITE: Final = (3, 51, 3)
"""The first SQLite that cannot lose committed rows to the WAL-reset bug (sqlite.org/wal.html)."""
JOURNAL_SIZE_LIMIT: Final = 4 * 1024 * 1024
CACHE_KIBIBYTES: Final = 8 * 1024


def set_up(connection: apsw.Connection, path: Path, synchronous: Synchronous) -> list[str]:
    """Apply SQLite's settings; return warnings for the user. Raises apsw's errors."""
    warnings = [engine_warning(apsw.sqlite_lib_version())]
    if network := file_system.network_file_system(path):
        warnings.append(
            f"The database is on a network file system ({network}), where SQLite's locks "
            "are not reliable; keep it on a local disk."
        )
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA foreign_keys = OFF")  # as upstream: context may outlive sessions
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIBIBYTES}")
    connection.execute(f"PRAGMA journal_size_limit = {JOURNAL_SIZE_LIMIT}").fetchall()
    set_synchronous(connection, synchronous)
    migrations.check_tables(connection)
    if connection.readonly("main"):
        warnings.append("The database cannot be written: sessions are read-only.")
    else:
        mode = connection.execute("PRAGMA journal_mode").get
        if mode != "wal":
            mode = connection.execute("PRAGMA journal_mode = WAL").get
        if mode != "wal":
            warnings.append(
                f"The database cannot use write-ahead logging here (journal mode {mode}): "
                "readers and writers wait for each other."
            )
    return [warning for warning in warnings if warning]


def set_synchronous(connection: apsw.Connection, synchronous: Synchronous) -> None:
    """Say whether a commit has to be on the disk when it returns."""
    connection.execute(f"PRAGMA synchronous = {synchronous.upper()}")


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
