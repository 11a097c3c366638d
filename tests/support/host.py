"""Several clients on one process' one database, as the daemon has them; the process is the test's.

Each client has a pair of real pipes and a connection of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from support.client import Client
from support.pipes import DEADLINE, HostedPipes
from tenets_session_server.config import TenetsConfig
from tenets_session_server.rpc.publisher import Publisher
from tenets_session_server.rpc.pygls_server import create_server
from tenets_session_server.storage.session_db import SessionDB


class Host:
    """One ``SessionDB`` and any number of clients on it."""

    def __init__(self, database: Path) -> None:
        self.session_db = SessionDB(TenetsConfig(database=database, busy_timeout=0.0))
        self.store = self.session_db.store
        self.publisher = Publisher(self.store)
        self._clients: list[HostedPipes] = []

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(cls, database: Path) -> AsyncIterator[Host]:
        """Open the database; in the end all clients are gone and it is closed."""
        host = cls(database)
        try:
            yield host
        finally:
            for pipes in host._clients:
                pipes.close()
            try:
                async with asyncio.timeout(DEADLINE):
                    await asyncio.gather(*[pipes.status for pipes in host._clients])
            finally:
                host.session_db.close()

    def connect(self) -> Client:
        """Return a new client, connected and no more."""
        pipes = HostedPipes(create_server(self.store, self.publisher))
        self._clients.append(pipes)
        return Client(pipes)

    async def client(self) -> Client:
        """Return a new client that has done its handshake, with notifications."""
        client = self.connect()
        await client.initialize(initializationOptions=None)
        return client

    async def quiet_client(self) -> Client:
        """Return a new client that has done its handshake, without notifications."""
        client = self.connect()
        await client.initialize()
        return client
