"""What a connection needs before it is used: SQLite's settings, and a file that is up to date."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import apsw

from tenets_session_server.config import Synchronous
from tenets_session_server.errors import DatabaseReadOnlyError
from tenets_session_server.storage import file_system as placement
from tenets_session_server.storage import migrations

if TYPE_CHECKING:
    from tenets_session_server.storage.database import Database

SAFE_SQLITE: Final = (3, 51, 3)
"""The first SQLite that cannot lose committed rows to the WAL-reset bug (sqlite.org/wal.html)."""

JOURNAL_SIZE_LIMIT: Final = 4 * 1024 * 1024
CACHE_KIBIBYTES: Final = 8 * 1024


def prepare(
    database: Database, connection: apsw.Connection, synchronous: Synchronous
) -> tuple[list[str], list[str]]:
    """Set the connection up and migrate the file.

    Returns sentences for the user: what is so as long as it is open, and what was put right. Raises
    a ``DatabaseError``.
    """
    warnings = [engine_warning(apsw.sqlite_lib_version())]
    if file_system := placement.network_file_system(database.path):
        warnings.append(
            f"The database is on a network file system ({file_system}), where SQLite's locks "
            "are not reliable; keep it on a local disk."
        )
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA foreign_keys = OFF")  # as the seed: context may outlive sessions
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIBIBYTES}")
    connection.execute(f"PRAGMA journal_size_limit = {JOURNAL_SIZE_LIMIT}").fetchall()
    set_synchronous(connection, synchronous)
    migrations.check_tables(database)
    repairs: list[str] = []
    if connection.readonly("main"):
        missing = migrations.missing_parts(database)
        if missing:
            raise DatabaseReadOnlyError(
                f"the database may not be written, and lacks {', '.join(missing)}: "
                "open it once with write permission"
            )
        warnings.append("The database may not be written: sessions can be read only.")
    else:
        mode = connection.execute("PRAGMA journal_mode").fetchall()[0][0]
        if mode != "wal":
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchall()[0][0]
        if mode != "wal":
            warnings.append(
                f"The database cannot use write-ahead logging here (journal mode {mode}): "
                "readers and writers wait for each other."
            )
        repairs = migrations.migrate(database)
    return [warning for warning in warnings if warning], repairs


def set_synchronous(connection: apsw.Connection, synchronous: Synchronous) -> None:
    """Set when a commit returns: once it is on the disk ("full"), or before that."""
    connection.execute(f"PRAGMA synchronous = {synchronous.upper()}")


def engine_warning(version: str) -> str | None:
    """Return a warning where SQLite ``version`` ("3.51.3") is one that may lose committed rows."""
    if tuple(int(part) for part in version.split(".")) >= SAFE_SQLITE:
        return None
    safe = ".".join(map(str, SAFE_SQLITE))
    return (
        f"SQLite {version} can lose committed rows when several programs write at once; "
        f"install apsw {safe} or newer."
    )
