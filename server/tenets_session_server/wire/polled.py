"""Descriptors that the event loop can watch: pipes, sockets, terminals.

asyncio's own pipe transports are not used: on one socket for both directions, as ``socat`` and
inetd give it, the writing one takes incoming data for the peer's hanging up.
"""

from __future__ import annotations

import asyncio
import select
import sys
from collections import deque
from collections.abc import Callable

from tenets_session_server.wire import transport as interface
from tenets_session_server.wire.streams import open_stream
from tenets_session_server.wire.transport import OnLost, Unsent

if sys.platform == "linux":
    from tenets_session_server.wire.loop import DirectLoop


class PolledReader:
    """Reads when the loop says that there is something."""

    def __init__(self, fd: int, on_data: Callable[[bytes], None]) -> None:
        self._on_data = on_data
        self._loop = asyncio.get_running_loop()
        self.closed = self._watching = False
        self._stream = open_stream(fd, writing=False)
        self._fd = self._stream.fd
        self._watch: Callable[[int, Callable[[], None]], object] = self._loop.add_reader
        self._unwatch: Callable[[int], object] = self._loop.remove_reader
        # Its own descriptor, as nobody else may then watch it.
        if sys.platform == "linux" and isinstance(self._loop, DirectLoop) and self._fd != fd:
            self._watch = self._loop.add_direct_reader
            self._unwatch = self._loop.remove_direct_reader
        try:
            self.resume()
        except BaseException:
            self._stream.close()
            raise

    def pause(self) -> None:
        """See :class:`~.interface.Reader`."""
        if self._watching:
            self._unwatch(self._fd)
            self._watching = False

    def resume(self) -> None:
        """See :class:`~.interface.Reader`."""
        if not self._watching and not self.closed:
            self._watch(self._fd, self._readable)
            self._watching = True

    def drain(self) -> None:
        """See :class:`~.interface.Reader`."""
        self.pause()
        self._drain(interface.DRAINED_BYTES)

    def hung_up(self) -> bool:
        """See :class:`~.interface.Reader`."""
        return not (self._watching or self.closed) and _hung_up(self._fd)

    def close(self) -> None:
        """See :class:`~.interface.Reader`."""
        if not self.closed:
            self.pause()
            self.closed = True
            self._stream.close()

    def _drain(self, left: int) -> None:
        # One piece at a time: there may be much, and others have their turn between.
        if self.closed:
            return
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        if left > 0 and poll.poll(0):
            self._readable()
            self._loop.call_soon(self._drain, left - interface.READ_SIZE)
        else:
            self.close()
            self._on_data(b"")

    def _readable(self) -> None:
        try:
            data = self._stream.read(interface.READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:  # the terminal is gone, the connection reset: the end either way
            data = b""
        if not data:
            self.close()
        self._on_data(data)


class PolledWriter(Unsent):
    """Writes at once what fits, and the rest when the loop says that there is room."""

    def __init__(self, fd: int, on_change: Callable[[], None], on_lost: OnLost) -> None:
        self._on_change, self._on_lost = on_change, on_lost
        self._loop = asyncio.get_running_loop()
        self._pending: deque[bytes | memoryview] = deque()
        self._watching = self._closed = False
        self._stream = open_stream(fd, writing=True)
        self._fd = self._stream.fd

    def write(self, data: bytes) -> None:
        """See :class:`~.interface.Writer`."""
        if not self._closed:
            self._pending.append(data)
            if self._overflows_with(data):
                self._lose(f"the client has left {self._unsent} bytes unread", dropped=True)

    def flush(self) -> None:
        """See :class:`~.interface.Writer`."""
        if self._pending and not self._watching:
            self._send(by_loop=False)

    def hung_up(self) -> bool:
        """See :class:`~.interface.Writer`."""
        return self._closed or _hung_up(self._fd)

    def close(self) -> None:
        """See :class:`~.interface.Writer`."""
        if self._closed:
            return
        self._closed = True
        self._pending.clear()
        self._unsent = 0
        self._watch(wanted=False)
        self._stream.close()

    def _send(self, *, by_loop: bool = True) -> None:
        # Only the loop tells of a change: whoever flushes sees it, and may be what it would call.
        before = self._unsent
        try:
            while self._pending:
                data = self._pending.popleft()
                if self._pending and len(data) < interface.READ_SIZE:
                    data = self._with_the_next(data)
                sent = self._stream.write(data)
                self._unsent -= sent
                if sent < len(data):
                    self._pending.appendleft(memoryview(data)[sent:])
        except (BlockingIOError, InterruptedError):
            self._pending.appendleft(data)
        except OSError as error:
            self._lose(f"the client does not read any more ({error.strerror})")
            return
        if self._watching or self._pending:
            self._watch(wanted=bool(self._pending))
        if self._unsent < before and by_loop:
            self._on_change()

    def _with_the_next(self, first: bytes | memoryview) -> bytes:
        """Join small messages, so that many cost one system call."""
        size, joined = len(first), [first]
        while self._pending and size + len(self._pending[0]) <= interface.READ_SIZE:
            size += len(self._pending[0])
            joined.append(self._pending.popleft())
        return b"".join(joined)

    def _watch(self, *, wanted: bool) -> None:
        if wanted and not self._watching:
            self._loop.add_writer(self._fd, self._send)
        elif self._watching and not wanted:
            self._loop.remove_writer(self._fd)
        self._watching = wanted

    def _lose(self, reason: str, *, dropped: bool = False) -> None:
        self.close()
        self._on_lost(reason, dropped=dropped)


def _hung_up(fd: int) -> bool:
    poll = select.poll()
    poll.register(fd, 0)  # errors and hang-ups are reported without being asked for
    return bool(poll.poll(0))
