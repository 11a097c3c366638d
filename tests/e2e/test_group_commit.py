"""Writes that wait together share a commit, and each of them behaves as if it were alone."""

from __future__ import annotations

import os
import signal
import struct
from pathlib import Path
from typing import Any

import pytest

from support import shared as shared_processes
from support.client import Client
from support.foreign import ForeignWriter
from support.messages import Json, calls, note, notification
from support.modes import both_modes

pytestmark = pytest.mark.asyncio

FRAME = 24 + 4096


def commits_in(log: Path) -> int:
    """Count the commits in a write-ahead log (sqlite.org/fileformat2.html#walformat).

    Each ends with a frame whose header tells the size of the database after it.
    """
    data = log.read_bytes()[32:]
    salt = data[8:16]
    frames = [data[start : start + 24] for start in range(0, len(data), FRAME)]
    current = [frame for frame in frames if frame[8:16] == salt]
    return sum(1 for frame in current if struct.unpack(">I", frame[4:8])[0])


def name_of(reply: Json) -> Any:
    """Return what identifies a reply's content: the name of a session, or the kind of an error."""
    if "error" in reply:
        return reply["error"].get("data", reply["error"]).get("kind", reply["error"]["code"])
    result = reply["result"]
    return result if result is None else result.get("name", result)


async def test_waiting_notes_share_commits(server_command: list[str], database: Path) -> None:
    count = 500
    async with Client.started(server_command) as client:
        await client.initialize()
        await client.result("tenets/session.create", {"name": "s"})
        before = commits_in(Path(f"{database}-wal"))
        await client.send(*calls(*[note(str(number)) for number in range(count)]))
        replies = [await client.read() for _ in range(count)]
        made = commits_in(Path(f"{database}-wal")) - before
    assert [reply["id"] for reply in replies] == list(range(count))
    ids = [reply["result"]["id"] for reply in replies]
    assert ids == sorted(ids)
    assert 1 <= made <= count / 10


async def test_a_failed_write_of_a_group_does_not_change_the_others(
    server_command: list[str],
) -> None:
    async with Client.started(server_command) as client:
        await client.initialize()
        await client.send(
            *calls(
                ("create", {"name": "a", "active": True}),
                ("create", {"name": "a"}),
                ("create", {"name": "b", "metadata": {"x": "y" * (1 << 20)}}),
                ("create", {"name": "\0"}),
                ("setActive", {"name": "nobody"}),
                note("kept", "a"),
                ("getActive", {}),
                ("create", {"name": "c", "active": True}),
                ("getActive", {}),
                ("updateMetadata", {"name": "c", "updates": {"k": 1}}),
                ("get", {"name": "c"}),
                ("delete", {"name": "c"}),
                ("get", {"name": "c"}),
                ("changes", {"since": 0}),
                ("nothing of this name", {}),
                ("create", {"name": "d"}),
            )
        )
        replies = [await client.read() for _ in range(16)]
        assert [reply["id"] for reply in replies] == list(range(16))
        names = [name_of(reply) for reply in replies]
        assert names[:5] == ["a", "sessionExists", "limitExceeded", -32602, "sessionNotFound"]
        assert replies[5]["result"]["sessionCreated"] is False
        assert names[6:9] == ["a", "c", "c"]
        assert replies[10]["result"]["metadata"]["k"] == 1
        assert replies[11]["result"] == {"deleted": True, "trashId": 1}
        assert names[12] is None
        changes = [(one["type"], one["sessionName"]) for one in replies[13]["result"]["changes"]]
        assert changes == [
            ("created", "a"),
            ("activated", "a"),
            ("contextAdded", "a"),
            ("deactivated", "a"),
            ("created", "c"),
            ("activated", "c"),
            ("updated", "c"),
            ("deleted", "c"),
        ]
        assert names[14:] == [-32601, "d"]
        listed = await client.result("tenets/session.list", {"includeContextCount": True})
        counts = {one["name"]: one["contextCount"] for one in listed["sessions"]}
        assert counts == {"d": 0, "a": 1}


async def test_notifications_are_part_of_a_group(server_command: list[str]) -> None:
    async with Client.started(server_command) as client:
        await client.initialize()
        first, last = calls(("create", {"name": "a"}), ("get", {"name": "b"}))
        silent = [
            notification("tenets/session.create", {"name": "b"}),
            notification("tenets/session.create", {"name": "a"}),  # taken: an error without a reply
            notification("tenets/session.addContext", note("x", "b")[1]),
        ]
        await client.send(first, *silent, last)
        assert name_of(await client.read()) == "a"
        assert name_of(await client.read()) == "b"
        stats = await client.result("tenets/session.stats")
        assert (stats["sessions"], stats["contextEntries"]) == (2, 1)


async def test_a_cancelled_write_of_a_group_is_not_executed(server_command: list[str]) -> None:
    async with Client.started(server_command) as client:
        await client.initialize()
        messages: list[object] = list(calls(*[note(str(number)) for number in range(5)]))
        messages += [notification("$/cancelRequest", {"id": number}) for number in (0, 2, 2, 9)]
        await client.send(*messages)
        replies = {(reply := await client.read())["id"]: reply for _ in range(5)}
        cancelled = {key for key, reply in replies.items() if "error" in reply}
        assert {replies[key]["error"]["code"] for key in cancelled} <= {-32800}
        # They may have been read in pieces, and then the first ones were done already.
        assert cancelled in ({0, 2}, {2}, set())
        stats = await client.result("tenets/session.stats")
        assert stats["contextEntries"] == 5 - len(cancelled)


async def test_a_write_that_rolls_back_the_transaction_fails_alone(
    server_command: list[str], database: Path
) -> None:
    async with Client.started(server_command) as client:
        await client.initialize()
        await client.result("tenets/session.create", {"name": "s"})
        with ForeignWriter(database) as foreign:
            foreign.execute(
                "CREATE TRIGGER of_another_program BEFORE INSERT ON session_context"
                " WHEN NEW.content LIKE 'bad%' BEGIN SELECT RAISE(ROLLBACK, 'no'); END"
            )
        contents = [f"bad {number}" if number % 5 == 3 else str(number) for number in range(40)]
        messages: list[object] = list(calls(*[note(content) for content in contents]))
        # Some of them are cancelled as well, at different moments.
        cancels = [notification("$/cancelRequest", {"id": number}) for number in (7, 11, 12, 39)]
        await client.send(*messages, *cancels[:2])
        await client.send(*cancels[2:])
        replies = [await client.read() for _ in contents]
        assert sorted(reply["id"] for reply in replies) == list(range(40))
        done = [contents[reply["id"]] for reply in replies if "result" in reply]
        for reply in replies:
            if "error" in reply:
                bad = contents[reply["id"]].startswith("bad")
                assert reply["error"]["code"] in ({-32803, -32800} if bad else {-32800})
        assert not any(content.startswith("bad") for content in done)
        with ForeignWriter(database) as foreign:
            assert foreign.contents() == done


@both_modes
async def test_a_group_waits_for_another_programs_lock(
    server_command: list[str], database: Path
) -> None:
    async with Client.started(server_command) as editor:
        await editor.initialize()
        await editor.result("tenets/session.create", {"name": "s"})
        with ForeignWriter(database) as foreign, foreign.transaction():
            foreign.execute('UPDATE sessions SET metadata = \'{"of": "theirs"}\'')
            await editor.send(*calls(*[note(str(number)) for number in range(30)]))
            # Another client's reads do not wait, and the writes have met the lock by now.
            async with Client.started(server_command) as other:
                await other.initialize()
                assert await other.result("tenets/session.getActive") is None
        replies = [await editor.read() for _ in range(30)]
        assert [reply["id"] for reply in replies] == list(range(30))
        assert all("result" in reply for reply in replies)
        found = await editor.result("tenets/session.get", {"name": "s"})
        assert found["metadata"] == {"of": "theirs"}
        assert (await editor.result("tenets/session.stats"))["contextEntries"] == 30


@both_modes
async def test_acknowledged_writes_survive_a_kill(
    server_command: list[str], database: Path
) -> None:
    for round_number in range(3):
        async with Client.started(server_command) as client:
            await client.initialize()
            notes = [note(f"{round_number} {number}") for number in range(400)]
            await client.send(*calls(*notes))
            read = 1 + 166 * round_number
            for number in range(read):
                reply = await client.read()
                assert reply["id"] == number
                assert "result" in reply
            process = await server_process(client, server_command)
            os.kill(process, signal.SIGKILL)
        shared_processes.stop(database)
        with ForeignWriter(database) as foreign:
            contents = foreign.contents()
        kept = [content for content in contents if content.startswith(f"{round_number} ")]
        # Whole, in order, and no less than what was acknowledged.
        assert kept == [params["content"] for _, params in notes[: len(kept)]]
        assert len(kept) >= read


async def server_process(client: Client, command: list[str]) -> int:
    """Return who serves, without asking it: it has other things to do."""
    if "--standalone" in command:
        return client.process.pid
    database = Path(command[command.index("--database") + 1])
    return int(shared_processes.report(database)["pid"])


async def test_every_client_is_notified_of_every_change_of_a_group_once(
    server_command: list[str],
) -> None:
    async with (
        Client.opened(server_command) as author,
        Client.opened(server_command) as other,
    ):
        before = author.revision
        writes: list[tuple[str, Json]] = [
            ("create", {"name": f"s{number}", "active": True}) for number in range(40)
        ]
        writes += [note(str(number), f"s{number}") for number in range(40)]
        await author.pipelined(*writes)
        # 40 were created and activated, 39 deactivated, 40 notes were added.
        last = before + 40 + 40 + 39 + 40
        await author.until(last)
        await other.until(last)
        for client in (author, other):
            revisions = [one["revision"] for one in client.changes]
            assert revisions == list(range(before + 1, last + 1))
            assert client.active == "s39"
