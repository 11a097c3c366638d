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


def note(content: str, session: str = "s") -> tuple[str, Json]:
    """Return the verb and the params of a call that adds a note."""
    return "addContext", {"sessionName": session, "kind": "note", "content": content}


def calls(*verbs_and_params: tuple[str, Json]) -> list[Json]:
    """Return requests with the ids 0, 1, 2 and so on."""
    return [
        request(number, f"tenets/session.{verb}", params)
        for number, (verb, params) in enumerate(verbs_and_params)
    ]


# Params of a client that is not sent any changes.
QUIET: Final[Json] = {
    "processId": None,
    "rootUri": None,
    "capabilities": {},
    "initializationOptions": {"notifications": False},
}
INITIALIZE: Final = request("initialize", "initialize", QUIET)
