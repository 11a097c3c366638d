"""A client that is told of changes, and checks of each message what must hold of every one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from support.host import HostedClient
from support.wire import DEADLINE, Json, Wire, request

DID_CHANGE = "tenets/session.didChange"


class Channel(Protocol):
    """What there is of :class:`Wire` and :class:`HostedClient` alike."""

    async def send(self, *parts: object) -> None: ...
    async def read(self) -> Json: ...


class LiveClient:
    """A client that has asked to be told: its calls' replies, and what it was told meanwhile."""

    def __init__(self, channel: Channel, revision: int) -> None:
        self._channel = channel
        self._next_id = 0
        self.started = self.revision = revision
        self.told: list[Json] = []
        self.shown: list[Json] = []

    @classmethod
    @contextlib.asynccontextmanager
    async def started_on(cls, command: Sequence[str]) -> AsyncIterator[LiveClient]:
        """Start a server process of its own."""
        async with Wire.started(command) as wire:
            capability = await wire.initialize(initializationOptions={"notifications": True})
            yield cls(wire, capability["revision"])

    @classmethod
    async def attached(cls, client: HostedClient) -> LiveClient:
        """Do the handshake of a client that has not done it yet."""
        await client.send(request("i", "initialize", {"capabilities": {}}))
        result = (await client.read())["result"]
        return cls(client, result["capabilities"]["experimental"]["tenetsSession"]["revision"])

    @property
    def changes(self) -> list[Json]:
        """All changes that it was told of."""
        return [change for message in self.told for change in message["changes"]]

    @property
    def active(self) -> str | None:
        """The active session's name as it was told last."""
        session = self.told[-1]["active"]
        return None if session is None else str(session["name"])

    async def call(self, method: str, params: object = ...) -> Json:
        """Send a request and return its reply, whatever comes before it."""
        self._next_id += 1
        await self._channel.send(request(self._next_id, f"tenets/session.{method}", params))
        while (message := await self._channel.read()).get("id") != self._next_id:
            self._take(message)
        return message

    async def result(self, method: str, params: object = ...) -> Any:
        """Send a request that has to succeed; return its result."""
        reply = await self.call(method, params)
        assert "error" not in reply, reply
        return reply["result"]

    async def pipelined(self, *calls: tuple[str, Json]) -> list[Json]:
        """Send requests at once, each a verb and its params; return their replies."""
        first = self._next_id + 1
        self._next_id += len(calls)
        requests = [
            request(first + number, f"tenets/session.{verb}", params)
            for number, (verb, params) in enumerate(calls)
        ]
        await self._channel.send(*requests)
        replies: list[Json] = []
        while len(replies) < len(calls):
            message = await self._channel.read()
            if "id" in message:
                assert message["id"] == first + len(replies), "replies come in order"
                replies.append(message)
            else:
                self._take(message)
        return replies

    async def next(self) -> Json:
        """Return what it is told next, a ``didChange``."""
        before = len(self.told)
        while len(self.told) == before:
            self._take(await self._channel.read())
        return self.told[-1]

    async def until(self, revision: int) -> None:
        """Read until it has been told of a revision."""
        while self.revision < revision:
            self._take(await self._channel.read())

    async def until_shown(self, words: str) -> Json:
        """Read until the user is shown a message with these words in it."""
        while not (self.shown and words in self.shown[-1]["message"]):
            self._take(await self._channel.read())
        return self.shown[-1]

    def _take(self, message: Json) -> None:
        params = message["params"]
        if message["method"] == "window/showMessage":
            self.shown.append(params)
            return
        assert message["method"] == DID_CHANGE, message
        revisions = [change["revision"] for change in params["changes"]]
        if not params.get("incomplete"):
            assert revisions, "told of nothing"
            assert params["revision"] == revisions[-1]
            # Nothing is told twice, nothing is left out.
            assert revisions == list(range(self.revision + 1, params["revision"] + 1))
        assert params["revision"] > self.revision
        self.revision = params["revision"]
        self.told.append(params)


async def eventually(condition: Callable[[], Any] | Callable[[], Awaitable[Any]]) -> None:
    """Wait until a condition of the outside world holds, a file's size for instance."""
    async with asyncio.timeout(DEADLINE):
        while True:
            holds = condition()
            if await holds if isinstance(holds, Awaitable) else holds:
                return
            await asyncio.sleep(0.005)


def size(path: Path) -> int:
    """Return a file's size, 0 where there is none."""
    return path.stat().st_size if path.exists() else 0
