"""How a connection begins and ends: LSP 3.17's lifecycle, and editors that do not keep to it."""

from __future__ import annotations

import functools
import signal
import sys
import textwrap
from pathlib import Path

import pytest

from support.client import Client
from support.foreign import ForeignWriter
from support.messages import INITIALIZE, notification, request
from support.modes import both_modes, table
from support.pipes import read_from
from support.processes import Pipe, process
from tenets_session_server import __version__
from tenets_session_server.methods.table import METHODS

pytestmark = pytest.mark.asyncio

LIST = "tenets/session.list"
CREATE = "tenets/session.create"


async def test_initialize_returns_the_capabilities(
    server_command: list[str], database: Path
) -> None:
    async with Client.started(server_command) as client:
        result = await client.result("initialize", INITIALIZE["params"])
        assert result["serverInfo"] == {"name": "tenets-session-server", "version": __version__}
        capabilities = result["capabilities"]
        capability = capabilities["experimental"]["tenetsSession"]
        assert capability == {
            "protocolVersion": 1,
            "methods": [method.name for method in METHODS],
            "revision": 0,
            "state": capability["state"],
            "author": None,
            "folders": [],
            "limits": capability["limits"],
            "database": str(database),
            "databaseReason": "named by --database",
            "warnings": [],
        }
        commands = capabilities["executeCommandProvider"]["commands"]
        assert commands == [method.command for method in METHODS]
        # No documents are asked for.
        assert capabilities["textDocumentSync"] == {"openClose": False, "change": 0, "save": False}


async def test_the_revision_grows_with_every_change(server_command: list[str]) -> None:
    async with Client.started(server_command) as client:
        assert (await client.initialize())["revision"] == 0
        await client.result(CREATE, {"name": "a", "active": True})
    async with Client.started(server_command) as client:
        assert (await client.initialize())["revision"] > 0


async def test_before_initialize_requests_are_refused(server_command: list[str]) -> None:
    async with Client.started(server_command) as client:
        await client.send(notification(CREATE, {"name": "too early"}))
        for method in (LIST, "shutdown", "workspace/executeCommand", "nope"):
            for params in ({}, {"name": float("nan")}, {"name": "\ud800"}):
                assert (await client.call(method, params))["error"]["code"] == -32002
        await client.initialize()
        assert await client.names() == []


async def test_after_shutdown_requests_are_refused(
    server_command: list[str], database: Path
) -> None:
    async with Client.started(server_command) as client:
        await client.initialize()
        assert await client.result("shutdown") is None
        for method in (LIST, "initialize", "shutdown", "nope"):
            for params in ({}, {"name": float("nan")}, {"name": "\ud800"}):
                assert (await client.call(method, params))["error"]["code"] == -32600
        await client.send(notification(CREATE, {"name": "too late"}), notification("exit"))
        assert await client.ended() == 0
    with ForeignWriter(database) as foreign:
        assert foreign.names() == []


@both_modes
async def test_exit_without_shutdown_is_status_1(server_command: list[str]) -> None:
    async with Client.started(server_command) as client:
        await client.initialize()
        await client.send(notification("exit"))
        assert await client.ended() == 1


@both_modes
async def test_exit_before_initialize_is_status_1(server_command: list[str]) -> None:
    async with Client.started(server_command) as client:
        await client.send(notification("exit"))
        assert await client.ended() == 1


async def test_exit_as_a_request_is_answered(server_command: list[str]) -> None:
    async with Client.started(server_command) as client:
        await client.initialize()
        await client.result("shutdown")
        assert await client.result("exit") is None
        assert await client.ended() == 0


@both_modes
async def test_shutdown_and_exit_in_one_write(server_command: list[str]) -> None:
    async with Client.started(server_command) as client:
        await client.initialize()
        await client.send(request(5, "shutdown"), notification("exit"))
        assert await client.read() == {"jsonrpc": "2.0", "id": 5, "result": None}
        assert await client.ended() == 0


@both_modes
async def test_a_whole_conversation_in_one_write(server_command: list[str]) -> None:
    async with Client.started(server_command) as client:
        creates = [request(number, CREATE, {"name": f"s{number}"}) for number in range(200)]
        after_exit = request("late", CREATE, {"name": "late"})
        end = [request("end", "shutdown"), notification("exit"), after_exit]
        await client.send(INITIALIZE, *creates, *end)
        assert (await client.read())["id"] == "initialize"
        for number in range(200):
            assert (await client.read())["result"]["name"] == f"s{number}"
        assert (await client.read())["id"] == "end"
        assert await client.ended() == 0
        assert await client.rest() == b""


@both_modes
@pytest.mark.parametrize(("shutdown", "status"), [(False, 1), (True, 0)])
async def test_the_end_of_input_ends_the_server_after_its_work(
    server_command: list[str], shutdown: bool, status: int
) -> None:
    async with Client.started(server_command) as client:
        await client.initialize()
        creates = [request(number, CREATE, {"name": f"s{number}"}) for number in range(50)]
        await client.send(*creates, *([request("end", "shutdown")] if shutdown else []))
        client.end_input()
        for number in range(50):
            assert (await client.read())["id"] == number
        assert await client.ended() == status


WRONG_INITIALIZE: list[tuple[object, str]] = [
    ([1], "params: expected an object, got array"),
    ({"processId": "1"}, "processId: expected an integer or null, got str"),
    ({"processId": True}, "processId: expected an integer or null, got bool"),
    ({"initializationOptions": [1]}, "initializationOptions: expected an object"),
    (
        {"initializationOptions": {"notifications": "no"}},
        "initializationOptions.notifications: expected true or false, got str",
    ),
]


async def test_initialize_can_be_corrected(server_command: list[str]) -> None:
    async with Client.started(server_command) as client:
        for params, says in WRONG_INITIALIZE:
            error = (await client.call("initialize", params))["error"]
            assert (error["code"], error["message"]) == (-32602, says)
            assert (await client.call(LIST))["error"]["code"] == -32002
        await client.initialize()
        await client.result(LIST)


@table(
    "params",
    [
        ...,
        None,
        {},
        {"capabilities": None},
        {"capabilities": {"textDocument": 7, "general": {"positionEncodings": "utf-8"}}},
        {"capabilities": {}, "rootUri": "file://", "workspaceFolders": [{"uri": "file://"}]},
        {"capabilities": {}, "trace": "loud", "clientInfo": "me", "initializationOptions": None},
        {"capabilities": {}, "processId": 2**31 - 1, "initializationOptions": {"other": 1}},
        {"capabilities": {}, "processId": 2**70},
        {"capabilities": {}, "processId": 0},
        {"capabilities": {}, "rootPath": "relative", "locale": None},
    ],
)
async def test_unused_params_of_initialize_may_be_anything(
    server_command: list[str], params: object
) -> None:
    async with Client.started(server_command) as client:
        await client.result("initialize", params)
        await client.result(LIST)


@both_modes
@pytest.mark.timings(LIVENESS_INTERVAL=0.1)
async def test_a_dead_parent_ends_the_server_though_the_pipes_stay_open(
    server_command: list[str],
) -> None:
    # The parent hands our own pipes on to the server, and is killed; we still hold them.
    parent = textwrap.dedent("""
        import subprocess, sys, time
        server = subprocess.Popen(sys.argv[1:])
        time.sleep(3600)
    """)
    async with Client.started([sys.executable, "-c", parent, *server_command]) as client:
        await client.initialize()
        client.process.kill()
        # The server holds the only other end of this pipe: its end is the server's end.
        assert await client.rest() == b""


@both_modes
async def test_a_dead_client_process_ends_the_server(server_command: list[str]) -> None:
    async with process(["sleep", "3600"]) as client, Client.started(server_command) as editor:
        await editor.initialize(processId=client.pid)
        client.kill()
        assert await editor.ended() == 1


@both_modes
async def test_a_closed_stdout_ends_the_server(server_command: list[str]) -> None:
    with Pipe() as pipe:
        async with Client.started(server_command, stdout=pipe.writing) as client:
            pipe.close_writing()
            await client.send(INITIALIZE)
            assert (await read_from(pipe.reading)).startswith(b"Content-Length: ")
            pipe.close_reading()
            assert await client.ended() == 1


@both_modes
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_signal_ends_the_server(server_command: list[str], number: int) -> None:
    # Whatever has started the tests may have ignored it.
    heeded = functools.partial(signal.signal, number, signal.SIG_DFL)
    async with Client.started(server_command, preexec_fn=heeded) as client:
        await client.initialize()
        await client.result(CREATE, {"name": "kept"})
        client.process.send_signal(number)
        assert await client.ended() == 1
        assert await client.log() == ""


@both_modes
async def test_an_ignored_hangup_does_not_end_the_server(
    server_command: list[str],
) -> None:
    nohup = functools.partial(signal.signal, signal.SIGHUP, signal.SIG_IGN)
    async with Client.started(server_command, preexec_fn=nohup) as client:
        await client.initialize()
        client.process.send_signal(signal.SIGHUP)
        await client.result(CREATE, {"name": "kept"})
        assert await client.leave() == 0


@both_modes
async def test_acknowledged_writes_of_killed_editors_are_stored(
    server_command: list[str], database: Path
) -> None:
    for number in range(3):
        async with Client.started(server_command) as client:
            await client.initialize()
            await client.result(CREATE, {"name": f"s{number}"})
            client.process.kill()
            await client.ended()
    with ForeignWriter(database) as foreign:
        assert foreign.names() == ["s0", "s1", "s2"]
