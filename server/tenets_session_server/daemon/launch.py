"""Starts the daemon of a database: one, however many commands want it at the same time.

The command that takes the lock binds the socket, and starts the daemon with the socket and the
lock. So other commands can connect at once and wait, and as long as the lock is held they know that
a daemon is being started, and does not hang.
"""

from __future__ import annotations

import fcntl
import os
import sys

from tenets_session_server.daemon.address import bind, check_socket
from tenets_session_server.daemon.control import check_peer, socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final, Self

    from tenets_session_server.daemon.address import Address
    from tenets_session_server.daemon.control import AttachRequest

# What the daemon is started with: its socket, the lock, and the directory where both are.
LISTENER_FD: Final = 3
LOCK_FD: Final = 4
DIRECTORY_FD: Final = 5


class Lock:
    """The lock that is held while the daemon of an address is started, and while it ends.

    ``directory`` is a descriptor of the sockets' directory, by default the working directory.
    """

    def __init__(self, name: str, directory: int | None = None) -> None:
        self.fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600, dir_fd=directory)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)  # a daemon that was started with it keeps the lock

    def acquire(self, *, shared: bool = False) -> bool:
        """Take the lock if no other process has it; return whether that succeeded."""
        try:
            fcntl.flock(self.fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def is_locked(name: str) -> bool:
    """Return whether a process has the lock; commands that ask this do not block each other."""
    with Lock(name) as lock:
        return not lock.acquire(shared=True)


def connect(name: str, timeout: float) -> socket.socket | None:
    """Return a connection to this user's process that has a socket of that name, None without one.

    ``timeout`` is in seconds, for connecting and for each later call. Raises OSError,
    :class:`.address.UnsafeError` and :class:`.control.ControlError`.
    """
    if not check_socket(name):
        return None
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        connection.connect(name)
        check_peer(connection)
    except BaseException as error:
        connection.close()
        if isinstance(error, FileNotFoundError | ConnectionRefusedError):
            return None  # its process was killed, and left the socket
        raise
    return connection


def start_if_missing(
    address: Address, request: AttachRequest, directory: int, timeout: float
) -> bool:
    """Start the daemon unless there is one; return False if another process is starting it.

    ``directory`` is a descriptor of the working directory, ``timeout`` as for :func:`connect`.
    Raises as :func:`connect` does, and OSError if the daemon cannot be started.
    """
    with Lock(address.lock_name) as lock:
        if not lock.acquire():
            return False
        found = connect(address.socket_name, timeout)
        if found is not None:  # another process started it before we took the lock
            found.close()
            return True
        try:
            os.unlink(address.socket_name)
        except FileNotFoundError:
            pass
        listener = bind(address.socket_name)
        try:
            _start(request, (listener.fileno(), lock.fd, directory))
        finally:
            listener.close()
    return True


def python() -> list[str]:
    """Return the command line of a Python that runs the daemon, isolated from its surroundings.

    It imports what we import, and nothing from an editor's working directory.
    """
    import_path = os.pathsep.join(part for part in sys.path if os.path.isabs(part))
    program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "__main__.py")
    return [sys.executable, "-I", program, import_path]


def _start(request: AttachRequest, descriptors: tuple[int, int, int]) -> None:
    """Start the daemon with these descriptors only, in its own session and not as our child."""
    # What may differ between clients comes later, with the request of each.
    command = [
        *python(),
        f"--database={request.database}",
        f"--reason={request.reason}",
        f"--access={request.access}",
        f"--synchronous={request.synchronous}",
        f"--log-level={request.log_level}",
    ]
    child = os.fork()
    if child:
        try:
            os.waitpid(child, 0)
        except ChildProcessError:  # the editor started us with SIGCHLD ignored
            pass
        return
    try:
        os.setsid()
        if os.fork():
            os._exit(0)
        _keep_only(descriptors)
        os.chdir("/")
        os.umask(0o077)
        os.execv(sys.executable, command)  # noqa: S606 - no shell is wanted
    finally:
        os._exit(1)


def _keep_only(descriptors: tuple[int, int, int]) -> None:
    """Close every other descriptor; these get the numbers from 3 on, and 0 to 2 the null device."""
    null = os.open(os.devnull, os.O_RDWR)
    # Copy them above the numbers that they are to get, so that none overwrites another.
    copies = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (null, null, null, *descriptors)]
    for number, fd in enumerate(copies):
        os.dup2(fd, number)
    # Those that exist, not all up to the limit: it may have been lowered after they were opened.
    for name in os.listdir("/dev/fd"):
        try:
            if int(name) >= len(copies):
                os.close(int(name))
        except OSError:  # the one that listdir itself had open
            pass
