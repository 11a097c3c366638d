"""The write-ahead log that a crash has left, and what proves that it is damaged.

SQLite takes the first frame that it cannot read for the end of the log. After a crash the shared
memory is still there, too, and says how many frames the log had (sqlite.org/walformat.html). If
fewer can be read, committed ones are damaged. Without the shared memory, commits behind a damaged
frame prove it: a commit begins only when the one before is on the disk.
"""

from __future__ import annotations

import contextlib
import os
import struct
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import apsw

from tenets_session_server.errors import DatabaseCorruptError, LostCommitsError
from tenets_session_server.storage.sqlite import file_system
from tenets_session_server.storage.sqlite.log_format import (
    FRAME_HEADER,
    LOG_HEADER,
    is_intact,
)

MISMATCH: Final = (
    "the database file and the write-ahead log that a crash has left are damaged, or do not fit"
    " together"
)
# Version, whether it is complete, the frames of the log, its salts; in the machine's byte order.
_SHM_HEADER: Final = struct.Struct("=I8xB3xI12x8s8x")
_SHM_VERSION: Final = 3007000
_SHM_SIZE: Final = 2 * _SHM_HEADER.size + 4
"""Bytes of what is looked at: two copies of the header, and how many frames are in the database."""
EVIDENCE: Final = "-evidence"
"""Ends the name of the file that keeps what the shared memory said, once damage was found.

SQLite replaces the shared memory when it opens the database; so the next process would not know."""


class LeftLog:
    """The write-ahead log that a crash has left beside a database, as it was before the opening.

    Make it before SQLite opens the file, and only if no other process has it open.
    """

    def __init__(self, path: Path) -> None:
        self._log = file_system.companion(path, "-wal")
        self._header = _beginning(self._log, LOG_HEADER.size)
        self._kept = file_system.companion(path, EVIDENCE)
        # An opening that found damage has made the shared memory anew: it proves nothing then.
        shm = self._kept if self._kept.exists() else file_system.companion(path, "-shm")
        self._evidence = _beginning(shm, _SHM_SIZE)
        self._is_removed = not self._header and _is_of_this_boot(shm) and self._has_lost_all()

    def __bool__(self) -> bool:
        return bool(self._header) or self._is_removed

    def check(self, connection: apsw.Connection) -> None:
        """Raise ``DatabaseCorruptError`` if the log is not that of the file as it is.

        It is a :class:`LostCommitsError` if SQLite cannot read all that the log had. Nothing has
        been written since the opening.
        """
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()  # opens the log
        if self._is_removed:
            self._keep_evidence()
            raise LostCommitsError(
                f"the write-ahead log {file_system.readable_name(self._log)} is gone, and changes"
                " that were committed were in it"
            )
        state = connection.execute("PRAGMA wal_checkpoint(NOOP)").fetchall()[0]
        readable = max(0, int(state[1] or 0))  # the frames that SQLite has found; or -1
        if self._lost_after(readable) and not self._is_another_log():
            self._keep_evidence()
            raise LostCommitsError(
                f"the write-ahead log {file_system.readable_name(self._log)} is damaged: changes"
                " that were committed cannot be read from it"
            )
        page_size = int(connection.execute("PRAGMA page_size").get or 0)
        pages = connection.execute("PRAGMA page_count").get
        last = self._commits(readable - 1, page_size, self._header[16:24]) if readable else []
        # The first page has the number of pages too; where it is not in the log, it is the file's.
        if last and last[0] != pages and not self._is_another_log():
            raise DatabaseCorruptError(MISMATCH)

    def _is_another_log(self) -> bool:
        """Tell whether another process has begun the log anew since it was looked at."""
        return _beginning(self._log, LOG_HEADER.size) != self._header

    def _keep_evidence(self) -> None:
        with contextlib.suppress(OSError):  # it is there already, or the folder is read-only
            file = os.open(self._kept, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            with os.fdopen(file, "wb") as opened:
                opened.write(self._evidence)

    def _lost_after(self, readable: int) -> bool:
        recorded = self._recorded()
        if recorded is not None:
            return recorded > readable
        if not is_intact(self._header):
            return any(self._header)  # a file that was never written may have zeros
        _, _, page_size, _, salts, _, _ = LOG_HEADER.unpack(self._header)
        return len(self._commits(readable, page_size, salts)) > 1

    def _recorded(self) -> int | None:
        """Return how many frames the log had; None if nothing says so."""
        half = _SHM_HEADER.size
        # If the header of the log is damaged, nothing tells which log it was.
        intact = is_intact(self._header)
        found = self._evidence
        if len(found) == _SHM_SIZE and found[:half] == found[half : 2 * half]:
            version, complete, frames, salts = _SHM_HEADER.unpack(found[:half])
            is_of_log = salts == self._header[16:24] or not intact
            if version == _SHM_VERSION and complete and is_of_log:
                return int(frames)
        return None

    def _has_lost_all(self) -> bool:
        """Tell whether the log had frames that are not in the database."""
        frames = self._recorded()
        return frames is not None and frames > int.from_bytes(self._evidence[-4:], sys.byteorder)

    def _commits(self, first: int, page_size: int, salts: bytes) -> list[int]:
        """Return the sizes of the database in pages after this log's commits, from a frame on."""
        size = FRAME_HEADER.size + page_size
        sizes: list[int] = []
        # Another process may just have removed the log: then nothing of it is left.
        with suppress(FileNotFoundError), self._log.open("rb") as log:
            for number in range(first, self._frames(page_size)):
                log.seek(LOG_HEADER.size + number * size)
                _, commit, found, _, _ = FRAME_HEADER.unpack(log.read(FRAME_HEADER.size))
                if found == salts and commit:
                    sizes.append(commit)
        return sizes

    def _frames(self, page_size: int) -> int:
        size = file_system.size(self._log) - LOG_HEADER.size
        return max(0, size // (FRAME_HEADER.size + page_size))


def _is_of_this_boot(file: Path) -> bool:
    """Tell whether a file was written since the system has started.

    A power cut may leave shared memory of any time before it, as it is never synchronized.
    """
    if sys.platform != "linux":
        return False
    boot = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    try:
        return file.stat().st_mtime > boot
    except OSError:
        return False


def _beginning(file: Path, size: int) -> bytes:
    """Return the first bytes of a file; none where there is none, or a pipe, which could block."""
    try:
        if not file.is_file():
            return b""
        with file.open("rb") as opened:
            return opened.read(size)
    except OSError:
        return b""
