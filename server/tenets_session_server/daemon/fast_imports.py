"""The parts of ``socket`` and ``signal`` that are written in C: all that the command needs.

Importing those modules whole takes longer than Python itself does to start, most of it for enum
types; every editor's start would wait for that. Where an interpreter has no such parts, the modules
do as well.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    import socket
    from collections.abc import Sequence
else:
    try:
        import _signal as signal
        import _socket as socket
    except ImportError:
        import signal
        import socket

__all__ = ["send_descriptors", "signal", "socket"]


def send_descriptors(connection: socket.socket, message: bytes, descriptors: Sequence[int]) -> None:
    """Send a message and descriptors with it, as ``socket.send_fds`` does."""
    # The kernel wants them as an array of C ints (unix(7), SCM_RIGHTS).
    rights = b"".join(one.to_bytes(4, sys.byteorder) for one in descriptors)
    connection.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
