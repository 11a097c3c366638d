"""What the command does in shared mode: it has its editor served by the daemon of its database.

It connects to the daemon, or starts it, hands over its own stdin, stdout and log, waits, and ends
with the exit status that the daemon sends. It imports the standard library only, and as little of
that as possible: every editor waits for it, and each of its windows keeps one such process.
"""

from __future__ import annotations

import os
import select
import sys
import time

from tenets_session_server.daemon import control, launch
from tenets_session_server.daemon.address import Address, UnsafeError, enter_runtime_directory
from tenets_session_server.daemon.control import AttachRequest, ControlError, signal, socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Final

RESPONSE_TIMEOUT: Final = 2.0
"""Seconds within which a running daemon has to answer, and a missing one to be found or started."""
START_TIMEOUT: Final = 10.0
"""Seconds within which a daemon that is being started has to answer; a cold disk is slow."""
BIND_INTERVAL: Final = 0.005
"""Seconds between attempts to connect while another process binds the socket."""
LOCK_INTERVAL: Final = 0.25
"""Seconds between checks whether the daemon is still being started."""
ATTEMPTS: Final = 3
"""How many daemons may end before they serve us: each time it is looked for, or started, again."""
PARENT_INTERVAL: Final = 1.0
"""Seconds between checks whether the editor has ended, where the system does not report it."""


class NotAttachedError(Exception):
    """The daemon does not serve us, and has not used our streams; the message says why."""


def attach(address: Address, request: AttachRequest, *, log: int | None, parent: int) -> int:
    """Have the editor served; return the exit status when its connection is over.

    ``log`` is a descriptor for the log, by default stderr; ``parent`` is the id that the parent
    process had at the start. Raises :class:`NotAttachedError` if the caller has to serve the editor
    itself.
    """
    try:
        directory = enter_runtime_directory()
        try:
            null = os.open(os.devnull, os.O_RDWR)
            streams = (0, 1, 2 if log is None else log)
            connection = _attach(address, request, directory, streams)
        finally:
            os.close(directory)
            os.chdir("/")  # do not keep the editor's working directory busy
    except (UnsafeError, ControlError, OSError) as error:
        raise NotAttachedError(str(error)) from error
    # From here on only the daemon uses our streams, and we can no longer serve the editor.
    for number in (0, 1):
        os.dup2(null, number)
    if log is not None:
        os.close(log)
    return _wait(connection, parent)


def _attach(
    address: Address, request: AttachRequest, directory: int, streams: tuple[int, int, int]
) -> socket.socket:
    """Return a connection to a daemon that serves us on our streams; start it if need be.

    If this raises, nothing has used the streams.
    """
    for _ in range(ATTEMPTS):
        connection = _connect(address, request, directory)
        try:
            connection.sendall(request.pack())
            _wait_until_ready(connection, address.lock_name)
            _hand_over(connection, streams)
        except ConnectionError:  # the daemon was just about to end, or cannot start
            connection.close()
        except BaseException:
            connection.close()
            raise
        else:
            return connection
    raise ControlError("the daemon ends right after it starts")


def _connect(address: Address, request: AttachRequest, directory: int) -> socket.socket:
    deadline = time.monotonic() + RESPONSE_TIMEOUT
    while (connection := launch.connect(address.socket_name, RESPONSE_TIMEOUT)) is None:
        if time.monotonic() > deadline:
            raise ControlError("the daemon cannot be started")
        if not launch.start_if_missing(address, request, directory, RESPONSE_TIMEOUT):
            time.sleep(BIND_INTERVAL)
    return connection


def _wait_until_ready(connection: socket.socket, lock_name: str) -> None:
    """Wait up to START_TIMEOUT while the daemon is being started, else up to RESPONSE_TIMEOUT."""
    start_deadline = time.monotonic() + START_TIMEOUT
    deadline = time.monotonic() + RESPONSE_TIMEOUT
    while not _ready(connection.fileno(), select.POLLIN, LOCK_INTERVAL):
        now = time.monotonic()
        if now < start_deadline and launch.is_locked(lock_name):
            deadline = now + RESPONSE_TIMEOUT
        elif now > deadline:
            raise ControlError("the daemon does not answer")
    control.expect("ready", control.receive(connection))


def _hand_over(connection: socket.socket, streams: tuple[int, int, int]) -> None:
    """Give our streams to the daemon. From here on a signal ends us at once.

    The end of our parent is checked only later, in :func:`_wait`: what it sent before it ended is
    still to be executed.
    """
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup(1)
            signal.signal(number, _exit_at_once)
    hand_over(connection, streams)


def hand_over(connection: socket.socket, streams: tuple[int, int, int]) -> None:
    """Give stdin, stdout and a log to the daemon, which uses them from here on."""
    control.send_descriptors(connection, control.pack("serve"), streams)
    control.expect("serving", control.receive(connection))
    connection.sendall(control.pack("go"))


def _wait(connection: socket.socket, parent: int) -> int:
    """Wait for the exit status, or for the end of our parent; return what to end with."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    interval: float | None = PARENT_INTERVAL * 1000
    if sys.platform == "linux":
        try:
            poll.register(os.pidfd_open(parent), select.POLLIN)
            interval = None
        except OSError:  # an older kernel, or a parent outside of our container
            pass
    while True:
        # By the time that it was opened, the id may have belonged to another process.
        if os.getppid() != parent:
            return 1
        events = poll.poll(interval)
        if any(fd == connection.fileno() for fd, _ in events):
            return _exit_status(connection)
        if events:
            return 1


def _exit_status(connection: socket.socket) -> int:
    try:
        message = control.receive(connection)
        reason, status = message.get("reason"), int(message["status"])
    except (OSError, ControlError, KeyError, ValueError):
        reason, status = "the daemon ended unexpectedly; restart the server", 1
    if reason is not None:
        _print(f"tenets-session-server: {reason}\n")
    return status


def _print(line: str) -> None:
    """Write to stderr, unless that would block."""
    try:
        if _ready(2, select.POLLOUT, 0):
            os.write(2, line.encode("utf-8", "backslashreplace"))
    except OSError:  # the reading end is closed
        pass


def _ready(descriptor: int, event: int, seconds: float) -> bool:
    """Wait up to so many seconds until a descriptor is ready; return whether it is."""
    poll = select.poll()
    poll.register(descriptor, event)
    return bool(poll.poll(seconds * 1000))


def _exit_at_once(_number: int, _frame: FrameType | None) -> None:
    os._exit(1)  # the daemon notices that the connection is closed, and releases the streams
