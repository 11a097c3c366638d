"""Where the process that serves a database is to be found, and that nobody else put it there.

Its socket is in a folder that belongs to this user and that nobody else may enter, in
``$XDG_RUNTIME_DIR`` or, where there is no such private place, below the user's cache directory. The
folder is opened once, without following a link, and checked; what is in it is then reached from
there, by name alone. So nobody can exchange it, and a long path is no problem: the name of a socket
has to fit into 108 bytes (unix(7)), and these do.
"""

from __future__ import annotations

import binascii
import os
import stat
import sys

import tenets_session_server
from tenets_session_server import locations
from tenets_session_server.daemon.fast_imports import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

FOLDER: Final = "tenets-session-server"
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


class UnsafeError(Exception):
    """A place that others could have prepared, or that cannot be used; the message says which."""


class Address:
    """What one process serves: a database file, by an installation of this package.

    ``database`` is the absolute path with its folder's links resolved. A link in place of the file
    stays one: it may lead elsewhere tomorrow. ``installation`` differs for another version,
    another interpreter, and for the same version installed anew.
    """

    def __init__(self, database: str) -> None:
        folder, name = os.path.split(database.rstrip("/"))
        self.folder = os.path.realpath(folder)
        self.database = os.path.join(self.folder, name)
        package = os.stat(os.path.abspath(tenets_session_server.__file__))
        self.installation = " ".join(
            (
                tenets_session_server.__version__,
                os.uname().nodename,  # a home may be that of several machines
                os.path.realpath(sys.executable),  # it may have several names
                sys.prefix,
                hex(sys.hexversion),
                os.path.dirname(tenets_session_server.__file__),
                f"{package.st_dev}:{package.st_ino}:{package.st_mtime_ns}",
            )
        )
        # Short, as it has to be; that two are the same by chance is found when they are compared.
        self.database_key = f"{_checksum(self.database)}-"
        self.name = f"{self.database_key}{_checksum(self.installation)}"

    @property
    def socket_name(self) -> str:
        """Name of the socket in the folder."""
        return f"{self.name}.sock"

    @property
    def lock_name(self) -> str:
        """Name of the file that is locked while a process is being started or ends."""
        return f"{self.name}.lock"

    def folder_identity(self) -> str:
        """Return what the database's folder is here, "" where there is none yet.

        The same path can be another folder in a container.
        """
        try:
            found = os.stat(self.folder)
        except OSError:
            return ""
        return f"{found.st_dev}:{found.st_ino}"

    def access(self) -> str:
        """Return what this process may do with the file, "" where there is none yet.

        Processes of one user may differ in that: a sandbox, dropped capabilities.
        """
        if not os.path.exists(self.database):
            return ""
        return f"{os.access(self.database, os.R_OK)} {os.access(self.database, os.W_OK)}"


def enter_folder() -> int:
    """Make the folder where sockets are the working directory; return a descriptor of it.

    It is created where it is missing. Raises :class:`UnsafeError` where there is no safe place.
    """
    reasons = []
    for place, make in _places():
        try:
            return _enter(place, make_parents=make)
        except UnsafeError as error:
            reasons.append(str(error))
        except OSError as error:
            reasons.append(f"{place}: {error.strerror}")
    raise UnsafeError("; ".join(reasons) or "there is no home directory")


def check_socket(name: str) -> bool:
    """Return whether there is a socket of ours by that name in the working directory.

    Raises :class:`UnsafeError` where there is something else.
    """
    try:
        found = os.lstat(name)
    except FileNotFoundError:
        return False
    if not stat.S_ISSOCK(found.st_mode) or found.st_uid != os.geteuid():
        raise UnsafeError(f"{name} is not a socket of this user")
    return True


def bind(name: str) -> socket.socket:
    """Return a socket listening by that name in the working directory, for this user alone."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(name)
    except BaseException:
        listener.close()
        raise
    finally:
        os.umask(before)
    listener.listen(socket.SOMAXCONN)
    return listener


def _places() -> Iterator[tuple[str, bool]]:
    """Yield folders that may do, and whether those above them may be made too."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if not os.path.isabs(runtime):
        runtime = f"/run/user/{os.geteuid()}"
    if os.path.isdir(runtime):
        yield os.path.join(runtime, FOLDER), False
    try:
        caches = locations.user_cache_directory(FOLDER)
    except RuntimeError:
        return
    yield os.path.join(caches, "run"), True


def _enter(folder: str, *, make_parents: bool) -> int:
    parent = os.path.dirname(folder)
    if make_parents:
        os.makedirs(parent, 0o700, exist_ok=True)
    found = os.stat(parent)
    if found.st_uid != os.geteuid() or found.st_mode & _OTHERS_WRITE:
        raise UnsafeError(f"{parent} is not this user's alone to write to")
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        pass
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    found = os.fstat(descriptor)
    if found.st_uid != os.geteuid() or found.st_mode & 0o077:
        os.close(descriptor)
        raise UnsafeError(f"{folder} is not this user's alone")
    os.fchdir(descriptor)
    return descriptor


def _checksum(text: str) -> str:
    return f"{binascii.crc32(os.fsencode(text)):08x}"
