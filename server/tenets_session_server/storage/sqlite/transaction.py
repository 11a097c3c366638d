"""The write transaction of a database: ``BEGIN IMMEDIATE`` ... ``COMMIT``, and who is notified."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

import apsw

from tenets_session_server import errors
from tenets_session_server.storage.sqlite.connection import FileConnection

logger = logging.getLogger(__name__)

_NEWEST_REVISION: Final = "SELECT max(revision) FROM session_server_changes"


class Transaction(AbstractContextManager[None]):
    """The one write transaction of a database; every write enters it, so it is made only once.

    ``sign`` records the author, before the commit. ``thread`` is the id of the thread that has it
    open, 0 if none has; ``start`` is the newest revision when it began. ``commits`` counts the
    commits, and those that may have happened. After each of them the functions in ``on_commit`` are
    called. Set ``is_quiet`` in a transaction that may be neither counted nor told of, unless it
    records a change: it does nothing that a client sees.
    """

    def __init__(self, file: FileConnection, sign: Callable[[], None]) -> None:
        self._file, self._sign = file, sign
        self.on_commit: set[Callable[[], None]] = set()
        self.commits = self.thread = self.start = 0
        self.is_quiet = False

    def __enter__(self) -> None:
        self._file.lock.acquire()
        try:
            connection = self._file.begin()
            self.start = self._newest_revision(connection)
        except BaseException:
            if self._file.connection is not None:
                roll_back(self._file.connection)
            self._file.lock.release()
            raise
        self.thread = threading.get_ident()
        self.is_quiet = False

    def __exit__(self, exc_type: type[BaseException] | None, *_: object) -> None:
        self.thread = 0
        connection = self._file.connection
        before = self.commits
        try:
            if connection is not None and exc_type is not None:
                roll_back(connection)
            elif connection is not None:
                self._commit(connection)
        finally:
            committed = self.commits != before
            self._file.lock.release()
            if committed:
                for notify in tuple(self.on_commit):
                    notify()

    def _newest_revision(self, connection: apsw.Connection) -> int:
        try:
            return connection.execute(_NEWEST_REVISION).get or 0
        except apsw.Error as error:
            self._file.raise_translated(error)

    def _commit(self, connection: apsw.Connection) -> None:
        try:
            self._sign()
            is_quiet = self.is_quiet and self._newest_revision(connection) == self.start
        except BaseException:
            roll_back(connection)
            raise
        try:
            connection.execute("COMMIT")
        except apsw.IOError as error:
            roll_back(connection)
            self.commits += 1
            raise errors.OutcomeUnknownError(
                f"the commit failed half way; check whether the change is there ({error})"
            ) from error
        except BaseException as error:
            roll_back(connection)
            if isinstance(error, apsw.Error):
                self._file.raise_translated(error)
            raise
        self.commits += not is_quiet
        if mismatch := self._file.check_after_commit():
            raise errors.OutcomeUnknownError(
                f"the database {mismatch} while this was written: check whether it is there"
            )


def roll_back(connection: apsw.Connection) -> None:
    """Roll back what is open. After some errors (a full disk, say) SQLite has done that already."""
    if connection.in_transaction:
        try:
            connection.execute("ROLLBACK")
        except apsw.Error:
            logger.exception("rolling back failed")
