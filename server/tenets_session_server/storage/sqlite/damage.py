"""Damage to a database that SQLite does not report, and which opening would make worse.

SQLite takes what it cannot read of a write-ahead log (WAL) for the end of the log, and overwrites
it: acknowledged commits are lost without a word. A database file that is empty or gone makes it
delete the log beside it. What a crash leaves is looked at by :mod:`.left_log`.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import apsw

from tenets_session_server.config import Synchronous
from tenets_session_server.errors import (
    DatabaseCorruptError,
    LostCommitsError,
)
from tenets_session_server.storage.sqlite import backup_files, file_system, file_use
from tenets_session_server.storage.sqlite.explanations import with_way_out
from tenets_session_server.storage.sqlite.left_log import MISMATCH, LeftLog
from tenets_session_server.storage.sqlite.log_format import PAGE_SIZES

logger = logging.getLogger(__name__)

CHECK_TIMEOUT: Final = 0.1
"""Seconds of the check after a crash; a larger database is not checked to its end."""
CREATION_TIME: Final = 1.0
"""Seconds that another process needs at most to write the first page of a new file."""
CREATION_PAUSE: Final = 0.005
"""Seconds between two looks whether it has."""
EMPTY: Final = 1
"""Bytes of a file that SQLite takes for an empty database, at most."""
LOOK_INTERVAL: Final = 0.25
"""Seconds between two looks at whether the open file was overwritten."""
INSTRUCTIONS: Final = 20_000
"""Steps of SQLite's virtual machine between looks at the time."""
_FIRST_PAGE: Final = "SELECT 1 FROM sqlite_schema WHERE rowid = 1"


class Damage:
    """What is known to be wrong with one database, as long as the process lives.

    ``message`` is None if nothing is; ``named`` as in :mod:`.explanations`. Reading goes on where
    it can; nothing is written, as that may destroy more, until another program has changed the
    file.
    """

    def __init__(self, path: Path, *, named: bool, synchronous: Synchronous) -> None:
        self.message: str | None = None
        self._path, self._named, self._synchronous = path, named, synchronous
        self._left: LeftLog | None = None
        self._checked_log = self._had_content = self._changed = False
        self._version: int | None = None
        self._looked_at = 0.0
        self._written = (0, 0)

    def before_opening(self) -> None:
        """Look at the files while SQLite has not touched them.

        Raises ``DatabaseCorruptError``. An empty file that is new is waited for: another process
        may be just creating it.
        """
        looks = not self._checked_log and not file_use.is_in_use(str(self._path))
        has_content = file_system.size(self._path) > EMPTY
        self._left = LeftLog(self._path) if looks and has_content else None
        is_gone = not self._path.exists()
        if has_content:
            return
        log = file_system.companion(self._path, "-wal")
        if file_system.size(log):
            what = "gone" if is_gone else "empty"
            raise DatabaseCorruptError(
                f"the database file is {what}, and {file_system.readable_name(log)} still has"
                " changes of it"
            )
        had_sessions = self._had_content or backup_files.listed(self._path)
        if not is_gone and had_sessions and (self._had_content or not self._gets_content()):
            raise DatabaseCorruptError("the database file is empty, but it had sessions")

    def _gets_content(self) -> bool:
        """Tell whether another process writes to an empty file, as long as it is new."""
        until = time.monotonic() + CREATION_TIME
        while file_system.size(self._path) <= EMPTY:
            if file_system.age(self._path) > CREATION_TIME or time.monotonic() > until:
                return False
            time.sleep(CREATION_PAUSE)
        return True

    def opened(self, connection: apsw.Connection) -> None:
        """Check a file that was just opened; nothing has been written to it yet.

        Raises ``DatabaseCorruptError`` and apsw's errors.
        """
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        self._version = connection.execute("PRAGMA data_version").get
        if self._left:
            self._check_left(self._left, connection)
        elif self.message is not None:
            sound = quick_check(connection)
            # If there was no time for all of it, what another program has written is trusted.
            if sound or (sound is None and self._changed):
                self.message = None
        self._changed = False

    def ready(self, connection: apsw.Connection) -> None:
        """Say that the file can be used, so that its log may be emptied when it is closed."""
        if self.message is None:
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)
        self._left, self._checked_log, self._had_content = None, True, True
        self._written = _written(self._path)

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

    def _check_left(self, left: LeftLog, connection: apsw.Connection) -> None:
        try:
            left.check(connection)
            if quick_check(connection) is False:
                raise DatabaseCorruptError(MISMATCH)
        except LostCommitsError as error:
            if self._synchronous == "full":
                raise
            # Then the last commits need not survive a power cut.
            logger.warning("%s", error)

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
                version, before = _newest(connection)
                connection.release_memory()
                connection.execute(_FIRST_PAGE).fetchall()
                still, after = _newest(connection)
                # Unless another connection has committed, only the file can make a difference.
                return version == still and before != after
        except apsw.SQLError:  # the tables are other ones: opening says which
            return True
        except (apsw.CorruptError, apsw.NotADBError):
            pass
        except apsw.Error:  # another program has locked it, say
            self._written = seen
            return False
        return self.found("the database file was overwritten", connection)

    def has_changed(self, connection: apsw.Connection) -> bool:
        """Tell whether another connection has committed since damage was found, or since then."""
        seen = self._version
        with contextlib.suppress(apsw.Error):  # then nothing can be read
            self._version = connection.execute("PRAGMA data_version").get
        self._changed |= seen != self._version
        return self._changed

    def check_write(self) -> None:
        """Raise ``DatabaseCorruptError`` if the file may not be written."""
        if self.message is not None:
            error = DatabaseCorruptError(f"{self.message}; nothing more is written to it")
            raise with_way_out(error, self._path, named=self._named)


def _newest(connection: apsw.Connection) -> tuple[object, object]:
    """Return a value that changes with others' commits, and the newest change of the log."""
    newest = "SELECT revision, token FROM session_server_changes ORDER BY revision DESC LIMIT 1"
    rows = connection.execute(newest).fetchall()
    return connection.execute("PRAGMA data_version").get, rows


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


def quick_check(connection: apsw.Connection, seconds: float | None = None) -> bool | None:
    """Return whether a database is sound, None if there was not enough time to say so.

    ``seconds`` is :data:`CHECK_TIMEOUT` where nothing else is given. The search index is left out:
    it holds nothing that is not elsewhere.
    """
    until = time.monotonic() + (CHECK_TIMEOUT if seconds is None else seconds)
    connection.set_progress_handler(lambda: time.monotonic() > until, INSTRUCTIONS)
    try:
        return not any(found for _, found in check_tables(connection, "quick_check"))
    except apsw.InterruptError:
        return None
    except (apsw.CorruptError, apsw.NotADBError):
        return False
    finally:
        connection.set_progress_handler(None)


def check_tables(
    connection: apsw.Connection, how: str = "integrity_check"
) -> Iterator[tuple[str, list[str]]]:
    """Check one table after the other; yield its name, and what is damaged in it.

    So no long read keeps the log from shrinking. The search index is left out. ``how`` is the
    pragma that checks a table. Raises apsw's errors.
    """
    for (table,) in connection.execute(_TABLES).fetchall():
        name = str(table).replace("'", "''")
        rows = connection.execute(f"PRAGMA {how}('{name}')").fetchall()
        yield str(table), faults(str(row[0]) for row in rows)


def faults(found: Iterable[str]) -> list[str]:
    """Return what of SQLite's findings is damage.

    A value that another program should not have written is none.
    """
    harmless = ("ok", "NULL value in", "CHECK constraint failed")
    return [one for one in found if not one.startswith(harmless)]


SEARCH_INDEX: Final = "session_server_search"
"""Begins the names of the search index's tables."""
# The schema itself stands for the list of free pages, too.
ALL_TABLES: Final = """SELECT name FROM (SELECT 'sqlite_schema' AS name
    UNION ALL SELECT name FROM sqlite_schema WHERE type = 'table')"""
_TABLES: Final = f"""{ALL_TABLES}
    WHERE substr(name, 1, {len(SEARCH_INDEX)}) <> '{SEARCH_INDEX}' ORDER BY name"""
