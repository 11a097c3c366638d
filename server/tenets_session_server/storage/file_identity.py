"""Whether an open database is still where its name leads, and when it may be opened again.

A file that was deleted, moved or replaced lives on for who has it open, and takes writes that
nobody will find; so does a write-ahead log. And a log that is left behind is taken for that of
whatever file comes next. So each use asks here first, and whoever finds the file gone empties the
log into it and lets go; nobody opens what is there now before all others have let go as well.

Nothing here opens a file: closing it would drop SQLite's locks (see :mod:`.placement`).
"""

from __future__ import annotations

import ctypes
import os
import time
from pathlib import Path
from typing import Final

import apsw

from tenets_session_server.errors import DatabaseUnavailableError
from tenets_session_server.storage.file_system import readable_name
from tenets_session_server.storage.inode import Identity, Place, identity

SETTLED: Final = 0.5
"""Seconds after the loss, and without a write, after which what is there is taken for complete."""
_FILE_LOST: Final = "has been deleted, moved or replaced"
CONSTANT: Final = 2.0
"""The same for a file that is written to, but does not change its size: it is being used."""


class Whereabouts:
    """Follows one database from opening to opening."""

    def __init__(self, path: Path) -> None:
        self._path, self._place = path, Place(path)
        self._log_place = self._place
        self._memory_path = ""
        self._file: Identity | None = None
        self._log: Identity | None = None
        self._lost_at: float | None = None
        self._candidate: tuple[Identity, int, float] | None = None  # file, size, since when

    def opened(self, connection: apsw.Connection) -> bool:
        """Take note of what has just been opened; return False where it is gone already."""
        real = os.path.realpath(self._path)
        self._log_place, self._memory_path = Place(f"{real}-wal"), f"{real}-shm"
        self._file, self._log = self._place.identity(), None
        self._lost_at = self._candidate = None
        return not has_moved(connection) and self._file is not None

    def lost(self) -> str | None:
        """Return what has become of the open file, None where nothing has; costs 3 us."""
        if self._place.identity() != self._file:
            return _FILE_LOST
        log = self._log_place.identity()
        if self._log is None:
            self._log = log
        elif log != self._log:
            return "has lost its write-ahead log"
        return None

    def may_be_emptied(self) -> bool:
        """Tell whether the log is still nobody's but that of the file that was lost.

        Others may have opened what is there now, and then it is theirs.
        """
        same_file = self._place.identity() == self._file
        return not in_use(self._memory_path if same_file else self._path)

    def let_go(self) -> None:
        """Take note that the file has just been let go of."""
        self._lost_at = time.monotonic()

    def forget_loss(self) -> None:
        """Forget that something was lost: what is there may be opened, or made, at once."""
        self._lost_at = self._candidate = None

    def is_missing(self) -> bool:
        """Tell whether nothing is at the path."""
        return self._place.identity() is None

    def check_it_is_back(self) -> None:
        """Check that what was lost is there again, that all have let go, and nobody is writing it.

        A backup that is just being copied to its place looks like a database, or like an empty one.
        Raises :class:`DatabaseUnavailableError`; does nothing where nothing was lost.
        """
        if self._lost_at is None:
            return
        try:
            status = self._path.stat()
        except OSError:
            way_out = "put it back, or start the server anew to begin with an empty one"
            raise self._unavailable(f"has been deleted or moved: {way_out}") from None
        if not status.st_size:
            raise self._unavailable("has been replaced by an empty file")
        now = time.monotonic()
        found = ((status.st_dev, status.st_ino), status.st_size)
        if self._candidate is None or self._candidate[:2] != found:
            self._candidate = (*found, now)
        unwritten = not 0 <= time.time() - status.st_mtime < SETTLED
        constant = now - self._candidate[2] >= CONSTANT
        if now - self._lost_at < SETTLED or not (unwritten or constant):
            raise self._unavailable("has been replaced only just now")

    def _unavailable(self, what: str) -> DatabaseUnavailableError:
        return DatabaseUnavailableError(f"{readable_name(self._path)} {what}")


def has_moved(connection: apsw.Connection) -> bool:
    """Tell whether the file is not at its path any more, as SQLite sees it; costs 1 us."""
    moved = ctypes.c_int(0)
    # False where the platform cannot tell (Windows, where an open file cannot be moved).
    known = connection.file_control("main", apsw.SQLITE_FCNTL_HAS_MOVED, ctypes.addressof(moved))
    return known and bool(moved.value)


def in_use(path: Path | str) -> bool:
    """Tell whether another process has SQLite's locks on a file (proc_locks(5)).

    False where that is unknown.
    """
    found = identity(path)
    if found is None:
        return False
    wanted = f"{os.major(found[0]):02x}:{os.minor(found[0]):02x}:{found[1]}"
    try:
        locks = Path("/proc/locks").read_text(encoding="ascii")
    except OSError:
        return False
    # "1: POSIX  ADVISORY  WRITE 4711 fe:00:2148041 0 EOF"; who waits has "->" before the kind.
    fields = [line.replace("->", "").split() for line in locks.splitlines()]
    return any(wanted in one and one[4:5] != [str(os.getpid())] for one in fields)
