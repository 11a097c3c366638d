"""The pipes between a client and its server: a process, or a connection in this process."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import Final, Protocol

from tenets_session_server.rpc.connection import Connection
from tenets_session_server.rpc.pygls_server import SessionServer

DEADLINE: Final = 20.0
"""Seconds within which anything awaited has to happen; generous, as machines are shared."""


class Pipes(Protocol):
    """What a client needs of either."""

    async def write(self, data: bytes) -> None:
        """Write all of it, however long the server takes to read it."""

    async def read(self) -> bytes:
        """Return what comes next, nothing at the end."""

    def end_input(self) -> None:
        """Close the server's input, as an editor that has ended does."""

    async def ended(self) -> int:
        """Wait for the server to end by itself; return its exit status."""


class ProcessPipes:
    """stdin and stdout of a server process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def write(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        await self.process.stdin.drain()

    async def read(self) -> bytes:
        assert self.process.stdout is not None
        return await self.process.stdout.read(64 * 1024)

    def end_input(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    async def ended(self) -> int:
        return await self.process.wait()


class HostedPipes:
    """A pair of pipes to a connection in the test's own process.

    Nothing is read before the test reads it.
    """

    def __init__(self, server: SessionServer) -> None:
        server_in, self.writing = os.pipe()
        self.reading, server_out = os.pipe()
        self._open = {self.writing, self.reading}
        self.server = server
        self.connection = Connection(server, server_in, server_out)
        self.status = asyncio.ensure_future(self._serve(server_in, server_out))

    async def write(self, data: bytes) -> None:
        await asyncio.to_thread(self._write, data)

    async def read(self) -> bytes:
        return await read_from(self.reading)

    def end_input(self) -> None:
        self._close(self.writing)

    async def ended(self) -> int:
        return await asyncio.shield(self.status)

    def close(self) -> None:
        """Close both ends that are ours, as the end of an editor does."""
        for descriptor in (self.writing, self.reading):
            self._close(descriptor)

    async def _serve(self, *descriptors: int) -> int:
        try:
            return await self.connection.finished
        finally:
            self.connection.close()
            for descriptor in descriptors:
                os.close(descriptor)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self.writing, view) :]

    def _close(self, descriptor: int) -> None:
        if descriptor in self._open:
            self._open.remove(descriptor)
            with contextlib.suppress(OSError):
                os.close(descriptor)


async def read_from(descriptor: int) -> bytes:
    """Return what comes next out of a pipe, nothing at its end; fails when that takes too long."""
    readable = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, readable.set)
    try:
        await asyncio.wait_for(readable.wait(), DEADLINE)
    finally:
        loop.remove_reader(descriptor)
    return os.read(descriptor, 1024 * 1024)
