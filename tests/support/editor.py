"""An editor, as pytest-lsp's client, that speaks the product's language: ``editor.create("x")``.

pytest-lsp turns results into attribute objects, which renames free-form keys; the protocol class
here leaves JSON as it is.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from pygls.exceptions import JsonRpcException
from pygls.protocol import (
    JsonRPCNotification,
    JsonRPCRequestMessage,
    JsonRPCResponseMessage,
)
from pytest_lsp import LanguageClient, LanguageClientProtocol

from support import processes
from support.wire import DEADLINE, Json

__all__ = ["Editor", "JsonRpcException"]

_INITIALIZE: Final[Json] = {"processId": None, "rootUri": None, "capabilities": {}}


class RawProtocol(LanguageClientProtocol):
    """Hands over params and results as plain JSON."""

    def structure_message(self, data: Any) -> Any:
        """Leave nested objects alone; only whole messages are structured, below."""
        return data

    def handle_message(self, message: Any) -> None:
        """Make the envelope an object as pygls wants it."""
        given = {"params": None, **message}
        if "method" not in given:
            if "error" in given:
                error = self._converter.structure(given, _error_type())
                super().handle_message(error)
                return
            message = JsonRPCResponseMessage(given["id"], given["jsonrpc"], given["result"])
        elif "id" in given:
            message = JsonRPCRequestMessage(
                given["id"], given["method"], given["jsonrpc"], given["params"]
            )
        else:
            message = JsonRPCNotification(given["method"], given["jsonrpc"], given["params"])
        super().handle_message(message)

    def get_message_type(self, method: str) -> None:  # type: ignore[override]
        """Send params as they are given."""

    def get_result_type(self, method: str) -> None:  # type: ignore[override]
        """Return results as they come."""


class Editor:
    """One editor with its server process. Methods return results and raise ``JsonRpcException``."""

    def __init__(self, client: LanguageClient) -> None:
        self.client: Any = client  # pygls' client is not typed
        self.capabilities: Json = {}
        self.messages: list[Json] = []

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(cls, command: Sequence[str], **params: object) -> AsyncIterator[Editor]:
        """Start the server, do the handshake; afterwards shut it down in an orderly way."""
        editor = cls(LanguageClient(protocol_cls=RawProtocol))

        def show_message(params: Json) -> None:
            editor.messages.append(params)

        editor.client.feature("window/showMessage")(show_message)
        await editor.client.start_io(*command)
        server = editor.client._server
        try:
            result = await editor.request("initialize", {**_INITIALIZE, **params})
            editor.capabilities = result["capabilities"]
            editor.client.protocol.notify("initialized", {})
            yield editor
            await editor.request("shutdown")
            editor.client.protocol.notify("exit")
            await asyncio.wait_for(editor.client.stop(), DEADLINE)
            assert server.returncode == 0
        finally:
            await processes.end(server)
            # They end with the pipes; how is of no interest, as it would hide why the test failed.
            tasks = [*editor.client._async_tasks, editor.client._stderr_forwarder]
            await asyncio.gather(*tasks, return_exceptions=True)

    async def request(self, method: str, params: object = None) -> Any:
        """Send any request."""
        self.client.capabilities = _no_checks()
        reply = self.client.protocol.send_request_async(method, params)
        return await asyncio.wait_for(reply, DEADLINE)

    async def session(self, verb: str, **params: object) -> Any:
        """Send ``tenets/session.<verb>``."""
        return await self.request(f"tenets/session.{verb}", params)

    async def execute(self, command: str, *arguments: object) -> Any:
        """Send ``workspace/executeCommand``; without arguments the member is left out."""
        params: Json = {"command": command}
        if arguments:
            params["arguments"] = list(arguments)
        return await self.request("workspace/executeCommand", params)

    async def create(self, name: str, **params: object) -> Json:
        """Create a session."""
        return await self._object("create", name=name, **params)

    async def activate(self, name: str) -> Json:
        """Make a session the active one."""
        return await self._object("setActive", name=name)

    async def add_note(self, session_name: str, content: str, kind: str = "note") -> Json:
        """Append to a session's context."""
        return await self._object(
            "addContext", sessionName=session_name, kind=kind, content=content
        )

    async def active_name(self) -> str | None:
        """Return the active session's name."""
        found = await self.session("getActive")
        return None if found is None else str(found["name"])

    async def names(self, **params: object) -> list[str]:
        """Return all sessions' names, page by page."""
        names: list[str] = []
        cursor: str | None = None
        while True:
            page = await self.session("list", cursor=cursor, **params)
            names += [session["name"] for session in page["sessions"]]
            cursor = page["nextCursor"]
            if cursor is None:
                return names

    async def _object(self, verb: str, **params: object) -> Json:
        result = await self.session(verb, **params)
        assert isinstance(result, dict)
        return result


def _no_checks() -> Any:
    from lsprotocol import types

    return types.ClientCapabilities()


def _error_type() -> Any:
    from lsprotocol import types

    return types.ResponseErrorMessage
