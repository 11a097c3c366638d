"""Tells that somebody is writing to the database's files, without touching them: inotify(7).

It says that something is going on, not that it is committed, nor always: there are file systems
whose other users are not seen. It makes looking worth while, and saves looking all the time.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
import sys
from pathlib import Path
from typing import Final

AVAILABLE: Final = sys.platform == "linux"

# The bits of <sys/inotify.h>.
_MODIFY, _MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 1 << 1, 1 << 6, 1 << 7, 1 << 8, 1 << 9
_DELETE_SELF, _MOVE_SELF = 1 << 10, 1 << 11
_IGNORED: Final = 1 << 15
_OVERFLOWED: Final = 1 << 14
_ABOUT_ALL: Final = _DELETE_SELF | _MOVE_SELF | _IGNORED | _OVERFLOWED
_ONLY_FOLDERS: Final = 1 << 24
_EVENT: Final = struct.Struct("iIII")  # struct inotify_event, followed by the name
_READ_SIZE: Final = 64 * 1024


class FileEvents:
    """Events of one database; ``fd`` is readable when there are some, None where nothing tells."""

    def __init__(self, path: Path) -> None:
        self.fd: int | None = None
        self._path = path
        self._names: set[bytes] = set()
        self._watching = False
        self._watch = -1
        if AVAILABLE:
            self._libc = ctypes.CDLL(None, use_errno=True)
            found = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
            self.fd = found if found >= 0 else None
        self.watch()

    def watch(self) -> bool:
        """Watch the folder, if that is not being done; return whether it is.

        To be called again after the folder has been gone.
        """
        if self.fd is not None and not self._watching:
            mask = _MODIFY | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE
            mask |= _DELETE_SELF | _MOVE_SELF | _ONLY_FOLDERS
            path = Path(os.path.realpath(self._path))  # a link may lead somewhere else by now
            # Not the shared memory, which is written for reading as well.
            self._names = {os.fsencode(path.name), os.fsencode(f"{path.name}-wal")}
            folder = os.fsencode(path.parent)
            self._watch = self._libc.inotify_add_watch(self.fd, folder, mask)
            self._watching = self._watch >= 0
        return self._watching

    def renew(self) -> None:
        """Watch the folder that has the database now, which may be another one."""
        if self.fd is not None and self._watching:
            self._watching = False
            self._libc.inotify_rm_watch(self.fd, self._watch)
        self.watch()

    def drain(self) -> bool:
        """Take what has happened; return whether any of it was about the database."""
        concerned = False
        if self.fd is None:
            return concerned
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self.fd, _READ_SIZE):
                position = 0
                while position < len(data):
                    watch, mask, _, length = _EVENT.unpack_from(data, position)
                    position += _EVENT.size + length
                    name = data[position - length : position].rstrip(b"\0")
                    if mask & _MOVE_SELF:
                        self.renew()
                    elif mask & _IGNORED and watch == self._watch:
                        self._watching = False
                    concerned |= name in self._names or bool(mask & _ABOUT_ALL)
        return concerned

    def close(self) -> None:
        """Watch nothing any more."""
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None
            self._watching = False
