"""The database file is deleted, moved or replaced under a running server."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from support.client import Client
from support.foreign import ForeignWriter
from support.host import Host
from support.messages import Json
from support.modes import both_modes
from support.waiting import eventually, size
from tenets_session_server.config import TenetsConfig
from tenets_session_server.storage.session_db import SessionDB
from tenets_session_server.wire import streams

NOTE = {"sessionName": "a", "kind": "note", "content": "x"}


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """Where a file is moved to."""
    return tmp_path / "elsewhere.db"


@pytest.mark.asyncio
async def test_a_file_that_is_moved_away_and_back(
    server_command: list[str], database: Path, elsewhere: Path
) -> None:
    async with (
        Client.opened(server_command) as one,
        Client.opened(server_command) as two,
    ):
        await one.result("create", {"name": "a", "active": True})
        await two.until(2)
        database.rename(elsewhere)
        for client in (one, two):
            shown = await client.until_shown("Sessions are not available")
            assert shown["type"] == 1  # Error
            assert str(database) in shown["message"]
            for method, params in (("addContext", NOTE), ("getActive", {})):
                error = (await client.call(method, params))["error"]
                assert error["code"] == -32803
                assert error["data"] == {"kind": "databaseUnavailable", "retryable": False}
        assert not database.exists(), "a new one would be in the way of the old one"
        elsewhere.rename(database)
        for client in (one, two):
            await client.until_shown("Sessions are available again")
            assert (await client.result("getActive"))["name"] == "a"
        await one.result("addContext", NOTE)
        last = (await one.result("changes", {"since": one.revision}))["revision"]
        for client in (one, two):
            await client.until(last)
            assert client.active == "a"
            # A client that keeps a copy of the sessions knows that it may be out of date.
            assert any(message.get("incomplete") for message in client.notified)


@pytest.mark.asyncio
async def test_a_file_that_is_replaced_by_an_older_one(
    server_command: list[str], database: Path, elsewhere: Path
) -> None:
    async with (
        Client.opened(server_command) as one,
        Client.opened(server_command) as two,
    ):
        await one.result("create", {"name": "old", "active": True})
        with ForeignWriter(database) as foreign:
            foreign.copy_to(elsewhere)
        await one.result("delete", {"name": "old"})
        await one.result("create", {"name": "new", "active": True})
        await two.until(5)
        elsewhere.replace(database)
        for client in (one, two):
            # Revisions only grow, though the older file's are lower: Client sees to that.
            while not client.notified[-1].get("incomplete"):
                await client.next_change()
            assert client.active == "old"
            error = (await client.call("changes", {"since": 5}))["error"]
            assert error["data"]["kind"] == "revisionExpired"
            assert (await client.result("changes", {"since": client.revision}))["changes"] == []
        await two.result("addContext", {**NOTE, "sessionName": "old"})
        for client in (one, two):
            await client.until(client.revision + 1)
            assert client.changes[-1]["type"] == "contextAdded"
    assert integrity(database) == "ok"


@pytest.mark.timings(SETTLED=0.1, CONSTANT_SIZE=0.4)
@pytest.mark.asyncio
async def test_a_client_that_is_behind_when_the_file_is_replaced_gets_an_incomplete_notification(
    database: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "CONGESTED_BYTES", 20_000)
    with SessionDB(TenetsConfig(database=elsewhere)) as other:
        for number in range(2_000):
            other.create_session(f"other {number}")
    async with Host.opened(database) as host:
        live = await host.client()
        behind = await host.client()
        for number in range(500):
            await live.call("create", {"name": f"{'n' * 250}{number}"})
        await live.until(500)
        elsewhere.replace(database)
        await live.until(2_000)
        assert live.notified[-1]["incomplete"] is True
        await behind.until(2_000)
        assert behind.notified[-1]["incomplete"] is True
        await live.call("create", {"name": "z", "active": True})
        await behind.until(2_002)
        assert behind.active == "z"


@pytest.mark.timings(SETTLED=0.1, CONSTANT_SIZE=0.4)
@pytest.mark.asyncio
async def test_a_client_that_came_after_the_loss_is_shown_that_the_file_is_back(
    database: Path, elsewhere: Path
) -> None:
    async with Host.opened(database) as host:
        first = await host.client()
        await first.call("create", {"name": "a"})
        database.rename(elsewhere)
        await first.until_shown("Sessions are not available")
        second = await host.client()
        elsewhere.rename(database)
        for client in (first, second):
            await client.until_shown("Sessions are available again")
            assert (await client.result("list"))["sessions"][0]["name"] == "a"


@pytest.mark.asyncio
async def test_a_file_that_is_deleted_and_copied_back_bit_by_bit(
    server_command: list[str], database: Path, elsewhere: Path
) -> None:
    async with Client.opened(server_command) as client:
        for number in range(200):
            note = {**NOTE, "content": f"{number} " + "x" * 2_000}
            await client.result("addContext", note)
        with ForeignWriter(database) as foreign:
            foreign.copy_to(elsewhere)
        database.unlink()
        await client.until_shown("Sessions are not available")
        backup = elsewhere.read_bytes()
        # As cp(1) does it, on a slow disk: for a while there is an empty file, then half of one.
        with database.open("wb") as copy:
            for start in range(0, len(backup), len(backup) // 3):
                copy.write(backup[start : start + len(backup) // 3])
                copy.flush()
                error = (await client.call("addContext", NOTE))["error"]
                assert error["data"]["kind"] == "databaseUnavailable"
        await client.until_shown("Sessions are available again")
        page = await client.result("list", {"includeContextCount": True})
        assert [one["contextCount"] for one in page["sessions"]] == [200]
        await client.result("addContext", NOTE)
    assert integrity(database) == "ok"


@both_modes
@pytest.mark.asyncio
async def test_only_a_new_server_creates_a_deleted_file_again(
    server_command: list[str], database: Path
) -> None:
    async with Client.opened(server_command) as client:
        await client.result("create", {"name": "a"})
        shutil.rmtree(database.parent)
        await client.until_shown("put it back, bring back a backup")
        assert "error" in await client.call("create", {"name": "b"})
        assert not database.parent.exists()
    async with Client.opened(server_command) as client:
        assert (await client.result("list"))["sessions"] == []


@pytest.mark.asyncio
async def test_a_server_without_a_database_shows_when_there_is_one(
    server_command: list[str], database: Path, elsewhere: Path
) -> None:
    with SessionDB(TenetsConfig(database=elsewhere)) as sessions:
        sessions.create_session("a", {"active": True})
    database.parent.mkdir()
    database.write_bytes(b"no database at all, but long enough to be looked at" * 100)
    async with Client.opened(server_command) as client:
        assert "error" in await client.call("list")
        database.unlink()
        elsewhere.rename(database)
        await client.until_shown("Sessions are available again")
        await client.until(2)
        assert client.active == "a"
        assert (await client.result("getActive"))["name"] == "a"


@pytest.mark.asyncio
async def test_a_link_that_leads_somewhere_else(
    server_command: list[str], database: Path, elsewhere: Path, tmp_path: Path
) -> None:
    database.parent.mkdir()
    database.symlink_to(elsewhere)
    with SessionDB(TenetsConfig(database=tmp_path / "other.db")) as other:
        other.create_session("of the other", {"active": True})
    async with Client.opened(server_command) as client:
        await client.result("create", {"name": "a"})
        database.unlink()
        database.symlink_to(tmp_path / "other.db")
        assert "error" in await client.call("addContext", NOTE)
        await client.until_shown("Sessions are available again")
        assert (await client.result("getActive"))["name"] == "of the other"
        assert client.active == "of the other"


@both_modes
@pytest.mark.asyncio
async def test_a_deleted_write_ahead_log_loses_no_note(
    server_command: list[str], database: Path
) -> None:
    async with Client.opened(server_command) as client:
        await client.result("addContext", NOTE)
        for ending in ("-wal", "-shm"):
            database.with_name(f"tenets.db{ending}").unlink()
        assert "error" in await client.call("addContext", NOTE), "it would be lost"
        await client.until_shown("Sessions are available again")
        async with Client.opened(server_command) as other:
            await other.result("addContext", NOTE)
            await client.result("addContext", NOTE)
    with SessionDB(TenetsConfig(database=database)) as after:
        assert after.store.sessions.page(include_context_count=True).sessions[0].context_count == 3
    assert integrity(database) == "ok"


@pytest.mark.parametrize("with_our_tables", [True, False])
@pytest.mark.asyncio
async def test_an_older_state_that_is_restored_in_place(
    server_command: list[str], database: Path, elsewhere: Path, with_our_tables: bool
) -> None:
    if with_our_tables:
        SessionDB(TenetsConfig(database=elsewhere)).close()
    with ForeignWriter(elsewhere) as older:
        older.create_tables()
        older.create("old", {"active": True})
    async with Client.opened(server_command) as client:
        for number in range(20):
            await client.call("create", {"name": f"s{number}"})
        await client.until(20)
        with ForeignWriter(database) as foreign:
            foreign.restore_from(elsewhere)
        while not client.notified[-1].get("incomplete"):
            await client.next_change()
        assert client.active == "old"
        await client.result("create", {"name": "new"})
        await client.until(client.revision + 1)
        assert client.changes[-1]["sessionName"] == "new"
        names = [one["name"] for one in (await client.result("list"))["sessions"]]
        assert names == ["new", "old"]


@both_modes
@pytest.mark.timings(CHECKPOINT_AFTER=1.0)
@pytest.mark.asyncio
async def test_the_write_ahead_log_is_emptied_when_idle(
    server_command: list[str], database: Path
) -> None:
    log = database.with_name("tenets.db-wal")
    async with (
        Client.opened(server_command) as one,
        Client.opened(server_command) as two,
    ):
        for number in range(20):
            await one.result("addContext", {**NOTE, "content": "x" * 10_000})
            await two.result("create", {"name": f"s{number}"})
        assert size(log) > 100_000
        await eventually(lambda: size(log) == 0)
        with ForeignWriter(database) as foreign:
            foreign.create("theirs")
            assert size(log) > 0
            await eventually(lambda: size(log) == 0)


def integrity(database: Path) -> str:
    with ForeignWriter(database) as foreign:
        return foreign.integrity()


@pytest.mark.timings(SETTLED=0.1, CONSTANT_SIZE=0.4)
@pytest.mark.asyncio
async def test_two_processes_after_the_shared_memory_was_deleted(
    server_command: list[str], database: Path
) -> None:
    direct = [*server_command, "--standalone"]
    async with Client.opened(server_command) as one:
        await one.create("a")
        await one.create("b")
        Path(f"{database}-shm").unlink()
        async with Client.opened(direct) as two:
            added = 0
            for number in range(40):
                for client, name in ((one, "a"), (two, "b")):
                    await patiently(client, "setActive", {"name": name})
                    note = {"sessionName": name, "kind": "note", "content": str(number)}
                    await patiently(client, "addContext", note)
                    added += 1
            assert await one.active_name() == await two.active_name() == "b"
            with ForeignWriter(database) as foreign:
                assert len(foreign.contents()) == added
    assert integrity(database) == "ok"


async def patiently(client: Client, method: str, params: Json) -> None:
    """Repeat a request as long as it may succeed by itself."""
    while "error" in (reply := await client.call(method, params)):
        assert reply["error"]["data"]["retryable"] is True, reply
