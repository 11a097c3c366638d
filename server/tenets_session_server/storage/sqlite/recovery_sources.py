"""What a database can be recovered from: its backups, other files, what a damaged one still has.

Everything is copied first, and the copy is checked and brought up to date. So the file that it
comes from stays as it is.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path

from tenets_session_server.errors import DatabaseCorruptError
from tenets_session_server.storage.sqlite import (
    backup_files,
    backups,
    file_system,
    file_use,
    migrations,
    rebuilding,
    recovery,
)
from tenets_session_server.storage.sqlite.backups import Progress, nothing
from tenets_session_server.storage.sqlite.left_log import EVIDENCE
from tenets_session_server.storage.sqlite.rebuilding import Rebuilt


class RecoverySources:
    """The sources for one database. ``problem`` is what keeps it from being used, None if nothing.

    ``place`` is a folder for the copies; :attr:`rebuilt` writes to ``readable`` what a damaged
    database still has.
    """

    def __init__(self, database: Path, place: Path) -> None:
        self._database, self._place = database, place
        self._damaged = place / "damaged.db"
        self.readable = place / "readable.db"
        self.problem = recovery.problem_of(database)

    @classmethod
    @contextmanager
    def of(cls, database: Path) -> Iterator[RecoverySources]:
        """Give the block the sources; the copies are removed in the end. Raises OSError."""
        folder = backup_files.folder(database)
        is_new = not folder.exists()
        backup_files.create_folder(database)
        try:
            with tempfile.TemporaryDirectory(
                dir=folder, prefix=f"{backup_files.RECOVERY}{os.getpid()}-"
            ) as name:
                yield cls(database, Path(name))
        finally:
            if is_new:
                with suppress(OSError):  # it is not empty
                    folder.rmdir()

    @cached_property
    def rebuilt(self) -> Rebuilt | None:
        """What a damaged database still has, None if nothing."""
        if self.problem is None or not recovery.copy_bytes(self._database, self._damaged):
            return None
        log = file_system.companion(self._damaged, "-wal")
        found = rebuilding.rebuild(self._damaged, log, self.readable)
        return found if found.contents.sessions or found.contents.entries else None

    def prepare(self, source: Path, progress: Progress = nothing) -> Path:
        """Return a sound copy of a backup, or of another database. Raises a ``DatabaseError``."""
        copied = self._place / "chosen.db"
        if backup_files.is_damaged(source):
            rebuilding.rebuild(source, file_system.companion(source, "-wal"), copied)
        else:
            with backups.opened(source) as connection:
                migrations.check_tables(connection)
                if not connection.table_exists("main", "sessions"):
                    raise DatabaseCorruptError("it has no sessions: it is no database of tenets")
                backups.copy(connection, copied, progress)
        recovery.bring_up_to_date(copied)
        return copied

    def put(self, chosen: Path, progress: Progress = nothing) -> Path | None:
        """Put a sound copy in the place of the database; return where what was there is kept.

        Raises a ``DatabaseError`` and OSError; then nothing is another.
        """
        recovery.match_page_size(chosen, self._database)
        kept: Path | None = None
        if self.problem is None:
            kept = recovery.replace(self._database, chosen, progress)
        else:
            _ = self.rebuilt  # the bytes are copied
            recovery.replace_damaged(self._database, chosen, self._damaged, progress)
            if not file_use.is_in_use(str(self._database)):
                # It tells of the log that was there before.
                file_system.companion(self._database, "-shm").unlink(missing_ok=True)
            if any(self._damaged.parent.glob("damaged.db*")):
                kept = recovery.keep_bytes(self._database, self._damaged)
            file_system.companion(self._database, EVIDENCE).unlink(missing_ok=True)
        recovery.bring_up_to_date(self._database)
        return kept
