"""Bytes to and from file descriptors, without ever blocking the event loop.

Pipes, sockets and terminals are watched by the loop. Regular files (never "ready" to epoll) and
Windows' pipes are read and written by one thread each. Which one it is is decided by
:func:`open_reader` and :func:`open_writer`; their users cannot tell the difference.

asyncio's own pipe transports are not used: on one socket for both directions, as ``socat`` and
inetd give it, the writing one takes incoming data for the peer's hanging up.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import select
import stat
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

READ_SIZE: Final = 64 * 1024
CONGESTED_BYTES: Final = 1024 * 1024
"""With this much unsent, no more requests of the client are executed until it reads on."""
OVERFLOW_BYTES: Final = 64 * 1024 * 1024
"""With this much unsent, the client is given up."""


class Reader(Protocol):
    """Calls ``on_data`` with what arrives, and ``on_data(b"")`` once at the end."""

    def pause(self) -> None:
        """Stop calling until :meth:`resume`; the operating system holds the sender back."""

    def resume(self) -> None:
        """Go on after :meth:`pause`."""

    def close(self) -> None:
        """Stop for good. The descriptor stays open."""


class Writer(Protocol):
    """Sends what it is given, in order; never blocks the caller."""

    def write(self, data: bytes) -> None:
        """Queue ``data``; :meth:`flush` sends it."""

    def flush(self) -> None:
        """Send what can be sent now, and the rest when the client reads."""

    @property
    def unsent(self) -> int:
        """Bytes that the client has not taken yet."""

    @property
    def congested(self) -> bool:
        """Whether so much is unsent that the client should be made to wait."""

    def hung_up(self) -> bool:
        """Tell whether the other end of the pipe is closed, without writing to it."""

    def close(self) -> None:
        """Stop for good, dropping what is unsent. The descriptor stays open."""


def open_reader(fd: int, on_data: Callable[[bytes], None]) -> Reader:
    """Start reading ``fd`` on the running loop."""
    if _pollable(fd):
        with contextlib.suppress(PermissionError):  # /dev/null is a device that epoll refuses
            return PolledReader(fd, on_data)
    return ThreadedReader(fd, on_data)


def open_writer(fd: int, on_change: Callable[[], None], on_lost: Callable[[str], None]) -> Writer:
    """Start writing ``fd`` on the running loop.

    ``on_change`` is called when unsent bytes have become fewer, ``on_lost`` once, with the reason,
    when nothing more can be sent.
    """
    writer = PolledWriter if _pollable(fd) else ThreadedWriter
    return writer(fd, on_change, on_lost)


def _pollable(fd: int) -> bool:
    mode = os.fstat(fd).st_mode
    waitable = stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISCHR(mode)
    return sys.platform != "win32" and waitable


class PolledReader:
    """Reads when the loop says that there is something."""

    def __init__(self, fd: int, on_data: Callable[[bytes], None]) -> None:
        self._fd, self._on_data = fd, on_data
        self._loop = asyncio.get_running_loop()
        self._closed = self._watching = False
        self.resume()

    def pause(self) -> None:
        """See :class:`Reader`."""
        if self._watching:
            self._loop.remove_reader(self._fd)
            self._watching = False

    def resume(self) -> None:
        """See :class:`Reader`."""
        if not self._watching and not self._closed:
            self._loop.add_reader(self._fd, self._readable)
            self._watching = True

    def close(self) -> None:
        """See :class:`Reader`."""
        self.pause()
        self._closed = True

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:  # the terminal is gone, the connection reset: the end either way
            data = b""
        if not data:
            self.close()
        self._on_data(data)


class PolledWriter:
    """Writes at once what fits, and the rest when the loop says that there is room."""

    def __init__(
        self, fd: int, on_change: Callable[[], None], on_lost: Callable[[str], None]
    ) -> None:
        self._fd, self._on_change, self._on_lost = fd, on_change, on_lost
        self._loop = asyncio.get_running_loop()
        self._pending: deque[memoryview] = deque()
        self._unsent = 0
        self._watching = self._closed = False
        self._was_blocking = os.get_blocking(fd)
        os.set_blocking(fd, False)

    @property
    def unsent(self) -> int:
        """See :class:`Writer`."""
        return self._unsent

    @property
    def congested(self) -> bool:
        """See :class:`Writer`."""
        return self._unsent > CONGESTED_BYTES

    def write(self, data: bytes) -> None:
        """See :class:`Writer`."""
        if not self._closed:
            self._pending.append(memoryview(data))
            self._unsent += len(data)
            if self._unsent > OVERFLOW_BYTES:
                self._lose(f"the client has left {self._unsent} bytes unread")

    def flush(self) -> None:
        """See :class:`Writer`."""
        if not self._watching:
            self._send()

    def hung_up(self) -> bool:
        """See :class:`Writer`."""
        poll = select.poll()
        poll.register(self._fd, 0)  # errors and hang-ups are reported without being asked for
        return bool(poll.poll(0))

    def close(self) -> None:
        """See :class:`Writer`."""
        if self._closed:
            return
        self._closed = True
        self._pending.clear()
        self._unsent = 0
        self._watch(wanted=False)
        # The terminal or file behind it may be shared with programs that expect it to block.
        with contextlib.suppress(OSError):
            os.set_blocking(self._fd, self._was_blocking)

    def _send(self) -> None:
        before = self._unsent
        try:
            while self._pending:
                data = self._next_chunk()
                sent = os.write(self._fd, data)
                self._unsent -= sent
                if sent < len(data):
                    self._pending.appendleft(data[sent:])
        except (BlockingIOError, InterruptedError):
            self._pending.appendleft(data)
        except OSError as error:
            self._lose(f"the client does not read any more ({error.strerror})")
            return
        self._watch(wanted=bool(self._pending))
        if self._unsent < before:
            self._on_change()

    def _next_chunk(self) -> memoryview:
        """Return what to write next: small messages joined, so that many cost one system call."""
        first = self._pending.popleft()
        if not self._pending or len(first) >= READ_SIZE:
            return first
        joined = bytearray(first)
        while self._pending and len(joined) + len(self._pending[0]) <= READ_SIZE:
            joined += self._pending.popleft()
        return memoryview(joined)

    def _watch(self, *, wanted: bool) -> None:
        if wanted and not self._watching:
            self._loop.add_writer(self._fd, self._send)
        elif self._watching and not wanted:
            self._loop.remove_writer(self._fd)
        self._watching = wanted

    def _lose(self, reason: str) -> None:
        self.close()
        self._on_lost(reason)


class ThreadedReader:
    """Reads in a thread of its own, one chunk ahead."""

    def __init__(self, fd: int, on_data: Callable[[bytes], None]) -> None:
        self._fd, self._on_data = fd, on_data
        self._loop = asyncio.get_running_loop()
        self._may_read = threading.Event()
        self._may_read.set()
        self._closed = False
        threading.Thread(target=self._run, name="stdin", daemon=True).start()

    def pause(self) -> None:
        """See :class:`Reader`."""
        self._may_read.clear()

    def resume(self) -> None:
        """See :class:`Reader`."""
        self._may_read.set()

    def close(self) -> None:
        """See :class:`Reader`."""
        self._closed = True
        self._may_read.set()

    def _run(self) -> None:
        data = b"..."
        while data and not self._closed:
            try:
                data = os.read(self._fd, READ_SIZE)
            except OSError:
                data = b""
            with contextlib.suppress(RuntimeError):  # the loop may be closed by now
                self._loop.call_soon_threadsafe(self._deliver, data)
            self._may_read.wait()

    def _deliver(self, data: bytes) -> None:
        if not self._closed:
            self._on_data(data)


class ThreadedWriter:
    """Writes in a thread of its own."""

    def __init__(
        self, fd: int, on_change: Callable[[], None], on_lost: Callable[[str], None]
    ) -> None:
        self._fd, self._on_change, self._on_lost = fd, on_change, on_lost
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._unsent = 0
        self._closed = False
        threading.Thread(target=self._run, name="stdout", daemon=True).start()

    @property
    def unsent(self) -> int:
        """See :class:`Writer`."""
        return self._unsent

    @property
    def congested(self) -> bool:
        """See :class:`Writer`."""
        return self._unsent > CONGESTED_BYTES

    def write(self, data: bytes) -> None:
        """See :class:`Writer`."""
        if not self._closed:
            self._unsent += len(data)
            self._queue.put(data)
            if self._unsent > OVERFLOW_BYTES:
                self._lose(f"the client has left {self._unsent} bytes unread")

    def flush(self) -> None:
        """See :class:`Writer`; the thread is at it already."""

    def hung_up(self) -> bool:
        """See :class:`Writer`; only writing tells, here."""
        return self._closed

    def close(self) -> None:
        """See :class:`Writer`."""
        self._closed = True
        self._unsent = 0
        self._queue.put(None)

    def _run(self) -> None:
        while (data := self._queue.get()) is not None:
            view = memoryview(data)
            try:
                while view:
                    view = view[os.write(self._fd, view) :]
            except OSError as error:
                reason = f"the client does not read any more ({error.strerror})"
                self._call(self._lose, reason)
                return
            self._call(self._sent, len(data))

    def _call(self, function: Callable[..., None], argument: int | str) -> None:
        with contextlib.suppress(RuntimeError):  # the loop may be closed by now
            self._loop.call_soon_threadsafe(function, argument)

    def _sent(self, size: int) -> None:
        if not self._closed:
            self._unsent -= size
            self._on_change()

    def _lose(self, reason: str) -> None:
        if not self._closed:
            self.close()
            self._on_lost(reason)
