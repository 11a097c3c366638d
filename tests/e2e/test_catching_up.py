"""Clients that are behind, and changes that could not be read at once, are notified later."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from support.client import Client
from support.foreign import ForeignWriter
from support.host import Host
from support.messages import Json
from support.pipes import DEADLINE
from tenets_session_server.errors import (
    DatabaseBusyError,
    DatabaseError,
    DatabaseReadOnlyError,
    DatabaseUnavailableError,
)
from tenets_session_server.models.changes import ChangeBatch, State
from tenets_session_server.rpc.publisher import UNKNOWN
from tenets_session_server.wire import streams

pytestmark = pytest.mark.asyncio


def types_and_names(message: Json) -> list[tuple[str, str]]:
    return [(change["type"], change["sessionName"]) for change in message["changes"]]


async def test_a_client_that_catches_up_takes_no_change_from_others(database: Path) -> None:
    async with Host.opened(database) as host:
        one, two = await host.client(), await host.client()
        await two.call("create", {"name": "a"})
        await two.until(1)
        with ForeignWriter(database) as foreign:
            foreign.create("b")
            # As if it had just read on, before the next poll of the file.
            one.hosted.server.client.last_sent = UNKNOWN
            host.publisher.catch_up(one.hosted.server.client)
            await two.until(2)
            foreign.create("c")
            await two.until(3)
        assert [change["sessionName"] for change in two.changes] == ["a", "b", "c"]


@pytest.mark.parametrize("error", [DatabaseBusyError("once"), DatabaseUnavailableError("once")])
async def test_changes_that_could_not_be_read_are_notified_later(
    database: Path, monkeypatch: pytest.MonkeyPatch, error: DatabaseError
) -> None:
    async with Host.opened(database) as host:
        client = await host.client()
        batch_after, failures = host.store.change_log.batch_after, [error, error]

        def failing(start: State) -> ChangeBatch | None:
            if failures:
                raise failures.pop()
            return batch_after(start)

        monkeypatch.setattr(host.store.change_log, "batch_after", failing)
        await client.call("create", {"name": "a"})
        await client.until(1)
        failures.append(error)
        with ForeignWriter(database) as foreign:
            foreign.create("b")
        await client.until(2)
        assert failures == []


@pytest.mark.timings(CHECKPOINT_AFTER=0.0)
async def test_a_failed_checkpoint_is_not_shown(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = asyncio.Event()

    def failing() -> bool:
        tried.set()
        raise DatabaseReadOnlyError("the database may not be written")

    async with Host.opened(database) as host:
        monkeypatch.setattr(host.session_db.db, "checkpoint", failing)
        client = await host.client()
        await client.call("create", {"name": "a"})
        await asyncio.wait_for(tried.wait(), DEADLINE)
        await client.call("create", {"name": "b"})
        await client.until(2)
        assert client.shown == []


async def test_a_client_that_does_not_read_catches_up_later(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "CONGESTED_BYTES", 20_000)
    async with Host.opened(database) as host:
        behind, live = await host.client(), await host.client()
        long = "n" * 250
        for number in range(500):
            await live.call("create", {"name": f"{long}{number}", "active": True})
        await live.until(1_499)
        # The rest comes in one message; until then it does not wait in memory.
        unread = behind.hosted.server.client.writer
        assert unread is not None
        assert unread.unsent < 2 * streams.CONGESTED_BYTES
        await behind.until(live.revision)
        assert behind.changes == live.changes
        assert len(behind.notified) < len(live.notified)
        # And it goes on as before.
        await live.call("create", {"name": "z"})
        assert types_and_names(await behind.next_change()) == [("created", "z")]


async def test_a_client_behind_the_oldest_kept_change_gets_an_incomplete_notification(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "CONGESTED_BYTES", 20_000)
    async with Host.opened(database) as host:
        behind, live = await host.client(), await host.client()
        for number in range(500):
            await live.call("create", {"name": f"{'n' * 250}{number}"})
        await live.until(500)
        with ForeignWriter(database) as foreign:
            foreign.execute("DELETE FROM session_server_changes WHERE revision <= 499")
        await behind.until(500)
        assert behind.notified[-1]["incomplete"] is True
        assert behind.notified[-1]["changes"] == []
        await live.call("create", {"name": "z", "active": True})
        await behind.until(502)
        assert behind.active == "z"


async def test_after_lost_triggers_clients_get_an_incomplete_notification(
    shared_command: list[str], database: Path
) -> None:
    """Changes without triggers are in no log; the next client has the triggers restored."""
    async with Client.opened(shared_command) as client:
        await client.result("create", {"name": "a", "active": True})
        await client.result("create", {"name": "b"})
        await client.result("addContext", {"sessionName": "a", "kind": "note", "content": "x"})
        await client.until(4)
        assert client.active == "a"
        with ForeignWriter(database) as foreign:
            for (name,) in foreign.rows("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
                foreign.execute(f"DROP TRIGGER {name}")
            foreign.set_active("b")
        async with Client.opened(shared_command) as other:
            assert (await other.result("getActive"))["name"] == "b"
            await other.result("addContext", {"sessionName": "a", "kind": "note", "content": "y"})
            await client.until((await other.result("stats"))["revision"])
        assert client.active == "b"
        assert any(message.get("incomplete") for message in client.notified)
