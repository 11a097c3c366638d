"""Whatever a client sends: one reply where one is due, nothing lost, nothing hung, no traceback.

The table is the one of what a stock pygls server gets wrong, and more of the same kind. After each
input that leaves the stream in step, the same connection has to go on as if nothing had happened.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest

from support.client import Client
from support.messages import INITIALIZE, Json, frame, notification, request
from support.still_serving import assert_nothing_leaks, assert_still_serving

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
    Bad("NaN", raw(b'{"name":NaN}'), 5, INVALID_PARAMS, "without NaN"),
    Bad("Infinity", raw(b"[-Infinity]"), 5, INVALID_PARAMS, "without NaN"),
    Bad("NaN for no method", raw(b"NaN", method="nope"), 5, METHOD_NOT_FOUND, "nope"),
    Bad("half a pair in the method", raw(b"{}", method="\\ud800"), 5, INVALID_REQUEST, "method"),
    Bad(
        "half a pair in a command",
        raw(
            b'{"command":"tenets.session.get","arguments":["\\udc00"]}',
            method="workspace/executeCommand",
        ),
        5,
        INVALID_PARAMS,
        "unpaired surrogates",
    ),
    Bad(
        "half a pair after much text",
        raw(b'{"name":"x","metadata":{"t":"' + b"x" * 300_000 + b'\\ud800"}}'),
        5,
        PARSE_ERROR,
        "JSON",
    ),
    Bad(
        "much metadata",
        raw(b'{"name":"x","metadata":{"t":[' + b"1," * 8_000_000 + b"1]}}"),
        5,
        -32803,
        "metadata",
    ),
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
    # An id with half a surrogate pair cannot be sent back.
    Bad(
        "65 levels, id of half a pair",
        b'{"jsonrpc":"2.0","id":"\\ud800","method":"x","params":' + nested(65) + b"}",
        None,
        INVALID_REQUEST,
        "nested deeper than 64",
    ),
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
        "integer of 5,000 digits",
        raw(b'{"name":"x","metadata":{"n":' + b"9" * 5000 + b"}}"),
        5,
        INVALID_PARAMS,
        "metadata: expected a JSON object",
    ),
    Bad(
        "updates of another type",
        request(5, "tenets/session.updateMetadata", {"name": "x", "updates": 7}),
        5,
        INVALID_PARAMS,
        "updates: expected an object",
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
    Bad(
        "order",
        request(5, LIST, {"order": "up"}),
        5,
        INVALID_PARAMS,
        '"oldest" or "recent"',
    ),
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
]


@pytest.mark.parametrize("bad", MESSAGES, ids=lambda bad: bad.name)
async def test_a_bad_message_gets_one_clear_reply(shared: Client, bad: Bad) -> None:
    await shared.send(frame(bad.body))
    reply = await shared.read()
    assert reply["id"] == bad.id
    assert "result" not in reply
    error = reply["error"]
    assert error["code"] == bad.code
    assert bad.says in error["message"]
    assert_nothing_leaks(reply)
    await assert_still_serving(shared)


NO_REPLY = [
    ("a response to nothing", {"jsonrpc": "2.0", "id": 9, "result": None}),
    ("an error response to nothing", {"jsonrpc": "2.0", "id": 9, "error": {"code": 1}}),
    ("a response that is no JSON-RPC 2.0", {"id": 9, "result": None}),
    ("an error response without id", {"jsonrpc": "2.0", "id": None, "error": {"code": 1}}),
    ("an unknown notification", notification("nope", {"a": 1})),
    ("an unknown $/ notification", notification("$/nope")),
    ("didOpen of an unnamed buffer", notification("textDocument/didOpen", {
        "textDocument": {"uri": "file://", "languageId": "", "version": 0, "text": ""}})),
    ("didOpen without params", notification("textDocument/didOpen")),
    ("didChange of an unknown document", notification("textDocument/didChange", {})),
    ("a notification of a method with bad params", notification(CREATE, {"name": 7})),
    ("a notification with NaN", frame(notification(CREATE, {"name": float("nan")}))),
    ("a notification with half a surrogate pair", notification(CREATE, {"name": "\ud800"})),
    ("a notification with bad LSP params", notification("$/setTrace", {"value": 7})),
    ("a notification with params of another message",
        notification("window/workDoneProgress/cancel", {"token": {}})),
    ("didChangeConfiguration", notification("workspace/didChangeConfiguration", {})),
    ("cancel of nothing", notification("$/cancelRequest", {"id": 77})),
    ("cancel without id", notification("$/cancelRequest")),
    ("cancel of an odd id", notification("$/cancelRequest", {"id": [{}]})),
    ("initialize as a notification", notification("initialize", {"capabilities": {}})),
    ("initialized twice", notification("initialized", {})),
    ("blank lines between messages", b"\r\n\r\n\n"),
]  # fmt: skip


@pytest.mark.parametrize("message", [row[1] for row in NO_REPLY], ids=[row[0] for row in NO_REPLY])
async def test_notifications_and_responses_get_no_reply(shared: Client, message: object) -> None:
    await shared.send(message)
    await assert_still_serving(shared)


async def test_64_levels_are_executed(server_command: list[str]) -> None:
    async with Client.started(server_command) as client:
        await client.initialize()
        # Envelope, params and metadata are three of them.
        metadata = b'{"d":' + nested(61) + b',"s":"' + b"[{" * 500 + b'\\"[["}'
        await client.send(frame(raw(b'{"name":"deep","metadata":' + metadata + b"}")))
        assert (await client.read())["result"]["metadata"]["s"].startswith("[{[{")
        await assert_still_serving(client, sessions=1)


async def test_every_message_of_the_table_at_once(server_command: list[str]) -> None:
    """Pipelined and in any split, each still gets its own reply, in order."""
    async with Client.started(server_command) as client:
        await client.initialize()
        data = b"".join(frame(bad.body) for bad in MESSAGES)
        for start in range(0, len(data), 777):
            await client.send(data[start : start + 777])
        for bad in MESSAGES:
            reply = await client.read()
            assert (reply["id"], reply["error"]["code"]) == (bad.id, bad.code), bad.name
        await assert_still_serving(client)


@pytest.mark.parametrize(
    "message_id", [0, -1, 2**53, 10**30, "", "a b", "ünïcödé 🧵", "7", "\u2028", 'quote"\\']
)
async def test_ids_come_back_as_they_are(shared: Client, message_id: int | str) -> None:
    await shared.send(request(message_id, GET_ACTIVE))
    assert await shared.read() == {"jsonrpc": "2.0", "id": message_id, "result": None}


async def test_unknown_params_are_ignored_and_null_is_the_default(
    server_command: list[str],
) -> None:
    async with Client.started(server_command) as client:
        await client.initialize()
        odd: Json = {"colour": "red", "jsonrpc": {}}
        params = {"name": "x", "metadata": None, "active": None, **odd}
        assert (await client.result(CREATE, params))["metadata"] == {}
        nothing: dict[str, Any] = dict.fromkeys(
            ("limit", "cursor", "active", "namePrefix", "order", "includeContextCount")
        )
        assert len((await client.result(LIST, nothing))["sessions"]) == 1
        assert len((await client.result(LIST, None))["sessions"]) == 1
        assert len((await client.result(LIST))["sessions"]) == 1
