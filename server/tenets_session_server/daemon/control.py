"""The control socket: what a command and the daemon send each other, and whether to trust the peer.

A message is a length (4 bytes, big-endian) and that many bytes: fields ``name=value``, separated by
NUL, which no value contains. The field ``kind`` says what the message is:

=========== ======= ==============================================================================
``attach``  command asks the daemon to serve its editor; the fields of :class:`AttachRequest`
``ready``   daemon  accepts, and waits for the descriptors
``serve``   command comes with stdin, stdout and the descriptor for the log (SCM_RIGHTS)
``serving`` daemon  has received all of them
``go``      command no longer uses the descriptors: from now on only the daemon does
``refuse``  daemon  does not do what was asked, and has used nothing; ``reason``
``exit``    daemon  the client's connection is over; ``status``, and perhaps a ``reason`` to print
``status``  command asks the daemon of ``database`` for a ``report``, with ``json``
``stop``    command ends the daemon of ``database``; the answer is ``stopping`` with a ``pid``, and
                    the connection then stays open as long as that process runs
=========== ======= ==============================================================================

Before ``go`` either side may give up by closing the connection. The daemon has not read from the
editor by then, so the command can still serve it. Two processes never read the same input.

Every editor waits for the import of this module, so it imports next to nothing.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    import socket
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, Final, Self
else:
    # Importing signal and socket takes longer than starting Python, most of it for enum types. The
    # parts of them that are written in C have all that is needed here.
    import _signal as signal
    import _socket as socket

__all__ = ["AttachRequest", "ControlError", "MessageReader", "signal", "socket"]

SUPPORTED: Final = sys.platform in {"linux", "darwin"} or sys.platform.startswith("freebsd")
"""Whether the platform says which user a peer process belongs to: else there is no shared mode."""
LOG_LEVELS: Final = ("debug", "info", "warning", "error")
SYNCHRONOUS: Final = ("full", "normal")
MAX_SECONDS: Final = 1_000_000
"""The longest duration that an option may have: more than eleven days."""
MAX_SIZE: Final = 1024 * 1024
"""Bytes of the longest message."""

_PREFIX_SIZE: Final = 4
_SOL_LOCAL: Final = 0
_LOCAL_PEERCRED: Final = 1


class ControlError(Exception):
    """The peer is not, or does not send, what was expected; the message says which."""


class NoAnswerError(ControlError):
    """The daemon does not answer in time."""


def pack(kind: str, **fields: object) -> bytes:
    """Return a message; no value may contain NUL."""
    parts = [f"kind={kind}", *(f"{name}={value}" for name, value in fields.items())]
    body = os.fsencode("\0".join(parts))
    return len(body).to_bytes(_PREFIX_SIZE, "big") + body


class MessageReader:
    """Puts one message together from bytes, in whatever pieces they arrive.

    A caller that reads at most ``missing`` bytes at a time takes nothing of the next message.
    """

    def __init__(self) -> None:
        self.missing = _PREFIX_SIZE
        self._data = b""

    def feed(self, data: bytes) -> None:
        """Add bytes; raises ConnectionResetError for none, :class:`ControlError` for nonsense."""
        if not data:
            raise ConnectionResetError("the connection was closed")
        self._data += data
        self.missing -= len(data)
        if len(self._data) == _PREFIX_SIZE:
            self.missing = int.from_bytes(self._data, "big")
            if self.missing > MAX_SIZE:
                raise ControlError("the peer does not send control messages")

    def fields(self) -> dict[str, str]:
        """Return the fields once nothing is missing; raises :class:`ControlError`."""
        text = os.fsdecode(self._data[_PREFIX_SIZE:])
        fields = dict(part.partition("=")[::2] for part in text.split("\0"))
        if "kind" not in fields:
            raise ControlError("the peer does not send control messages")
        return fields


def receive(connection: socket.socket) -> dict[str, str]:
    """Return the daemon's next message, from a socket with a timeout.

    Raises :class:`ControlError` (:class:`NoAnswerError` after the timeout), and ConnectionError at
    the end of the stream.
    """
    reader = MessageReader()
    try:
        while reader.missing:
            reader.feed(connection.recv(reader.missing))
    except TimeoutError:
        raise NoAnswerError("the daemon does not answer") from None
    return reader.fields()


def expect(kind: str, message: Mapping[str, str]) -> None:
    """Raise :class:`ControlError`, with the peer's reason if it gives one, for another kind."""
    if message["kind"] != kind:
        unexpected = f"expected {kind}, received {message['kind']}"
        raise ControlError(message.get("reason", unexpected))


def send_descriptors(connection: socket.socket, message: bytes, descriptors: Sequence[int]) -> None:
    """Send a message and descriptors with it, as ``socket.send_fds`` does."""
    # The kernel takes them as an array of C ints (unix(7), SCM_RIGHTS).
    rights = b"".join(fd.to_bytes(4, sys.byteorder) for fd in descriptors)
    connection.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])


def parse_seconds(text: str) -> float:
    """Return a duration of 0 to :data:`MAX_SECONDS`; raises ValueError."""
    seconds = float(text)
    if not 0 <= seconds <= MAX_SECONDS:
        raise ValueError(f"expected 0 to {MAX_SECONDS} seconds")
    return seconds


class AttachRequest:
    """What a command sends to have its editor served.

    ``path`` is the database as the command found it, ``database`` the same with the links of its
    folder resolved, and ``reason`` why it is that file. The daemon compares ``installation``,
    ``folder_identity`` and ``access`` (see :class:`.address.Address`) and ``limits`` (see
    :mod:`.limits`) with its own. ``idle_timeout`` is in seconds, ``pid`` is the command's process.
    """

    def __init__(
        self,
        *,
        path: str,
        database: str,
        reason: str,
        installation: str,
        folder_identity: str,
        access: str,
        limits: str,
        log_level: str,
        synchronous: str,
        idle_timeout: float,
        pid: int,
    ) -> None:
        self.path, self.database, self.reason = path, database, reason
        self.installation, self.folder_identity, self.access = installation, folder_identity, access
        self.limits, self.log_level, self.synchronous = limits, log_level, synchronous
        self.idle_timeout, self.pid = idle_timeout, pid

    def pack(self) -> bytes:
        """Return the message."""
        return pack("attach", **vars(self))

    @classmethod
    def parse(cls, fields: Mapping[str, str]) -> Self:
        """Return the request of a message; raises :class:`ControlError`, which names the field."""
        values: dict[str, Any] = {}
        for name, read in _ATTACH_FIELDS.items():
            if name not in fields:
                raise ControlError(f"attach: {name} is missing")
            try:
                values[name] = read(fields[name])
            except ValueError:
                raise ControlError(f"attach: {name} is {fields[name]!r}") from None
        return cls(**values)


def _one_of(*choices: str) -> Callable[[str], str]:
    return lambda text: choices[choices.index(text)]


_ATTACH_FIELDS: Final[Mapping[str, Callable[[str], object]]] = {
    "path": str,
    "database": str,
    "reason": str,
    "installation": str,
    "folder_identity": str,
    "access": str,
    "limits": str,
    "log_level": _one_of(*LOG_LEVELS),
    "synchronous": _one_of(*SYNCHRONOUS),
    "idle_timeout": parse_seconds,
    "pid": int,
}


def check_peer(connection: socket.socket) -> int | None:
    """Return the id of the peer process, None where the platform does not say it.

    Raises :class:`ControlError` if the process belongs to another user.
    """
    pid: int | None = None
    if sys.platform == "linux":
        answer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        pid, user = (int.from_bytes(answer[at : at + 4], sys.byteorder) for at in (0, 4))
    else:
        # struct xucred begins with a version and the effective user, 4 bytes each (unix(4)).
        answer = connection.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, 128)
        user = int.from_bytes(answer[4:8], sys.byteorder)
    if user != os.geteuid():
        raise ControlError(f"the peer process belongs to user {user}")
    return pid or None
