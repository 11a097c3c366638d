"""The file behind a database: opened when it is needed, let go of when it is lost, opened again.

* A file that cannot be opened now is tried again at the next call, so that a server outlives a disk
  that is not mounted yet.
* A file that has been deleted, moved or replaced is let go of at once: nothing is written to what
  nobody can find any more. It is opened again when it is back, and never made anew: whoever moved
  it away may be about to put it back.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NoReturn

import apsw

from tenets_session_server import errors
from tenets_session_server.config import TenetsConfig
from tenets_session_server.storage import connection_setup as preparation
from tenets_session_server.storage import file_system as placement
from tenets_session_server.storage.file_identity import Whereabouts
from tenets_session_server.storage.sqlite_errors import translate

logger = logging.getLogger(__name__)

LOOK_INTERVAL: Final = 0.005
"""Seconds for which reads believe that the file is where it was; writes look each time."""
OPENING_TIMEOUT: Final = 1.0
"""Seconds for which the first opening waits for a lock: several editors may start at once."""


class OpenFile:
    """The connection to the file that ``config`` names, opened at the first use.

    ``path`` is where it is, ``name`` the same for people to read; ``warnings`` are sentences for
    the user about the file and the engine, complete once open (see also :meth:`take_repairs`).
    ``generation`` counts how often the file has been opened, or what is in it put right.
    """

    def __init__(self, config: TenetsConfig) -> None:
        self.path = config.database_path
        self.name = placement.readable_name(self.path)
        self.warnings: list[str] = []
        self._repairs: list[str] = []
        self.generation = 0
        self._config = config
        self._connection: apsw.Connection | None = None
        self._whereabouts = Whereabouts(self.path)
        self._lock = threading.RLock()
        self._tried = self._closed = self._doubtful = False
        self._looked_at = 0.0

    def _prepare(self, connection: apsw.Connection) -> tuple[list[str], list[str]]:
        """Make a connection and its file ready; return warnings, and what was put right."""
        raise NotImplementedError

    def _repair(self) -> list[str]:
        """Put right what is missing in an open file; return sentences for the user."""
        raise NotImplementedError

    def open(self) -> None:
        """Open, check and migrate the file; does nothing where that is done already.

        Raises a :class:`~tenets_session_server.errors.DatabaseError`; the next call tries again.
        """
        with self._lock:
            if self._connection is not None:
                return
            if self._closed:
                raise errors.DatabaseUnavailableError("the database has been closed")
            self.warnings = []
            try:
                self._whereabouts.check_it_is_back()
                created = placement.make_private(self.path)
                if not created and self._config.database is None:
                    placement.tighten(self.path)
                with self._translated():
                    self._connection = self._connect()
                    self.warnings, repairs = self._prepare(self._connection)
                    self._repairs += repairs
                    self._set_busy_timeout(self._connection, self._config.busy_timeout)
            except BaseException:
                self._disconnect()
                raise
            self.generation += 1
            for warning in (*self.warnings, *self._repairs):
                logger.warning("%s", warning)

    def close(self) -> None:
        """Close the connection for good; the last one to close a file empties its WAL."""
        with self._lock:
            self._closed = True
            self._disconnect()

    def ensure_open(self) -> None:
        """Let go of a file that is not where it was, and try to open it again.

        Raises a ``DatabaseError`` where there is none that can be used.
        """
        with self._lock:
            self._opened()

    def require_durability(self) -> None:
        """From now on let no commit return before it is on the disk, as ``synchronous="full"``."""
        with self._lock:
            if self._config.synchronous != "full":
                self._config = dataclasses.replace(self._config, synchronous="full")
                if self._connection is not None:
                    preparation.set_synchronous(self._connection, "full")

    def release(self) -> None:
        """Close the file and forget all about it, as if this were a new process."""
        with self._lock:
            if self._connection is not None:
                self._let_go_if_lost(self._connection)
            self._disconnect()
            self._whereabouts.forget_loss()
            self._tried = self._doubtful = False

    def repair_or_create(self) -> None:
        """Do for somebody new what a new process would, while others go on using the file.

        Such a process makes a file that is missing, and puts triggers back. Raises a
        ``DatabaseError`` where that is impossible.
        """
        with self._lock:
            if self._connection is not None:
                self._let_go_if_lost(self._connection)
            if self._connection is not None:
                if not self._connection.readonly("main") and (repairs := self._repair()):
                    self._repairs += repairs
                    self.generation += 1  # what was changed meanwhile, nobody has been told
            elif self._whereabouts.is_missing():
                self._whereabouts.forget_loss()

    def take_repairs(self) -> list[str]:
        """Return sentences for the user about what was put right; to be told once."""
        with self._lock:
            repairs, self._repairs = self._repairs, []
            return repairs

    @property
    def is_open(self) -> bool:
        """Whether there is a connection; it is not made, nor is the file looked at."""
        return self._connection is not None

    @property
    def engine(self) -> str:
        """Name and version of the engine."""
        return f"SQLite {apsw.sqlite_lib_version()}"

    def sizes(self) -> tuple[int, int]:
        """Return the sizes of the file and its write-ahead log in bytes, 0 for what is missing."""
        return placement.size(self.path), placement.size(Path(f"{os.path.realpath(self.path)}-wal"))

    def _opened(self, *, certain: bool = False) -> apsw.Connection:
        """Return the connection to a file that is still there, opening it if need be.

        For reads that was looked at lately; ``certain`` looks now.
        """
        now = time.monotonic()
        connection = self._connection
        if connection is not None and now - self._looked_at <= LOOK_INTERVAL and not certain:
            return connection
        if connection is not None and not connection.in_transaction:
            self._looked_at = now
            if self._doubtful:  # opening puts right what can be: an older file was restored, say
                self._doubtful = False
                self._disconnect()
            else:
                self._let_go_if_lost(connection)
        if self._connection is None:
            self.open()
        assert self._connection is not None  # noqa: S101 - open() raises otherwise
        return self._connection

    def _let_go_if_lost(self, connection: apsw.Connection) -> None:
        loss = self._whereabouts.lost()
        if loss is None:
            return
        logger.warning("%s %s", self.name, loss)
        # Else what is committed could be lost with the log, or be taken for the next file's.
        if self._whereabouts.may_be_emptied():
            try:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            except apsw.Error as error:
                logger.warning("its write-ahead log could not be emptied: %s", error)
        # Otherwise closing does the same once more, and removes the log by its name.
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        self._disconnect()
        self._whereabouts.let_go()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except apsw.Error as error:
            self._raise(error)

    def _raise(self, error: apsw.Error) -> NoReturn:
        """Raise our error for one of apsw's, or the same one where it is for the caller."""
        ours = None if isinstance(error, apsw.ConstraintError) else translate(error)
        if ours is None:
            raise error
        if isinstance(ours, errors.DatabaseCorruptError):
            self._doubtful, self._looked_at = True, 0.0
        raise ours from error

    def _connect(self) -> apsw.Connection:
        flags = apsw.SQLITE_OPEN_READWRITE
        connection = apsw.Connection(placement.sqlite_name(self.path), flags=flags)
        timeout = self._config.busy_timeout
        if not self._tried:  # later there are clients who would be kept waiting
            timeout = max(timeout, OPENING_TIMEOUT)
        self._tried = True
        if not self._whereabouts.opened(connection):
            connection.close(True)
            raise errors.DatabaseUnavailableError(f"{self.name} was moved while it was opened")
        self._set_busy_timeout(connection, timeout)
        return connection

    @staticmethod
    def _set_busy_timeout(connection: apsw.Connection, seconds: float) -> None:
        connection.set_busy_timeout(round(seconds * 1000))

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close(True)
