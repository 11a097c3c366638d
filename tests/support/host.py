"""Several clients on one process' one database, as the shared daemon has them.

The process is the test's own: each client gets a pair of real pipes and a connection of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

from support.wire import DEADLINE, INITIALIZE, Json, frame, request
from tenets_session_server.config import TenetsConfig
from tenets_session_server.rpc.connection import Connection
from tenets_session_server.rpc.publisher import Publisher
from tenets_session_server.rpc.pygls_server import create_server
from tenets_session_server.storage.session_db import SessionDB

__all__ = ["Host", "HostedClient"]


class HostedClient:
    """One client: raw descriptors, so that a test decides when anything is read."""

    def __init__(self, host: Host) -> None:
        server_in, self.writing = os.pipe()
        self.reading, server_out = os.pipe()
        self._fds = [server_in, server_out]
        self._loop = asyncio.get_running_loop()
        self._buffer = b""
        self.server = create_server(host.store, host.publisher)
        self.connection = Connection(self.server, server_in, server_out)
        self.status = asyncio.ensure_future(self._serve())
        self.status.add_done_callback(lambda _: self._close_server_side())

    async def _serve(self) -> int:
        try:
            return await self.connection.finished
        finally:
            self.connection.close()

    async def send(self, *parts: object) -> None:
        """Write all of it, however long the server takes to read it."""
        data = b"".join(part if isinstance(part, bytes) else frame(part) for part in parts)
        await asyncio.wait_for(asyncio.to_thread(self._write, data), DEADLINE)

    async def read(self) -> Json:
        """Return the next message."""
        import json

        header = await self._until(lambda data: data.find(b"\r\n\r\n") + 4)
        length = int(header.split(b":")[1])
        message = json.loads(await self._until(lambda data: length if len(data) >= length else 3))
        assert isinstance(message, dict)
        return message

    async def call(self, method: str, params: object = ..., message_id: object = 1) -> Json:
        """Send a request and return the next message."""
        await self.send(request(message_id, method, params))
        return await self.read()

    async def initialize(self) -> None:
        """Do the handshake."""
        await self.send(INITIALIZE)
        assert "result" in await self.read()

    async def rest(self) -> bytes:
        """Return what is left to read; waits for the server to close its side."""
        async with asyncio.timeout(DEADLINE):
            while part := await self._read_some():
                self._buffer += part
        return self._buffer

    def close(self) -> None:
        """Leave without a word."""
        for fd in (self.writing, self.reading):
            with contextlib.suppress(OSError):
                os.close(fd)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self.writing, view) :]

    async def _until(self, end: object) -> bytes:
        assert callable(end)
        async with asyncio.timeout(DEADLINE):
            while (length := end(self._buffer)) <= 3:
                part = await self._read_some()
                assert part, "the server has closed the connection"
                self._buffer += part
        found, self._buffer = self._buffer[:length], self._buffer[length:]
        return found

    async def _read_some(self) -> bytes:
        readable = asyncio.Event()
        self._loop.add_reader(self.reading, readable.set)
        try:
            await readable.wait()
        finally:
            self._loop.remove_reader(self.reading)
        return os.read(self.reading, 1024 * 1024)

    def _close_server_side(self) -> None:
        for fd in self._fds:
            os.close(fd)


class Host:
    """One ``SessionDB`` and any number of clients on it."""

    def __init__(self, database: Path) -> None:
        self.session_db = SessionDB(TenetsConfig(database=database, busy_timeout=0.0))
        self.store = self.session_db.store
        self.publisher = Publisher(self.store)
        self._clients: list[HostedClient] = []

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(cls, database: Path) -> AsyncIterator[Host]:
        """Open the database; in the end all clients are gone and it is closed."""
        host = cls(database)
        try:
            yield host
        finally:
            for client in host._clients:
                client.close()
            try:
                async with asyncio.timeout(DEADLINE):
                    await asyncio.gather(*[client.status for client in host._clients])
            finally:
                host.session_db.close()

    def connect(self) -> HostedClient:
        """Return a new client, connected and no more."""
        client = HostedClient(self)
        self._clients.append(client)
        return client

    async def attach(self) -> HostedClient:
        """Return a new client that has done its handshake, and is not told of changes."""
        client = self.connect()
        await client.initialize()
        return client
