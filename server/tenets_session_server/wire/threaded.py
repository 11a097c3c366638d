"""Descriptors that no event loop can watch: regular files, and pipes on Windows."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import errno
import os
import queue
import stat
import threading
from collections.abc import Callable

from tenets_session_server.wire import streams
from tenets_session_server.wire.streams import OnLost, Writer


def _start(run: Callable[[], None], name: str, fd: int) -> None:
    """Run a function in a thread; if there cannot be one, close ``fd`` and raise OSError."""
    try:
        threading.Thread(target=run, name=name, daemon=True).start()
    except RuntimeError:
        os.close(fd)
        raise OSError(
            errno.EAGAIN,
            f"no thread can be started for {name}, which is a file; see the limits of processes and"
            " memory (ulimit -u, ulimit -v)",
        ) from None


class ThreadedReader:
    """A :class:`~.streams.Reader` with a thread of its own."""

    def __init__(self, fd: int, on_data: Callable[[bytes], None]) -> None:
        # Our own: the thread may still use it when the caller has closed its own.
        self._fd, self._on_data = os.dup(fd), on_data
        self._regular = stat.S_ISREG(os.fstat(fd).st_mode)
        self._left: int | None = None  # bytes, once the rest is being drained
        self._loop = asyncio.get_running_loop()
        # The thread reads a piece and waits until the loop has taken it, and while it is paused.
        self._may_read = threading.Event()
        self._paused = self.closed = False
        self._context = contextvars.copy_context()
        _start(self._run, "stdin", self._fd)

    def pause(self) -> None:
        self._paused = self._left is None

    def resume(self) -> None:
        if self._paused:
            self._paused = False
            self._may_read.set()

    def drain(self) -> None:
        self._left = streams.DRAINED_BYTES if self._regular else 0
        self.resume()
        if not self._left:
            self._loop.call_soon(self._finish)

    def hung_up(self) -> bool:
        return False  # only reading shows more

    def close(self) -> None:
        self.closed = True
        self._may_read.set()

    def _finish(self) -> None:
        if not self.closed:
            self.close()
            self._on_data(b"")

    def _run(self) -> None:
        data = b"..."
        while data and not self.closed:
            try:
                data = os.read(self._fd, streams.READ_SIZE)
            except OSError:
                data = b""
            self._may_read.clear()
            try:
                self._loop.call_soon_threadsafe(self._deliver, data, context=self._context)
            except RuntimeError:  # the loop is closed by now
                break
            self._may_read.wait()
        os.close(self._fd)

    def _deliver(self, data: bytes) -> None:
        if self.closed:
            self._may_read.set()  # so that the thread ends
            return
        if not data:
            self.close()
        self._on_data(data)
        if self._left is not None:
            self._left -= len(data)
            if self._left <= 0:
                self._finish()
        if not self._paused:
            self._may_read.set()


class ThreadedWriter(Writer):
    """Writes in a thread of its own."""

    def __init__(self, fd: int, on_change: Callable[[], None], on_lost: OnLost) -> None:
        self._fd, self._on_change, self._on_lost = os.dup(fd), on_change, on_lost
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._context = contextvars.copy_context()
        _start(self._run, "stdout", self._fd)

    def write(self, data: bytes) -> None:
        if not self._closed:
            self._queue.put(data)
            self._count(data)

    def flush(self) -> None:
        pass  # the thread sends at once

    def hung_up(self) -> bool:
        return self._closed  # only writing shows more

    def close(self) -> None:
        self._closed = True
        self.unsent = 0
        self._queue.put(None)

    def _run(self) -> None:
        try:
            while (data := self._queue.get()) is not None:
                view = memoryview(data)
                while view:
                    view = view[os.write(self._fd, view) :]
                self._call(self._sent, len(data))
        except OSError as error:
            self._call(self._lose, f"the client does not read any more ({error.strerror})")
        finally:
            os.close(self._fd)

    def _call(self, function: Callable[..., None], argument: int | str) -> None:
        with contextlib.suppress(RuntimeError):  # the loop may be closed by now
            self._loop.call_soon_threadsafe(function, argument, context=self._context)

    def _sent(self, size: int) -> None:
        if not self._closed:
            self.unsent -= size
            self._on_change()
