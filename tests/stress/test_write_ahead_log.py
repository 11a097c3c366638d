"""The write-ahead log stays small, with many writers, and is empty when idle."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from support.client import Client
from support.messages import request
from support.waiting import eventually, size

pytestmark = [pytest.mark.stress, pytest.mark.asyncio]

SERVERS = 4
COMMITS_EACH = 25_000
WINDOW = 50  # requests of a client that are on their way at the same time
LARGEST = 8 * 1024 * 1024


async def test_it_stays_below_8_mib_during_100_000_commits_and_is_then_emptied(
    server_command: list[str], database: Path
) -> None:
    log = database.with_name("tenets.db-wal")
    largest = 0
    async with AsyncExitStack() as stack:
        servers = [
            await stack.enter_async_context(Client.started([*server_command, "--standalone"]))
            for _ in range(SERVERS)
        ]
        for client in servers:
            await client.initialize()
        writing = asyncio.gather(*(write(client, f"s{n}") for n, client in enumerate(servers)))
        while not writing.done():
            largest = max(largest, size(log))
            await asyncio.wait({writing}, timeout=0.02)
        await writing
        print(f"largest: {largest} bytes")
        assert 0 < largest <= LARGEST
        await eventually(lambda: size(log) == 0)
        page = await servers[0].result("tenets/session.list", {"includeContextCount": True})
        counts = [session["contextCount"] for session in page["sessions"]]
        assert counts == [COMMITS_EACH] * SERVERS


async def write(client: Client, name: str) -> None:
    """Make as many commits, a window of them at a time: commands do not share one."""
    note = {"sessionName": name, "kind": "note", "content": "x" * 200}
    command = {"command": "tenets.session.addContext", "arguments": [note]}
    for start in range(0, COMMITS_EACH, WINDOW):
        numbers = range(start, start + WINDOW)
        await client.send(*(request(n, "workspace/executeCommand", command) for n in numbers))
        for number in numbers:
            reply = await client.read()
            assert reply["id"] == number
            assert "result" in reply, reply
