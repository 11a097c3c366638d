"""Attaches this very process to a daemon that is running, as a client like any other.

It is for commands that ask something and end. They start no daemon: without one, they use the
database themselves. What the command of an editor does is in :mod:`.shim`.
"""

from __future__ import annotations

import os

from tenets_session_server.daemon import address, control, launch, limits, shim
from tenets_session_server.daemon.control import (
    SUPPORTED,
    AttachRequest,
    ControlError,
    socket,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

IDLE_TIMEOUT: Final = 60.0
"""Seconds that the daemon stays if we were its last client, as after an editor."""


class Attachment:
    """A client's connection to a daemon: ``stream`` has its messages in both directions.

    The daemon serves it as long as both sockets are open.
    """

    def __init__(self, stream: socket.socket, command: socket.socket) -> None:
        self.stream, self._command = stream, command

    def close(self) -> None:
        """End the connection."""
        self.stream.close()
        self._command.close()


def attach(database: str, reason: str) -> Attachment | None:
    """Return a connection to the daemon of a database, None if there is none that serves us.

    ``reason`` says why it is that database.
    """
    if not SUPPORTED:
        return None
    try:
        there = address.Address(database)
        command = _connect(there)
        if command is None:
            return None
        try:
            request = there.attach_request(
                database,
                reason,
                limits=limits.own(),
                log_level="error",
                synchronous="full",
                idle_timeout=IDLE_TIMEOUT,
            )
            return _attach(command, request)
        except BaseException:
            command.close()
            raise
    except (address.UnsafeError, ControlError, OSError):
        return None


def _connect(there: address.Address) -> socket.socket | None:
    """Return a control connection. A socket is reached from within its folder only."""
    here = os.open(".", getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY)
    try:
        for folder in address.existing_directories():
            try:
                os.close(address.enter(folder))
            except (address.UnsafeError, OSError):
                continue
            found = launch.connect(there.socket_name, shim.RESPONSE_TIMEOUT)
            if found is not None:
                return found
    finally:
        os.fchdir(here)
        os.close(here)
    return None


def _attach(command: socket.socket, request: AttachRequest) -> Attachment:
    command.sendall(request.pack())
    control.expect("ready", control.receive(command))
    ours, theirs = socket.socketpair()
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        shim.hand_over(command, (theirs.fileno(), theirs.fileno(), null))
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
        os.close(null)
    return Attachment(ours, command)
