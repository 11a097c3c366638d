"""What a client sends around its messages: headers, lengths, sizes, and streams that end early."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.client import Client
from support.foreign import ForeignWriter
from support.messages import frame, request
from support.modes import table
from support.still_serving import assert_nothing_leaks, assert_still_serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

GET_ACTIVE = "tenets/session.getActive"
LIST = "tenets/session.list"
CREATE = "tenets/session.create"

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS = -32700, -32600, -32601, -32602


HEADERS = [
    "content-length: {}\r\n\r\n",
    "CONTENT-LENGTH: {}\r\n\r\n",
    "Content-Length:{}\r\n\r\n",
    "Content-Length: \t {} \r\n\r\n",
    "Content-Length: {}\n\n",
    "Content-Length: {}\r\n\n",
    "Content-Type: application/vscode-jsonrpc; charset=utf-8\r\nContent-Length: {}\r\n\r\n",
    "Content-Length: {}\r\nContent-Type: application/vscode-jsonrpc; charset=utf8\r\n\r\n",
    "Content-Length: {}\r\nX-Unknown: yes\r\n\r\n",
    "Content-Length: 0{}\r\nContent-Length: {}\r\n\r\n",
    "X-Padding: " + "x" * 8000 + "\r\nContent-Length: {}\r\n\r\n",
]


@pytest.mark.parametrize("header", HEADERS)
async def test_headers_that_are_understood(shared: Client, header: str) -> None:
    body = json.dumps(request(5, GET_ACTIVE)).encode()
    data = header.replace("{}", str(len(body))).encode() + body
    for byte in data[:60]:  # in the smallest pieces a pipe can deliver
        await shared.send(bytes([byte]))
    await shared.send(data[60:])
    assert await shared.read() == {"jsonrpc": "2.0", "id": 5, "result": None}
    await assert_still_serving(shared)


async def test_another_charset_is_refused_and_skipped(shared: Client) -> None:
    header = "Content-Length: {}\r\nContent-Type: text/json; charset=latin1\r\n\r\n"
    await shared.send(frame(request(5, GET_ACTIVE), header=header))
    reply = await shared.read()
    assert (reply["id"], reply["error"]["code"]) == (5, INVALID_REQUEST)
    assert "UTF-8" in reply["error"]["message"]
    await assert_still_serving(shared)


@pytest.mark.parametrize("id_first", [True, False])
async def test_a_message_over_16_mib_is_refused_and_skipped(
    server_command: list[str], id_first: bool
) -> None:
    params = {"sessionName": "s", "kind": "k", "content": "x" * (16 * 1024 * 1024)}
    message = request("big", "tenets/session.addContext", params)
    if not id_first:
        message["id"] = message.pop("id")
    async with Client.started(server_command) as client:
        await client.initialize()
        await client.send(message)
        reply = await client.read()
        assert (reply["id"], reply["error"]["code"]) == ("big", INVALID_REQUEST)
        assert "16777216" in reply["error"]["message"]
        assert await client.names() == []


async def test_a_message_of_16_mib_is_executed(server_command: list[str]) -> None:
    params = {"sessionName": "s", "kind": "k", "content": ""}
    message = request("big", "tenets/session.addContext", params)
    params["content"] = "x" * (16 * 1024 * 1024 - len(json.dumps(message)))
    async with Client.started(server_command) as client:
        await client.initialize()
        await client.send(message)
        assert (await client.read())["result"]["size"] == len(params["content"])


DESYNCHRONISED = [
    ("no length", b"Content-Type: text/json\r\n\r\n{}"),
    ("length that is no number", b"Content-Length: many\r\n\r\n{}"),
    ("empty length", b"Content-Length:\r\n\r\n{}"),
    ("negative length", b"Content-Length: -2\r\n\r\n{}"),
    ("fraction", b"Content-Length: 2.0\r\n\r\n{}"),
    ("hexadecimal", b"Content-Length: 0x2\r\n\r\n{}"),
    ("two lengths", b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
    ("length beyond reason", b"Content-Length: 99999999999999999999\r\n\r\n{}"),
    ("JSON without a header", b'{"jsonrpc":"2.0","id":1,"method":"initialize"}'),
    ("JSON lines", b'{"jsonrpc":"2.0","id":1,"method":"initialize"}\n'),
    ("not even text", b"\x00\x01\x02\x03"),
    ("HTTP", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ("endless header", b"Content-Length: 2\r\nX: " + b"x" * 9000),
    ("endless header lines", b"X: x\r\n" * 2000),
]


@table("garbage", [row[1] for row in DESYNCHRONISED], ids=[row[0] for row in DESYNCHRONISED])
async def test_a_stream_out_of_step_ends_the_connection(
    server_command: list[str], database: Path, garbage: bytes
) -> None:
    async with Client.started(server_command) as client:
        await client.initialize()
        # What came before it is executed and answered; what comes after it is not looked at.
        await client.send(
            request(5, CREATE, {"name": "before"}), garbage, request(6, CREATE, {"name": "after"})
        )
        assert (await client.read())["result"]["name"] == "before"
        reply = await client.read()
        assert (reply["id"], reply["error"]["code"]) == (None, PARSE_ERROR)
        assert_nothing_leaks(reply)
        assert await client.ended() == 1
        assert await client.rest() == b""
        log = await client.log()
        assert "cannot be understood any more" in log
        assert "Traceback" not in log
    with ForeignWriter(database) as foreign:
        assert foreign.names() == ["before"]


TRUNCATED = [
    # Its first 60 bytes are a message of their own; the rest never comes.
    b"Content-Length: 500\r\n\r\n" + json.dumps(request(6, CREATE, {"name": "cut"})).encode(),
    frame(request(6, CREATE, {"name": "cut"}))[:-1],
    b"Content-Length: 20",
    b"Content-Length: 20\r\n",
    b"Content-Length: 99999999\r\n\r\n" + json.dumps(request(6, CREATE, {"name": "cut"})).encode(),
]


@table("part", TRUNCATED, ids=["prefix", "one byte", "header", "line", "huge"])
async def test_a_truncated_message_is_never_executed(
    server_command: list[str], database: Path, part: bytes
) -> None:
    async with Client.started(server_command) as client:
        await client.initialize()
        await client.send(request(5, CREATE, {"name": "whole"}), part)
        client.end_input()
        assert (await client.read())["result"]["name"] == "whole"
        assert await client.ended() == 1
        assert await client.rest() == b""
        assert "was not executed" in await client.log()
    with ForeignWriter(database) as foreign:
        assert foreign.names() == ["whole"]
