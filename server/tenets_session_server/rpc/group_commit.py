"""Group commit: writes that wait together share one transaction, and so one wait for the disk.

Each has a savepoint, so one that fails leaves no trace and the others stay. Nothing is answered
before the commit, reads between the writes included, as they may have seen what is not committed.
Where the transaction as a whole fails, nothing has happened, and each is executed by itself, as if
there were no groups.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Final

from msgspec import Raw, Struct

from tenets_session_server.errors import DatabaseError
from tenets_session_server.methods.method import BY_NAME, Method
from tenets_session_server.rpc.request_queue import Inbox
from tenets_session_server.rpc.slices import Sliced
from tenets_session_server.storage.database import Database
from tenets_session_server.wire.envelope import Message, Notification, Request

logger = logging.getLogger(__name__)

Call = Request | Notification
_CALL: Final = (Request, Notification)  # which isinstance is faster with


class Executed(Struct):
    """A call that was executed in a group: its result, or what it raised."""

    call: Call
    outcome: Any
    error: Exception | None = None


class Groups:
    """Executes the calls that wait in one client's ``inbox``, as long as they can share a commit.

    ``execute`` executes one of them, given its method and its params.
    """

    def __init__(
        self, database: Database, inbox: Inbox, execute: Callable[[Method, Raw], Any]
    ) -> None:
        self._database, self._inbox, self._execute = database, inbox, execute
        self._singly = 0  # so many calls are next that must not share a commit

    def execute(self, until: float) -> list[Executed]:
        """Execute the next write together with the calls after it, until ``time.monotonic()``.

        Returns what was executed, to be answered in this order; only the last outcome may be
        :class:`Sliced`. Nothing where the next message is not a write that others wait with, or has
        to be executed by itself.
        """
        if self._singly:
            self._singly -= 1
            return []
        first, second = self._inbox.peek()
        if second is None or (method := _method(first)) is None:
            return []
        return self._execute_all(until) if method.writes and _method(second) is not None else []

    def _execute_all(self, until: float) -> list[Executed]:
        executed: list[Executed] = []
        taken: list[Call] = []
        commits = self._database.commits
        try:
            with self._database.transaction():
                while (method := _method(self._inbox.next)) is not None:
                    call = self._inbox.take()
                    assert isinstance(call, _CALL)  # noqa: S101 - it has a method
                    taken.append(call)
                    executed.append(self._execute_one(method, call))
                    unfinished = isinstance(executed[-1].outcome, Sliced)
                    if unfinished or time.monotonic() > until:
                        break
        except Exception as error:
            if self._database.commits != commits:  # it may be there: never do it once more
                return [self._after_a_doubtful_commit(call, error) for call in taken]
            logger.debug("a group of %d is executed one by one", len(taken), exc_info=error)
            self._inbox.put_back(taken)
            self._singly = max(0, len(taken) - 1)  # besides the one that is to be executed now
            return []
        return executed

    def _execute_one(self, method: Method, call: Call) -> Executed:
        try:
            return Executed(call, self._database.apart(self._execute, method, call.params))
        except DatabaseError:
            raise
        except Exception as error:
            if not self._database.in_transaction:
                raise DatabaseError("the transaction has been rolled back") from error
            return Executed(call, None, error)

    def _after_a_doubtful_commit(self, call: Call, error: Exception) -> Executed:
        method = BY_NAME[call.method]
        if method.writes:
            return Executed(call, None, error)
        try:
            return Executed(call, self._execute(method, call.params))  # what it found may not hold
        except Exception as again:  # noqa: BLE001 - its reply tells
            return Executed(call, None, again)


def _method(message: Message | None) -> Method | None:
    if isinstance(message, _CALL):
        return BY_NAME.get(message.method)
    return None
