"""A stock LSP client (pytest-lsp's) uses the server, as users' own tests would."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pytest_lsp import ClientServerConfig

from support import processes
from support.modes import both_modes
from support.pipes import DEADLINE
from tenets_session_server.methods.changes import DID_CHANGE

pytestmark = pytest.mark.asyncio


@both_modes
async def test_a_stock_client_gets_replies_errors_messages_and_notifications(
    server_command: list[str],
) -> None:
    client: Any = await ClientServerConfig(server_command).start()
    server = client._server
    try:
        params = types.InitializeParams(capabilities=types.ClientCapabilities())
        capabilities = (await client.initialize_session(params)).capabilities
        assert "tenets.session.list" in capabilities.execute_command_provider.commands
        assert capabilities.experimental["tenetsSession"]["revision"] == 0
        # A task: a coroutine would begin to wait only below, perhaps after the notification.
        changed = asyncio.ensure_future(client.wait_for_notification(DID_CHANGE))
        send = client.protocol.send_request_async
        session = await send("tenets/session.create", {"name": "a", "active": True})
        assert (session.name, session.active) == ("a", True)
        change = await asyncio.wait_for(changed, DEADLINE)
        assert [one.type for one in change.changes] == ["created", "activated"]
        with pytest.raises(JsonRpcException) as caught:
            await send("tenets/session.create", {"name": "a"})
        assert caught.value.code == -32803
        command = types.ExecuteCommandParams("tenets.session.list")
        page = await client.workspace_execute_command_async(command)
        assert [one["name"] for one in page["sessions"]] == ["a"]
        assert [one.message for one in client.messages] == ["Sessions, newest first: a (active)"]
        await client.shutdown_session()
        assert server.returncode == 0
        await client.stop()
    finally:
        await processes.end(server)
        # They end with the pipes; their errors would hide why the test failed.
        tasks = [*client._async_tasks, client._stderr_forwarder]
        await asyncio.gather(*tasks, return_exceptions=True)
