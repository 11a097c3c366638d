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


OTHERS = "UPDATE session_context SET session_id = (SELECT id FROM sessions WHERE name = 'other')"


@pytest.mark.parametrize(
    ("others", "gone"),
    [
        ("0", "0"),
        ("id % 10 = 0", "0"),
        ("id % 2 = 0", "0"),
        ("0", "id % 10 = 0"),
        ("0", "id > 2000 AND id % 3 > 0"),
        ("id > 2000 AND id < 19999", "0"),
        ("id IN (1, 20000)", "id IN (2, 19999)"),
        ("id <= 200", "id > 19800"),
    ],
)
async def test_a_restored_session_has_as_many_entries_as_the_reply_says(
    server_command: list[str], database: Path, others: str, gone: str
) -> None:
    async with Client.opened(server_command) as client:
        for name in ("before", "large", "other"):
            await client.create(name)
            await client.add_note(name, "a note")
        with ForeignWriter(database) as foreign:
            foreign.add_much_context("large", 20000)
            foreign.execute(f"{OTHERS} WHERE {others}")
            foreign.execute(f"DELETE FROM session_context WHERE {gone}")
            count = "SELECT count(*) FROM session_context AS c JOIN sessions AS s"
            where = "ON s.id = c.session_id AND s.name = 'large'"
            ((there,),) = foreign.rows(f"{count} {where}")
            for verb, trash_id in (("delete", 1), ("reset", 2), ("delete", 3)):
                _, restored = await client.pipelined(
                    (verb, {"name": "large"}), ("restore", {"id": trash_id})
                )
                assert restored["result"]["entries"] == there
            # What is hidden by an item of its own counts for that one only.
            *_, restored, both = await client.pipelined(
                ("reset", {"name": "large"}),
                ("addContext", {"sessionName": "large", "kind": "note", "content": "new"}),
                ("delete", {"name": "large"}),
                ("restore", {"id": 5}),
                ("restore", {"id": 4}),
            )
            assert (restored["result"]["entries"], both["result"]["entries"]) == (1, there)
            assert foreign.rows(f"{count} {where}") == [(there + 1,)]


async def test_what_was_counted_before_the_file_was_replaced_does_not_count(
    server_command: list[str], database: Path, tmp_path: Path
) -> None:
    older = tmp_path / "older.db"
    async with Client.opened(server_command) as client:
        await client.create("a")
        await client.add_note("a", "the only one")
        with ForeignWriter(database) as foreign:
            foreign.copy_to(older)
            foreign.add_much_context("a", 100_000)
        await client.result("delete", {"name": "a"})  # and its notes are being counted
        older.replace(database)
        while "result" not in (deleted := await client.call("delete", {"name": "a"})):
            assert deleted["error"]["data"]["retryable"]
        assert deleted["result"]["trashId"] == 1
        with ForeignWriter(database) as foreign:
            while foreign.rows("SELECT entries FROM session_server_trash") == [(None,)]:
                await client.result("getActive")
        assert (await client.result("restore", {"id": 1}))["entries"] == 1
