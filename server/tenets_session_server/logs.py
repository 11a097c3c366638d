"""Where the log goes: stderr or a file, and of the shared process a file of its own as well.

Method names, ids, sizes and errors are logged, never what users wrote. Nobody waits for the log: an
editor may leave stderr unread, and a disk may hang.

Where several clients are served, each is logged in a context that says which one (:data:`CLIENT`).
What was logged in a client's context concerns that client; the rest concerns all of them.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import logging.handlers
import os
import sys
import threading
import time
from collections import deque
from contextvars import ContextVar
from pathlib import Path
from typing import Final, TextIO

_FORMAT: Final = "%(asctime)s.%(msecs)03dZ %(levelname)s [%(process)d] %(name)s: %(message)s"

WAITING: Final = 10_000
"""How many lines wait to be written; further ones are dropped, and counted."""
LAST_WORDS: Final = 0.5
"""Seconds for which somebody who leaves waits for lines to be written."""
KEPT_BYTES: Final = 1024 * 1024
"""Size at which the shared process begins a new file; as many again are kept twice."""

CLIENT: Final[ContextVar[str | None]] = ContextVar("client", default=None)
"""Whom what is executed now is done for."""


class concerning(contextlib.AbstractContextManager[None]):  # noqa: N801 - used as a function
    """Have what is logged in the block, and what is begun there, concern a client."""

    def __init__(self, client: str | None) -> None:
        self._client = client

    def __enter__(self) -> None:
        self._token = CLIENT.set(self._client)

    def __exit__(self, *_: object) -> None:
        CLIENT.reset(self._token)


_package: Final = logging.getLogger("tenets_session_server")

debugging = False
"""Whether anybody wants the most detailed lines: for where asking a logger takes too long."""


class Stream:
    """Lines to a stream, which may be closed in the end."""

    def __init__(self, stream: TextIO, *, owned: bool) -> None:
        self._stream, self._owned = stream, owned

    def write(self, line: str) -> None:
        """Write a line; raises OSError, or ValueError for a closed stream."""
        self._stream.write(f"{line}\n")
        self._stream.flush()

    def close(self) -> None:
        """Close the stream, if it is ours."""
        if self._owned:
            self._stream.close()


class RotatingFile:
    """Lines to a file, of which a new one is begun when it has grown large."""

    def __init__(self, file: Path) -> None:
        self._handler = logging.handlers.RotatingFileHandler(
            file, maxBytes=KEPT_BYTES, backupCount=2, encoding="utf-8", errors="replace"
        )

    def write(self, line: str) -> None:
        """Write a line, if that is possible."""
        self._handler.emit(logging.makeLogRecord({"msg": line}))

    def close(self) -> None:
        """Close the file."""
        self._handler.close()


class BackgroundHandler(logging.Handler):
    """Writes lines in a thread of its own, as fast as they are taken.

    ``client`` is who it is for: what concerns only others is left out. Without one everything is
    written, and whom it concerns.
    """

    def __init__(
        self, target: Stream | RotatingFile, level: str, *, client: str | None = None
    ) -> None:
        super().__init__(level.upper())
        self._target, self._client = target, client
        formatter = logging.Formatter(_FORMAT, datefmt="%Y-%m-%dT%H:%M:%S")
        formatter.converter = time.gmtime
        self.setFormatter(formatter)
        self._lines: deque[str] = deque()
        self._dropped = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._writing = self._closed = False

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a line."""
        concerns = CLIENT.get()
        if self._client is not None and concerns not in {None, self._client}:
            return
        line = self.format(record)
        if not record.exc_info:
            line = line.replace("\n", "\\n")  # a client may have chosen a word or two of it
        if self._client is None and concerns is not None:
            line += f" ({concerns})"
        with self._changed:
            if self._closed:
                return
            if len(self._lines) >= WAITING:
                self._dropped += 1
                return
            if self._dropped:
                line += f" (before this, {self._dropped} lines were dropped)"
                self._dropped = 0
            self._lines.append(line)
            if self._thread is None:  # most clients never have anything to log
                self._thread = threading.Thread(target=self._write, name="log", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    @property
    def idle(self) -> bool:
        """Whether all lines have been written."""
        return not (self._lines or self._writing)

    def finish(self) -> None:
        """Wait, for :data:`LAST_WORDS` at most, until all lines have been written."""
        with self._changed:
            self._changed.wait_for(lambda: self.idle, LAST_WORDS)

    def close(self) -> None:
        """Take no more lines. The target is closed when those that wait are written."""
        super().close()
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            never_started = self._thread is None
        if never_started:
            self._target.close()

    def _write(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines or self._closed)
                if not self._lines:
                    break
                line = self._lines.popleft()
                self._writing = True
            with contextlib.suppress(OSError, ValueError):  # closed, full: nobody could be told
                self._target.write(line)
            with self._changed:
                self._writing = False
                self._changed.notify_all()
        with contextlib.suppress(OSError, ValueError):
            self._target.close()


def configure(level: str, descriptor: int | None) -> None:
    """Send our log and other libraries' warnings to a descriptor, by default stderr."""
    stream = sys.stderr if descriptor is None else _opened(descriptor)
    _replace_all(BackgroundHandler(Stream(stream, owned=False), level))


def configure_file(level: str, file: Path) -> None:
    """Send the same to a :class:`RotatingFile`; raises OSError where it cannot be written."""
    _replace_all(BackgroundHandler(RotatingFile(file), level))


def add_client(client: str, level: str, descriptor: int) -> BackgroundHandler:
    """Send what concerns a client to a descriptor as well; :func:`remove` ends that.

    The descriptor belongs to the handler from now on.
    """
    handler = BackgroundHandler(Stream(_opened(descriptor), owned=True), level, client=client)
    logging.getLogger().addHandler(handler)
    _listen_to_the_most_curious()
    return handler


def remove(handler: BackgroundHandler) -> None:
    """Log nothing there any more; what waits is still written."""
    logging.getLogger().removeHandler(handler)
    handler.close()
    _listen_to_the_most_curious()


def _opened(descriptor: int) -> TextIO:
    return os.fdopen(descriptor, "w", encoding="utf-8", errors="replace")


def _replace_all(handler: BackgroundHandler) -> None:
    atexit.register(handler.finish)
    logging.raiseExceptions = False  # a log that cannot be written must not disturb the editor
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    # pygls logs whole messages, and as errors what is only a client's mistake.
    logging.getLogger("pygls").setLevel(logging.ERROR)
    _listen_to_the_most_curious()


def _listen_to_the_most_curious() -> None:
    global debugging  # noqa: PLW0603 - as the levels of loggers are
    level = min(handler.level for handler in logging.getLogger().handlers)
    _package.setLevel(level)
    debugging = level <= logging.DEBUG
