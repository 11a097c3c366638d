"""Whether any connection has a database open, asked in a way that is safe and quick.

Each connection to a database with a write-ahead log has a shared lock on one byte of the shared
memory (os_unix.c, "DMS"). The kernel knows it, whatever the process namespace is.
"""

from __future__ import annotations

import os
import struct
import sys

import apsw

if sys.platform != "win32":
    import fcntl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_IN_USE: Final = 128
"""The byte of the shared memory that each connection has locked."""
# struct flock: type, whence, start, length, process. The order differs between the systems.
_LINUX, _BSD = struct.Struct("hhqqi4x"), struct.Struct("qqihh")


def is_in_use(path: str) -> bool:
    """Tell whether a connection of any process has a database open; True if that is unknown.

    For a database without a write-ahead log it is False.
    """
    real = os.path.realpath(path)
    # Closing a descriptor of the shared memory would drop the locks of this process.
    if any(_is_of(connection, real) for connection in apsw.connections()):
        return True
    if sys.platform == "win32":
        return os.path.exists(f"{real}-shm")  # noqa: PTH110 - the prompt imports no pathlib
    try:
        shm = os.open(f"{real}-shm", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return not isinstance(error, FileNotFoundError)
    try:
        linux = sys.platform == "linux"
        wanted = (
            _LINUX.pack(fcntl.F_WRLCK, os.SEEK_SET, _IN_USE, 1, 0)
            if linux
            else _BSD.pack(_IN_USE, 1, 0, fcntl.F_WRLCK, os.SEEK_SET)
        )
        found = fcntl.fcntl(shm, fcntl.F_GETLK, wanted)
        kind = _LINUX.unpack(found)[0] if linux else _BSD.unpack(found)[3]
        return bool(kind != fcntl.F_UNLCK)
    except OSError:
        return True
    finally:
        os.close(shm)


def _is_of(connection: apsw.Connection, real: str) -> bool:
    try:
        return os.path.realpath(connection.filename) == real
    except apsw.ThreadingViolationError:  # another thread is using it; it may be that file
        return True
    except apsw.ConnectionClosedError:
        return False
