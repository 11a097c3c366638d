"""Reads never return an older state than a client may know of, while others commit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.client import Client
from support.foreign import ForeignWriter
from support.messages import Json, calls
from support.modes import both_modes

pytestmark = pytest.mark.asyncio


@both_modes
async def test_a_later_read_never_returns_an_older_state(
    server_command: list[str], database: Path
) -> None:
    """Pipelined reads of different kinds, from the cache or not, while another program commits."""
    async with Client.started(server_command) as client:
        await client.initialize()
        await client.result("tenets/session.create", {"name": "s", "active": True})
        kinds: list[tuple[str, Json]] = [
            *(("getActive", {}), ("get", {"name": "s"}), ("list", {}), ("list", {"limit": 7}))
        ]
        reads = calls(*kinds * 25)
        with ForeignWriter(database) as foreign:
            for round_number in range(20):
                await client.send(*reads)
                for number in range(20):
                    metadata = {"active": True, "n": 20 * round_number + number}
                    foreign.execute("UPDATE sessions SET metadata = ?", (json.dumps(metadata),))
                last = -1
                for _ in reads:
                    result = (await client.read())["result"]
                    session = result["sessions"][0] if "sessions" in result else result
                    found = session["metadata"].get("n", -1)
                    assert found >= last
                    last = found


@both_modes
async def test_an_answer_is_never_older_than_a_commit_before_the_question(
    server_command: list[str], database: Path
) -> None:
    async with Client.started(server_command) as editor, Client.started(server_command) as other:
        for one in (editor, other):
            await one.initialize()
        await editor.result("tenets/session.create", {"name": "s"})
        with ForeignWriter(database) as foreign:
            for number in range(150):
                metadata = {"number": number}
                if number % 3:
                    foreign.execute("UPDATE sessions SET metadata = ?", (json.dumps(metadata),))
                else:
                    params = {"name": "s", "updates": metadata}
                    await other.result("tenets/session.updateMetadata", params)
                for client in (editor, other):
                    found = await client.result("tenets/session.get", {"name": "s"})
                    assert found["metadata"] == metadata
                    listed = await client.result("tenets/session.list")
                    assert listed["sessions"][0]["metadata"] == metadata
