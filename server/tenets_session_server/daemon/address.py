"""Where the daemon of a database listens, and that no other user put it there.

Its socket is in a directory that belongs to this user and that nobody else may enter: in
``$XDG_RUNTIME_DIR`` or, where there is no such private place, below the user's cache directory. The
directory is opened once, without following a link, and checked. It then becomes the working
directory, and what is in it is reached by name alone: nobody can exchange it, and its path may be
longer than the 108 bytes that a socket's name may have (unix(7)).
"""

from __future__ import annotations

import binascii
import errno
import os
import stat
import sys

import tenets_session_server
from tenets_session_server import locations
from tenets_session_server.daemon.control import AttachRequest, socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

FOLDER: Final = "tenets-session-server"
_WRITABLE_BY_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH


class UnsafeError(Exception):
    """A place that others could have prepared, or that cannot be used; the message says which."""


class Address:
    """What one daemon serves: one database file, for one installation of this package.

    ``database`` is the absolute path with the links of its folder resolved. A link in place of the
    file itself stays: it may lead to another file tomorrow. ``installation`` differs between
    versions, interpreters, machines, containers, and after the same version was installed again.
    ``access`` is what this process may do with the file, as it has just tried: "write", "read" or
    "nothing". A sandbox may allow less than permissions say.
    """

    def __init__(self, database: str, access: str | None = None) -> None:
        folder, name = os.path.split(database.rstrip("/"))
        self.folder = os.path.realpath(folder)
        self.database = os.path.join(self.folder, name)
        package = os.stat(os.path.abspath(tenets_session_server.__file__))
        self.installation = " ".join(
            (
                tenets_session_server.__version__,
                os.uname().nodename,  # several machines may share a home directory
                *_kernel_and_namespace(),
                os.path.realpath(sys.executable),  # it may have several names
                sys.prefix,
                hex(sys.hexversion),
                os.path.dirname(tenets_session_server.__file__),
                f"{package.st_dev}:{package.st_ino}:{package.st_mtime_ns}",
            )
        )
        # Short, to fit into a socket's name. The daemon compares the whole values, so two that have
        # the same checksum by chance do no harm.
        self.database_key = f"{_checksum(self.database)}-"
        self.access = access or try_access(self.database)
        self.name = f"{self.database_key}{_checksum(f'{self.installation} {self.access}')}"
        self.socket_name = f"{self.name}.sock"
        self.lock_name = f"{self.name}.lock"

    def attach_request(
        self,
        path: str,
        reason: str,
        *,
        limits: str,
        log_level: str,
        synchronous: str,
        idle_timeout: float,
    ) -> AttachRequest:
        """Return what the daemon has to know of this process, which wants to be served.

        ``path`` is the database as it was found, the others as :class:`.control.AttachRequest`.
        """
        return AttachRequest(
            path=path,
            database=self.database,
            reason=reason,
            installation=self.installation,
            folder_identity=self.folder_identity(),
            access=self.access,
            limits=limits,
            log_level=log_level,
            synchronous=synchronous,
            idle_timeout=idle_timeout,
            pid=os.getpid(),
        )

    def folder_identity(self) -> str:
        """Return the device and inode of the database's folder, "" if there is no folder yet.

        In a container the same path can be another folder.
        """
        try:
            found = os.stat(self.folder)
        except OSError:
            return ""
        return f"{found.st_dev}:{found.st_ino}"


def enter_runtime_directory() -> int:
    """Make the sockets' directory the working directory; return a descriptor of it.

    Creates the directory if need be. Raises :class:`UnsafeError` if there is no safe place.
    """
    reasons = []
    for folder, make_parents in _candidates():
        try:
            return enter(folder, create=True, make_parents=make_parents)
        except UnsafeError as error:
            reasons.append(str(error))
        except OSError as error:
            reasons.append(f"{folder}: {error.strerror}")
    raise UnsafeError("; ".join(reasons) or "there is no home directory")


def existing_directories() -> list[str]:
    """Return every directory in which a daemon of this user may have its socket.

    An editor's environment may differ from ours, so ``$XDG_RUNTIME_DIR`` is not all.
    """
    folders = [folder for folder, _ in _candidates()]
    folders.append(os.path.join(_usual_runtime_directory(), FOLDER))
    return [folder for folder in dict.fromkeys(folders) if os.path.isdir(folder)]


def check_socket(name: str) -> bool:
    """Return whether the working directory has a socket of this user by that name.

    Raises :class:`UnsafeError` if it has something else of that name.
    """
    try:
        found = os.lstat(name)
    except FileNotFoundError:
        return False
    if not stat.S_ISSOCK(found.st_mode) or found.st_uid != os.geteuid():
        raise UnsafeError(f"{name} is not a socket of this user")
    return True


def bind(name: str) -> socket.socket:
    """Return a listening socket of that name in the working directory, for this user only."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    umask = os.umask(0o177)
    try:
        listener.bind(name)
        listener.listen(socket.SOMAXCONN)
    except BaseException:
        listener.close()
        raise
    finally:
        os.umask(umask)
    return listener


def _candidates() -> Iterator[tuple[str, bool]]:
    """Yield directories to try, and whether to create the ones above them as well."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if not os.path.isabs(runtime):
        runtime = _usual_runtime_directory()
    if os.path.isdir(runtime):
        yield os.path.join(runtime, FOLDER), False
    try:
        caches = locations.user_cache_directory(FOLDER)
    except RuntimeError:  # no home directory
        return
    yield os.path.join(caches, "run"), True


def _usual_runtime_directory() -> str:
    return f"/run/user/{os.geteuid()}"


def enter(folder: str, *, create: bool = False, make_parents: bool = False) -> int:
    """Make a directory of sockets the working directory; return a descriptor of it.

    With ``create`` it is made if need be. Raises OSError, and :class:`UnsafeError` if it is not
    private.
    """
    parent = os.path.dirname(folder)
    if make_parents:
        os.makedirs(parent, 0o700, exist_ok=True)
    found = os.stat(parent)
    if found.st_uid != os.geteuid() or found.st_mode & _WRITABLE_BY_OTHERS:
        raise UnsafeError(f"other users may write to {parent}")
    if create:
        try:
            os.mkdir(folder, 0o700)
        except FileExistsError:
            pass
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    found = os.fstat(descriptor)
    if found.st_uid != os.geteuid() or found.st_mode & 0o077:
        os.close(descriptor)
        raise UnsafeError(f"other users may enter {folder}")
    os.fchdir(descriptor)
    return descriptor


def _kernel_and_namespace() -> tuple[str, ...]:
    """Return what differs between machines, their starts, and PID namespaces.

    A daemon in a container would end with it, and take the editors outside along.
    """
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip(), os.readlink("/proc/self/ns/pid")
    except OSError:  # another system, or no /proc
        return ()


def try_access(database: str) -> str:
    """Return what this process may do with a file, or with its folder if there is no file yet.

    It tries, as a sandbox such as Landlock does not show in access(2). Only for processes
    that do not have the file open in SQLite: closing it would drop SQLite's locks.
    """
    path, more = database, 0
    while not os.path.lexists(path) and path != "/":
        path, more = os.path.dirname(path), getattr(os, "O_TMPFILE", 0)
    for flags, access in ((os.O_RDWR | more, "write"), (os.O_RDONLY, "read")):
        try:
            os.close(os.open(path, flags | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK, 0o600))
        except OSError as error:
            # Not every file system has files without a name: then asking has to do.
            untried = path != database and error.errno in (errno.EOPNOTSUPP, errno.EISDIR)
            if untried and os.access(path, os.W_OK):
                return access
        else:
            return access
    return "nothing"


def _checksum(text: str) -> str:
    return f"{binascii.crc32(os.fsencode(text)):08x}"
