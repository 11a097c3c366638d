"""A large deletion takes effect at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.client import Client
from support.foreign import ForeignWriter
from support.messages import Json, calls, note, notification

pytestmark = pytest.mark.asyncio


async def test_a_large_deletion_is_answered_in_order(
    server_command: list[str], database: Path
) -> None:
    async with Client.started(server_command) as client:
        await client.initialize()
        await client.result("tenets/session.create", {"name": "large"})
        with ForeignWriter(database) as foreign:
            foreign.add_much_context("large", 20000)
        await client.send(
            *calls(note("before"), ("delete", {"name": "large"}), note("after"), ("stats", {}))
        )
        replies = [await client.read() for _ in range(4)]
        assert [reply["id"] for reply in replies] == [0, 1, 2, 3]
        assert replies[1]["result"] == {"deleted": True, "trashId": 1}
        assert replies[3]["result"]["sessions"] == 1
        while (await client.result("tenets/session.stats"))["contextEntries"] > 2:
            pass  # until those in the trash have been counted


async def test_the_reply_to_a_large_deletion_comes_before_its_notification(
    server_command: list[str], database: Path
) -> None:
    async with Client.started(server_command) as client:
        await client.initialize(initializationOptions={"notifications": True})
        await client.create("large")
        await client.until(1)
        with ForeignWriter(database) as foreign:
            foreign.add_much_context("large", 20000)
        await client.next_change()
        await client.send(*calls(("delete", {"name": "large"})))
        while (message := await client.read()).get("method") == "tenets/session.didChange":
            changes = message["params"]["changes"]
            assert "deleted" not in {change["type"] for change in changes}
        assert message["result"] == {"deleted": True, "trashId": 1}
        notified = await client.read()
        assert [change["type"] for change in notified["params"]["changes"]] == ["deleted"]


async def test_a_deletion_that_is_cancelled_either_happened_or_did_not(
    server_command: list[str], database: Path
) -> None:
    async with Client.started(server_command) as client:
        await client.initialize()
        for round_number in range(10):
            await client.result("tenets/session.create", {"name": "large"})
            with ForeignWriter(database) as foreign:
                foreign.add_much_context("large", 7000)
            before: list[tuple[str, Json]] = [
                ("create", {"name": f"{round_number} {number}"}) for number in range(100)
            ]
            deletion = ("delete", {"name": "large"})
            await client.send(*calls(*before, deletion))
            for _ in range(10 * round_number):  # at another moment each time
                await client.read()
            await client.send(notification("$/cancelRequest", {"id": 100}))
            replies = [await client.read() for _ in range(101 - 10 * round_number)]
            found = await client.result("tenets/session.get", {"name": "large"})
            reply = next(one for one in replies if one["id"] == 100)
            if "error" in reply:
                assert reply["error"]["code"] == -32800
                assert found is not None, "it was said not to have happened"
                await client.result("tenets/session.delete", {"name": "large"})
            else:
                assert reply["result"]["deleted"] is True
                assert found is None
