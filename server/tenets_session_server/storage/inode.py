"""Which file a path leads to: its device and inode number, and nothing else.

Asking for a file's times as well is not free: on Linux 6.13 and newer the next write to it has to
give it new ones, in the file system's journal (multigrain timestamps). Of a log that is looked at
with each commit that is a tenth of a commit. So only the number is asked for, by statx(2).
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from pathlib import Path
from typing import Any, Final

Identity = tuple[int, int]
"""The device and the inode number."""

_AT_FDCWD: Final = ctypes.c_int(-100)
_NO_FLAGS: Final = ctypes.c_int(0)
_STATX_INO: Final = ctypes.c_uint(0x100)
_SIZE: Final = 256
# struct statx: stx_ino, and after the times stx_dev_major and stx_dev_minor.
_FIELDS: Final = struct.Struct("=32xQ96xII")


def _find_statx() -> Any:
    """Return the C library's function; None where it has none, or the system refuses it."""
    if sys.platform != "linux":
        return None
    function = getattr(ctypes.CDLL(None), "statx", None)
    if function is None:
        return None
    refused = function(_AT_FDCWD, b"/", _NO_FLAGS, _STATX_INO, ctypes.create_string_buffer(_SIZE))
    return None if refused else function


_statx: Final = _find_statx()


class Place:
    """A path that is looked at again and again, by one thread at a time."""

    def __init__(self, path: Path | str) -> None:
        self._path = os.fspath(path)
        self._buffer = ctypes.create_string_buffer(_SIZE)
        # Made once: making them anew takes as long as the call.
        name = ctypes.c_char_p(os.fsencode(path))
        self._arguments = (_AT_FDCWD, name, _NO_FLAGS, _STATX_INO, self._buffer)

    def identity(self) -> Identity | None:
        """Return what the path leads to, None for nothing; costs 1 us."""
        if _statx is None:
            return self._identity_by_stat()
        if _statx(*self._arguments):
            return None
        inode, major, minor = _FIELDS.unpack_from(self._buffer)
        return os.makedev(major, minor), inode

    def _identity_by_stat(self) -> Identity | None:
        try:
            status = os.stat(self._path)  # noqa: PTH116 - on the path of every request
        except OSError:
            return None
        return status.st_dev, status.st_ino


def identity(path: Path | str) -> Identity | None:
    """Return what a path leads to, None for nothing."""
    return Place(path).identity()
