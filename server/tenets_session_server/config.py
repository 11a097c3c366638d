"""Where the database lives and how it is opened. Reading it touches no file but to look.

The order is: an explicit file, ``TENETS_CACHE_DIRECTORY``, the ``tenets`` command line's own
database where there is one (so that both share it), the user's cache directory.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tenets_session_server import locations

Synchronous = Literal["full", "normal"]


@dataclass
class CacheConfig:
    """The part of the seed's ``CacheConfig`` that decides where the database is."""

    directory: Path | str | None = None


@dataclass
class TenetsConfig:
    """What :class:`~tenets_session_server.storage.session_db.SessionDB` needs to open its file.

    ``TenetsConfig()`` is the user's own database, as with the seed; set ``cache.directory`` (before
    or after construction) or ``database`` to use another. ``synchronous`` is SQLite's setting: with
    ``"full"`` an acknowledged write survives a power cut, with ``"normal"`` the last ones may not.
    ``busy_timeout`` is in seconds: how long a call waits for another process' lock.
    """

    cache: CacheConfig = field(default_factory=CacheConfig)
    database: Path | str | None = None
    synchronous: Synchronous = "full"
    busy_timeout: float = 5.0

    def __post_init__(self) -> None:
        # Not where a file is named: there may be no home directory to find.
        if self.cache.directory is None and self.database is None:
            self.cache.directory = locations.default_cache_directory()

    @property
    def database_path(self) -> Path:
        """The absolute path of the database file."""
        if self.database is not None:
            return Path(self.database).expanduser().absolute()
        directory = Path(self.cache.directory or ".").expanduser().absolute()
        return directory / locations.DATABASE_FILE_NAME
