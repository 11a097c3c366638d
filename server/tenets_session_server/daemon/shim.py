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
from tenets_session_server.daemon.lean import send_descriptors, signal, socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Final

    from tenets_session_server.options import Options

PATIENCE: Final = 2.0
"""Seconds within which a process that is not just being started has to answer."""
START_PATIENCE: Final = 20.0
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
            connection = _agree(database, options, folder)
        finally:
            os.close(folder)
            os.chdir("/")  # no folder of an editor's is kept busy by us
        watch = _Watch(connection, parent)
        try:
            _hand_over(watch, (0, 1, 2 if log is None else log))
            _forget_streams(log)
            return _exit_status(watch)
        finally:
            watch.close()
    except EditorEndedError:
        return 1
    except (UnsafeError, ControlError, OSError) as error:
        raise NotAttachedError(str(error)) from error


def _agree(database: str, options: Options, folder: int) -> socket.socket:
    """Return a connection to a process that is ready to serve us, started if need be."""
    where = Address(database)
    offer = control.pack(
        "attach",
        path=database,
        database=where.database,
        installation=where.installation,
        folder=where.folder_identity(),
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
            return _ready(connection, where)
        except ConnectionError:  # it was just about to end; or it cannot start
            connection.close()
        except BaseException:
            connection.close()
            raise
    raise ControlError("the shared process ends as soon as it is started")


def _connect(where: Address, options: Options, folder: int) -> socket.socket:
    deadline = time.monotonic() + PATIENCE
    while (connection := launch.connect(where, PATIENCE)) is None:
        if launch.start_if_missing(where, options, folder, PATIENCE):
            continue
        if time.monotonic() > deadline:
            raise ControlError("somebody has been starting the shared process for too long")
        time.sleep(PAUSE)
    return connection


def _ready(connection: socket.socket, where: Address) -> socket.socket:
    """Wait until the process is ready: for long while it is being started, else not."""
    answers = select.poll()
    answers.register(connection, select.POLLIN)
    latest = time.monotonic() + START_PATIENCE
    deadline = time.monotonic() + PATIENCE
    while not answers.poll(LOCK_INTERVAL * 1000):
        now = time.monotonic()
        if now < latest and launch.is_locked(where.lock_name):
            deadline = now + PATIENCE
        elif now > deadline:
            raise ControlError("the shared process does not answer")
    _expect("ready", receive(connection))
    return connection


def _hand_over(watch: _Watch, streams: tuple[int, int, int]) -> None:
    """Give our streams to the process; where that fails, it has not touched them."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _leave)
    watch.connection.settimeout(None)
    send_descriptors(watch.connection, control.pack("serve"), streams)
    _expect("serving", watch.next())


def _forget_streams(log: int | None) -> None:
    """Keep nothing open that is the process' and the editor's by now, but stderr."""
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.close(nothing)
    if log is not None:
        os.close(log)


def _exit_status(watch: _Watch) -> int:
    try:
        end = watch.next()
        reason, status = end.get("reason"), control.number(end, "status")
    except (OSError, ControlError) as error:
        reason, status = f"{error}; start it anew", 1
    if reason is not None:
        try:
            os.write(2, f"tenets-session-server: {reason}\n".encode())
        except OSError:  # nobody is there to read it
            pass
    return status


def _leave(_number: int, _frame: FrameType | None) -> None:
    os._exit(1)  # what we had is closed by that, and the process lets go of the editor


class EditorEndedError(Exception):
    """The process that started us has ended."""


class _Watch:
    """Waits for messages on a connection, and for the end of our parent process."""

    def __init__(self, connection: socket.socket, parent: int) -> None:
        self.connection, self._parent = connection, parent
        self._poll = select.poll()
        self._poll.register(connection, select.POLLIN)
        self._pidfd: int | None = None
        if sys.platform == "linux":
            try:
                self._pidfd = os.pidfd_open(parent)
                self._poll.register(self._pidfd, select.POLLIN)
            except OSError:  # an older kernel, or a parent outside of our container
                pass

    def close(self) -> None:
        """Close the connection as well."""
        self.connection.close()
        if self._pidfd is not None:
            os.close(self._pidfd)

    def next(self) -> dict[str, str]:
        """Return the next message; raises :class:`EditorEndedError`, and as :func:`receive`."""
        pause = None if self._pidfd is not None else PARENT_INTERVAL * 1000
        while True:
            # The number may have been given to another process by the time that we had opened it.
            if os.getppid() != self._parent:
                raise EditorEndedError
            events = self._poll.poll(pause)
            if any(fd == self.connection.fileno() for fd, _ in events):
                return receive(self.connection)
            if events:
                raise EditorEndedError


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
