"""Which engine has a database."""

from __future__ import annotations

import os

from tenets_session_server import locations
from tenets_session_server.config import CacheConfig, Synchronous, TenetsConfig
from tenets_session_server.storage.sqlite.store import SQLiteStore
from tenets_session_server.storage.store import Store


def store(
    database: str, synchronous: Synchronous, reason: str, *, busy_timeout: float = 0.0
) -> Store:
    """Return the store of a server, or of a command that does without one.

    ``database`` is the path of a file. ``reason`` says why it is that one, as
    :func:`.locations.locate` does. ``busy_timeout`` is how many seconds a write waits for the lock
    of another program; the protocol layer of a server waits itself, and serves clients meanwhile.
    """
    return sqlite_store(database, synchronous, reason, busy_timeout=busy_timeout)


def sqlite_store(
    database: str, synchronous: Synchronous, reason: str, *, busy_timeout: float = 0.0
) -> SQLiteStore:
    """Return the same for what concerns a file only, such as its backups."""
    # Whoever names a file with --database answers for its permissions.
    named = reason == locations.BY_OPTION
    directory, path = (None, database) if named else (os.path.dirname(database), None)  # noqa: PTH120
    return SQLiteStore(TenetsConfig(CacheConfig(directory), path, synchronous, busy_timeout))
