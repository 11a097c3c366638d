"""Starts the process that serves a database, once, however many commands want it at the same time.

Whoever gets the lock binds the socket and starts the process with it, and with the lock. So others
can connect at once and wait; and as long as the lock is held they know that the process is on its
way, and not hanging.
"""

from __future__ import annotations

import fcntl
import os
import sys

from tenets_session_server.daemon import address
from tenets_session_server.daemon.fast_imports import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from tenets_session_server.cli.options import Options
    from tenets_session_server.daemon.address import Address

LISTENER_FD: Final = 3
LOCK_FD: Final = 4
FOLDER_FD: Final = 5
"""What the process is started with: its socket, the lock, and the folder where both are."""


class Lock:
    """The lock on starting and ending the process of an address.

    ``folder`` is a descriptor of the folder where it is, by default the working directory's.
    """

    def __init__(self, name: str, folder: int | None = None) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
        self.fd = os.open(name, flags, 0o600, dir_fd=folder)

    def take(self) -> bool:
        """Take the lock if nobody has it; tell whether we have it now."""
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def is_taken(self) -> bool:
        """Tell whether somebody has it; any number may look at the same time."""
        try:
            fcntl.flock(self.fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        fcntl.flock(self.fd, fcntl.LOCK_UN)
        return False

    def close(self) -> None:
        """Give it back, unless a process that was started has it too."""
        os.close(self.fd)


def is_locked(name: str) -> bool:
    """Tell whether somebody has the lock of this name."""
    lock = Lock(name)
    try:
        return lock.is_taken()
    finally:
        lock.close()


def connect(where: Address, patience: float) -> socket.socket | None:
    """Return a connection to the process of an address, None where there is no such process.

    Raises :class:`.address.UnsafeError`, and OSError where connecting fails in another way, or
    takes longer than ``patience``, in seconds.
    """
    if not address.check_socket(where.socket_name):
        return None
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(patience)
    try:
        connection.connect(where.socket_name)
    except (FileNotFoundError, ConnectionRefusedError):  # it has ended and left its socket
        connection.close()
        return None
    except BaseException:
        connection.close()
        raise
    return connection


def start_if_missing(where: Address, options: Options, folder: int, patience: float) -> bool:
    """Start the process unless there is one; return False where somebody else is at it.

    ``folder`` is a descriptor of the working directory.

    Raises as :func:`connect` does, and OSError where nothing can be started.
    """
    lock = Lock(where.lock_name)
    try:
        if not lock.take():
            return False
        found = connect(where, patience)
        if found is not None:  # started before we had the lock
            found.close()
            return True
        try:
            os.unlink(where.socket_name)
        except FileNotFoundError:
            pass
        listener = address.bind(where.socket_name)
        try:
            _start(where, options, (listener.fileno(), lock.fd, folder))
        finally:
            listener.close()
    finally:
        lock.close()
    return True


def _start(where: Address, options: Options, descriptors: tuple[int, int, int]) -> None:
    """Start the process: no child of ours, in a session of its own, with these descriptors only."""
    environment = dict(os.environ)
    if sys.flags.ignore_environment:
        environment = {k: v for k, v in environment.items() if not k.startswith("PYTHON")}
    # It has to find what we have found, whatever has led us there, and no folder of an editor's.
    environment["PYTHONPATH"] = os.pathsep.join(part for part in sys.path if os.path.isabs(part))
    command = [
        sys.executable,
        "-P",
        "-m",
        "tenets_session_server.daemon",
        *_arguments(where, options),
    ]
    child = os.fork()
    if child:
        try:
            os.waitpid(child, 0)
        except ChildProcessError:  # an editor has us ignore our children
            pass
        return
    try:
        os.setsid()
        if os.fork():
            os._exit(0)
        _keep_only(descriptors)
        os.chdir("/")
        os.umask(0o077)
        os.execve(sys.executable, command, environment)  # noqa: S606 - no shell is wanted
    finally:
        os._exit(1)


def _arguments(where: Address, options: Options) -> list[str]:
    """Return what the process is started with; what may differ between clients comes later."""
    named = [] if options.database is None else ["--named"]
    level = f"--log-level={options.log_level}"
    return [f"--database={where.database}", *named, f"--synchronous={options.synchronous}", level]


def _keep_only(descriptors: tuple[int, int, int]) -> None:
    """Let go of every descriptor but these, which get the numbers from 3 on."""
    nothing = os.open(os.devnull, os.O_RDWR)
    # First away from the numbers that they are to have.
    spare = [
        fcntl.fcntl(one, fcntl.F_DUPFD, 10) for one in (nothing, nothing, nothing, *descriptors)
    ]
    for number, one in enumerate(spare):
        os.dup2(one, number)
    # Those that are there, not up to a limit: it may have been lowered after they were opened.
    for name in os.listdir("/dev/fd"):
        try:
            if int(name) >= len(spare):
                os.close(int(name))
        except OSError:  # the one that the listing itself had open
            pass
