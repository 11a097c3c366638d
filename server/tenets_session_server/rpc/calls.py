"""Executes ``tenets/session.*``, called as a method or as a command, and sits out others' locks.

A call returns its result at once, or, where another process holds the database's lock, a coroutine
that waits for it: nothing else waits with it.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec
from lsprotocol import types
from msgspec import Raw

from tenets_session_server.errors import DatabaseBusyError
from tenets_session_server.methods import commands
from tenets_session_server.methods.messages import ExecuteCommandParams
from tenets_session_server.methods.method import BY_COMMAND, Method
from tenets_session_server.methods.params import ParamsDecoder
from tenets_session_server.rpc.error_codes import INVALID_PARAMS, RpcError

if TYPE_CHECKING:
    from tenets_session_server.rpc.server import SessionServer

BUSY_TIMEOUT: Final = 5.0
"""Seconds for which a write is tried again while another process holds the lock."""
BUSY_PAUSES: Final = (0.002, 0.005, 0.010, 0.020, 0.025)
"""Seconds between tries, the last one again and again; each is varied by half."""

_encode: Final = msgspec.json.Encoder().encode
_execute_command_params: Final = ParamsDecoder(ExecuteCommandParams)


class SessionCalls:
    """The calls of one client. ``handlers`` is pygls' registry of features, by method."""

    def __init__(self, server: SessionServer, handlers: Mapping[str, Callable[..., Any]]) -> None:
        self._server = server
        self._handlers = handlers
        self._database, self._results = server.session_db.db, server.hub.results

    def method(self, method: Method, params: Raw) -> Any:
        """Execute a method; raises what its handler raises, and -32602 for its params."""
        try:
            if method.remembered:
                return self._remembered(method, bytes(params))
            return self.uncached(method, params)
        except DatabaseBusyError:
            return self._call_again(lambda: self.uncached(method, params))

    def uncached(self, method: Method, params: Raw) -> Any:
        """Execute a method; what it reads is not remembered, and may never be committed."""
        arguments = method.decoder.decode(params)
        self._results.doubt()  # it may see what has come since: nothing older may follow
        return self._handlers[method.name](arguments)

    def _remembered(self, method: Method, params: bytes) -> Raw:
        key = (method.name, params)
        found = self._results.get(key)
        if found is None:
            found = Raw(_encode(self.uncached(method, Raw(params))))
            self._results.put(key, found)
        return found

    def command(self, params: Raw) -> Any:
        """Execute ``workspace/executeCommand`` (LSP 3.17), whose argument is the params object."""
        given = _execute_command_params.decode(params)
        method = BY_COMMAND.get(given.command)
        if method is None:
            known = ", ".join(BY_COMMAND)
            message = f"command: expected one of {known}, got {given.command}"
            raise RpcError(INVALID_PARAMS, message)
        arguments = given.arguments or []
        if arguments == [Raw(b"null")]:
            arguments = []  # [undefined] in JavaScript: somebody has nothing to say
        if len(arguments) > 1:
            message = f"arguments: expected at most one object, got {len(arguments)}"
            raise RpcError(INVALID_PARAMS, message)
        if arguments:
            return self.method(method, arguments[0])
        pick = commands.PICKED[method.verb]

        def call() -> Any:
            return self._show(*pick(self._server))

        try:
            return call()
        except DatabaseBusyError:
            return self._call_again(call)

    def _show(self, result: Any, message: str) -> Any:
        """Somebody picked the command from a list, and wants to see what came of it."""
        self._server.window_show_message(types.ShowMessageParams(types.MessageType.Info, message))
        return result

    @staticmethod
    async def _call_again(call: Callable[[], Any]) -> Any:
        """Repeat what met another process' lock, with jitter, for :data:`BUSY_TIMEOUT`."""
        until = time.monotonic() + BUSY_TIMEOUT
        pauses = iter(BUSY_PAUSES)
        pause = 0.0
        while True:
            pause = next(pauses, pause)
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
            try:
                return call()
            except DatabaseBusyError:
                if time.monotonic() > until:
                    raise
