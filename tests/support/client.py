"""A client of the server, as an editor has it: ``await client.create("x")``.

It works over the pipes of a process and over those of a connection in the test's own process. It
can also send anything else, byte for byte. Each message that it reads is checked (see
:mod:`support.checks`).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from support import processes
from support.checks import Checks
from support.messages import QUIET, Json, frame, notification, request
from support.pipes import DEADLINE, HostedPipes, Pipes, ProcessPipes
from tenets_session_server.methods.table import METHODS

METHOD_NAMES: Final = {method.verb: method.name for method in METHODS}


def full_name(method: str) -> str:
    """Return a method's name: a verb is one of ours, but for LSP's own ``exit``."""
    return method if method == "exit" else METHOD_NAMES.get(method, method)


class ResponseError(Exception):
    """The error that a request was answered with."""

    def __init__(self, error: Json) -> None:
        super().__init__(error["message"])
        self.code: int = error["code"]
        self.data: Json | None = error.get("data")


class Client:
    """One client. ``create`` is short for ``tenets/session.create`` wherever a method is named."""

    def __init__(self, pipes: Pipes) -> None:
        self.pipes = pipes
        self._checks = Checks()
        self._next_id = 0
        self._received = bytearray()
        self.asked: list[Json] = []
        """Requests of the server that are not answered yet."""

    @classmethod
    @contextlib.asynccontextmanager
    async def started(cls, command: Sequence[str], **options: Any) -> AsyncIterator[Client]:
        """Start a server process, and no more; whatever happens, it is gone afterwards."""
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), asyncio.subprocess.PIPE)
        options = {"limit": 64 * 1024 * 1024, **pipes, **options}
        async with processes.process(command, **options) as process:
            yield cls(ProcessPipes(process))

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(cls, command: Sequence[str], **params: object) -> AsyncIterator[Client]:
        """Start a server process, initialize it with notifications, and shut it down afterwards."""
        async with cls.started(command) as client:
            await client.initialize(**{"initializationOptions": None, **params})
            yield client
            assert await client.leave() == 0

    # -- what a user does --------------------------------------------------------------------

    async def create(self, name: str, **params: object) -> Json:
        """Create a session."""
        return await self._object("create", name=name, **params)

    async def activate(self, name: str) -> Json:
        """Make a session the active one."""
        return await self._object("setActive", name=name)

    async def add_note(self, session_name: str, content: str, kind: str = "note") -> Json:
        """Append to a session's context."""
        params = {"sessionName": session_name, "kind": kind, "content": content}
        return await self._object("addContext", **params)

    async def active_name(self) -> str | None:
        """Return the active session's name."""
        found = await self.session("getActive")
        return None if found is None else str(found["name"])

    async def names(self, **params: object) -> list[str]:
        """Return all sessions' names, page by page."""
        names: list[str] = []
        cursor: str | None = None
        while True:
            page = await self.session("list", cursor=cursor, **params)
            names += [session["name"] for session in page["sessions"]]
            cursor = page["nextCursor"]
            if cursor is None:
                return names

    async def session(self, verb: str, **params: object) -> Any:
        """Send ``tenets/session.<verb>``; return its result."""
        return await self.result(METHOD_NAMES[verb], params)

    async def execute(self, command: str, *arguments: object) -> Any:
        """Send ``workspace/executeCommand``; without arguments the member is left out."""
        params: Json = {"command": command}
        if arguments:
            params["arguments"] = list(arguments)
        return await self.result("workspace/executeCommand", params)

    # -- requests ----------------------------------------------------------------------------

    async def initialize(self, **params: object) -> Json:
        """Do LSP's handshake, by default without notifications; return the capability."""
        await self.result("initialize", {**QUIET, **params})
        await self.send(notification("initialized", {}))
        return self.session_capability

    async def result(self, method: str, params: object = ...) -> Any:
        """Send a request; return its result or raise :class:`ResponseError`."""
        reply = await self.call(method, params)
        if "error" in reply:
            raise ResponseError(reply["error"])
        return reply["result"]

    async def call(self, method: str, params: object = ...) -> Json:
        """Send a request and return its reply, which has to be the next one."""
        self._next_id += 1
        await self.send(request(self._next_id, full_name(method), params))
        reply = await self.reply()
        assert reply["id"] == self._next_id
        return reply

    async def pipelined(self, *calls: tuple[str, Json]) -> list[Json]:
        """Send requests at once, each a method and its params; return their replies."""
        first = self._next_id + 1
        self._next_id += len(calls)
        await self.send(
            *(
                request(first + number, full_name(method), params)
                for number, (method, params) in enumerate(calls)
            )
        )
        return [await self.reply() for _ in calls]

    async def leave(self) -> int:
        """Shut down and exit, as the protocol has it; return the exit status."""
        await self.result("shutdown")
        await self.send(notification("exit"))
        return await self.ended()

    async def reply(self) -> Json:
        """Return the next reply; notifications that come before it are recorded."""
        while "method" in (message := await self.read()):
            pass
        return message

    async def served_by(self) -> int:
        """Return the id of the process that serves this client."""
        return int((await self.session("stats"))["pid"])

    # -- notifications -----------------------------------------------------------------------

    @property
    def capabilities(self) -> Json:
        """The server's capabilities."""
        return self._checks.capabilities

    @property
    def session_capability(self) -> Json:
        """The capability of this server, under ``experimental``."""
        found = self.capabilities["experimental"]["tenetsSession"]
        assert isinstance(found, dict)
        return found

    @property
    def revision(self) -> int:
        """The newest revision that this client knows of."""
        return self._checks.revision

    @property
    def state(self) -> str | None:
        """The state at that revision."""
        return self._checks.state

    @property
    def notified(self) -> list[Json]:
        """The params of each ``didChange``."""
        return self._checks.notified

    @property
    def shown(self) -> list[Json]:
        """The params of each ``window/showMessage``."""
        return self._checks.shown

    @property
    def changes(self) -> list[Json]:
        """All changes that were notified."""
        return [change for message in self.notified for change in message["changes"]]

    @property
    def active(self) -> str | None:
        """The active session's name in the last ``didChange``."""
        session = self.notified[-1]["active"]
        return None if session is None else str(session["name"])

    async def next_change(self) -> Json:
        """Return the params of the next ``didChange``."""
        before = len(self.notified)
        while len(self.notified) == before:
            await self._read_notification()
        return self.notified[-1]

    async def until(self, revision: int) -> None:
        """Read until the changes up to a revision were notified."""
        while self.revision < revision:
            await self._read_notification()

    async def until_shown(self, words: str) -> Json:
        """Read until the user is shown a message with these words in it."""
        while not (self.shown and words in self.shown[-1]["message"]):
            await self._read_notification()
        return self.shown[-1]

    async def next_request(self, method: str) -> Json:
        """Return the next request of the server of this method."""
        while True:
            for message in self.asked:
                if message["method"] == method:
                    self.asked.remove(message)
                    return message
            await self.read()

    async def answer(self, message: Json, result: object) -> None:
        """Reply to a request of the server."""
        await self.send({"jsonrpc": "2.0", "id": message["id"], "result": result})

    # -- bytes and messages ------------------------------------------------------------------

    async def send(self, *parts: object) -> None:
        """Write bytes as they are, and anything else framed."""
        for part in parts:
            self._checks.sent(part)
        data = b"".join(part if isinstance(part, bytes) else frame(part) for part in parts)
        await asyncio.wait_for(self.pipes.write(data), DEADLINE)

    def expect_reply_to(self, message: Json) -> None:
        """Have a request counted as sent that reaches the server in another way."""
        self._checks.sent(message)

    async def read(self) -> Json:
        """Return the next message, whatever it is."""
        message = json.loads(await self.read_body())
        assert isinstance(message, dict)
        if "method" in message and "id" in message:
            self.asked.append(message)
        return message

    async def read_body(self) -> bytes:
        """Return the bytes of the next message."""
        async with asyncio.timeout(DEADLINE):
            while (end := self._received.find(b"\r\n\r\n")) < 0:
                await self._receive()
            name, length = self._received[:end].split(b": ")
            assert name == b"Content-Length"
            start, end = end + 4, end + 4 + int(length)
            while len(self._received) < end:
                await self._receive()
        body = bytes(self._received[start:end])
        del self._received[:end]
        self._checks.received(json.loads(body))
        return body

    async def rest(self) -> bytes:
        """Return what is left of the output; waits for its end."""
        async with asyncio.timeout(DEADLINE):
            while part := await self.pipes.read():
                self._received += part
        return bytes(self._received)

    def end_input(self) -> None:
        """Close the server's input, as an editor that has ended does."""
        self.pipes.end_input()

    async def ended(self) -> int:
        """Wait for the server to end by itself; return its exit status."""
        return await asyncio.wait_for(self.pipes.ended(), DEADLINE)

    @property
    def process(self) -> asyncio.subprocess.Process:
        """The process that was started."""
        assert isinstance(self.pipes, ProcessPipes)
        return self.pipes.process

    @property
    def hosted(self) -> HostedPipes:
        """The pipes to a connection in the test's own process."""
        assert isinstance(self.pipes, HostedPipes)
        return self.pipes

    async def log(self) -> str:
        """Return what the process wrote to stderr; waits for its end."""
        assert self.process.stderr is not None
        return (await asyncio.wait_for(self.process.stderr.read(), DEADLINE)).decode("utf-8")

    async def _object(self, verb: str, **params: object) -> Json:
        result = await self.session(verb, **params)
        assert isinstance(result, dict)
        return result

    async def _receive(self) -> None:
        part = await self.pipes.read()
        if not part:
            raise ConnectionError(f"the output has ended after {bytes(self._received)!r}")
        self._received += part

    async def _read_notification(self) -> None:
        message = await self.read()
        assert "id" not in message, message
