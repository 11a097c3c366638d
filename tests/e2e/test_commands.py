"""Every method as a command, for editors with a plain LSP client: with its params, or picked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from docs.exchanges import sample
from support import shared as shared_processes
from support.client import Client, ResponseError
from support.messages import Json
from tenets_session_server.methods.table import METHODS

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_each_command_is_its_method(server_command: list[str], tmp_path: Path) -> None:
    other = [*server_command, "--database", str(tmp_path / "other.db")]
    async with Client.opened(server_command) as editor, Client.opened(other) as by_methods:
        offered = editor.capabilities["executeCommandProvider"]["commands"]
        assert offered == [method.command for method in METHODS]
        for method in METHODS:
            for params in method.examples:
                command = {"command": method.command, "arguments": [params]}
                by_command = await editor.call("workspace/executeCommand", command)
                by_method = await by_methods.call(method.name, params)
                for found in (by_command, by_method):
                    del found["id"]
                assert sample(by_command) == sample(by_method)
        assert editor.shown == []
    shared_processes.stop(tmp_path / "other.db")


async def picked(editor: Client, verb: str) -> tuple[Any, str]:
    """Pick a command from a list; return its result and what the editor shows."""
    before = len(editor.shown)
    result = await editor.execute(f"tenets.session.{verb}")
    (message,) = editor.shown[before:]
    assert message["type"] == 3  # Info
    return result, message["message"]


async def test_commands_picked_without_arguments(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        assert await picked(editor, "getActive") == (None, "No session is active")
        listed, shown = await picked(editor, "list")
        assert (listed["sessions"], shown) == ([], "There are no sessions")
        first, shown = await picked(editor, "create")
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", first["name"])
        assert shown == f"Created and activated session {first['name']}"
        second, _ = await picked(editor, "create")  # within the same minute, as likely as not
        assert second["name"] != first["name"]
        assert await editor.active_name() == second["name"]
        active, shown = await picked(editor, "get")
        del second["created"]
        assert (active, shown) == (second, f"Active session: {second['name']}")
        back, shown = await picked(editor, "setActive")
        assert (back["name"], shown) == (first["name"], f"Activated session {first['name']}")
        forth, _ = await picked(editor, "setActive")
        assert forth["name"] == second["name"]
        _, shown = await picked(editor, "list")
        assert shown == f"Sessions, newest first: {second['name']} (active), {first['name']}"


async def test_a_long_list_is_shown_in_part(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        for number in range(12):
            await editor.create(f"s{number}")
        result, shown = await picked(editor, "list")
        assert len(result["sessions"]) == 12
        assert shown.endswith("s3, s2, ...")


async def test_a_command_that_needs_an_argument_says_so_when_it_is_picked(
    server_command: list[str],
) -> None:
    unpicked = [method.command for method in METHODS if method.pick is None]
    assert {"tenets.session.delete", "tenets.session.deleteAll"} <= {*unpicked}
    async with Client.opened(server_command) as editor:
        await editor.create("kept", active=True)
        for command in unpicked:
            assert await editor.execute(command) is None
            assert f"{command} does nothing without an argument" in editor.shown[-1]["message"]
            assert "with one object such as {" in editor.shown[-1]["message"]
        assert await editor.names() == ["kept"]


async def test_a_picked_set_active_activates_the_previous_session(
    server_command: list[str],
) -> None:
    async with Client.opened(server_command) as editor:
        for name in ("a", "b", "c"):
            await editor.create(name)
        for name in ("c", "a", "b"):
            await editor.activate(name)
        assert (await picked(editor, "setActive"))[1] == "Activated session a"
        assert (await picked(editor, "setActive"))[1] == "Activated session b"


async def test_activating_another_needs_another(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        await editor.create("only", active=True)
        with pytest.raises(ResponseError, match="no other session") as caught:
            await editor.execute("tenets.session.setActive")
        data = {"kind": "sessionNotFound", "retryable": False, "name": None}
        assert caught.value.data == data


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"command": "tenets.session.nope"}, "command: expected one of tenets.session.create"),
        (
            {"command": "tenets.session.get", "arguments": [{}, {}]},
            "at most one object",
        ),
        (
            {"command": "tenets.session.get", "arguments": [{}]},
            "name: expected the name",
        ),
        ({"command": "tenets.session.get", "arguments": ["a"]}, "params: expected an object"),
        ({"command": "tenets.session.get", "arguments": {}}, "arguments: expected an array"),
        ({"command": 7}, "command: expected the name of a command"),
        ({}, "command is required"),
    ],
)
async def test_wrong_commands_are_errors(shared: Client, params: Json, message: str) -> None:
    error = (await shared.call("workspace/executeCommand", params))["error"]
    assert error["code"] == -32602
    assert message in error["message"]


async def test_a_null_argument_and_an_empty_list_mean_no_argument(
    server_command: list[str],
) -> None:
    async with Client.started(server_command) as client:
        await client.initialize()
        await client.result("tenets/session.create", {"name": "a"})
        # JavaScript's [undefined] is [null]: that is no request to delete everything.
        params: Json = {"command": "tenets.session.deleteAll", "arguments": [None]}
        assert await client.result("workspace/executeCommand", params) is None
        assert len((await client.result("tenets/session.list"))["sessions"]) == 1
        command = "tenets.session.getActive"
        params = {"command": command, "arguments": [None]}
        assert await client.result("workspace/executeCommand", params) is None
        await client.send(
            {
                "jsonrpc": "2.0",
                "id": "x",
                "method": "workspace/executeCommand",
                "params": {"command": command, "arguments": [], "workDoneToken": 7},
            }
        )
        assert (await client.read())["method"] == "window/showMessage"
        assert (await client.read())["id"] == "x"
