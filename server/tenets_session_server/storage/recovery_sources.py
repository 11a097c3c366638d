"""What a database can be recovered from: its backups, other files, what a damaged one still has.

Everything is copied first, and the copy is checked and brought up to date. So the file that it
comes from stays as it is.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tenets_session_server.storage import (
    backup_files,
    backups,
    file_system,
    rebuilding,
    recovery,
)
from tenets_session_server.storage.backups import Progress, nothing
from tenets_session_server.storage.rebuilding import Rebuilt


class RecoverySources:
    """The sources for one database. ``problem`` is what keeps it from being used, None if nothing.

    ``place`` is a folder for the copies.
    """

    def __init__(self, database: Path, place: Path) -> None:
        self._database, self._place = database, place
        self.problem = recovery.problem_of(database)
        self._copied: Path | None = None  # the bytes of a damaged database
        self._rebuilt: Rebuilt | None = None

    @classmethod
    @contextmanager
    def of(cls, database: Path) -> Iterator[RecoverySources]:
        """Give the block the sources; the copies are removed in the end. Raises OSError."""
        folder = backup_files.folder(database)
        is_new = not folder.exists()
        backup_files.create_folder(database)
        try:
            with tempfile.TemporaryDirectory(dir=folder, prefix="recover-") as name:
                yield cls(database, Path(name))
        finally:
            if is_new:
                with suppress(OSError):  # it is not empty
                    folder.rmdir()

    @property
    def readable(self) -> Path:
        """Where :meth:`rebuild` writes what a damaged database still has."""
        return self._place / "readable.db"

    def rebuild(self) -> Rebuilt | None:
        """Return what a damaged database still has, None if nothing."""
        if self._rebuilt is None and self._copied is None and self.problem is not None:
            copied = self._place / "damaged.db"
            if recovery.copy_bytes(self._database, copied):
                self._copied = copied
                log = file_system.companion(copied, "-wal")
                self._rebuilt = rebuilding.rebuild(copied, log, self.readable)
        found = self._rebuilt
        is_nothing = found is None or not (found.contents.sessions or found.contents.entries)
        return None if is_nothing else found

    def prepare(self, source: Path, progress: Progress = nothing) -> Path:
        """Return a sound copy of a backup, or of another database. Raises a ``DatabaseError``."""
        copied = self._place / "chosen.db"
        if backup_files.is_damaged(source):
            rebuilding.rebuild(source, file_system.companion(source, "-wal"), copied)
        else:
            with backups.opened(source) as connection:
                backups.contents(connection)  # raises if it is no database of tenets
                backups.copy(connection, copied, progress)
        recovery.bring_up_to_date(copied)
        return copied

    def put(self, chosen: Path, progress: Progress = nothing) -> Path | None:
        """Put a sound copy in the place of the database; return where what was there is kept."""
        self.rebuild()
        kept = None
        if self._copied is not None:
            kept = recovery.keep_bytes(self._database, self._copied)
        recovery.match_page_size(chosen, self._database)
        is_sound = self.problem is None
        replaced = recovery.replace(self._database, chosen, is_sound=is_sound, progress=progress)
        recovery.bring_up_to_date(self._database)
        return kept or replaced
