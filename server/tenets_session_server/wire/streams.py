"""Reading and writing a descriptor that others may have as well, without ever waiting for them.

Whether a descriptor blocks is a property of the open file description, which everybody shares who
has inherited it: an editor, its helpers, another client of ours. So it is not touched where that
can be helped. A pipe is opened once more, which gives a description of our own (proc_pid_fd(5)); a
socket is asked not to wait with each call (MSG_DONTWAIT).
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import stat
import sys
from typing import Protocol


class Stream(Protocol):
    """A descriptor ``fd`` to wait for, and to use when that is over.

    Reading and writing raise BlockingIOError rather than to wait, and OSError.
    """

    fd: int

    def read(self, size: int) -> bytes:
        """Return what is there, at most ``size`` bytes; b"" at the end."""

    def write(self, data: bytes | memoryview) -> int:
        """Write what fits; return how much that was."""

    def close(self) -> None:
        """Let go; the descriptor it was made for stays open."""


def open_stream(fd: int, *, writing: bool) -> Stream:
    """Return a stream of a pipe, a socket or a terminal."""
    mode = os.fstat(fd).st_mode
    if stat.S_ISSOCK(mode):
        with contextlib.suppress(OSError):  # an unusual family
            return _Socket(fd)
    if stat.S_ISFIFO(mode) and sys.platform == "linux":
        with contextlib.suppress(OSError):  # no /proc, or another user's pipe
            return _Pipe(fd, os.O_WRONLY if writing else os.O_RDONLY)
    return _Shared(fd, writing=writing)


class _Socket:
    def __init__(self, fd: int) -> None:
        self.fd = os.dup(fd)
        try:
            self._socket = socket.socket(fileno=self.fd)
        except BaseException:
            os.close(self.fd)
            raise

    def read(self, size: int) -> bytes:
        return self._socket.recv(size, socket.MSG_DONTWAIT)

    def write(self, data: bytes | memoryview) -> int:
        return self._socket.send(data, socket.MSG_DONTWAIT)

    def close(self) -> None:
        self._socket.close()


class _Descriptor:
    fd: int

    def read(self, size: int) -> bytes:
        return os.read(self.fd, size)

    def write(self, data: bytes | memoryview) -> int:
        return os.write(self.fd, data)


class _Pipe(_Descriptor):
    def __init__(self, fd: int, access: int) -> None:
        self.fd = os.open(f"/proc/self/fd/{fd}", access | os.O_NONBLOCK | os.O_CLOEXEC)

    def close(self) -> None:
        os.close(self.fd)


class _Shared(_Descriptor):
    """For want of better: set not to block while we write, read when there is something."""

    def __init__(self, fd: int, *, writing: bool) -> None:
        self.fd = fd
        self._restored = os.get_blocking(fd) if writing else None
        if writing:
            os.set_blocking(fd, False)

    def read(self, size: int) -> bytes:
        # Somebody else may have been faster since we were told that there is something.
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        if not poll.poll(0):
            raise BlockingIOError
        return super().read(size)

    def close(self) -> None:
        if self._restored is not None:
            with contextlib.suppress(OSError):
                os.set_blocking(self.fd, self._restored)
