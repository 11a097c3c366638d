"""Whether the database and its write-ahead log (WAL) are still the files that were opened.

A file that is deleted, moved or replaced while it is open takes writes that nobody will find. So
does its WAL. And SQLite takes a WAL that is left behind for that of the next file at the path. So
the server checks the inodes before each use. If one has changed, it empties the WAL into the old
file and closes that. The new file is opened once every other process has closed the old one.

Nothing here opens a file: closing it would drop SQLite's locks (see :mod:`.file_system`).
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
import time
from pathlib import Path
from typing import Any, Final

import apsw

from tenets_session_server.errors import DatabaseUnavailableError
from tenets_session_server.storage.sqlite.file_system import readable_name

Inode = tuple[int, int]
"""A device number and an inode number."""

SETTLED: Final = 0.5
"""Seconds without a write, and since the loss, after which a new file counts as complete."""
CONSTANT_SIZE: Final = 2.0
"""The same for a file that is written to but keeps its size: another process is using it."""

_AT_FDCWD: Final = ctypes.c_int(-100)
_NO_FLAGS: Final = ctypes.c_int(0)
_STATX_NLINK_AND_INO: Final = ctypes.c_uint(0x104)
_STATX_BYTES: Final = 256
# struct statx: stx_attributes, stx_nlink, stx_ino, and after the times the device's two numbers.
_FIELDS: Final = struct.Struct("=8xQI12xQ96xII")
_MOUNT_ROOT: Final = 0x2000  # STATX_ATTR_MOUNT_ROOT


class FileIdentity:
    """The inodes of one database and its WAL, as they were when it was opened."""

    def __init__(self, path: Path) -> None:
        self._path, self._file_at_path = path, _PathInode(path)
        self._wal, self._shm = _Companion(f"{path}-wal"), _Companion(f"{path}-shm")
        self._file: Inode | None = None
        self._released_at: float | None = None
        self._candidate: tuple[Inode, int, float] | None = None  # file, size, since when

    def record(self, connection: apsw.Connection) -> bool:
        """Record the file that has just been opened; return False if it has moved already."""
        real = os.path.realpath(self._path)
        self._wal, self._shm = _Companion(f"{real}-wal"), _Companion(f"{real}-shm")
        self._file = self._file_at_path.read()
        self.reset()
        return not _has_moved(connection) and self._file is not None

    def mismatch(self) -> str | None:
        """Return what has happened to the open file, None if nothing has; costs 3 us."""
        if self._file_at_path.read() != self._file:
            return "has been deleted, moved or replaced"
        if self._wal.is_lost():
            return "has lost its write-ahead log"
        # Processes that do not share it do not see each other's commits, and overwrite them.
        if self._shm.is_lost():
            return "has lost its shared memory (-shm)"
        return None

    def other_name(self) -> str | None:
        """Return what is wrong if the file that :meth:`mismatch` saw has another name, or None.

        SQLite derives the log's name from the file's. Under two names a file has two logs, and each
        program overwrites what the other has written.
        """
        if self._file_at_path.links > 1:
            return f"{readable_name(self._path)} has {self._file_at_path.links} names (hard links)"
        if self._file_at_path.is_mount_point:
            return f"{readable_name(self._path)} is mounted by itself, without its folder"
        return None

    def look_for_other_names(self) -> str | None:
        """Look at the file, which need not be open, and return what :meth:`other_name` does."""
        self._file_at_path.read()
        return self.other_name()

    def check_one_name(self) -> None:
        """Raise ``DatabaseUnavailableError`` if the file has another name: it must not be written.

        Then each program may use a log of its own, and overwrite what the others have written.
        """
        if (problem := self.other_name()) is not None:
            raise DatabaseUnavailableError(
                f"{problem}, so that two programs could overwrite each other's changes; nothing is"
                " written until it has one name only: copy a file instead of linking it, and mount"
                " the folder instead of the file"
            )

    def used_by_others(self) -> bool:
        """Tell whether another process has opened what is at the path now, and so uses its WAL."""
        same_file = self._file_at_path.read() == self._file
        return _is_locked(self._shm.path if same_file else self._path)

    def locked_by_others(self) -> bool:
        """Tell whether another process keeps this one from writing; True if that is unknown."""
        paths = (self._path, self._shm.path)
        return any(_is_locked(path, "WRITE", unknown=True) for path in paths)

    def released(self) -> None:
        """Record that the connection to a lost file has just been closed."""
        self._released_at = time.monotonic()

    def reset(self) -> None:
        """Forget a loss: whatever is at the path may be opened, or a new file created."""
        self._released_at = self._candidate = None

    def is_missing(self) -> bool:
        """Tell whether nothing is at the path."""
        return self._file_at_path.read() is None

    def check_restored(self) -> None:
        """After a loss, check that there is a file again, complete and not being written.

        A backup that is being copied looks like a database, or like an empty one; and other servers
        need time to close the lost file. Raises :class:`DatabaseUnavailableError`.
        """
        if self._released_at is None:
            return
        try:
            status = self._path.stat()
        except OSError:
            raise self._unavailable(
                "has been deleted or moved: put it back, bring back a backup with `tenets-session"
                " recover`, or restart the server to create a new one"
            ) from None
        if not status.st_size:
            raise self._unavailable("has been replaced by an empty file")
        now = time.monotonic()
        found = ((status.st_dev, status.st_ino), status.st_size)
        if self._candidate is None or self._candidate[:2] != found:
            self._candidate = (*found, now)
        unwritten = not 0 <= time.time() - status.st_mtime < SETTLED
        constant = now - self._candidate[2] >= CONSTANT_SIZE
        if now - self._released_at < SETTLED or not (unwritten or constant):
            error = self._unavailable("has just been replaced; it is opened once it is complete")
            error.retryable = True  # nobody has to do anything
            raise error

    def _unavailable(self, what: str) -> DatabaseUnavailableError:
        return DatabaseUnavailableError(f"{readable_name(self._path)} {what}")


def _has_moved(connection: apsw.Connection) -> bool:
    """Ask SQLite whether the open file is no longer at its path; costs 1 us."""
    moved = ctypes.c_int(0)
    # False if the platform cannot tell (Windows, where an open file cannot be moved).
    known = connection.file_control("main", apsw.SQLITE_FCNTL_HAS_MOVED, ctypes.addressof(moved))
    return known and bool(moved.value)


def _is_locked(path: Path | str, kind: str = "", *, unknown: bool = False) -> bool:
    """Tell whether another process has SQLite's locks on a file (proc_locks(5)).

    ``kind`` is "READ", "WRITE" or either. Returns ``unknown`` where the system does not say it.
    """
    found = _PathInode(path).read()
    if found is None:
        return False
    wanted = f"{os.major(found[0]):02x}:{os.minor(found[0]):02x}:{found[1]}"
    try:
        locks = Path("/proc/locks").read_text(encoding="ascii")
    except OSError:
        return unknown
    # "1: POSIX  ADVISORY  WRITE 4711 fe:00:2148041 0 EOF"; "->" marks a process that waits.
    fields = [line.replace("->", "").split() for line in locks.splitlines()]
    return any(
        wanted in one and kind in one[3] and one[4] != str(os.getpid())
        for one in fields
        if len(one) > 4
    )


def _find_statx() -> Any:
    """Return the C library's statx(2), None if there is none or the system refuses it."""
    if sys.platform != "linux":
        return None
    statx = getattr(ctypes.CDLL(None), "statx", None)
    if statx is None:
        return None
    buffer = ctypes.create_string_buffer(_STATX_BYTES)
    return None if statx(_AT_FDCWD, b"/", _NO_FLAGS, _STATX_NLINK_AND_INO, buffer) else statx


_statx: Final = _find_statx()


class _PathInode:
    """Reads the inode at one path again and again; for one thread at a time.

    ``links`` is the number of names that the file had then, ``is_mount_point`` whether it was
    mounted by itself, as containers do (known on Linux only).

    It asks for nothing else, by statx(2). Asking for a file's times has a cost: on Linux 6.13 and
    newer the next write must then record new ones in the file system's journal (multigrain
    timestamps). For a WAL that is checked at each commit, that is a tenth of the commit.
    """

    def __init__(self, path: Path | str) -> None:
        self.links, self.is_mount_point = 1, False
        self._path = os.fspath(path)
        self._buffer = ctypes.create_string_buffer(_STATX_BYTES)
        # Converted once: that takes as long as the call.
        name = ctypes.c_char_p(os.fsencode(path))
        self._arguments = (_AT_FDCWD, name, _NO_FLAGS, _STATX_NLINK_AND_INO, self._buffer)

    def read(self) -> Inode | None:
        """Return the inode that the path leads to, None if there is none; costs 1 us."""
        if _statx is None:
            return self._read_by_stat()
        if _statx(*self._arguments):
            return None
        attributes, self.links, inode, major, minor = _FIELDS.unpack_from(self._buffer)
        self.is_mount_point = bool(attributes & _MOUNT_ROOT)
        return os.makedev(major, minor), inode

    def _read_by_stat(self) -> Inode | None:
        try:
            status = os.stat(self._path)  # noqa: PTH116 - called for every request
        except OSError:
            return None
        self.links = status.st_nlink
        return status.st_dev, status.st_ino


class _Companion:
    """A file that SQLite keeps beside the open database; it may appear after the opening."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._at_path = _PathInode(path)
        self._seen: Inode | None = None

    def is_lost(self) -> bool:
        """Tell whether the file that was seen first is no longer at its path; costs 1 us."""
        found = self._at_path.read()
        if self._seen is None:
            self._seen = found
        return found != self._seen
