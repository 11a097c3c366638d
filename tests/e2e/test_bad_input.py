"""Whatever a client sends: one reply where one is due, nothing lost, nothing hung, no traceback.

The table is the one of what a stock pygls server gets wrong, and more of the same kind. After each
input that leaves the stream in step, the same connection has to go on as if nothing had happened.
"""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from support.wire import INITIALIZE, Json, Wire, frame, notification, request

pytestmark = pytest.mark.asyncio(loop_scope="module")

GET_ACTIVE = "tenets/session.getActive"
LIST = "tenets/session.list"
CREATE = "tenets/session.create"

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS = -32700, -32600, -32601, -32602


class Bad(NamedTuple):
    """What is sent (bytes of a body, or JSON), and the reply's id, code and a part of its text."""

    name: str
    body: object
    id: object
    code: int
    says: str


def nested(depth: int) -> bytes:
    """Return JSON arrays, ``depth`` deep."""
    return b"[" * depth + b"]" * depth


def raw(params: bytes, message_id: bytes = b"5", method: str = CREATE) -> bytes:
    """Return a request with params that json would not write."""
    return (
        b'{"jsonrpc":"2.0","id":' + message_id + b',"method":"' + method.encode() + b'","params":'
    ) + (params + b"}")


MESSAGES = [
    Bad("empty body", b"", None, PARSE_ERROR, "JSON"),
    Bad("blank body", b"   ", None, PARSE_ERROR, "truncated"),
    Bad("malformed", b'{"jsonrpc":"2.0","id":1,', None, PARSE_ERROR, "truncated"),
    Bad("two values", b"{} {}", None, PARSE_ERROR, "trailing"),
    Bad("NaN", raw(b'{"name":NaN}'), None, PARSE_ERROR, "malformed"),
    Bad("single quotes", b"{'id': 1}", None, PARSE_ERROR, "malformed"),
    Bad("byte order mark", b"\xef\xbb\xbf{}", None, PARSE_ERROR, "malformed"),
    Bad("UTF-16", json.dumps(request(1, LIST)).encode("utf-16"), None, PARSE_ERROR, "UTF-8"),
    Bad("not UTF-8", raw(b'{"name":"\xff"}'), 5, PARSE_ERROR, "UTF-8"),
    Bad("scalar", b"42", None, INVALID_REQUEST, "object"),
    Bad("string", b'"initialize"', None, INVALID_REQUEST, "object"),
    Bad("null", b"null", None, INVALID_REQUEST, "object"),
    Bad("batch", [request(1, LIST), request(2, LIST)], None, INVALID_REQUEST, "batches"),
    Bad("empty batch", b"[]", None, INVALID_REQUEST, "batches"),
    Bad("empty object", b"{}", None, INVALID_REQUEST, "jsonrpc"),
    Bad("no jsonrpc", {"id": 5, "method": LIST}, 5, INVALID_REQUEST, "jsonrpc"),
    Bad("old jsonrpc", {"jsonrpc": "1.0", "id": 5, "method": LIST}, 5, INVALID_REQUEST, "jsonrpc"),
    Bad("no method", {"jsonrpc": "2.0", "id": 5}, 5, INVALID_REQUEST, "method"),
    Bad("method 7", {"jsonrpc": "2.0", "id": 5, "method": 7}, 5, INVALID_REQUEST, "method"),
    Bad("id null", request(None, LIST), None, INVALID_REQUEST, "id: expected an integer"),
    Bad("id 1.5", request(1.5, LIST), None, INVALID_REQUEST, "id: expected an integer"),
    Bad("id true", request(True, LIST), None, INVALID_REQUEST, "id: expected an integer"),
    Bad("id object", request({}, LIST), None, INVALID_REQUEST, "id: expected an integer"),
    Bad("65 levels", raw(nested(64)), 5, INVALID_REQUEST, "nested deeper than 64"),
    Bad("100,000 levels", raw(nested(100_000)), 5, INVALID_REQUEST, "nested deeper"),
    Bad(
        "100,000 levels, id last",
        b'{"jsonrpc":"2.0","method":"x","params":' + nested(100_000) + b',"id":"last"}',
        "last",
        INVALID_REQUEST,
        "nested deeper",
    ),
    Bad(
        "half an emoji",
        raw(
            b'{"sessionName":"s","kind":"k","content":"\\ud83e"}',
            method="tenets/session.addContext",
        ),
        5,
        INVALID_PARAMS,
        "unpaired surrogates",
    ),
    Bad("unknown method", request(5, "tenets/session.nope"), 5, METHOD_NOT_FOUND, "nope"),
    Bad("unknown LSP", request(5, "textDocument/hover", {}), 5, METHOD_NOT_FOUND, "hover"),
    Bad("unknown $/", request(5, "$/nope"), 5, METHOD_NOT_FOUND, "$/nope"),
    Bad("initialize again", {**INITIALIZE, "id": 5}, 5, INVALID_REQUEST, "already"),
    Bad("params missing", request(5, CREATE), 5, INVALID_PARAMS, "name is required"),
    Bad("params null", request(5, CREATE, None), 5, INVALID_PARAMS, "name is required"),
    Bad("params list", request(5, LIST, [1]), 5, INVALID_PARAMS, "expected an object, got array"),
    Bad("params 7", request(5, LIST, 7), 5, INVALID_PARAMS, "expected an object, got int"),
    Bad("name null", request(5, CREATE, {"name": None}), 5, INVALID_PARAMS, "name is required"),
    Bad("name 7", request(5, CREATE, {"name": 7}), 5, INVALID_PARAMS, "name: expected 1 to 255"),
    Bad("name empty", request(5, CREATE, {"name": ""}), 5, INVALID_PARAMS, "name: expected 1"),
    Bad("name blank", request(5, CREATE, {"name": " \u3000"}), 5, INVALID_PARAMS, "not blank"),
    Bad("name 256", request(5, CREATE, {"name": "x" * 256}), 5, INVALID_PARAMS, "1 to 255"),
    Bad("name with LF", request(5, CREATE, {"name": "a\n"}), 5, INVALID_PARAMS, "no control"),
    Bad("name with NUL", request(5, CREATE, {"name": "a\0b"}), 5, INVALID_PARAMS, "no control"),
    Bad("name with CSI", request(5, CREATE, {"name": "a\x9b"}), 5, INVALID_PARAMS, "no control"),
    Bad(
        "metadata list",
        request(5, CREATE, {"name": "x", "metadata": [1]}),
        5,
        INVALID_PARAMS,
        "metadata: expected an object",
    ),
    Bad(
        "integer nobody can read",
        raw(b'{"name":"x","metadata":{"n":' + b"9" * 5000 + b"}}"),
        5,
        INVALID_PARAMS,
        "metadata: expected a JSON object",
    ),
    Bad(
        "updates missing",
        request(5, "tenets/session.updateMetadata", {"name": "x", "updates": None}),
        5,
        INVALID_PARAMS,
        "updates is required: expected an object",
    ),
    Bad(
        "active 1",
        request(5, CREATE, {"name": "x", "active": 1}),
        5,
        INVALID_PARAMS,
        "active: expected true or false, got int",
    ),
    Bad("limit 0", request(5, LIST, {"limit": 0}), 5, INVALID_PARAMS, "limit: expected an integer"),
    Bad("limit 1001", request(5, LIST, {"limit": 1001}), 5, INVALID_PARAMS, "from 1 to 1000"),
    Bad("limit text", request(5, LIST, {"limit": "1"}), 5, INVALID_PARAMS, "limit: expected"),
    Bad("order", request(5, LIST, {"order": "up"}), 5, INVALID_PARAMS, 'expected "newest" or'),
    Bad("cursor", request(5, LIST, {"cursor": "nope"}), 5, INVALID_PARAMS, "cursor: expected"),
    Bad("cursor ü", request(5, LIST, {"cursor": "ü"}), 5, INVALID_PARAMS, "cursor: expected"),
    Bad("cursor 7", request(5, LIST, {"cursor": 7}), 5, INVALID_PARAMS, "cursor: expected"),
    Bad(
        "command unknown",
        request(5, "workspace/executeCommand", {"command": "nope"}),
        5,
        INVALID_PARAMS,
        "command: expected one of tenets.session.create",
    ),
    Bad(
        "command missing",
        request(5, "workspace/executeCommand", {}),
        5,
        INVALID_PARAMS,
        "command is required",
    ),
    Bad(
        "two arguments",
        request(
            5, "workspace/executeCommand", {"command": "tenets.session.list", "arguments": [{}, {}]}
        ),
        5,
        INVALID_PARAMS,
        "arguments: expected at most one",
    ),
    Bad(
        "argument of the wrong type",
        request(
            5, "workspace/executeCommand", {"command": "tenets.session.get", "arguments": ["x"]}
        ),
        5,
        INVALID_PARAMS,
        "expected an object",
    ),
    Bad(
        "LSP params that are wrong",
        request(5, "$/setTrace", {"value": "loud"}),
        5,
        INVALID_PARAMS,
        "LSP 3.17",
    ),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Wire]:
    """One server that has to survive everything that is thrown at it, one test after the other."""
    database = tmp_path_factory.mktemp("shared") / "tenets.db"
    command = [sys.executable, "-m", "tenets_session_server", "--database", str(database)]
    async with Wire.started(command) as wire:
        await wire.initialize()
        yield wire
        await wire.result("shutdown")
        await wire.send(notification("exit"))
        assert await wire.ended() == 0
        assert "Traceback" not in await wire.log()


@pytest.mark.parametrize("bad", MESSAGES, ids=lambda bad: bad.name)
async def test_a_bad_message_gets_one_clear_reply(shared: Wire, bad: Bad) -> None:
    await shared.send(frame(bad.body))
    reply = await shared.read()
    assert reply["id"] == bad.id
    assert "result" not in reply
    error = reply["error"]
    assert error["code"] == bad.code
    assert bad.says in error["message"]
    assert_nothing_leaks(reply)
    await assert_in_step(shared)


NO_REPLY = [
    ("a response to nothing", {"jsonrpc": "2.0", "id": 9, "result": None}),
    ("an error response to nothing", {"jsonrpc": "2.0", "id": 9, "error": {"code": 1}}),
    ("an error response without id", {"jsonrpc": "2.0", "id": None, "error": {"code": 1}}),
    ("an unknown notification", notification("nope", {"a": 1})),
    ("an unknown $/ notification", notification("$/nope")),
    ("didOpen of an unnamed buffer", notification("textDocument/didOpen", {
        "textDocument": {"uri": "file://", "languageId": "", "version": 0, "text": ""}})),
    ("didOpen without params", notification("textDocument/didOpen")),
    ("didChange of an unknown document", notification("textDocument/didChange", {})),
    ("a notification of a method with bad params", notification(CREATE, {"name": 7})),
    ("a notification with bad LSP params", notification("$/setTrace", {"value": 7})),
    ("didChangeConfiguration", notification("workspace/didChangeConfiguration", {})),
    ("cancel of nothing", notification("$/cancelRequest", {"id": 77})),
    ("cancel without id", notification("$/cancelRequest")),
    ("cancel of an odd id", notification("$/cancelRequest", {"id": [{}]})),
    ("initialized twice", notification("initialized", {})),
    ("blank lines between messages", b"\r\n\r\n\n"),
]  # fmt: skip


@pytest.mark.parametrize("message", [row[1] for row in NO_REPLY], ids=[row[0] for row in NO_REPLY])
async def test_what_expects_no_reply_gets_none(shared: Wire, message: object) -> None:
    await shared.send(message)
    await assert_in_step(shared)


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
async def test_headers_that_are_understood(shared: Wire, header: str) -> None:
    body = json.dumps(request(5, GET_ACTIVE)).encode()
    data = header.replace("{}", str(len(body))).encode() + body
    for byte in data[:60]:  # in the smallest pieces a pipe can deliver
        await shared.send(bytes([byte]))
    await shared.send(data[60:])
    assert await shared.read() == {"jsonrpc": "2.0", "id": 5, "result": None}
    await assert_in_step(shared)


async def test_another_charset_is_refused_and_skipped(shared: Wire) -> None:
    header = "Content-Length: {}\r\nContent-Type: text/json; charset=latin1\r\n\r\n"
    await shared.send(frame(request(5, GET_ACTIVE), header=header))
    reply = await shared.read()
    assert (reply["id"], reply["error"]["code"]) == (5, INVALID_REQUEST)
    assert "UTF-8" in reply["error"]["message"]
    await assert_in_step(shared)


@pytest.mark.parametrize("id_first", [True, False])
async def test_a_message_over_16_mib_is_refused_and_skipped(
    server_command: list[str], id_first: bool
) -> None:
    params = {"sessionName": "s", "kind": "k", "content": "x" * (16 * 1024 * 1024)}
    message = request("big", "tenets/session.addContext", params)
    if not id_first:
        message["id"] = message.pop("id")
    async with Wire.started(server_command) as wire:
        await wire.initialize()
        await wire.send(message)
        reply = await wire.read()
        assert (reply["id"], reply["error"]["code"]) == ("big", INVALID_REQUEST)
        assert "16777216" in reply["error"]["message"]
        assert await wire.result(LIST) == {"sessions": [], "nextCursor": None}


async def test_a_message_of_16_mib_is_executed(server_command: list[str]) -> None:
    params = {"sessionName": "s", "kind": "k", "content": ""}
    message = request("big", "tenets/session.addContext", params)
    params["content"] = "x" * (16 * 1024 * 1024 - len(json.dumps(message)))
    async with Wire.started(server_command) as wire:
        await wire.initialize()
        await wire.send(message)
        assert (await wire.read())["result"]["size"] == len(params["content"])


async def test_64_levels_are_executed(server_command: list[str]) -> None:
    async with Wire.started(server_command) as wire:
        await wire.initialize()
        # Envelope, params and metadata are three of them.
        metadata = b'{"d":' + nested(61) + b',"s":"' + b"[{" * 500 + b'\\"[["}'
        await wire.send(frame(raw(b'{"name":"deep","metadata":' + metadata + b"}")))
        assert (await wire.read())["result"]["metadata"]["s"].startswith("[{[{")
        await assert_in_step(wire, sessions=1)


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


@pytest.mark.parametrize(
    "garbage", [row[1] for row in DESYNCHRONISED], ids=[row[0] for row in DESYNCHRONISED]
)
async def test_a_stream_out_of_step_ends_the_connection(
    server_command: list[str], garbage: bytes
) -> None:
    async with Wire.started(server_command) as wire:
        await wire.initialize()
        # What came before it is executed and answered; what comes after it is not looked at.
        await wire.send(
            request(5, CREATE, {"name": "before"}), garbage, request(6, CREATE, {"name": "after"})
        )
        assert (await wire.read())["result"]["name"] == "before"
        reply = await wire.read()
        assert (reply["id"], reply["error"]["code"]) == (None, PARSE_ERROR)
        assert_nothing_leaks(reply)
        assert await wire.ended() == 1
        assert await wire.rest() == b""
        log = await wire.log()
        assert "cannot be understood any more" in log
        assert "Traceback" not in log
    async with Wire.started(server_command) as wire:
        await wire.initialize()
        assert [s["name"] for s in (await wire.result(LIST))["sessions"]] == ["before"]


TRUNCATED = [
    # Its first 60 bytes are a message of their own; the rest never comes.
    b"Content-Length: 500\r\n\r\n" + json.dumps(request(6, CREATE, {"name": "cut"})).encode(),
    frame(request(6, CREATE, {"name": "cut"}))[:-1],
    b"Content-Length: 20",
    b"Content-Length: 20\r\n",
    b"Content-Length: 99999999\r\n\r\n" + json.dumps(request(6, CREATE, {"name": "cut"})).encode(),
]


@pytest.mark.parametrize("part", TRUNCATED, ids=["prefix", "one byte", "header", "line", "huge"])
async def test_a_truncated_message_is_never_executed(
    server_command: list[str], part: bytes
) -> None:
    async with Wire.started(server_command) as wire:
        await wire.initialize()
        await wire.send(request(5, CREATE, {"name": "whole"}), part)
        wire.end_input()
        assert (await wire.read())["result"]["name"] == "whole"
        assert await wire.ended() == 1
        assert await wire.rest() == b""
        assert "was not executed" in await wire.log()
    async with Wire.started(server_command) as wire:
        await wire.initialize()
        assert [s["name"] for s in (await wire.result(LIST))["sessions"]] == ["whole"]


async def test_every_message_of_the_table_at_once(server_command: list[str]) -> None:
    """Pipelined and in any split, each still gets its own reply, in order."""
    async with Wire.started(server_command) as wire:
        await wire.initialize()
        data = b"".join(frame(bad.body) for bad in MESSAGES)
        for start in range(0, len(data), 777):
            await wire.send(data[start : start + 777])
        for bad in MESSAGES:
            reply = await wire.read()
            assert (reply["id"], reply["error"]["code"]) == (bad.id, bad.code), bad.name
        await assert_in_step(wire)


@pytest.mark.parametrize(
    "message_id", [0, -1, 2**53, 10**30, "", "a b", "ünïcödé 🧵", "7", "\u2028", 'quote"\\']
)
async def test_ids_come_back_as_they_are(shared: Wire, message_id: int | str) -> None:
    await shared.send(request(message_id, GET_ACTIVE))
    assert await shared.read() == {"jsonrpc": "2.0", "id": message_id, "result": None}


async def test_unknown_params_are_ignored_and_null_is_the_default(
    server_command: list[str],
) -> None:
    async with Wire.started(server_command) as wire:
        await wire.initialize()
        odd: Json = {"colour": "red", "jsonrpc": {}}
        params = {"name": "x", "metadata": None, "active": None, **odd}
        assert (await wire.result(CREATE, params))["metadata"] == {}
        nothing: dict[str, Any] = dict.fromkeys(
            ("limit", "cursor", "active", "namePrefix", "order", "includeContextCount")
        )
        assert len((await wire.result(LIST, nothing))["sessions"]) == 1
        assert len((await wire.result(LIST, None))["sessions"]) == 1
        assert len((await wire.result(LIST))["sessions"]) == 1


def assert_nothing_leaks(reply: dict[str, Any]) -> None:
    """No traceback and no path of this machine reaches a client."""
    text = json.dumps(reply)
    assert "Traceback" not in text
    assert ".py" not in text


async def assert_in_step(wire: Wire, sessions: int = 0) -> None:
    """The next request gets its own reply, and nothing else has happened."""
    page = await wire.result(LIST)
    assert len(page["sessions"]) == sessions
