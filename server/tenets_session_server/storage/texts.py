"""Reads the text of a file, to find notes in it. Nothing here waits for a pipe or a device."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from tenets_session_server.errors import LimitExceededError
from tenets_session_server.storage import uris

LARGEST: Final = 1024 * 1024
"""Bytes of a file that is read."""
_FLAGS: Final = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)  # it may have become a pipe
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
)


def read(uri: str, private: Callable[[], Iterable[Path]]) -> str | None:
    """Return the text of a ``file:``, None if there is none that can be read.

    What is no UTF-8 becomes U+FFFD. The ``private`` files of the database are not read: closing
    them would drop SQLite's locks. Raises :class:`LimitExceededError` for a file that is larger
    than :data:`LARGEST`, and :class:`InvalidArgumentError` if it is neither a URI nor a path.
    """
    path = uris.parse(uri, "uri").path
    if path is None:
        return None
    try:
        # Opening some devices has effects, so look before; and after, as it may be another one now.
        status = os.stat(path)  # noqa: PTH116
        if not stat.S_ISREG(status.st_mode) or _is_one_of(private(), status):
            return None
        data = _read(path) if status.st_size <= LARGEST else None
    except (OSError, ValueError):
        return None
    if data is None:
        raise LimitExceededError("the file (bytes; its text can be given)", LARGEST)
    return data.decode("utf-8-sig", "replace")


def _read(path: str) -> bytes | None:
    """Return the content of a regular file, None if it is too large. Raises OSError."""
    opened = os.open(path, _FLAGS)
    try:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            raise OSError("no regular file any more")
        data = bytearray()
        while len(data) <= LARGEST and (more := os.read(opened, LARGEST + 1 - len(data))):
            data += more
    finally:
        os.close(opened)
    return bytes(data) if len(data) <= LARGEST else None


def can_be_read(uri: str) -> bool:
    """Tell whether a URI is of a file of this machine. Raises :class:`InvalidArgumentError`."""
    return uris.parse(uri, "uri").path is not None


def _is_one_of(files: Iterable[Path], status: os.stat_result) -> bool:
    for file in files:
        try:
            if os.path.samestat(file.stat(), status):
                return True
        except OSError:
            continue
    return False
