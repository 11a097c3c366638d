"""A client that says exactly what a test wants to be said, byte for byte, to a real process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from support import processes

DEADLINE: Final = 20.0
"""Seconds within which anything awaited has to happen; generous, as machines are shared."""

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


# Without notifications, so that the next message is the reply; see test_live.py for the others.
QUIET: Final[Json] = {
    "processId": None,
    "rootUri": None,
    "capabilities": {},
    "initializationOptions": {"notifications": False},
}
INITIALIZE: Final = request("initialize", "initialize", QUIET)


async def read_from(descriptor: int) -> bytes:
    """Return what comes next out of a pipe; fails when that takes too long."""
    readable = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, readable.set)
    try:
        await asyncio.wait_for(readable.wait(), DEADLINE)
    finally:
        loop.remove_reader(descriptor)
    return os.read(descriptor, 65536)


class Wire:
    """One server process and the three pipes to it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self._next_id = 0
        self.shown: list[Json] = []

    @classmethod
    @contextlib.asynccontextmanager
    async def started(cls, command: Sequence[str], **options: Any) -> AsyncIterator[Wire]:
        """Start the server; whatever happens, it is gone afterwards."""
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), asyncio.subprocess.PIPE)
        options = {"limit": 64 * 1024 * 1024, **pipes, **options}
        async with processes.process(command, **options) as process:
            yield cls(process)

    async def send(self, *parts: object) -> None:
        """Write bytes as they are, and anything else framed."""
        assert self.process.stdin is not None
        data = b"".join(part if isinstance(part, bytes) else frame(part) for part in parts)
        self.process.stdin.write(data)
        await asyncio.wait_for(self.process.stdin.drain(), DEADLINE)

    async def read(self) -> Json:
        """Return the next message, whatever it is; its framing has to be perfect."""
        message = json.loads(await self.read_body())
        assert isinstance(message, dict)
        assert message["jsonrpc"] == "2.0"
        return message

    async def read_body(self) -> bytes:
        """Return the bytes of the next message."""
        assert self.process.stdout is not None
        async with asyncio.timeout(DEADLINE):
            header = await self.process.stdout.readuntil(b"\r\n\r\n")
            name, length = header.rstrip().split(b": ")
            assert name == b"Content-Length"
            return await self.process.stdout.readexactly(int(length))

    async def call(self, method: str, params: object = ...) -> Json:
        """Send a request and return its reply: the next message, but for what the user is shown."""
        self._next_id += 1
        await self.send(request(self._next_id, method, params))
        while (reply := await self.read()).get("method") == "window/showMessage":
            self.shown.append(reply["params"])
        assert reply["id"] == self._next_id
        return reply

    async def result(self, method: str, params: object = ...) -> Any:
        """Send a request that has to succeed; return its result."""
        reply = await self.call(method, params)
        assert "error" not in reply, reply
        return reply["result"]

    async def initialize(self, **params: object) -> Json:
        """Do LSP's handshake; return the capability under ``experimental``."""
        result = await self.result("initialize", {**QUIET, **params})
        await self.send(notification("initialized", {}))
        capability = result["capabilities"]["experimental"]["tenetsSession"]
        assert isinstance(capability, dict)
        return capability

    def end_input(self) -> None:
        """Close stdin, as an editor that is gone does."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    async def ended(self) -> int:
        """Wait for the process to end by itself; return its exit status."""
        return await asyncio.wait_for(self.process.wait(), DEADLINE)

    async def rest(self) -> bytes:
        """Return what is left on stdout; waits for its end."""
        assert self.process.stdout is not None
        return await asyncio.wait_for(self.process.stdout.read(), DEADLINE)

    async def log(self) -> str:
        """Return what the server wrote to stderr; waits for its end."""
        assert self.process.stderr is not None
        return (await asyncio.wait_for(self.process.stderr.read(), DEADLINE)).decode("utf-8")
