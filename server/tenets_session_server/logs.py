"""Where the log goes: stderr or a file; what goes there is decided by ``--log-level``.

Method names, ids, sizes and errors are logged, never what users wrote. Nobody waits for the log: an
editor may leave stderr unread, and a disk may hang.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import queue
import sys
import threading
import time
from pathlib import Path
from typing import IO, Final

LEVELS: Final = ("debug", "info", "warning", "error")
_FORMAT: Final = "%(asctime)s.%(msecs)03dZ %(levelname)s [%(process)d] %(name)s: %(message)s"

WAITING: Final = 10_000
"""How many lines wait to be written; further ones are dropped, and counted."""
LAST_WORDS: Final = 0.5
"""Seconds that the process waits at its end for lines to be written."""


class BackgroundHandler(logging.Handler):
    """Writes lines from a thread of its own, as fast as they are taken."""

    def __init__(self, stream: IO[str]) -> None:
        super().__init__()
        self._stream = stream
        self._lines: queue.Queue[str] = queue.Queue(WAITING)
        self._dropped = 0
        threading.Thread(target=self._write, name="log", daemon=True).start()
        atexit.register(self._finish)

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a line."""
        line = self.format(record)
        if self._dropped:
            line += f" (before this, {self._dropped} lines were dropped)"
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self._dropped += 1
        else:
            self._dropped = 0

    def _write(self) -> None:
        while True:
            line = self._lines.get()
            with contextlib.suppress(OSError, ValueError):  # closed, full: nobody could be told
                self._stream.write(line + "\n")
                self._stream.flush()
            self._lines.task_done()

    def _finish(self) -> None:
        deadline = time.monotonic() + LAST_WORDS
        with self._lines.all_tasks_done:
            while self._lines.unfinished_tasks and (left := deadline - time.monotonic()) > 0:
                self._lines.all_tasks_done.wait(left)


def configure(level: str, file: Path | None) -> None:
    """Send this package's log (and other libraries' warnings) to ``file``, by default stderr.

    Raises OSError where the file cannot be written.
    """
    stream = sys.stderr if file is None else file.open("a", encoding="utf-8", errors="replace")
    handler = BackgroundHandler(stream)
    formatter = logging.Formatter(_FORMAT, datefmt="%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logging.raiseExceptions = False  # a log that cannot be written must not disturb the editor
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("tenets_session_server").setLevel(level.upper())
    # pygls logs whole messages, and as errors what is only a client's mistake.
    logging.getLogger("pygls").setLevel(logging.ERROR)
