"""Group commit: writes that wait together share one transaction, and so one wait for the disk.

Nothing is answered before the commit, reads between the writes included, as they may have seen what
is not committed yet. Where the transaction as a whole fails, nothing has happened, and each call is
executed by itself.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from msgspec import Raw

from tenets_session_server.methods.method import Method
from tenets_session_server.methods.table import BY_NAME
from tenets_session_server.rpc.request_queue import RequestQueue
from tenets_session_server.storage.outcome import Completed, Failed, GroupFailedError
from tenets_session_server.storage.store import GroupedCall, Store
from tenets_session_server.wire.messages import Message, Notification, Request

logger = logging.getLogger(__name__)

Call = Request | Notification
_CALL: Final = (Request, Notification)  # which isinstance is faster with


class GroupCommit:
    """Executes the calls that wait in one client's ``queue``, as long as they can share a commit.

    ``execute`` executes one of them, given its method and its params; it raises what goes wrong.
    """

    def __init__(
        self, store: Store, queue: RequestQueue, execute: Callable[[Method[Any], Raw], Any]
    ) -> None:
        self._store, self._queue, self._execute = store, queue, execute
        self._ungrouped = 0  # so many of the next calls must not share a commit

    def run(self, until: float) -> list[tuple[Call, Completed | Failed]]:
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
        taken: list[Call] = []
        try:
            outcomes = self._store.group(self._calls(until, taken))
        except GroupFailedError as error:
            count = len(taken)
            logger.debug("a group of %d is executed one by one", count, exc_info=error.__cause__)
            self._queue.put_back(taken)
            self._ungrouped = max(0, count - 1)  # besides the one that is executed now
            return []
        return list(zip(taken, outcomes, strict=True))

    def _calls(self, until: float, taken: list[Call]) -> Iterator[GroupedCall]:
        """Take calls from the queue, add them to ``taken``, and yield them."""
        while (method := _method(self._queue.next)) is not None:
            call = self._queue.take()
            assert isinstance(call, _CALL)  # noqa: S101 - it has a method
            taken.append(call)
            yield method.writes, functools.partial(self._execute, method, call.params)
            if time.monotonic() > until:
                return


def _method(message: Message | None) -> Method[Any] | None:
    """Return the method of a call that may be in a group."""
    method = BY_NAME.get(message.method) if isinstance(message, _CALL) else None
    return None if method is None or method.in_steps else method
