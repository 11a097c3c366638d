"""Looks at one database from outside: its place, its file, what is beside it, its backups.

Nothing is changed, except by a finding's ``fix``. It is for a command, not for a server's loop.
What is in the database is looked at by :mod:`.contents_checkup`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

import apsw

from tenets_session_server import locations
from tenets_session_server.errors import DatabaseError
from tenets_session_server.storage.findings import Finding
from tenets_session_server.storage.sqlite import (
    backup_files,
    backups,
    connection_setup,
    explanations,
    file_system,
    settings,
)
from tenets_session_server.storage.sqlite.backups import Progress
from tenets_session_server.storage.sqlite.contents_checkup import ContentsCheckup
from tenets_session_server.storage.sqlite.file_identity import FileIdentity

LARGE_LOG: Final = 64 * 1024 * 1024
"""Bytes of a write-ahead log that is usually not so large."""
LOW_SPACE: Final = 256 * 1024 * 1024
"""Free bytes of a disk that are few."""
OLD_BACKUP: Final = timedelta(days=3)


class Checkup:
    """The checks of the database at ``path``; ``reason`` says why it is that one.

    ``named``: the user has named it. ``progress`` gets the bytes that are checked, and all of them.
    """

    def __init__(self, path: Path, reason: str, *, named: bool, progress: Progress) -> None:
        self._path, self._reason, self._named = path, reason, named
        self._name = file_system.readable_name(path)
        self._progress = progress

    def run(self) -> Iterator[Finding]:
        """Yield what is found, one thing after the other."""
        yield self._engine()
        yield from self._other_places()
        yield self._file_system()
        if not self._path.exists() and not file_system.size(self._log):
            says = f"{self._name} ({self._reason}) does not exist"
            if backup_files.listed(self._path):
                todo = f"run: {explanations.recover_command(self._path, named=self._named)}"
                yield Finding("database", "problem", f"{says}, but it has backups", todo)
            else:
                yield Finding("database", "ok", f"{says} yet")
            yield from self._backups(None)
            return
        yield self._links()
        yield self._permissions()
        contents = ContentsCheckup(
            self._path, self._reason, named=self._named, progress=self._progress
        )
        yield from contents.run()
        yield self._log_size(contents)
        yield from self._backups(contents.kept_backups)
        yield self._disk()

    @property
    def _log(self) -> Path:
        return file_system.companion(self._path, "-wal")

    def _engine(self) -> Finding:
        version = apsw.sqlite_lib_version()
        if warning := connection_setup.engine_warning(version):
            todo = "install a newer apsw: pip install --upgrade apsw"
            return Finding("engine", "problem", warning, todo)
        return Finding("engine", "ok", f"SQLite {version}")

    def _other_places(self) -> Iterator[Finding]:
        here = os.path.realpath(self._path)
        found = False
        for place in locations.other_databases(os.fspath(self._path)):
            if not Path(place).is_file() or os.path.realpath(place) == here:
                continue
            with contextlib.suppress(DatabaseError), backups.opened(Path(place)) as connection:
                there = backups.contents(connection)
                if there.sessions:
                    found = True
                    yield Finding(
                        "other places",
                        "note",
                        f"{place} has {there.sessions} sessions too, with {there.entries} notes",
                        f"to look at it: tenets-session --database {place} list",
                    )
        if not found:
            yield Finding("other places", "ok", "no other usual place has sessions")

    def _file_system(self) -> Finding:
        folder = self._path.parent
        while not folder.exists():
            folder = folder.parent
        kind = file_system.type_of(folder) or "of unknown type"
        if shared := file_system.shared_file_system(folder):
            return Finding(
                "file system",
                "problem",
                f"{self._name} is on a network or shared file system ({shared}), where locks are"
                " not reliable",
                "keep the database on a local disk: set TENETS_CACHE_DIRECTORY, or --database",
            )
        if file_system.is_read_only(folder):
            return Finding(
                "file system", "problem", f"{folder} is mounted read-only", "mount it for writing"
            )
        return Finding("file system", "ok", kind)

    def _links(self) -> Finding:
        if problem := FileIdentity(self._path).look_for_other_names():
            todo = (
                "copy the file instead of linking it, and mount its folder instead of the file;"
                " until then nothing is written to it"
            )
            return Finding("links and mounts", "problem", problem, todo)
        real = os.path.realpath(self._path)
        if real != os.fspath(self._path):
            return Finding("links and mounts", "ok", f"{self._name} leads to {real}")
        return Finding("links and mounts", "ok", "the file has one name")

    def _permissions(self) -> Finding:
        if reason := file_system.why_not(self._path):
            todo = "give the file and its folder to your user: see chown and chmod"
            return Finding("permissions", "problem", f"{self._name}: {reason}", todo)
        if not os.access(self._path, os.W_OK):
            todo = f"chmod u+w {self._name}"
            says = f"{self._name} may not be written: sessions are read-only"
            return Finding("permissions", "problem", says, todo)
        try:
            mode = self._path.stat().st_mode
        except FileNotFoundError:
            mode = 0
        if mode & 0o077 and os.name == "posix":

            def fix() -> str:
                file_system.make_private(self._path)
                return "other users may not read it any more"

            says = f"other users may read {self._name} ({stat.filemode(mode)})"
            return Finding("permissions", "note", says, f"chmod 600 {self._name}", fix)
        return Finding("permissions", "ok", "only you may read and write it")

    # -- beside it -------------------------------------------------------------------------------

    def _log_size(self, contents: ContentsCheckup) -> Finding:
        size = file_system.size(self._log)
        if size <= LARGE_LOG:
            return Finding("write-ahead log", "ok", f"{size:,} bytes")

        def fix() -> str:
            with contents.store() as store:
                emptied = store.database.checkpoint()
            return "it was emptied" if emptied else "another program reads the database; try again"

        says = f"{size:,} bytes: a program has kept it from being emptied, or has crashed"
        todo = "run: tenets-session doctor --fix"
        return Finding("write-ahead log", "note", says, todo, fix)

    def _backups(self, kept: int | None) -> Iterator[Finding]:
        found = backup_files.listed(self._path)
        good = [one for one in found if one.kind != "damaged"]
        left = backup_files.left_over(self._path)
        if left:

            def fix() -> str:
                backup_files.remove_left_over(self._path)
                return "they were removed"

            says = f"{len(left)} unfinished ones of processes that have ended are left"
            yield Finding("backups", "note", says, "run: tenets-session doctor --fix", fix)
        folder = backup_files.folder(self._path)
        if os.path.lexists(folder) and not backup_files.is_usable(folder):
            says = f"{file_system.readable_name(folder)} is not a folder of yours"
            yield Finding("backups", "problem", says, "move it away: backups go there")
            return
        if os.name == "posix" and folder.exists() and folder.stat().st_mode & 0o077:

            def close() -> str:
                backup_files.create_folder(self._path)
                return "other users may not read them any more"

            says = f"other users may read {file_system.readable_name(folder)}"
            yield Finding("backups", "note", says, "run: tenets-session doctor --fix", close)
        if kept == 0:
            todo = f"to have them: tenets-session backup --keep {settings.KEPT_BACKUPS}"
            yield Finding("backups", "note", "automatic backups are switched off", todo)
        elif not good:
            says = "there are none yet; the daemon makes the first when an editor has been open"
            yield Finding("backups", "note", says, "to make one now: tenets-session backup")
        else:
            newest = good[0]
            says = f"{len(good)}, the newest from {newest.made_at:%Y-%m-%d %H:%M} UTC"
            is_old = self._is_old(newest)
            if is_old:
                says += ", before the last changes"
            now = "to make one now: tenets-session backup" if is_old else None
            yield Finding("backups", "note" if is_old else "ok", says, now)

    def _is_old(self, newest: backup_files.BackupFile) -> bool:
        try:
            changed = max(file.stat().st_mtime for file in (self._path, self._log) if file.exists())
        except (OSError, ValueError):
            return False
        made = newest.made_at.timestamp()
        return changed - made > OLD_BACKUP.total_seconds() and time.time() > made

    def _disk(self) -> Finding:
        free = shutil.disk_usage(self._path.parent).free
        needed = max(LOW_SPACE, 2 * file_system.size(self._path))
        says = f"{free:,} bytes are free"
        if free < needed:
            todo = "make room: a backup takes as much as the database, recovering twice as much"
            return Finding("disk space", "problem", says, todo)
        return Finding("disk space", "ok", says)
