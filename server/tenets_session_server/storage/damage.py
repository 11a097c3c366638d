"""Damage to a database that SQLite does not report, and which opening would make worse.

SQLite takes what it cannot read of a write-ahead log (WAL) for the end of the log, and overwrites
it: acknowledged commits are lost without a word. A database file that is empty or gone makes it
delete the log beside it. And it adds our tables to any file, also to another program's.

After a crash the log is still there, and so is the shared memory, which says how many frames the
log has. Frames that cannot be read any more are damage. Without them, frames behind a damaged one
prove it: a commit begins only when the one before is on the disk.

The formats are those of sqlite.org/fileformat2.html (section 4) and sqlite.org/walformat.html.
"""

from __future__ import annotations

import contextlib
import struct
import time
from pathlib import Path
from typing import Final

import apsw

from tenets_session_server.errors import DatabaseCorruptError
from tenets_session_server.storage import backup_files, file_system
from tenets_session_server.storage.explanations import with_way_out
from tenets_session_server.storage.log_format import (
    FRAME_HEADER,
    LOG_HEADER,
    LOG_MAGIC,
    PAGE_SIZES,
)

CHECK_TIMEOUT: Final = 0.1
"""Seconds of the check after a crash; a larger database is not checked to its end."""
LOOK_INTERVAL: Final = 0.25
"""Seconds between two looks at whether the open file was overwritten."""
MISMATCH: Final = "the database file and its write-ahead log do not fit together"
INSTRUCTIONS: Final = 20_000
"""Steps of SQLite's virtual machine between looks at the time."""
# Version, whether it is complete, the frames of the log, its salts; in the machine's byte order.
_SHM_HEADER: Final = struct.Struct("=I8xB3xI12x8s8x")
_NEWEST: Final = "SELECT revision, token FROM session_server_changes ORDER BY revision DESC LIMIT 1"
_SHM_VERSION: Final = 3007000
_SHM_SIZE: Final = 2 * _SHM_HEADER.size


class Damage:
    """What is known to be wrong with one database, as long as the process lives.

    ``message`` is None if nothing is; ``named`` as in :mod:`.explanations`. Reading goes on where
    it can; nothing is written, as that may destroy more, until another program has changed the
    file.
    """

    def __init__(self, path: Path, *, named: bool) -> None:
        self.message: str | None = None
        self._path, self._named = path, named
        self._left: LeftLog | None = None
        self._checked_log = self._had_content = False
        self._version: int | None = None
        self._looked_at = 0.0
        self._written = (0, 0)

    def before_opening(self, *, in_use: bool) -> None:
        """Look at the files while SQLite has not touched them.

        ``in_use``: a connection of any process has the file open. Raises ``DatabaseCorruptError``.
        """
        self._left = None if in_use or self._checked_log else LeftLog(self._path)
        is_gone = not self._path.exists()
        if not is_gone and file_system.size(self._path):
            return
        if self._left:
            what = "gone" if is_gone else "empty"
            log = file_system.readable_name(file_system.companion(self._path, "-wal"))
            raise DatabaseCorruptError(
                f"the database file is {what}, and {log} still has changes of it"
            )
        if not is_gone and (self._had_content or backup_files.listed(self._path)):
            raise DatabaseCorruptError("the database file is empty, but it had sessions")

    def opened(self, connection: apsw.Connection) -> None:
        """Check a file that was just opened; nothing has been written to it yet.

        Raises ``DatabaseCorruptError`` and apsw's errors.
        """
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        self._version = connection.execute("PRAGMA data_version").get
        if self._left:
            self._left.check(connection)
            if quick_check(connection) is False:
                raise DatabaseCorruptError(MISMATCH)
        elif self.message is not None and quick_check(connection):
            self.message = None
        if self.message is None:
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)
        self._left, self._checked_log, self._had_content = None, True, True
        self._written = _written(self._path)

    def opening_failed(self) -> None:
        """Leave the files as they were before an opening that failed; the file is closed again."""
        if self._left:
            self._left.restore_evidence()

    def closed(self) -> None:
        """Say that the file is closed, and that another process may open it."""
        self._checked_log = self._had_content = False

    def found(self, message: str, connection: apsw.Connection) -> bool:
        """Record damage that a statement has met; return whether to open the file once more.

        That helps if what was read was not what is in the file.
        """
        again = self.message is None or self.has_changed(connection)
        self.message = message
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        return again

    def look(self, connection: apsw.Connection, now: float) -> bool:
        """Look at an open file now and then; return whether it has to be opened once more.

        Another program may have overwritten it without SQLite, which has its pages in memory.
        ``now`` is the time in seconds.
        """
        if now - self._looked_at < LOOK_INTERVAL:
            return False
        self._looked_at = now
        seen, self._written = self._written, _written(self._path)
        if self._written == seen:
            return False
        try:
            if _begins_well(connection):
                before = connection.execute(_NEWEST).fetchall()
                connection.release_memory()
                connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
                return bool(before != connection.execute(_NEWEST).fetchall())
        except apsw.CorruptError:
            pass
        return self.found("the database file was overwritten", connection)

    def has_changed(self, connection: apsw.Connection) -> bool:
        """Tell whether another connection has committed since damage was found, or since then."""
        seen = self._version
        with contextlib.suppress(apsw.Error):  # then nothing can be read
            self._version = connection.execute("PRAGMA data_version").get
        return seen != self._version

    def check_write(self) -> None:
        """Raise ``DatabaseCorruptError`` if the file may not be written."""
        if self.message is not None:
            error = DatabaseCorruptError(f"{self.message}; nothing more is written to it")
            raise with_way_out(error, self._path, named=self._named)


class LeftLog:
    """The write-ahead log that a crash has left beside a database, as it was before the opening.

    Make it before SQLite opens the file, and only if no other process has it open.
    """

    def __init__(self, path: Path) -> None:
        self._log, self._shm = (
            file_system.companion(path, "-wal"),
            file_system.companion(path, "-shm"),
        )
        self._header = _beginning(self._log, LOG_HEADER.size)
        self._shared = _beginning(self._shm, _SHM_SIZE)

    def __bool__(self) -> bool:
        return bool(self._header)

    def check(self, connection: apsw.Connection) -> None:
        """Raise ``DatabaseCorruptError`` if SQLite cannot read all that the log had.

        Nothing has been written since the opening. The shared memory gets back what it had: it is
        the evidence for the next process.
        """
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()  # opens the log
        state = connection.execute("PRAGMA wal_checkpoint(NOOP)").fetchall()[0]
        readable = max(0, int(state[1] or 0))  # the frames that SQLite has found; or -1
        if self._lost_after(readable):
            raise DatabaseCorruptError(
                f"the write-ahead log {file_system.readable_name(self._log)} is damaged: changes"
                " that were committed cannot be read from it"
            )
        page_size = int(connection.execute("PRAGMA page_size").get or 0)
        pages = connection.execute("PRAGMA page_count").get
        last = self._commits(readable - 1, page_size, self._header[16:24]) if readable else []
        if last and last[0] != pages:  # the log is that of another state of the file
            raise DatabaseCorruptError(MISMATCH)

    def restore_evidence(self) -> None:
        """Put back the beginning of the shared memory, once the database is closed again."""
        if self._shared and self._shm.exists():
            with self._shm.open("r+b") as file:
                file.write(self._shared)

    def _lost_after(self, readable: int) -> bool:
        recorded = self._recorded()
        if recorded is not None:
            return recorded > readable
        magic, _, page_size, _, salts, _, _ = LOG_HEADER.unpack(self._header.ljust(32, b"\0"))
        if magic not in LOG_MAGIC or page_size not in PAGE_SIZES:
            return any(self._header)  # a file that was never written may have zeros
        return len(self._commits(readable, page_size, salts)) > 1

    def _recorded(self) -> int | None:
        """Return how many frames the shared memory counts; None if it belongs to another log."""
        half = _SHM_HEADER.size
        if len(self._shared) < _SHM_SIZE or self._shared[:half] != self._shared[half:]:
            return None
        version, complete, frames, salts = _SHM_HEADER.unpack(self._shared[:half])
        is_known = version == _SHM_VERSION and complete
        intact = int.from_bytes(self._header[:4], "big") in LOG_MAGIC
        # If the header of the log is damaged, nothing tells which log it was.
        return frames if is_known and (salts == self._header[16:24] or not intact) else None

    def _commits(self, first: int, page_size: int, salts: bytes) -> list[int]:
        """Return the sizes of the database in pages after this log's commits, from a frame on."""
        sizes, size = list[int](), FRAME_HEADER.size + page_size
        with self._log.open("rb") as log:
            for number in range(first, self._frames(page_size)):
                log.seek(LOG_HEADER.size + number * size)
                _, commit, found, _, _ = FRAME_HEADER.unpack(log.read(FRAME_HEADER.size))
                if found == salts and commit:
                    sizes.append(commit)
        return sizes

    def _frames(self, page_size: int) -> int:
        size = file_system.size(self._log) - LOG_HEADER.size
        return max(0, size // (FRAME_HEADER.size + page_size))


def _beginning(file: Path, size: int) -> bytes:
    """Return the first bytes of a file; none where there is none, or a pipe, which could block."""
    try:
        if not file.is_file():
            return b""
        with file.open("rb") as opened:
            return opened.read(size)
    except OSError:
        return b""


def _written(path: Path) -> tuple[int, int]:
    """Return when a file was written, and its size."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size


def _begins_well(connection: apsw.Connection) -> bool:
    """Tell whether the open file still begins as a SQLite database does, and has whole pages.

    It is read through SQLite: closing another descriptor would drop the locks.
    """
    flags = apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_READONLY
    file = apsw.VFSFile("", connection.filename, [flags, 0])
    try:
        header, size = file.xRead(18, 0), file.xFileSize()
    finally:
        file.xClose()
    page_size = int.from_bytes(header[16:18], "big")
    page_size = 65536 if page_size == 1 else page_size
    is_database = header[:16] == b"SQLite format 3\0" and page_size in PAGE_SIZES
    return is_database and size >= page_size and size % page_size == 0


def quick_check(connection: apsw.Connection, seconds: float = CHECK_TIMEOUT) -> bool | None:
    """Return whether a database is sound, None if there was not enough time to say so."""
    until = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > until, INSTRUCTIONS)
    try:
        found = connection.execute("PRAGMA quick_check(100)").fetchall()
    except apsw.InterruptError:
        return None
    except apsw.CorruptError:
        return False
    finally:
        connection.set_progress_handler(None)
    return all(row[0] == "ok" or SEARCH_INDEX in str(row[0]) for row in found)


SEARCH_INDEX: Final = "session_server_search"
"""Begins the names of the search index's tables: it holds nothing that is not elsewhere."""
