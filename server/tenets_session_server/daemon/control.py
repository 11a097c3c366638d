"""What the two sides say to each other on the control socket.

A message is a length (4 bytes, big-endian) and as many bytes: fields ``name=value``, separated by
NUL, which neither paths nor anything else here contains. ``kind`` says what it is:

=========== =====================================================================================
``attach``  the command wants its editor served: who it is, and by what (:class:`.address.Address`)
``ready``   the process will; the next message comes with the descriptors (SCM_RIGHTS)
``serve``   that message
``serving`` the process has them all, and is about to use them
``go``      the command has let go of them: from now on only the process uses them
``refuse``  the process will not, and has not touched anything; ``reason``
``exit``    the connection is over; ``status``, and perhaps a ``reason`` to print
``status``  somebody wants to know; the answer is a ``report`` with ``json``
``stop``    somebody wants it to end; it is ``stopping``, ``pid``, and the stream ends when it does
=========== =====================================================================================

Until ``go`` either side may give up, by ending the connection: the process has not used a
descriptor by then, and the command may. So an editor's input is never read by two.
"""

from __future__ import annotations

import os
import sys

from tenets_session_server.daemon.fast_imports import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

PREFIX_SIZE: Final = 4
LONGEST: Final = 1024 * 1024

_SOL_LOCAL: Final = 0
_LOCAL_PEERCRED: Final = 1


class ControlError(Exception):
    """The other side is not, or does not do, what was expected."""


def pack(kind: str, **fields: str | int) -> bytes:
    """Return a message; the values contain no NUL."""
    parts = [f"kind={kind}", *(f"{name}={value}" for name, value in fields.items())]
    body = os.fsencode("\0".join(parts))
    return len(body).to_bytes(PREFIX_SIZE, "big") + body


def length(prefix: bytes) -> int:
    """Return how many bytes follow a prefix; raises :class:`ControlError` for absurd numbers."""
    number = int.from_bytes(prefix, "big")
    if number > LONGEST:
        raise ControlError("that is no message of ours")
    return number


def unpack(body: bytes) -> dict[str, str]:
    """Return the fields of a message; raises :class:`ControlError`."""
    fields = dict(part.partition("=")[::2] for part in os.fsdecode(body).split("\0"))
    if "kind" not in fields:
        raise ControlError("that is no message of ours")
    return fields


def number(fields: Mapping[str, str], name: str) -> int:
    """Return a field that has to be an integer; raises :class:`ControlError`."""
    try:
        return int(fields[name])
    except (KeyError, ValueError):
        raise ControlError(f"{name} is missing or no integer") from None


def check_platform() -> None:
    """Raise :class:`ControlError` where :func:`check_peer` never succeeds."""
    if sys.platform not in {"linux", "darwin"} and not sys.platform.startswith("freebsd"):
        raise ControlError(f"{sys.platform} does not tell whose process another one is")


def check_peer(connection: socket.socket) -> int | None:
    """Make sure that the other side is a process of this user; return its id where that is known.

    Raises :class:`ControlError`, also where the platform does not tell.
    """
    check_platform()
    process_id: int | None = None
    if sys.platform == "linux":
        answer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        process_id, user = (int.from_bytes(answer[at : at + 4], sys.byteorder) for at in (0, 4))
    else:
        # struct xucred begins with a version and the effective user, 4 bytes each (unix(4)).
        answer = connection.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, 128)
        user = int.from_bytes(answer[4:8], sys.byteorder)
    if user != os.geteuid():
        raise ControlError(f"the other process is one of user {user}")
    return process_id or None
