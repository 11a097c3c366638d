"""Where the log goes: stderr, a file, and for each client of the daemon a log of its own.

Method names, ids, sizes and errors are logged, never what users wrote. Nobody waits for the log: an
editor may leave stderr unread, and a disk may hang. So each log has a bounded queue, and a thread
that writes to the descriptor itself. A Python stream would not do: at exit Python flushes
``sys.stderr``, and would wait for the thread that is writing to it.
"""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
import os
import queue
import select
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextvars import ContextVar
from typing import Any, Final

QUEUE_LINES: Final = 10_000
"""How many lines may wait to be written; further ones are dropped and counted."""
LONGEST_LINE: Final = 2000
"""Characters of a message; the rest is left out. Tracebacks are not shortened."""
PIECE: Final = 4096
"""Bytes that a pipe takes at once if it has room at all (PIPE_BUF, pipe(7))."""
FLUSH_TIMEOUT: Final = 0.5
"""Seconds to wait for the log at exit, and when a client leaves."""
FILE_BYTES: Final = 1024 * 1024
"""Size at which the daemon starts a new file. Two old ones are kept."""
FORMAT: Final = "%(asctime)s %(levelname)s [%(process)d] %(name)s: %(message)s"

CLIENT: Final[ContextVar[str | None]] = ContextVar("client", default=None)
"""The client on whose behalf the current code runs."""

debugging = False
"""Whether any log takes debug messages; read this where calling a logger would take too long."""

_package: Final = logging.getLogger("tenets_session_server")


@contextlib.contextmanager
def client_context(client: str | None) -> Iterator[None]:
    """Run the block, and what it starts, on behalf of a client."""
    token = CLIENT.set(client)
    try:
        yield
    finally:
        CLIENT.reset(token)


class _Formatter(logging.Formatter):
    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        # A client may have chosen a part of it, which must not look like a line of ours, nor fill
        # the memory while nobody reads the log.
        line = super().formatMessage(record)
        shown = line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}..."
        return shown.replace("\n", "\\n")


class BackgroundHandler(logging.handlers.QueueHandler):
    """Queues lines for a thread that writes them to a descriptor, or to a file that is rotated.

    With ``client`` it takes what is logged for that client or for none. Without, it takes
    everything, and names the client.
    """

    def __init__(self, target: int | str, level: str, *, client: str | None = None) -> None:
        self._lines: queue.SimpleQueue[str | Future[None] | None] = queue.SimpleQueue()
        super().__init__(self._lines)
        self.setLevel(level.upper())
        self.setFormatter(_Formatter(FORMAT))
        self._file = target if isinstance(target, str) else None
        self._descriptor = _open(target) if isinstance(target, str) else os.dup(target)
        self._dropped, self._closed, self._abandoned = 0, False, False
        self._thread: threading.Thread | None = None  # most clients never have anything to log
        self._client = client
        if client is not None:
            self.addFilter(lambda _: CLIENT.get() in {None, client})

    def prepare(self, record: logging.LogRecord) -> str:
        """Return the line for a record."""
        client = CLIENT.get() if self._client is None else None
        return self.format(record) + ("" if client is None else f" ({client})")

    def enqueue(self, record: Any) -> None:
        """Queue a line, or drop it; never wait."""
        if self._lines.qsize() >= QUEUE_LINES:
            self._dropped += 1
            return
        if self._dropped:
            record += f" (before this, {self._dropped} lines were dropped)"
            self._dropped = 0
        self._lines.put(record)
        if self._thread is None:
            thread = threading.Thread(target=self._write_lines, name="log", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no thread is left: then whoever logs has to wait
                self._write(self._lines.get())
            else:
                self._thread = thread

    def written(self) -> Future[None]:
        """Return a future that is done when all lines so far have been written."""
        future: Future[None] = Future()
        if self._thread is None or self._closed:
            future.set_result(None)
        else:
            self._lines.put(future)
        return future

    def flush(self) -> None:
        """Wait for that, at most :data:`FLUSH_TIMEOUT`; ``logging`` calls this at exit."""
        with contextlib.suppress(TimeoutError):
            self.written().result(FLUSH_TIMEOUT)

    def close(self) -> None:
        """Log nothing there any more; what waits is still written."""
        if not self._closed:
            self._closed = True
            logging.getLogger().removeHandler(self)
            _update_level()
            if self._thread is None:
                os.close(self._descriptor)
            else:
                self._lines.put(None)
        super().close()

    def _write_lines(self) -> None:
        while (item := self._lines.get()) is not None:
            self._write(item)
        os.close(self._descriptor)

    def _write(self, item: str | Future[None] | None) -> None:
        if isinstance(item, Future):
            item.set_result(None)
            return
        if self._abandoned:
            return
        data = f"{item}\n".encode(errors="backslashreplace")
        try:
            if self._file and os.fstat(self._descriptor).st_size + len(data) > FILE_BYTES:
                _rotate(self._file, self._descriptor)
            while data and self._wait_for_reader():
                data = data[os.write(self._descriptor, data[:PIECE]) :]
        except OSError:  # the disk is full, or the reader is gone
            self._dropped += 1

    def _wait_for_reader(self) -> bool:
        """Wait until the reader of a full pipe reads on; give up once the log is closed."""
        if sys.platform == "win32":
            return True
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        while not poll.poll(FLUSH_TIMEOUT * 1000):
            if self._closed:
                self._abandoned = True
                return False
        return True


def log_to(target: int | str, level: str) -> None:
    """Send our log, and warnings of other libraries, to a descriptor or to a file.

    The file is rotated. Raises OSError if it cannot be opened.
    """
    logging.raiseExceptions = False  # a log that cannot be written must not disturb the editor
    root = logging.getLogger()
    root.handlers = [BackgroundHandler(target, level)]
    root.setLevel(logging.WARNING)
    # pygls logs whole messages, and as errors what is only a client's mistake.
    logging.getLogger("pygls").setLevel(logging.ERROR)
    _update_level()


def add_client_log(client: str, level: str, descriptor: int) -> BackgroundHandler:
    """Send what concerns a client to a descriptor as well, until the handler is closed."""
    handler = BackgroundHandler(descriptor, level, client=client)
    logging.getLogger().addHandler(handler)
    _update_level()
    return handler


def _update_level() -> None:
    global debugging  # noqa: PLW0603 - as the levels of loggers are
    levels = [handler.level for handler in logging.getLogger().handlers]
    level = min(levels, default=logging.WARNING)
    _package.setLevel(level)
    debugging = level <= logging.DEBUG


def _open(file: str) -> int:
    return os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)


def _rotate(file: str, descriptor: int) -> None:
    """Rename a file to ``.1`` and that one to ``.2``; have the descriptor lead to a new file."""
    with contextlib.suppress(OSError):  # then the file grows
        if os.path.exists(f"{file}.1"):  # noqa: PTH110
            os.replace(f"{file}.1", f"{file}.2")  # noqa: PTH105
        os.replace(file, f"{file}.1")  # noqa: PTH105
        new = _open(file)
        os.dup2(new, descriptor, inheritable=False)
        os.close(new)
