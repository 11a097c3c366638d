"""JSON-RPC messages, and their bytes."""

from __future__ import annotations

import json
from typing import Any, Final

Json = dict[str, Any]


def frame(message: object, *, header: str = "Content-Length: {}\r\n\r\n") -> bytes:
    """Return a message (bytes, or anything that json can write) with its header."""
    body = message if isinstance(message, bytes) else json.dumps(message).encode("utf-8")
    return header.format(len(body)).encode("ascii") + body


def request(message_id: object, method: str, params: object = ...) -> Json:
    """Return a request; without ``params`` it has no such member."""
    message: Json = {"jsonrpc": "2.0", "id": message_id, "method": method}
    return message if params is ... else {**message, "params": params}


def notification(method: str, params: object = ...) -> Json:
    """Return a notification; without ``params`` it has no such member."""
    message: Json = {"jsonrpc": "2.0", "method": method}
    return message if params is ... else {**message, "params": params}


# Params of a client that is not sent any changes.
QUIET: Final[Json] = {
    "processId": None,
    "rootUri": None,
    "capabilities": {},
    "initializationOptions": {"notifications": False},
}
INITIALIZE: Final = request("initialize", "initialize", QUIET)
