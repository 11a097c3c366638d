"""Bytes to and from file descriptors, without ever blocking the event loop.

Pipes, sockets and terminals are watched by the loop (:mod:`.polled`). Regular files (never "ready"
to epoll) and Windows' pipes are read and written by one thread each (:mod:`.threaded`). Which one
it is is decided by :func:`open_reader` and :func:`open_writer`; their users cannot tell the
difference.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Callable

from tenets_session_server.wire.loop import call_when_idle, run
from tenets_session_server.wire.polled import PolledReader, PolledWriter
from tenets_session_server.wire.threaded import ThreadedReader, ThreadedWriter
from tenets_session_server.wire.transport import OnLost, Reader, Writer

__all__ = [
    "Reader",
    "Writer",
    "call_when_idle",
    "open_reader",
    "open_writer",
    "run",
]


def open_reader(fd: int, on_data: Callable[[bytes], None]) -> Reader:
    """Start reading ``fd`` on the running loop."""
    if _pollable(fd):
        with contextlib.suppress(PermissionError):  # /dev/null is a device that epoll refuses
            return PolledReader(fd, on_data)
    return ThreadedReader(fd, on_data)


def open_writer(fd: int, on_change: Callable[[], None], on_lost: OnLost) -> Writer:
    """Start writing ``fd`` on the running loop.

    ``on_change`` is called when unsent bytes have become fewer by themselves, ``on_lost`` once,
    with the reason, when nothing more can be sent.
    """
    writer = PolledWriter if _pollable(fd) else ThreadedWriter
    return writer(fd, on_change, on_lost)


def _pollable(fd: int) -> bool:
    mode = os.fstat(fd).st_mode
    waitable = stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISCHR(mode)
    return sys.platform != "win32" and waitable
