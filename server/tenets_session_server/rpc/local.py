"""Calls methods on a database in this very process, without a connection.

It is for commands that find no daemon. They get the replies that a server would send, as JSON
values, so nothing else in them depends on which of the two answers.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import msgspec

from tenets_session_server.errors import DatabaseError
from tenets_session_server.methods.method import PREFIX, CallContext, Method
from tenets_session_server.methods.table import BY_NAME
from tenets_session_server.rpc.client import explain
from tenets_session_server.storage import engines
from tenets_session_server.storage.steps import BUSY_TIMEOUT, finished
from tenets_session_server.storage.store import Store

INDEXING: Final = 0.1
"""Seconds of one transaction that brings the search index up to date: nobody else waits for us."""


class LocalClient:
    """The one client of a database that this process has open.

    ``author`` is the label under which it writes, ``folders`` are those of its window.
    ``on_indexing`` is called between the steps that bring the search index up to date, with the
    number of changes that are left. It waits ``busy_timeout`` seconds for others' locks.
    """

    def __init__(
        self,
        path: str,
        reason: str,
        author: str,
        folders: tuple[str, ...],
        on_indexing: Callable[[int], None],
        *,
        busy_timeout: float | None = None,
    ) -> None:
        self.store = store(path, reason, BUSY_TIMEOUT if busy_timeout is None else busy_timeout)
        self._author, self._on_indexing = author, on_indexing
        self._context = CallContext(self.store, list, lambda: author, lambda: folders)

    def close(self) -> None:
        """Close the database."""
        self.store.close()

    def request(self, verb: str, params: dict[str, Any]) -> dict[str, Any]:
        """Return the reply to ``tenets/session.<verb>``: an object with ``result`` or ``error``."""
        method = BY_NAME[PREFIX + verb]
        try:
            return {"result": plain(self._call(method, msgspec.json.encode(params)))}
        except Exception as error:  # noqa: BLE001 - as a server answers it
            return {"error": error_object(method.name, error)}

    def warnings(self) -> list[str]:
        """Open the file, and return sentences for the user about it."""
        with suppress(DatabaseError):  # each request says why it cannot be used
            self.store.open()
        return [*self.store.warnings, *self.store.take_repairs()]

    def _call(self, method: Method[Any], params: bytes) -> Any:
        arguments = method.decoder.decode(params)
        self.store.prepare()
        if method.verb == "search":  # no server does it when nobody waits
            while left := self.store.index(INDEXING):
                self._on_indexing(left)
        self.store.author = self._author
        value = method.handler(self._context, arguments)
        if method.in_steps:
            value = finished(value)
        return value if method.encode is None else method.encode(self._context, value)


def store(path: str, reason: str, busy_timeout: float = BUSY_TIMEOUT) -> Store:
    """Return the store of a process that does without a daemon; it waits for others' locks."""
    return engines.store(path, "full", reason, busy_timeout=busy_timeout)


def plain(value: Any) -> Any:
    """Return a store's value as JSON values, as it would be sent."""
    return msgspec.json.decode(msgspec.json.encode(value))


def error_object(what: str, error: Exception) -> dict[str, Any]:
    """Return what a server would answer for an error that ``what`` met."""
    found: dict[str, Any] = plain(explain(what, error))
    return found
