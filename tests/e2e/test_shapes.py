"""What clients' libraries make of the params they are given, and what menus pass."""

from __future__ import annotations

from typing import Any

import pytest

from support.client import Client, ResponseError
from support.messages import INITIALIZE, frame

pytestmark = pytest.mark.asyncio

CREATE = "tenets/session.create"
URI = {"$mid": 1, "fsPath": "/w/a.py", "external": "file:///w/a.py", "path": "/w/a.py"}
URI["scheme"] = "file"


@pytest.mark.parametrize("params", [[], [None], [{}], [[]], None, {}])
async def test_arrays_that_mean_no_params(server_command: list[str], params: Any) -> None:
    async with Client.opened(server_command) as client:
        assert await client.result("tenets/session.getActive", params) is None
        assert (await client.result("tenets/session.list", params))["sessions"] == []


async def test_an_array_with_the_params(server_command: list[str]) -> None:
    async with Client.opened(server_command) as client:
        created = await client.result(CREATE, [{"name": "a", "metadata": []}])
        assert (created["name"], created["metadata"]) == ("a", {})
        updated = await client.session("updateMetadata", name="a", updates=[])
        assert updated["metadata"] == {}
        found = await client.execute("tenets.session.list", [])
        assert [session["name"] for session in found["sessions"]] == ["a"]
        with pytest.raises(ResponseError, match="params: expected an object"):
            await client.result(CREATE, [{"name": "b"}, {"name": "c"}])
        with pytest.raises(ResponseError, match="metadata: expected an object"):
            await client.create("b", metadata=[1])
        assert await client.names() == ["a"]


@pytest.mark.parametrize("wrapped", [False, True])
async def test_initialize_from_lua(server_command: list[str], wrapped: bool) -> None:
    params = {**INITIALIZE["params"], "initializationOptions": [], "clientInfo": {"name": "lua"}}
    async with Client.started(server_command) as client:
        await client.result("initialize", [params] if wrapped else params)
        stats = await client.result("tenets/session.stats")
        assert [one["name"] for one in stats["clients"]] == ["lua"]


async def test_commands_can_be_left_to_another_client(server_command: list[str]) -> None:
    async with Client.started(server_command) as client:
        await client.initialize(initializationOptions={"commands": False})
        assert "executeCommandProvider" not in client.capabilities
        await client.execute("tenets.session.create", {"name": "a"})  # they are still there
        assert await client.names() == ["a"]


@pytest.mark.parametrize("arguments", [[URI], [URI, [URI]]])
async def test_the_arguments_of_a_context_menu_are_no_argument(
    server_command: list[str], arguments: list[Any]
) -> None:
    async with Client.opened(server_command) as client:
        await client.create("a", active=True)
        assert (await client.execute("tenets.session.getActive", *arguments))["name"] == "a"
        assert client.shown[-1]["message"] == "Active session: a"
        assert await client.execute("tenets.session.deleteAll", *arguments) is None
        assert await client.names() == ["a"]


ODD_PARAMS = ["[1e999]", '{"a": "\\ud800"}', "9" * 5000, "[null]", "7", '"x"', "[[[]]]"]


@pytest.mark.parametrize("params", ODD_PARAMS, ids=lambda text: text[:20])
async def test_params_that_are_not_used_may_be_anything(
    server_command: list[str], params: str
) -> None:
    def message(text: str) -> bytes:
        return frame(f'{{"jsonrpc":"2.0",{text},"params":{params}}}'.encode())

    async with Client.started(server_command) as client:
        await client.result("initialize", INITIALIZE["params"])
        await client.send(message('"method":"initialized"'), message('"method":"$/setTrace"'))
        assert await client.result("tenets/session.getActive") is None
        shutdown = {"jsonrpc": "2.0", "id": 77, "method": "shutdown"}
        client.expect_reply_to(shutdown)
        await client.send(message('"id":77,"method":"shutdown"'))
        assert await client.reply() == {"jsonrpc": "2.0", "id": 77, "result": None}
        await client.send(message('"method":"exit"'))
        assert await client.ended() == 0
