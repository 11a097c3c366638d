"""Where the log goes: stderr or a file; what goes there is decided by ``--log-level``.

Method names, ids, sizes and errors are logged, never what users wrote.
"""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path
from typing import Final

LEVELS: Final = ("debug", "info", "warning", "error")
_FORMAT: Final = "%(asctime)s.%(msecs)03dZ %(levelname)s [%(process)d] %(name)s: %(message)s"


def configure(level: str, file: Path | None) -> None:
    """Send this package's log (and other libraries' warnings) to ``file``, by default stderr.

    Raises OSError where the file cannot be written.
    """
    handler: logging.Handler
    if file is None:
        handler = logging.StreamHandler(sys.stderr)
    else:
        handler = logging.FileHandler(file, encoding="utf-8", delay=False)
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
