"""Where the database lives and how it is opened. Reading it touches no file but to look.

The order is: an explicit file, ``TENETS_CACHE_DIRECTORY``, the ``tenets`` command line's own
database where there is one (so that both share it), the user's cache directory.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Synchronous = Literal["full", "normal"]

CACHE_DIRECTORY_VARIABLE = "TENETS_CACHE_DIRECTORY"
DATABASE_FILE_NAME = "tenets.db"


def default_cache_directory(environment: Mapping[str, str] | None = None) -> Path:
    """Return the absolute directory that holds ``tenets.db`` when none is named.

    ``environment`` stands in for ``os.environ``. Creates nothing.
    """
    environment = os.environ if environment is None else environment
    named = environment.get(CACHE_DIRECTORY_VARIABLE, "").strip()
    if named:
        return Path(named).expanduser().absolute()
    command_line = Path.home() / ".tenets" / "cache"
    with contextlib.suppress(PermissionError):  # somebody else's home: sudo can keep $HOME
        if (command_line / DATABASE_FILE_NAME).exists():
            return command_line
    # Imported here: the two answers above are the common ones and need no third-party module.
    from platformdirs import user_cache_path  # noqa: PLC0415

    return user_cache_path("tenets", appauthor=False)


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
            self.cache.directory = default_cache_directory()

    @property
    def database_path(self) -> Path:
        """The absolute path of the database file."""
        if self.database is not None:
            return Path(self.database).expanduser().absolute()
        return Path(self.cache.directory or ".").expanduser().absolute() / DATABASE_FILE_NAME
