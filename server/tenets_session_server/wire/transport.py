"""Reads and writes file descriptors without ever blocking the event loop.

Pipes, sockets and terminals are watched by the loop. Regular files, which epoll refuses, and
Windows' pipes get a thread each (:mod:`.threaded`). :func:`open_reader` and :func:`open_writer`
choose. Their callers cannot tell the difference.

asyncio's own pipe transports are not used. On one socket for both directions, as ``socat`` and
inetd give it, the writing one takes incoming data for a hang-up.

Whether a descriptor blocks is a property of the open file description. Everybody shares it who has
inherited it: an editor, its helpers, another client. So it is not changed where that can be
avoided. A pipe is opened once more, which gives a description of our own (proc_pid_fd(5)). A socket
is asked not to wait with each call (MSG_DONTWAIT).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import socket
import stat
import sys
from collections import deque
from collections.abc import Callable
from typing import Protocol

from tenets_session_server.wire import streams
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


class PolledReader:
    """A :class:`~.streams.Reader` that reads when the loop says that there is something."""

    def __init__(self, fd: int, on_data: Callable[[bytes], None]) -> None:
        self._on_data = on_data
        self._loop = asyncio.get_running_loop()
        self.closed = self._watching = False
        self._stream = _open_stream(fd, writing=False)
        self._fd = self._stream.fd
        try:
            self.resume()
        except BaseException:
            self._stream.close()
            raise

    def pause(self) -> None:
        if self._watching:
            self._loop.remove_reader(self._fd)
            self._watching = False

    def resume(self) -> None:
        if not self._watching and not self.closed:
            self._loop.add_reader(self._fd, self._readable)
            self._watching = True

    def drain(self) -> None:
        self.pause()
        self._drain(streams.DRAINED_BYTES)

    def hung_up(self) -> bool:
        return not (self._watching or self.closed) and _hung_up(self._fd)

    def close(self) -> None:
        if not self.closed:
            self.pause()
            self.closed = True
            self._stream.close()

    def _drain(self, left: int) -> None:
        # One piece at a time: there may be much, and other clients have their turn between.
        if self.closed:
            return
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        if left > 0 and poll.poll(0):
            self._readable()
            self._loop.call_soon(self._drain, left - streams.READ_SIZE)
        else:
            self.close()
            self._on_data(b"")

    def _readable(self) -> None:
        try:
            data = self._stream.read(streams.READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:  # the terminal is gone, the connection was reset: the end either way
            data = b""
        if not data:
            self.close()
        self._on_data(data)


class PolledWriter(Writer):
    """Writes at once what fits, and the rest when the loop says that there is room."""

    def __init__(self, fd: int, on_change: Callable[[], None], on_lost: OnLost) -> None:
        self._on_change, self._on_lost = on_change, on_lost
        self._loop = asyncio.get_running_loop()
        self._pending: deque[bytes | memoryview] = deque()
        self._watching = False
        self._stream = _open_stream(fd, writing=True)
        self._fd = self._stream.fd

    def write(self, data: bytes) -> None:
        if not self._closed:
            self._pending.append(data)
            self._count(data)

    def flush(self) -> None:
        if self._pending and not self._watching:
            self._send(by_loop=False)

    def hung_up(self) -> bool:
        return self._closed or _hung_up(self._fd)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._pending.clear()
        self.unsent = 0
        self._watch(wanted=False)
        self._stream.close()

    def _send(self, *, by_loop: bool = True) -> None:
        # Only the loop reports a change. A caller of flush() sees it itself.
        before = self.unsent
        try:
            while self._pending:
                data = self._pending.popleft()
                if self._pending and len(data) < streams.READ_SIZE:
                    data = self._with_the_next(data)
                sent = self._stream.write(data)
                self.unsent -= sent
                if sent < len(data):
                    self._pending.appendleft(memoryview(data)[sent:])
        except (BlockingIOError, InterruptedError):
            self._pending.appendleft(data)
        except OSError as error:
            self._lose(f"the client does not read any more ({error.strerror})")
            return
        if self._watching or self._pending:
            self._watch(wanted=bool(self._pending))
        if self.unsent < before and by_loop:
            self._on_change()

    def _with_the_next(self, first: bytes | memoryview) -> bytes:
        """Join small messages, so that many cost one system call."""
        size, joined = len(first), [first]
        while self._pending and size + len(self._pending[0]) <= streams.READ_SIZE:
            size += len(self._pending[0])
            joined.append(self._pending.popleft())
        return b"".join(joined)

    def _watch(self, *, wanted: bool) -> None:
        if wanted and not self._watching:
            self._loop.add_writer(self._fd, self._send)
        elif self._watching and not wanted:
            self._loop.remove_writer(self._fd)
        self._watching = wanted


def _hung_up(fd: int) -> bool:
    poll = select.poll()
    poll.register(fd, 0)  # errors and hang-ups are reported without being asked for
    return bool(poll.poll(0))


class _Stream(Protocol):
    """A descriptor ``fd``; reading and writing raise BlockingIOError instead of waiting."""

    fd: int

    def read(self, size: int) -> bytes: ...
    def write(self, data: bytes | memoryview) -> int: ...
    def close(self) -> None: ...


def _open_stream(fd: int, *, writing: bool) -> _Stream:
    """Return a stream of a pipe, a socket or a terminal, which stays open when it is closed."""
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
    """Where nothing better can be had: set not to block for writing, polled before reading."""

    def __init__(self, fd: int, *, writing: bool) -> None:
        self.fd = fd
        self._restored = os.get_blocking(fd) if writing else None
        if writing:
            os.set_blocking(fd, False)

    def read(self, size: int) -> bytes:
        # Another process may have read what there was when the loop was woken.
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        if not poll.poll(0):
            raise BlockingIOError
        return super().read(size)

    def close(self) -> None:
        if self._restored is not None:
            with contextlib.suppress(OSError):
                os.set_blocking(self.fd, self._restored)
