"""One automatic backup: made if something has changed; then the oldest one is removed."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

import apsw

from tenets_session_server.errors import DatabaseError
from tenets_session_server.storage import backup_files, backups, settings
from tenets_session_server.storage.backup_files import BackupFile

INTERVAL: Final = 24 * 3600.0
"""Seconds between two of them, at least."""
PAUSE: Final = 3.0
"""For how long others have the disk after each piece, as a multiple of the time that it took."""
# What a state consists of; the change log may be empty.
_STATE: Final = """SELECT (SELECT max(revision) FROM session_server_changes),
    (SELECT token FROM session_server_changes ORDER BY revision DESC LIMIT 1),
    (SELECT token FROM session_server_history),
    (SELECT seq FROM sqlite_sequence WHERE name = 'session_server_changes')"""


def listed(database: Path) -> list[BackupFile]:
    """Return the automatic backups of a database, the newest first."""
    return [one for one in backup_files.listed(database) if one.kind == "automatic"]


def is_due(database: Path) -> bool:
    """Tell whether the last one is old enough; costs some microseconds."""
    return all(one.age >= INTERVAL for one in listed(database))


def make(database: Path) -> Path | None:
    """Make one, and remove the oldest; return its path, None if nothing has changed.

    Raises as :func:`.backups.copy` does.
    """
    backup_files.remove_unfinished(database)
    before = listed(database)
    with backups.opened(database) as source:
        kept = settings.kept_backups(source)
        if not kept or not backups.contents(source).sessions:
            return None
        if before and _state_of(before[0]) == _state(source):
            return None
        made = backup_files.new(database, "automatic")
        backups.copy(source, made, pause=PAUSE)
    for old in before[kept - 1 :]:
        old.path.unlink(missing_ok=True)
    return made


def _state(connection: apsw.Connection) -> object:
    return connection.execute(_STATE).fetchall()


def _state_of(backup: BackupFile) -> object:
    with contextlib.suppress(DatabaseError), backups.opened(backup.path) as connection:
        return _state(connection)
    return None
