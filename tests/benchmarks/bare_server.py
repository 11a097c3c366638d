"""The floor: the least Python that answers the same two requests, without any server library.

It reads blockingly, decodes the envelope with msgspec and writes the replies to all that one read
brought in one piece. No lifecycle, no validation, no error replies, no second client.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from typing import Any, Final

import apsw
import msgspec

READ_SIZE: Final = 64 * 1024
HEADER: Final = re.compile(rb"Content-Length: (\d+)\r\n\r\n")

# As SessionStore.get_active has it; compare.py checks that the answers are the same.
ACTIVE: Final = """
    SELECT s.id, CAST(s.name AS BLOB), typeof(s.created_at),
        CASE typeof(s.created_at)
            WHEN 'text' THEN CAST(s.created_at AS BLOB) ELSE s.created_at END,
        CAST(s.metadata AS BLOB), s.id IS (SELECT session_id FROM session_server_active)
    FROM session_server_active AS a JOIN sessions AS s ON s.id = a.session_id"""


class Envelope(msgspec.Struct):
    """A request or a notification."""

    method: str
    id: int | None = None
    params: msgspec.Raw = msgspec.Raw(b"null")


class Session(msgspec.Struct, rename="camel"):
    """The result of getActive."""

    id: int
    name: str
    created_at: str
    active: bool
    metadata: msgspec.Raw


class Reply(msgspec.Struct):
    """A response that succeeded."""

    id: int
    result: Any
    jsonrpc: str = "2.0"


def answer(connection: apsw.Connection, request: Envelope) -> Any:
    """Return the result of a request."""
    match request.method:
        case "echo":
            return request.params
        case "tenets/session.getActive":
            row: tuple[Any, ...] = connection.execute(ACTIVE).fetchall()[0]
            metadata = msgspec.Raw(row[4])
            return Session(row[0], row[1].decode(), row[3].decode(), bool(row[5]), metadata)
        case "initialize":
            return {"capabilities": {}}
        case _:
            return None


def serve(answer_to: Callable[[Envelope], Any]) -> None:
    """Answer what comes on stdin until ``exit`` or its end."""
    decode = msgspec.json.Decoder(Envelope).decode
    encode = msgspec.json.Encoder().encode
    buffer = b""
    while data := os.read(0, READ_SIZE):
        buffer += data
        position = 0
        replies = []
        while header := HEADER.match(buffer, position):
            end = header.end() + int(header[1])
            if len(buffer) < end:
                break
            request = decode(buffer[header.end() : end])
            position = end
            if request.id is not None:
                body = encode(Reply(request.id, answer_to(request)))
                replies.append(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
            elif request.method == "exit":
                return
        buffer = buffer[position:]
        unsent = memoryview(b"".join(replies))
        while unsent:
            unsent = unsent[os.write(1, unsent) :]


if __name__ == "__main__":
    opened = apsw.Connection(sys.argv[1])
    serve(lambda request: answer(opened, request))
