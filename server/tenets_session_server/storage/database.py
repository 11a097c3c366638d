"""The one connection to the database file.

A :class:`Database` owns one apsw connection and every rule about using it:

* writes are ``BEGIN IMMEDIATE`` ... ``COMMIT`` with nothing awaited in between, so a write either
  fails at once, before it did anything, or happens whole;
* every read is run to its end (a half-read cursor holds back the WAL's checkpoint for ever);
* apsw's exceptions become those of :mod:`tenets_session_server.errors`, with no SQL in them;
* a file that cannot be opened now is tried again at the next call, so that a server outlives a
  disk that is not mounted yet;
* a file that has been deleted, moved or replaced is let go of at once: nothing is written to what
  nobody can find any more. It is opened again when it is back, and never made anew: whoever moved
  it away may be about to put it back.

Calls may come from several threads; they take turns.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NoReturn, ParamSpec, Protocol, TypeVar

import apsw

from tenets_session_server import errors
from tenets_session_server.config import TenetsConfig
from tenets_session_server.storage import migrations, placement, preparation
from tenets_session_server.storage.sqlite_errors import translate
from tenets_session_server.storage.whereabouts import Whereabouts

logger = logging.getLogger(__name__)

LOOK_INTERVAL: Final = 0.005
"""Seconds for which reads believe that the file is where it was; writes look each time."""
OPENING_TIMEOUT: Final = 1.0
"""Seconds for which the first opening waits for a lock: several editors may start at once."""

P = ParamSpec("P")
T = TypeVar("T")
Value = str | bytes | int | float | None
Row = tuple[Any, ...]
Bindings = Sequence[Value] | Mapping[str, Value]


class Database:
    """One connection to the file that ``config`` names, opened at the first use.

    ``path`` is where it is, ``name`` the same for people to read; ``warnings`` are sentences for
    the user about the file and the engine, complete once open (see also :meth:`take_repairs`).
    ``opened`` counts how often the file has been opened and ``commits`` what was committed here;
    those in ``on_commit`` are called after each commit.
    """

    def __init__(self, config: TenetsConfig) -> None:
        self.path = config.database_path
        self.name = placement.readable_name(self.path)
        self.warnings: list[str] = []
        self._repairs: list[str] = []
        self.opened = 0
        self.commits = 0
        self.on_commit: set[Callable[[], None]] = set()
        self._config = config
        self._connection: apsw.Connection | None = None
        self._whereabouts = Whereabouts(self.path)
        self._lock = threading.RLock()
        self._tried = self._closed = self._doubtful = False
        self._looked_at = 0.0
        self._transaction = _Transaction(self._begin, self._end)
        self._owner = 0  # the thread whose transaction is open

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
                    self.warnings, repairs = preparation.prepare(
                        self, self._connection, self._config.synchronous
                    )
                    self._repairs += repairs
                    self._set_busy_timeout(self._connection, self._config.busy_timeout)
            except BaseException:
                self._disconnect()
                raise
            self.opened += 1
            for warning in (*self.warnings, *self._repairs):
                logger.warning("%s", warning)

    def close(self) -> None:
        """Close the connection for good; the last one to close a file empties its WAL."""
        with self._lock:
            self._closed = True
            self._disconnect()

    def run(self, sql: str, bindings: Bindings = ()) -> list[Row]:
        """Execute one statement and return all of its rows.

        Outside of :meth:`transaction` it must not write. Raises a ``DatabaseError``, and
        ``apsw.ConstraintError`` for the caller to make sense of.
        """
        with self._lock:
            # Within a transaction it is looked after where that begins and ends.
            connection = self._connection if self._owner else None
            if connection is None:
                connection = self._opened()
            try:
                return connection.execute(sql, bindings).fetchall()
            except apsw.Error as error:
                self._raise(error)

    @contextmanager
    def rows(self, sql: str, bindings: Bindings) -> Iterator[Iterable[Row]]:
        """Give the block the rows of a query, one by one, as many as it wants.

        For results that may be large. Raises as :meth:`run` does.
        """
        with self._lock, self._translated():
            cursor = self._opened().execute(sql, bindings)
            try:
                yield cursor
            finally:
                cursor.close(True)  # resets the statement: nothing is left half read

    def transaction(self) -> AbstractContextManager[bool | None]:
        """Run the block in one write transaction; joins the one that is open already, if any.

        Everything or nothing: an exception rolls back. Raises ``DatabaseBusyError`` before the
        block runs where another process holds the lock, and ``OutcomeUnknownError`` where the
        commit itself meets an I/O error.
        """
        if self._owner == threading.get_ident():
            return self._lock  # it is ours already: joining it means to do nothing
        return self._transaction

    def apart(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what ``work``, a part of a transaction, returns; undo it alone if it raises.

        Where SQLite has rolled everything back by itself (a full disk, say) nothing is left to
        undo; :attr:`in_transaction` tells.
        """
        connection = self._opened()
        try:
            connection.execute("SAVEPOINT part")
            try:
                result = work(*args, **kwargs)
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK TO part; RELEASE part")
                raise
            connection.execute("RELEASE part")
        except apsw.Error as error:
            self._raise(error)
        return result

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open: what is read may not be committed yet."""
        return self._connection is not None and self._connection.in_transaction

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Run the block's reads on one moment's state of the file. Raises as :meth:`run` does."""
        with self._lock:
            connection = self._opened()
            if connection.in_transaction:
                yield
                return
            self.run("BEGIN")
            try:
                yield
            finally:
                self._roll_back(connection)

    def check(self) -> None:
        """Let go of a file that is not where it was, and try to open it again.

        Raises a ``DatabaseError`` where there is none that can be used.
        """
        with self._lock:
            self._opened()

    def version(self) -> tuple[int, int, int]:
        """Return what is another value after any commit, ours or others'; costs 2 us.

        Raises as :meth:`run` does.
        """
        with self._lock:
            connection = self._opened()
            try:
                # What other connections commit changes it.
                data_version = connection.execute("PRAGMA data_version").get
            except apsw.Error as error:
                self._raise(error)
            return self.opened, self.commits, data_version

    def trim(self) -> bool:
        """Move everything from the write-ahead log into the database, and empty the log.

        Returns False where other connections are using it. Blocks for as long as the disk needs:
        for times when nobody is waiting.
        """
        with self._lock, self._translated():
            return not self._opened().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()[0][0]

    def be_durable(self) -> None:
        """From now on let no commit return before it is on the disk, as ``synchronous="full"``."""
        with self._lock:
            if self._config.synchronous != "full":
                self._config = dataclasses.replace(self._config, synchronous="full")
                if self._connection is not None:
                    preparation.set_synchronous(self._connection, "full")

    def start_anew(self) -> None:
        """Close the file and forget all about it, as if this were a new process."""
        with self._lock:
            if self._connection is not None:
                self._let_go_if_lost(self._connection)
            self._disconnect()
            self._whereabouts.forget_loss()
            self._tried = self._doubtful = False

    def look_anew(self) -> None:
        """Do for somebody new what a new process would, while others go on using the file.

        Such a process makes a file that is missing, and puts triggers back. Raises a
        ``DatabaseError`` where that is impossible.
        """
        with self._lock:
            if self._connection is not None:
                self._let_go_if_lost(self._connection)
            if self._connection is not None:
                if not self._connection.readonly("main"):
                    self._repairs += migrations.migrate(self)
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

    @property
    def last_id(self) -> int:
        """The id of the row this connection inserted last (triggers do not count)."""
        with self._lock:
            return (self._connection or self._opened()).last_insert_rowid()

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

    def _begin(self) -> None:
        self._lock.acquire()
        try:
            connection = self._connection
            if connection is None or self._doubtful or self._whereabouts.lost() is not None:
                connection = self._opened(certain=True)
            try:
                connection.execute("BEGIN IMMEDIATE")
            except apsw.Error as error:
                self._raise(error)
        except BaseException:
            self._lock.release()
            raise
        self._owner = threading.get_ident()

    def _end(self, *, failed: bool) -> None:
        self._owner = 0
        try:
            if self._connection is not None:
                if failed:
                    self._roll_back(self._connection)
                else:
                    self._commit(self._connection)
                    self.commits += 1
        finally:
            self._lock.release()
        if not failed:
            for tell in tuple(self.on_commit):
                tell()

    def _commit(self, connection: apsw.Connection) -> None:
        try:
            connection.execute("COMMIT")
        except apsw.Error as error:
            self._roll_back(connection)
            if isinstance(error, apsw.IOError):
                raise errors.OutcomeUnknownError(
                    f"the commit failed half way; check whether the change is there ({error})"
                ) from error
            self._raise(error)
        self._looked_at = time.monotonic()
        if loss := self._whereabouts.file_lost():
            self._looked_at = 0.0
            raise errors.OutcomeUnknownError(
                f"the database {loss} while this was written: check whether it is there"
            )

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

    @staticmethod
    def _roll_back(connection: apsw.Connection) -> None:
        # Some errors (a full disk, an I/O error) have made SQLite roll back already.
        if connection.in_transaction:
            try:
                connection.execute("ROLLBACK")
            except apsw.Error:
                logger.exception("rolling back failed")


class _End(Protocol):
    def __call__(self, *, failed: bool) -> None: ...


class _Transaction(AbstractContextManager[None]):
    """``with`` for a transaction: entered by every write, so no generator is made for it."""

    def __init__(self, begin: Callable[[], None], end: _End) -> None:
        self._begin, self._end = begin, end

    def __enter__(self) -> None:
        self._begin()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end(failed=exc_type is not None)
