"""One automatic backup: made if something has changed; then the oldest one is removed."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

from tenets_session_server.errors import DatabaseError
from tenets_session_server.storage.sqlite import backup_files, backups, settings
from tenets_session_server.storage.sqlite.backup_files import BackupFile

INTERVAL: Final = 24 * 3600.0
"""Seconds between two of them, at least."""
PAUSE: Final = 3.0
"""For how long others have the disk after each piece, as a multiple of the time that it took."""


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
    backup_files.remove_left_over(database)
    before = listed(database)
    with backups.opened(database) as source:
        kept = settings.kept_backups(source)
        if not kept or not backups.contents(source).sessions:
            return None
        last = min(before, key=lambda one: one.age, default=None)  # a clock may have been wrong
        if last is not None and _state_of(last) == backups.state(source):
            return None
        made = backup_files.new(database, "automatic")
        made = backups.copy(source, made, pause=PAUSE)
    for old in sorted(before, key=lambda one: one.age)[kept - 1 :]:
        old.path.unlink(missing_ok=True)
    return made


def _state_of(backup: BackupFile) -> object:
    with contextlib.suppress(DatabaseError), backups.opened(backup.path) as connection:
        return backups.state(connection)
    return None
