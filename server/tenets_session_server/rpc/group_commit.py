"""Group commit: writes that wait together share one transaction, and so one wait for the disk.

Each call has a savepoint, so one that fails leaves no trace, and the others stay. Nothing is
answered before the commit, reads between the writes included, as they may have seen what is not
committed yet. Where the transaction as a whole fails, nothing has happened, and each call is
executed by itself.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Final

from msgspec import Raw, Struct

from tenets_session_server.errors import ChangeRefusedError, DatabaseError
from tenets_session_server.methods.method import Method
from tenets_session_server.methods.table import BY_NAME
from tenets_session_server.rpc.outcome import Completed, Failed, Outcome
from tenets_session_server.rpc.request_queue import RequestQueue
from tenets_session_server.storage.database import Database
from tenets_session_server.wire.messages import Message, Notification, Request

logger = logging.getLogger(__name__)

Call = Request | Notification
_CALL: Final = (Request, Notification)  # which isinstance is faster with


class CallOutcome(Struct):
    """A call that was executed in a group, and what came of it."""

    call: Call
    outcome: Outcome


class GroupCommit:
    """Executes the calls that wait in one client's ``queue``, as long as they can share a commit.

    ``execute`` executes one of them, given its method and its params; it raises what goes wrong.
    """

    def __init__(
        self, database: Database, queue: RequestQueue, execute: Callable[[Method[Any], Raw], Any]
    ) -> None:
        self._database, self._queue, self._execute = database, queue, execute
        self._ungrouped = 0  # so many of the next calls must not share a commit

    def run(self, until: float) -> list[CallOutcome]:
        """Execute the next write together with the calls after it, until ``time.monotonic()``.

        Returns what was executed, to be answered in this order. The list is empty where the next
        message is not a write that others wait behind, or has to be executed by itself.
        """
        if self._ungrouped:
            self._ungrouped -= 1
            return []
        method = _method(self._queue.next)
        if method is None or not method.writes or _method(self._queue.second) is None:
            return []
        return self._run_group(until)

    def _run_group(self, until: float) -> list[CallOutcome]:
        executed: list[CallOutcome] = []
        taken: list[Call] = []
        commits = self._database.commits
        try:
            with self._database.transaction():
                while (method := _method(self._queue.next)) is not None:
                    call = self._queue.take()
                    assert isinstance(call, _CALL)  # noqa: S101 - it has a method
                    taken.append(call)
                    executed.append(CallOutcome(call, self._run_one(method, call)))
                    if time.monotonic() > until:
                        break
        except Exception as error:
            if self._database.commits != commits:  # it may be there: never do it once more
                return [CallOutcome(call, self._after_unknown(call, error)) for call in taken]
            logger.debug("a group of %d is executed one by one", len(taken), exc_info=error)
            self._queue.put_back(taken)
            self._ungrouped = max(0, len(taken) - 1)  # besides the one that is executed now
            return []
        return executed

    def _run_one(self, method: Method[Any], call: Call) -> Outcome:
        if not method.writes:  # it may read the change log
            self._database.sign_changes()
        try:
            return Completed(self._database.savepoint(self._execute, method, call.params))
        except Exception as error:
            if isinstance(error, DatabaseError) and not isinstance(error, ChangeRefusedError):
                raise
            if not self._database.in_transaction:
                raise DatabaseError("the transaction has been rolled back") from error
            return Failed(error)

    def _after_unknown(self, call: Call, error: Exception) -> Outcome:
        """Answer a call after a commit of unknown outcome: a read may have seen what is lost."""
        method = BY_NAME[call.method]
        if method.writes:
            return Failed(error)
        try:
            return Completed(self._execute(method, call.params))
        except Exception as again:  # noqa: BLE001 - its reply has it
            return Failed(again)


def _method(message: Message | None) -> Method[Any] | None:
    """Return the method of a call that may be in a group."""
    method = BY_NAME.get(message.method) if isinstance(message, _CALL) else None
    return None if method is None or method.in_steps else method
