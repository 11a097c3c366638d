"""The command that an editor starts: has the editor served by the process of its database.

It finds that process, or starts it, hands over its own stdin, stdout and log, waits, and ends with
the exit status that comes back. It imports the standard library only, and as little of that as
possible: it is there as soon as Python is, and takes the memory of an empty one.
"""

from __future__ import annotations

import os
import select
import sys
import time

from tenets_session_server.daemon import control, launch
from tenets_session_server.daemon.address import Address, UnsafeError, enter_folder
from tenets_session_server.daemon.control import ControlError
from tenets_session_server.daemon.fast_imports import send_descriptors, signal, socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Final

    from tenets_session_server.cli.options import Options

PATIENCE: Final = 2.0
"""Seconds within which a process that is not just being started has to answer."""
START_PATIENCE: Final = 10.0
"""Seconds that one which is being started may take; a cold disk is slow."""
PAUSE: Final = 0.005
"""Seconds between looks while somebody else binds the socket."""
LOCK_INTERVAL: Final = 0.25
"""Seconds between looks whether the process is still being started."""
ATTEMPTS: Final = 3
"""How often a process that ends before it has answered is looked for, or started, again."""
PARENT_INTERVAL: Final = 1.0
"""Seconds between looks whether the editor has ended, where the system does not tell."""


class NotAttachedError(Exception):
    """The shared process does not serve us, and has not touched our streams; says why."""


def attach(options: Options, database: str, *, log: int | None, parent: int) -> int:
    """Have the editor served; return the exit status once that is over.

    ``log`` is a descriptor for the log, by default stderr; ``parent`` the id that the parent
    process had at the start. Raises :class:`NotAttachedError` where the caller has to serve the
    editor itself.
    """
    try:
        folder = enter_folder()
        try:
            control.check_platform()
            nothing = os.open(os.devnull, os.O_RDWR)
            connection = _agree(database, options, folder, (0, 1, 2 if log is None else log))
        finally:
            os.close(folder)
            os.chdir("/")  # no folder of an editor's is kept busy by us
    except (UnsafeError, ControlError, OSError) as error:
        raise NotAttachedError(str(error)) from error
    # From here on our streams are the other process', and nothing leads back.
    for number in (0, 1):
        os.dup2(nothing, number)
    if log is not None:
        os.close(log)
    return _wait(connection, parent)


def _agree(
    database: str, options: Options, folder: int, streams: tuple[int, int, int]
) -> socket.socket:
    """Return a connection to a process that serves us on our streams, started if need be.

    Where that raises, nothing has used them.
    """
    where = Address(database)
    offer = control.pack(
        "attach",
        path=database,
        database=where.database,
        installation=where.installation,
        folder=where.folder_identity(),
        access=where.access(),
        pid=os.getpid(),
        log_level=options.log_level,
        synchronous=options.synchronous,
        idle_timeout=str(options.idle_timeout),
    )
    for _ in range(ATTEMPTS):
        connection = _connect(where, options, folder)
        try:
            control.check_peer(connection)
            connection.sendall(offer)
            _wait_until_ready(connection, where)
            _hand_over(connection, streams)
        except ConnectionError:  # it was just about to end; or it cannot start
            connection.close()
        except BaseException:
            connection.close()
            raise
        else:
            return connection
    raise ControlError("the shared process ends as soon as it is started")


def _connect(where: Address, options: Options, folder: int) -> socket.socket:
    deadline = time.monotonic() + PATIENCE
    while (connection := launch.connect(where, PATIENCE)) is None:
        if time.monotonic() > deadline:
            raise ControlError("the shared process cannot be started")
        if not launch.start_if_missing(where, options, folder, PATIENCE):
            time.sleep(PAUSE)  # somebody else is at it
    return connection


def _wait_until_ready(connection: socket.socket, where: Address) -> None:
    """Wait for long while the process is being started, else not."""
    latest = time.monotonic() + START_PATIENCE
    deadline = time.monotonic() + PATIENCE
    while not _readable(connection, LOCK_INTERVAL):
        now = time.monotonic()
        if now < latest and launch.is_locked(where.lock_name):
            deadline = now + PATIENCE
        elif now > deadline:
            raise ControlError("the shared process does not answer")
    _expect("ready", receive(connection))


def _hand_over(connection: socket.socket, streams: tuple[int, int, int]) -> None:
    """Give our streams to the process."""
    # The end of our parent is looked for later: what it has sent before is to be executed.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup(1)
            signal.signal(number, _leave)
    send_descriptors(connection, control.pack("serve"), streams)
    if not _readable(connection, PATIENCE):
        raise ControlError("the shared process does not answer")
    _expect("serving", receive(connection))
    connection.sendall(control.pack("go"))


def _readable(connection: socket.socket, seconds: float) -> bool:
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def _wait(connection: socket.socket, parent: int) -> int:
    """Wait for the exit status, or for the end of our parent; return what to end with."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    pause: float | None = PARENT_INTERVAL * 1000
    if sys.platform == "linux":
        try:
            poll.register(os.pidfd_open(parent), select.POLLIN)
            pause = None
        except OSError:  # an older kernel, or a parent outside of our container
            pass
    while True:
        # The number may have been given to another process by the time that we had opened it.
        if os.getppid() != parent:
            return 1
        events = poll.poll(pause)
        if any(fd == connection.fileno() for fd, _ in events):
            return _exit_status(connection)
        if events:
            return 1


def _exit_status(connection: socket.socket) -> int:
    try:
        end = receive(connection)
        reason, status = end.get("reason"), control.number(end, "status")
    except (OSError, ControlError) as error:
        reason, status = f"{error}; start it anew", 1
    if reason is not None:
        _say(f"tenets-session-server: {reason}\n")
    return status


def _say(line: str) -> None:
    """Write to stderr, unless that would have to wait for somebody to read it."""
    poll = select.poll()
    poll.register(2, select.POLLOUT)
    try:
        if poll.poll(0):
            os.write(2, line.encode("utf-8", "backslashreplace"))
    except OSError:  # nobody is there to read it
        pass


def _leave(_number: int, _frame: FrameType | None) -> None:
    os._exit(1)  # what we had is closed by that, and the process lets go of the editor


def _expect(kind: str, answer: dict[str, str]) -> None:
    if answer["kind"] != kind:
        raise ControlError(answer.get("reason", f"the shared process says {answer['kind']}"))


def receive(connection: socket.socket) -> dict[str, str]:
    """Return the next message; raises ConnectionError at the end, TimeoutError, ControlError."""
    prefix = _receive_exactly(connection, control.PREFIX_SIZE)
    return control.unpack(_receive_exactly(connection, control.length(prefix)))


def _receive_exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise ConnectionResetError("the shared process has ended")
        data += part
    return data
