"""The connection to a database file that may be missing, deleted or replaced at any time.

* A file that cannot be opened is tried again at the next use, so a server survives a disk that is
  not mounted yet.
* If the file was deleted, moved or replaced, its connection is closed at once: what is written to
  it could never be found again. It is opened again when it is back, but no new file is created in
  its place: the user who moved it may be about to put it back.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NoReturn

import apsw

from tenets_session_server import errors
from tenets_session_server.config import TenetsConfig
from tenets_session_server.storage.sqlite import adoption, connection_setup, file_system, migrations
from tenets_session_server.storage.sqlite.damage import Damage
from tenets_session_server.storage.sqlite.explanations import of_opening, with_way_out
from tenets_session_server.storage.sqlite.file_identity import FileIdentity
from tenets_session_server.storage.sqlite.sqlite_errors import translate
from tenets_session_server.storage.sqlite.stuck_locks import StuckLockCheck

logger = logging.getLogger(__name__)

CHECK_INTERVAL: Final = 0.005
"""Seconds between checks of the file's identity by reads; a write checks each time."""
FIRST_BUSY_TIMEOUT: Final = 1.0
"""Seconds for which the first opening waits for a lock: several editors may start at once."""


class FileConnection:
    """Owns the connection to the file that ``config`` names, and opens it at the first use.

    ``adoption`` says what has become of the database of earlier versions. ``connection`` is None
    while the file is closed. Each use holds ``lock``. ``warnings`` are
    complete once the file is open. ``generation`` counts how often it has been opened or repaired.
    """

    def __init__(self, config: TenetsConfig) -> None:
        self._config, self._named = config, config.database is not None
        self.adoption = adoption.adopt(config.database_path)
        self.path = self.adoption.path
        self.name = file_system.readable_name(self.path)
        self.connection: apsw.Connection | None = None
        self.lock = threading.RLock()
        self.warnings: list[str] = []
        self.generation = 0
        self._identity = FileIdentity(self.path)
        self._stuck_locks = StuckLockCheck(self._identity)
        self.damage = Damage(self.path, named=self._named, synchronous=config.synchronous)
        self._repairs = list(self.adoption.news)
        self._opened_before = self._closed = self._must_reopen = False
        self._permissions: tuple[object, ...] = ()
        self._checked_at = 0.0

    def get(self) -> apsw.Connection:
        """Return the connection, and open the file if necessary; the caller holds the lock.

        The file was at its path :data:`CHECK_INTERVAL` ago at most. Raises a ``DatabaseError``.
        """
        now = time.monotonic()
        connection = self.connection
        if connection is not None:
            if now - self._checked_at <= CHECK_INTERVAL or connection.in_transaction:
                return connection
            self._checked_at = now
            if self._must_reopen or self._may_be_writable(connection):
                self._must_reopen = False
                self._disconnect()
            elif not self._release_if_lost(connection) and self.damage.look(connection, now):
                self._disconnect()
        if self.connection is None:
            self.open()
        assert self.connection is not None  # noqa: S101 - open() raises otherwise
        return self.connection

    def get_checked(self) -> apsw.Connection:
        """Return the connection as :meth:`get` does; the file is at its path now."""
        connection = self.connection
        if connection is not None and self.damage.look(connection, time.monotonic()):
            self._reopen()
        if (
            connection is None
            or self._must_reopen
            or connection.readonly("main")  # perhaps it may be written by now
            or self._identity.mismatch() is not None
        ):
            self._checked_at = 0.0
            connection = self.get()
        self._identity.check_one_name()
        return connection

    def begin(self) -> apsw.Connection:
        """Begin a write transaction; return the connection. Raises a ``DatabaseError``."""
        try:
            connection = self.get_checked()
            if self.damage.message is not None:
                if self.damage.has_changed(connection):
                    self._reopen()
                    connection = self.get()
                self.damage.check_write()
            connection.execute("BEGIN IMMEDIATE")
        except apsw.Error as error:
            if isinstance(error, apsw.BusyError) and self._stuck_locks.busy():
                logger.warning("the database is busy, but nobody has a lock: it is opened anew")
                self._reopen()
            self.raise_translated(error)
        self._stuck_locks.free()
        return connection

    def check_after_commit(self) -> str | None:
        """Return what has happened to the file that was just written, None if nothing has."""
        mismatch = self._identity.mismatch()
        self._checked_at = time.monotonic() if mismatch is None else 0.0
        return mismatch

    def open(self) -> None:
        """Open, check and migrate the file unless it is open.

        Raises a :class:`~tenets_session_server.errors.DatabaseError`; the next call tries again.
        """
        with self.lock:
            if self.connection is not None:
                return
            if self._closed:
                raise errors.DatabaseUnavailableError("the database has been closed")
            self.warnings = []
            if self.adoption.reason is not None and not self.path.exists():
                raise errors.DatabaseUnavailableError(
                    f"{self.name} has been deleted or moved: restart the server"
                )
            try:
                self._identity.check_restored()
                self.damage.before_opening()
                file_system.prepare(self.path, private=not self._named)
                with self.translated():
                    self.connection = self._connect()
                    self.damage.opened(self.connection)
                    warnings = connection_setup.set_up(
                        self.connection,
                        self.path,
                        self._config.synchronous,
                        other_name=self._identity.other_name(),
                    )
                    self._permissions = file_system.permissions(self.path)
                    self._migrate(self.connection)
                    self.damage.ready(self.connection)
                    connection_setup.set_busy_timeout(self.connection, self._config.busy_timeout)
            except BaseException as error:
                self._disconnect()
                if (explained := of_opening(error, self.path, named=self._named)) is None:
                    raise
                raise explained from error
            self.warnings = warnings
            self.generation += 1
            for warning in warnings:
                logger.warning("%s", warning)

    def close(self) -> None:
        """Close the file for good; the last connection to a file empties its WAL."""
        with self.lock:
            self._closed = True
            self._disconnect()

    def ensure_open(self) -> None:
        """Close a file that was lost, and try to open it again. Raises a ``DatabaseError``."""
        with self.lock:
            self.get()

    def release(self) -> None:
        """Close the file and forget its state, as if the next use were in a new process."""
        with self.lock:
            if self.connection is not None:
                self._release_if_lost(self.connection)
            self._disconnect()
            self._identity.reset()
            self.damage.closed()
            self._opened_before = self._must_reopen = False

    def repair_or_create(self) -> None:
        """Do for a new client what a new process would, while others go on using the file.

        A file that is missing may be created at the next use, and missing triggers are put back.
        Raises a ``DatabaseError`` if that is impossible.
        """
        with self.lock:
            if self.connection is not None:
                self._release_if_lost(self.connection)
            if self.connection is None:
                if self._identity.is_missing():
                    self._identity.reset()
            elif not self.connection.readonly("main"):
                with self.translated():
                    if self._migrate(self.connection):
                        # The change log lacks what other programs changed without triggers.
                        self.generation += 1

    def take_repairs(self) -> list[str]:
        """Return sentences for the user about what was repaired since the last call."""
        with self.lock:
            repairs, self._repairs = self._repairs, []
            return repairs

    def require_durability(self) -> None:
        """From now on let no commit return before it is on the disk, as ``synchronous="full"``."""
        with self.lock:
            if self._config.synchronous != "full":
                self._config = dataclasses.replace(self._config, synchronous="full")
                if self.connection is not None:
                    connection_setup.set_synchronous(self.connection, "full")

    @contextmanager
    def translated(self, sql: str = "") -> Iterator[None]:
        """Raise the errors of the block as :meth:`raise_translated` does."""
        try:
            yield
        except apsw.Error as error:
            self.raise_translated(error, sql)

    def raise_translated(self, error: apsw.Error, sql: str = "") -> NoReturn:
        """Raise our error for one of apsw's, which ``sql`` has met; a bug is raised as it is."""
        ours = translate(error, self.connection, sql)
        if ours is None:
            raise error
        if type(ours) is errors.DatabaseCorruptError:
            if not isinstance(error, apsw.CorruptError | apsw.NotADBError):
                self._reopen()  # if an older state was restored in place, it is migrated
            elif self.connection is not None and self.damage.found(str(ours), self.connection):
                self._reopen()
            ours = with_way_out(ours, self.path, named=self._named)
        raise ours from error

    def _reopen(self) -> None:
        """Have the next use open the file once more."""
        self._must_reopen, self._checked_at = True, 0.0

    def _connect(self) -> apsw.Connection:
        immutable = file_system.is_immutable(self.path)
        connection = connection_setup.connect(self.path, immutable=immutable)
        timeout = self._config.busy_timeout
        if not self._opened_before:  # later, clients would have to wait as well
            timeout = max(timeout, FIRST_BUSY_TIMEOUT)
        self._opened_before = True
        if not self._identity.record(connection):
            connection.close(True)
            raise errors.DatabaseUnavailableError(f"{self.name} was moved while it was opened")
        connection_setup.set_busy_timeout(connection, timeout)
        return connection

    def _may_be_writable(self, file: apsw.Connection) -> bool:
        return file.readonly("main") and file_system.permissions(self.path) != self._permissions

    def _migrate(self, connection: apsw.Connection) -> bool:
        """Bring the file up to date if it can be written; return whether it was written."""
        if connection.readonly("main"):
            migrations.check_up_to_date(connection)
            return False
        if self._identity.other_name() is not None:
            if not migrations.is_up_to_date(connection):
                self._identity.check_one_name()
            return False
        written, repairs = migrations.migrate(connection)
        self._repairs += repairs
        for repair in repairs:
            logger.warning("%s", repair)
        return written

    def _release_if_lost(self, connection: apsw.Connection) -> bool:
        """Close the file if it is no longer at its path; return whether that was so."""
        mismatch = self._identity.mismatch()
        if mismatch is None:
            return False
        logger.warning("%s %s", self.name, mismatch)
        # Committed rows that are only in the WAL would be lost with it, or be taken for the next
        # file's. But if another process has opened that file, the WAL at the path is its own.
        if not self._identity.used_by_others() and not self.damage.message is not None:
            try:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            except apsw.Error as error:
                logger.warning("its write-ahead log could not be emptied: %s", error)
        # Closing must not do the same once more, nor delete the WAL at the path by its name.
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        self._disconnect()
        self._identity.released()
        return True

    def _disconnect(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.close(True)
