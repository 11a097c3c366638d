"""The one connection to the database file.

A :class:`Database` owns one apsw connection (see :mod:`.opening`) and every rule about using it:

* writes are ``BEGIN IMMEDIATE`` ... ``COMMIT`` with nothing awaited in between, so a write either
  fails at once, before it did anything, or happens whole;
* every read is run to its end (a half-read cursor holds back the WAL's checkpoint for ever);
* apsw's exceptions become those of :mod:`tenets_session_server.errors`, with no SQL in them.

Calls may come from several threads; they take turns.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ParamSpec, TypeVar

import apsw

from tenets_session_server import errors
from tenets_session_server.config import TenetsConfig
from tenets_session_server.storage import connection_setup as preparation
from tenets_session_server.storage import migrations
from tenets_session_server.storage.connection import OpenFile
from tenets_session_server.storage.sqlite_errors import translate

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")
Value = str | bytes | int | float | None
Row = tuple[Any, ...]
Bindings = Sequence[Value] | Mapping[str, Value]


class Database(OpenFile):
    """One connection to the file that ``config`` names, and every rule about using it.

    ``commits`` counts what was committed here, or may have been; those in ``on_commit`` are called
    after each.
    """

    def __init__(self, config: TenetsConfig) -> None:
        super().__init__(config)
        self.commits = 0
        self.on_commit: set[Callable[[], None]] = set()
        self._transaction = _Transaction(self._begin, self._end)
        self._owner = 0  # the thread whose transaction is open

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

    def savepoint(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what ``work``, a part of a transaction, returns; undo it alone if it raises.

        Where SQLite has rolled everything back by itself (a full disk, say) nothing is left to
        undo; :attr:`in_transaction` tells. Raises what ``work`` raises, and a ``DatabaseError``
        where the transaction has to be given up.
        """
        connection = self._opened()
        self._run_savepoint(connection, "SAVEPOINT part")
        try:
            result = work(*args, **kwargs)
        except BaseException:
            if connection.in_transaction:
                self._run_savepoint(connection, "ROLLBACK TO part; RELEASE part")
            raise
        self._run_savepoint(connection, "RELEASE part")
        return result

    @staticmethod
    def _run_savepoint(connection: apsw.Connection, sql: str) -> None:
        try:
            connection.execute(sql)
        except apsw.Error as error:  # then the whole transaction is of no use
            raise translate(error) or errors.DatabaseError(
                f"a savepoint failed ({error})"
            ) from error

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
            return self.generation, self.commits, data_version

    def checkpoint(self) -> bool:
        """Move everything from the write-ahead log into the database, and empty the log.

        Returns False where other connections are using it. Blocks for as long as the disk needs:
        for times when nobody is waiting.
        """
        with self._lock, self._translated():
            return not self._opened().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()[0][0]

    @property
    def last_id(self) -> int:
        """The id of the row this connection inserted last (triggers do not count)."""
        with self._lock:
            return (self._connection or self._opened()).last_insert_rowid()

    def _prepare(self, connection: apsw.Connection) -> tuple[list[str], list[str]]:
        return preparation.prepare(self, connection, self._config.synchronous)

    def _repair(self) -> list[str]:
        return migrations.migrate(self)

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

    def _end(self, failed: bool) -> None:
        self._owner = 0
        before = self.commits
        try:
            if self._connection is not None and failed:
                self._roll_back(self._connection)
            elif self._connection is not None:
                self._commit(self._connection)
        finally:
            committed = self.commits != before
            self._lock.release()
            if committed:
                for tell in tuple(self.on_commit):
                    tell()

    def _commit(self, connection: apsw.Connection) -> None:
        try:
            connection.execute("COMMIT")
        except apsw.IOError as error:
            self._roll_back(connection)
            self.commits += 1
            raise errors.OutcomeUnknownError(
                f"the commit failed half way; check whether the change is there ({error})"
            ) from error
        except BaseException as error:
            self._roll_back(connection)
            if isinstance(error, apsw.Error):
                self._raise(error)
            raise
        self.commits += 1
        self._looked_at = time.monotonic()
        if loss := self._whereabouts.lost():
            self._looked_at = 0.0
            raise errors.OutcomeUnknownError(
                f"the database {loss} while this was written: check whether it is there"
            )

    @staticmethod
    def _roll_back(connection: apsw.Connection) -> None:
        # Some errors (a full disk, an I/O error) have made SQLite roll back already.
        if connection.in_transaction:
            try:
                connection.execute("ROLLBACK")
            except apsw.Error:
                logger.exception("rolling back failed")


class _Transaction(AbstractContextManager[None]):
    """``with`` for a transaction: entered by every write, so no generator is made for it."""

    def __init__(self, begin: Callable[[], None], end: Callable[[bool], None]) -> None:
        self._begin, self._end = begin, end

    def __enter__(self) -> None:
        self._begin()

    def __exit__(self, exc_type: type[BaseException] | None, *_: object) -> None:
        self._end(exc_type is not None)
