"""Reads and writes file descriptors without ever blocking the event loop.

Pipes, sockets and terminals are watched by the loop (:mod:`.polled`). Regular files, which epoll
refuses, and Windows' pipes get a thread each (:mod:`.threaded`). :func:`open_reader` and
:func:`open_writer` choose. Their callers cannot tell the difference.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Callable

from tenets_session_server.wire.polled import PolledReader, PolledWriter
from tenets_session_server.wire.streams import OnLost, Reader, Writer
from tenets_session_server.wire.threaded import ThreadedReader, ThreadedWriter

__all__ = ["Reader", "Writer", "open_reader", "open_writer"]


def open_reader(fd: int, on_data: Callable[[bytes], None]) -> Reader:
    """Start reading ``fd`` on the running loop.

    ``on_data`` is called with what arrives, and once with ``b""`` at the end.
    """
    if _pollable(fd):
        with contextlib.suppress(PermissionError):  # /dev/null is a device that epoll refuses
            return PolledReader(fd, on_data)
    return ThreadedReader(fd, on_data)


def open_writer(fd: int, on_change: Callable[[], None], on_lost: OnLost) -> Writer:
    """Start writing ``fd`` on the running loop.

    ``on_change`` is called when the client has read some of what was unsent, ``on_lost`` once, when
    nothing more can be sent.
    """
    writer = PolledWriter if _pollable(fd) else ThreadedWriter
    return writer(fd, on_change, on_lost)


def _pollable(fd: int) -> bool:
    mode = os.fstat(fd).st_mode
    waitable = stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISCHR(mode)
    return sys.platform != "win32" and waitable
