"""Handlers that misbehave: the client gets a proper reply and the stream stays clean."""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from support.client import Client
from support.messages import notification, request

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIST = "tenets/session.list"


PROGRAM = Path(__file__).parents[1] / "support" / "odd_server.py"


@pytest.fixture
def odd_command(database: Path) -> list[str]:
    """The server with the features of ``support/odd_server.py``."""
    return [sys.executable, str(PROGRAM), str(database)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    """A client of one such server, for all tests that leave it running."""
    database = tmp_path_factory.mktemp("odd") / "tenets.db"
    async with Client.started([sys.executable, str(PROGRAM), str(database)]) as client:
        await client.initialize()
        yield client
        assert await client.leave() == 0


async def test_print_goes_to_stderr(odd_command: list[str]) -> None:
    async with Client.started(odd_command) as client:
        await client.initialize()
        assert await client.result("odd/print") == "printed"
        assert await client.result("odd/print", "read") == ""  # stdin is empty, not the protocol's
        assert await client.leave() == 0
        log = await client.log()
        assert "this is not protocol" in log
        assert "nor is this" in log


async def test_the_reply_to_an_internal_error_has_only_a_reference(odd_command: list[str]) -> None:
    async with Client.started(odd_command) as client:
        await client.initialize()
        error = (await client.call("odd/raise"))["error"]
        assert error.keys() == {"code", "message"}
        assert error["code"] == -32603
        reference = re.fullmatch(
            r"internal error; the server's log has it under ([0-9a-f]{8})", error["message"]
        )
        assert reference is not None
        await client.send(notification("odd/raise"))
        assert await client.leave() == 0
        log = await client.log()
        assert reference[1] in log
        assert log.count("RuntimeError: secret of") == 2


@pytest.mark.parametrize(
    ("params", "says"),
    [({}, "LSP 3.17"), ([], "LSP 3.17"), ({"textDocument": float("nan")}, "without NaN")],
)
async def test_wrong_params_of_an_lsp_method(client: Client, params: object, says: str) -> None:
    error = (await client.call("textDocument/hover", params))["error"]
    assert error["code"] == -32602
    assert says in error["message"]


@pytest.mark.parametrize("value", ["object", "set"])
async def test_a_result_that_is_not_json_is_an_internal_error(client: Client, value: str) -> None:
    reply = await client.call("odd/return", {"value": value})
    assert value == "set" or reply["error"]["code"] == -32603
    assert await client.names() == []


@pytest.mark.parametrize(("value", "sent"), [("nan", None), ("bytes", "AA==")])
async def test_results_without_a_json_form_are_converted(
    client: Client, value: str, sent: object
) -> None:
    assert await client.result("odd/return", {"value": value}) == sent


async def test_handlers_of_every_kind_are_answered_in_order(client: Client) -> None:
    methods = ["odd/later", LIST, "odd/thread", LIST, "odd/later"]
    await client.send(*[request(number, name, {}) for number, name in enumerate(methods)])
    for number in range(len(methods)):
        assert (await client.read())["id"] == number


async def test_a_running_request_can_be_cancelled(odd_command: list[str]) -> None:
    async with Client.started(odd_command) as editor:
        await editor.initialize()
        await editor.send(request(1, "odd/wait"), request(2, LIST), request("3", LIST))
        await editor.send(notification("$/cancelRequest", {"id": 1}))
        assert (await editor.read())["error"] == {
            "code": -32800,
            "message": "cancelled by the client",
        }
        assert (await editor.read())["id"] == 2
        assert (await editor.read())["id"] == "3"


async def test_a_waiting_request_can_be_cancelled(client: Client) -> None:
    create = "tenets/session.create"
    await client.send(request(1, "odd/wait"), request(2, create, {"name": "never"}))
    await client.send(request("2", LIST), notification("$/cancelRequest", {"id": 2}))
    reply = await client.read()
    assert (reply["id"], reply["error"]["code"]) == (2, -32800)
    await client.send(notification("$/cancelRequest", {"id": 1}))
    assert (await client.read())["id"] == 1
    reply = await client.read()
    assert (reply["id"], reply["result"]["sessions"]) == ("2", [])


async def test_a_request_cancelled_in_the_same_write_is_not_executed(
    client: Client,
) -> None:
    create = request(1, "tenets/session.create", {"name": "never"})
    await client.send(create, notification("$/cancelRequest", {"id": 1}))
    assert (await client.read())["error"]["code"] == -32800
    assert await client.names() == []


@pytest.mark.timings(GRACE=0.2)
async def test_the_editor_can_leave_while_a_request_runs(odd_command: list[str]) -> None:
    async with Client.started(odd_command) as client:
        await client.initialize()
        await client.send(request(1, "odd/wait"))
        client.end_input()
        assert await client.ended() == 1


@pytest.mark.parametrize(
    "answer", [{"result": {"class": 1}}, {"error": {"code": 1, "message": "no"}}, {"error": {}}]
)
async def test_requests_to_the_client_are_answered_while_a_handler_waits(
    client: Client, answer: dict[str, object]
) -> None:
    await client.send(request(1, "odd/ask"), request(2, LIST))
    question = await client.read()
    assert (question["method"], question["params"]) == ("odd/question", {"why": None})
    await client.send({"jsonrpc": "2.0", "id": question["id"], **answer})
    reply = await client.read()
    assert reply["id"] == 1
    assert reply.get("result") == answer.get("result")
    assert (await client.read())["id"] == 2
