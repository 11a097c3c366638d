"""Where the database is and how it is opened. A configuration creates and opens no file.

The database is an explicit file or else ``tenets.db`` in an explicit directory, by default in the
one that :func:`.locations.default_cache_directory` returns.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tenets_session_server import locations

Synchronous = Literal["full", "normal"]


@dataclass
class CacheConfig:
    """The part of upstream's ``CacheConfig`` that decides where the database is."""

    directory: Path | str | None = None


@dataclass
class TenetsConfig:
    """What :class:`~tenets_session_server.storage.session_db.SessionDB` needs to open its file.

    ``TenetsConfig()`` is the user's own database, as with upstream; set ``cache.directory`` (before
    or after construction) or ``database`` to use another. ``synchronous`` is SQLite's setting: with
    ``"full"`` an acknowledged write survives a power cut, with ``"normal"`` the last ones may not.
    ``busy_timeout`` is in seconds: how long a call waits for a lock of another process.

    The constructor raises what :func:`.locations.default_cache_directory` raises.
    """

    cache: CacheConfig = field(default_factory=CacheConfig)
    database: Path | str | None = None
    synchronous: Synchronous = "full"
    busy_timeout: float = 5.0

    def __post_init__(self) -> None:
        # Only without an explicit file: there may be no home directory.
        if self.cache.directory is None and self.database is None:
            self.cache.directory = locations.default_cache_directory()

    @property
    def database_path(self) -> Path:
        """The absolute path of the database file; raises RuntimeError without a home directory."""
        if self.database is not None:
            return Path(self.database).expanduser().absolute()
        directory = Path(self.cache.directory or ".").expanduser().absolute()
        return directory / locations.DATABASE_FILE_NAME
