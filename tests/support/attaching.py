"""Whether a command is served by the daemon, or serves its editor itself; and other commands."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from support import shared
from support.client import Client
from support.messages import INITIALIZE, request
from support.pipes import DEADLINE
from support.processes import process

STATS = "tenets/session.stats"
CREATE = "tenets/session.create"


@contextlib.contextmanager
def stopped_in_the_end(folder: Path, database: Path) -> Iterator[None]:
    try:
        yield
    finally:
        shared.stop(database, folder)


async def is_served_alone(command: list[str], why: str) -> None:
    """Hold a whole conversation, all of it sent at once."""
    async with Client.started(command) as client:
        await client.send(
            INITIALIZE,
            *[request(number, CREATE, {"name": f"s{number}"}) for number in range(20)],
            request("stats", STATS),
        )
        client.end_input()
        replies = [await client.read() for _ in range(22)]
        assert [reply["id"] for reply in replies] == ["initialize", *range(20), "stats"]
        assert replies[-1]["result"]["pid"] == client.process.pid
        assert await client.ended() == 1
        (line,) = (await client.log()).splitlines()
        assert "WARNING" in line
        assert "serving this editor in direct mode" in line
        assert why in line, line


async def is_shared(command: list[str]) -> int:
    """Return the daemon that serves this command."""
    async with Client.started(command) as client:
        await client.initialize()
        pid = await client.served_by()
        assert pid != client.process.pid
        assert await client.leave() == 0
        assert await client.log() == ""
    return pid


async def run(*arguments: str) -> tuple[int, str, str]:
    """Run the command; return its exit status and what it printed."""
    async with process(
        [sys.executable, "-m", "tenets_session_server", *arguments],
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    ) as command:
        out, err = await asyncio.wait_for(command.communicate(), DEADLINE)
    assert command.returncode is not None
    return command.returncode, out.decode(), err.decode()
