"""Statements and transactions on the one connection to the database file.

* Writes are ``BEGIN IMMEDIATE`` ... ``COMMIT`` with no ``await`` in between. So a write either
  fails at once, before it did anything, or happens whole.
* No read leaves a cursor open: a half-read one would keep the WAL from being checkpointed.
* apsw's exceptions become those of :mod:`tenets_session_server.errors`, with no SQL in them.

Several threads may call; they take turns.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final, ParamSpec, TypeVar

import apsw
import msgspec

from tenets_session_server import errors
from tenets_session_server.config import TenetsConfig
from tenets_session_server.storage.sqlite.connection import FileConnection
from tenets_session_server.storage.sqlite.query_timeout import QueryTimeout
from tenets_session_server.storage.sqlite.sqlite_errors import translate
from tenets_session_server.storage.sqlite.transaction import Transaction, roll_back

P = ParamSpec("P")
T = TypeVar("T")
Value = str | bytes | int | float | None
Row = tuple[Any, ...]
SWALLOWED: Final = "a trigger of another program in the database swallows the change"

_SIGN: Final = "UPDATE session_server_changes SET author = ? WHERE revision > ?"

Bindings = Sequence[Value] | Mapping[str, Value]


class Database:
    """The database that ``config`` names, opened at the first use.

    ``path`` is that of the file, and ``name`` the same as readable text. If it is not the file that
    ``config`` names, ``reason`` says why (see :mod:`.adoption`). ``engine`` is the name and
    version of the engine. ``author`` is who writes, as entries and the change log say; set it
    before each call. ``commits`` counts what was committed here, or may have been; the
    functions in ``on_commit`` are called after each commit, outside of the transaction.

    The methods that concern the file rather than what is in it (``open``, ``close``, ``release``,
    ``ensure_open``, ``repair_or_create``, ``require_durability``, ``take_repairs``) are those of
    :class:`.connection.FileConnection`.
    """

    def __init__(self, config: TenetsConfig) -> None:
        self._file = file = FileConnection(config)
        self._lock = file.lock
        self.path, self.name, self.reason = file.path, file.name, file.adoption.reason
        self.open, self.close, self.release = file.open, file.close, file.release
        self.ensure_open, self.repair_or_create = file.ensure_open, file.repair_or_create
        self.require_durability, self.take_repairs = file.require_durability, file.take_repairs
        self.engine = f"SQLite {apsw.sqlite_lib_version()}"
        self.author: str | None = None
        self._timeout = QueryTimeout(self._interrupt)
        self._transaction = Transaction(file, self.sign_changes)
        self.on_commit = self._transaction.on_commit

    @property
    def commits(self) -> int:
        """How often something was committed here that a client may see, or may have been."""
        return self._transaction.commits

    @property
    def is_open(self) -> bool:
        """Whether the file is open; does not open it."""
        return self._file.connection is not None

    @property
    def is_read_only(self) -> bool:
        """Whether the open file may only be read."""
        connection = self._file.connection
        return connection is not None and connection.readonly("main")

    @property
    def warnings(self) -> list[str]:
        """Sentences for the user about the file and the engine, complete once the file is open."""
        return [*self._file.adoption.warnings, *self._file.warnings]

    @property
    def generation(self) -> int:
        """How often the file has been opened or repaired."""
        return self._file.generation

    def run(self, sql: str, bindings: Bindings = ()) -> list[Row]:
        """Execute one statement and return all of its rows.

        A statement that writes needs a :meth:`transaction`. Raises a ``DatabaseError``.
        """
        with self._lock:
            # In a transaction, begin and commit check the file.
            connection = self._file.connection if self._transaction.thread else None
            if connection is None:
                connection = self._file.get()
            try:
                return connection.execute(sql, bindings).fetchall()
            except apsw.Error as error:
                self._file.raise_translated(error, sql)

    def run_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        """Execute a statement that writes, once for each of ``rows``; else as :meth:`change`."""
        with self._lock, self._file.translated(sql):
            self._file.get().executemany(sql, rows)

    def change(self, sql: str, bindings: Bindings) -> None:
        """Execute a statement that writes one row.

        Raises as :meth:`run` does, and ``ChangeRefusedError`` if a trigger has swallowed the row.
        """
        self.run(sql, bindings)
        if (self._file.connection or self._file.get()).changes() != 1:
            raise errors.ChangeRefusedError(SWALLOWED)

    @contextmanager
    def rows(self, sql: str, bindings: Bindings) -> Iterator[Iterable[Row]]:
        """Give the block the rows of a query one by one; it need not read all of them.

        For results that may be large. Raises as :meth:`run` does.
        """
        with self._lock:
            cursor = None
            try:
                cursor = self._file.get().execute(sql, bindings)
                yield cursor
            except apsw.Error as error:
                self._file.raise_translated(error, sql)
            finally:
                if cursor is not None:
                    cursor.close(True)  # resets the statement: nothing stays half read

    def start_of(self, table: str, column: str, rowid: int, size: int) -> bytes:
        """Return the first ``size`` bytes of a text or blob without reading the rest of it.

        Raises as :meth:`run` does.
        """
        with self._lock, self._file.translated():
            blob = self._file.get().blob_open("main", table, column, rowid, False)
            try:
                return blob.read(size)
            finally:
                blob.close(True)

    def interrupted_after(self, seconds: float) -> AbstractContextManager[None]:
        """Let the block read for so long at most; raises ``InterruptedQueryError``."""
        return self._timeout.limit(seconds)

    def _interrupt(self) -> None:
        if (connection := self._file.connection) is not None:
            connection.interrupt()

    def transaction(self) -> AbstractContextManager[bool | None]:
        """Run the block in a write transaction, or in the one that this thread has open.

        If the block raises, everything is rolled back. Raises ``DatabaseBusyError`` before the
        block runs if another process holds the lock, and ``OutcomeUnknownError`` if the commit
        itself meets an I/O error.
        """
        if self._transaction.thread == threading.get_ident():
            return self._lock  # which this thread holds: to join is to do nothing
        return self._transaction

    def keep_quiet(self) -> None:
        """Have nobody notified of the open transaction: it changes nothing that a client sees."""
        self._transaction.is_quiet = True

    def sign_changes(self) -> None:
        """Record the author of the changes that the open transaction has made so far.

        A commit does that anyway. Call it before the change log is read in a transaction. One
        author makes all changes of a transaction; it need not be known when that begins.
        """
        if self.author is not None:
            self.run(_SIGN, (self.author, self._transaction.start))

    def savepoint(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what ``work`` returns; if it raises, undo only what it did in the transaction.

        After some errors (a full disk, say) SQLite rolls back the whole transaction; then
        :attr:`in_transaction` is False. Raises what ``work`` raises, or a ``DatabaseError`` then.
        """
        connection = self._file.get()
        self._run_savepoint(connection, "SAVEPOINT work")
        try:
            result = work(*args, **kwargs)
        except BaseException:
            if connection.in_transaction:
                self._run_savepoint(connection, "ROLLBACK TO work; RELEASE work")
            raise
        self._run_savepoint(connection, "RELEASE work")
        return result

    @staticmethod
    def _run_savepoint(connection: apsw.Connection, sql: str) -> None:
        try:
            connection.execute(sql)
        except apsw.Error as error:  # then the whole transaction has to be given up
            raise translate(error) or errors.DatabaseError(
                f"a savepoint failed ({error})"
            ) from error

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open, so that reads may see what is not committed yet."""
        connection = self._file.connection
        return connection is not None and connection.in_transaction

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Run the block's reads on the state of one moment. Raises as :meth:`run` does."""
        with self._lock:
            connection = self._file.get()
            if connection.in_transaction:
                yield
                return
            self.run("BEGIN")
            try:
                yield
            finally:
                roll_back(connection)

    def version(self) -> tuple[int, int, int]:
        """Return a value that differs after any commit, here or elsewhere; costs 2 us.

        Raises as :meth:`run` does.
        """
        with self._lock:
            connection = self._file.get()
            try:
                # It changes with the commits of other connections.
                data_version = connection.execute("PRAGMA data_version").get
            except apsw.Error as error:
                self._file.raise_translated(error)
            return self._file.generation, self.commits, data_version

    def checkpoint(self) -> bool:
        """Move everything from the write-ahead log into the database, and empty the log.

        Returns False if others are using the log. The disk may need long: call it when idle.
        """
        with self._lock, self._file.translated():
            connection = self._file.get()
            if self._file.damage.message is not None:
                return True  # it stays as it is
            return not connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()[0][0]

    @property
    def last_id(self) -> int:
        """The id of the row that this connection inserted last, not counting triggers."""
        with self._lock:
            return (self._file.connection or self._file.get()).last_insert_rowid()


def as_json(values: Iterable[Value]) -> str:
    """Return values as the argument of ``json_each``."""
    return msgspec.json.encode(list(values)).decode()
