"""What the user has set for a database. It is kept in the file, so it holds for all programs."""

from __future__ import annotations

from typing import Final

import apsw

from tenets_session_server.storage.sqlite.database import Database

KEPT_BACKUPS: Final = 7
"""How many automatic backups are kept if nothing else is set."""
MOST_BACKUPS: Final = 1000

_GET: Final = "SELECT value FROM session_server_settings WHERE name = ?"
_SET: Final = "INSERT OR REPLACE INTO session_server_settings (name, value) VALUES (?, ?)"
_KEPT_BACKUPS: Final = "kept_backups"


def kept_backups(connection: apsw.Connection) -> int:
    """Return how many automatic backups are kept; 0: none is made. Raises apsw's errors."""
    if not connection.table_exists("main", "session_server_settings"):
        return KEPT_BACKUPS  # no server of this version has opened the file yet
    found = connection.execute(_GET, (_KEPT_BACKUPS,)).get
    return found if isinstance(found, int) and 0 <= found <= MOST_BACKUPS else KEPT_BACKUPS


class Settings:
    """Writes the settings of one :class:`Database`; raises as :meth:`Database.run` does."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep_backups(self, number: int) -> None:
        """Set how many automatic backups are kept; 0: none is made."""
        with self._database.transaction():
            self._database.keep_quiet()
            self._database.run(_SET, (_KEPT_BACKUPS, number))
