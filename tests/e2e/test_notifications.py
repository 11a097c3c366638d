"""Every client is notified of every committed change, also of those by other programs."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from support.client import Client
from support.foreign import ForeignWriter
from support.host import Host
from support.messages import Json, notification, request
from support.modes import both_modes
from tenets_session_server.methods.changes import DID_CHANGE
from tenets_session_server.rpc.publisher import JOIN_INTERVAL
from tenets_session_server.storage.sqlite import watcher as file_events

pytestmark = pytest.mark.asyncio


def types_and_names(message: Json) -> list[tuple[str, str]]:
    return [(change["type"], change["sessionName"]) for change in message["changes"]]


async def test_clients_of_one_process_are_notified_and_the_author_after_its_reply(
    database: Path,
) -> None:
    async with Host.opened(database) as host:
        author, two = await host.client(), await host.client()
        params = {"name": "a", "metadata": {"k": [1]}, "active": True}
        await author.send(request(1, "tenets/session.create", params))
        reply, notice = await author.read(), await author.read()
        assert reply["id"] == 1
        session = {"sessionId": 1, "sessionName": "a", "author": None}
        assert notice == {
            "jsonrpc": "2.0",
            "method": DID_CHANGE,
            "params": {
                "revision": 2,
                "state": notice["params"]["state"],
                "changes": [
                    {"revision": 1, "type": "created", **session},
                    {"revision": 2, "type": "activated", **session},
                ],
                "active": {
                    name: value
                    for name, value in reply["result"].items()
                    if name not in {"created", "revision", "state"}
                },
            },
        }
        assert await two.next_change() == notice["params"]
        assert author.session_capability["revision"] == two.session_capability["revision"] == 0


async def test_every_type_of_change_is_notified(server_command: list[str], database: Path) -> None:
    async with Client.opened(server_command) as client:
        await client.call("create", {"name": "a"})
        await client.call("create", {"name": "b", "active": True})
        await client.call("setActive", {"name": "a"})
        await client.call("setActive", {"name": "a", "active": False})
        await client.call("updateMetadata", {"name": "a", "updates": {"k": 1}})
        added = await client.result("addContext", {"sessionName": "a", "kind": "k", "content": "c"})
        with ForeignWriter(database) as foreign:
            foreign.execute("UPDATE sessions SET name = 'c' WHERE name = 'b'")
            foreign.execute("DELETE FROM session_context")
        await client.call("delete", {"name": "c"})
        await client.until(11)
        assert [(c["type"], c["sessionName"], c.get("contextId")) for c in client.changes] == [
            ("created", "a", None),
            ("created", "b", None),
            ("activated", "b", None),
            ("deactivated", "b", None),
            ("activated", "a", None),
            ("deactivated", "a", None),
            ("updated", "a", None),
            ("contextAdded", "a", added["id"]),
            ("renamed", "c", None),
            ("contextRemoved", "a", added["id"]),
            ("deleted", "c", None),
        ]


@both_modes
async def test_clients_of_another_server_are_notified(server_command: list[str]) -> None:
    async with (
        Client.opened(server_command) as here,
        Client.opened(server_command) as there,
    ):
        await here.call("create", {"name": "a", "active": True})
        assert types_and_names(await there.next_change()) == [("created", "a"), ("activated", "a")]
        assert there.active == "a"
        await there.call("create", {"name": "b", "active": True})
        await here.until(5)
        assert here.active == "b"


@both_modes
async def test_commits_of_other_programs_are_notified_and_nothing_uncommitted(
    server_command: list[str], database: Path
) -> None:
    async with Client.opened(server_command) as client:
        await client.call("create", {"name": "ours"})
        await client.until(1)
        with ForeignWriter(database) as foreign:
            with foreign.transaction("ROLLBACK"):
                foreign.create("rolled back")
                # Long enough for several polls.
                for _ in range(50):
                    assert await client.names() == ["ours"]
            foreign.create("theirs", {"active": True})
            assert types_and_names(await client.next_change()) == [
                ("created", "theirs"),
                ("activated", "theirs"),
            ]
            assert client.active == "theirs"
            with foreign.transaction():
                foreign.set_active("ours")
                foreign.delete("theirs")
            message = await client.next_change()
            assert types_and_names(message)[-1] == ("deleted", "theirs")
            assert client.active == "ours"


async def test_without_inotify_changes_are_found_by_polling(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_events, "AVAILABLE", False)
    async with Host.opened(database) as host:
        client = await host.client()
        with ForeignWriter(database) as foreign:
            for name in ("a", "b"):
                foreign.create(name)
                assert types_and_names(await client.next_change()) == [("created", name)]
        database.rename(database.with_name("elsewhere"))
        await client.until_shown("Sessions are not available")
        database.with_name("elsewhere").rename(database)
        await client.until_shown("Sessions are available again")


async def test_writes_to_other_files_of_the_folder_delay_no_notification(
    server_command: list[str], database: Path
) -> None:
    async with Client.opened(server_command) as client:
        with ForeignWriter(database) as foreign, (database.parent / "log").open("w") as log:
            for number in range(20):
                for _ in range(50):
                    log.write("x")
                    log.flush()
                foreign.create(f"s{number}")
                assert types_and_names(await client.next_change()) == [("created", f"s{number}")]


async def test_commits_of_other_threads_are_notified(database: Path) -> None:
    async with Host.opened(database) as host:
        client = await host.client()
        for name in ("a", "b"):
            await asyncio.to_thread(host.session_db.create_session, name)
            assert types_and_names(await client.next_change()) == [("created", name)]


async def test_a_client_gets_no_changes_from_before_its_start(
    server_command: list[str], database: Path
) -> None:
    async with Client.started(server_command) as client:
        await client.initialize()
        with ForeignWriter(database) as foreign:
            for number in range(20):
                foreign.create(f"s{number}")
        async with Client.opened(server_command) as late:
            assert late.revision == 20
            await client.result("tenets/session.create", {"name": "new"})
            assert types_and_names(await late.next_change()) == [("created", "new")]


async def test_a_client_that_wants_no_notifications_gets_none(database: Path) -> None:
    async with Host.opened(database) as host:
        quiet, live = await host.quiet_client(), await host.client()
        await live.call("create", {"name": "a"})
        await live.until(1)
        # The next thing it reads is its reply.
        assert (await quiet.call("tenets/session.get", {"name": "a"}))["result"]["name"] == "a"


@pytest.mark.parametrize("value", [None, True])
async def test_notifications_are_on_unless_turned_off(
    server_command: list[str], value: bool | None
) -> None:
    async with Client.started(server_command) as client:
        await client.initialize(initializationOptions={"notifications": value})
        await client.result("tenets/session.create", {"name": "a"})
        assert (await client.read())["method"] == DID_CHANGE


async def test_the_metadata_of_the_active_session_can_be_left_out(
    server_command: list[str],
) -> None:
    async with (
        Client.started(server_command) as small,
        Client.opened(server_command) as large,
    ):
        await small.initialize(initializationOptions={"activeMetadata": False})
        await large.create("a", metadata={"pinned": ["x" * 100_000]}, active=True)
        await large.add_note("b", "another session's")
        await large.until(4)
        await small.until(4)
        assert large.notified[-1]["active"]["metadata"]["pinned"] == ["x" * 100_000]
        for message in small.notified:
            assert message["active"]["name"] == "a"
            assert "metadata" not in message["active"]
        assert (await small.session("getActive"))["metadata"]["pinned"]


async def test_bursts_of_changes_are_joined(server_command: list[str]) -> None:
    async with Client.started(server_command) as client, Client.opened(server_command) as other:
        await client.initialize()
        note = {"sessionName": "a", "kind": "k", "content": ""}
        await client.send(*(request(n, "tenets/session.addContext", note) for n in range(500)))
        await other.until(501)  # the session, and its notes
        assert len(other.notified) < 250
        assert [change["type"] for change in other.changes] == ["created"] + 500 * ["contextAdded"]


@both_modes
async def test_bursts_of_other_programs_are_joined_and_begin_at_once(
    server_command: list[str], database: Path
) -> None:
    async with Client.opened(server_command) as client:
        await client.create("a", metadata={"pinned": ["x" * 10_000]}, active=True)
        await client.until(2)
        before = len(client.notified)

        def pin() -> float:
            started = time.monotonic()
            with ForeignWriter(database) as foreign:
                for number in range(300):
                    foreign.update("a", {"pinned": [str(number)] * 1000})
            return time.monotonic() - started

        seconds = await asyncio.to_thread(pin)
        await client.until(302)
        messages = client.notified[before:]
        assert len(messages) <= 3 + seconds / JOIN_INTERVAL
        assert len(messages[0]["changes"]) < 300
        assert client.notified[-1]["active"]["metadata"]["pinned"][0] == "299"


async def test_after_shutdown_nothing_is_notified(database: Path) -> None:
    async with Host.opened(database) as host:
        leaving, live = await host.client(), await host.client()
        assert await leaving.result("shutdown") is None
        await live.call("create", {"name": "a"})
        await live.until(1)
        await leaving.send(notification("exit"))
        assert await leaving.ended() == 0
        assert await leaving.rest() == b""


async def test_a_write_that_waited_for_a_lock_is_notified_after_its_reply(database: Path) -> None:
    async with Host.opened(database) as host:
        author, other = await host.client(), await host.client()
        with ForeignWriter(database) as foreign, foreign.transaction("ROLLBACK"):
            await author.send(request("a", "tenets/session.create", {"name": "a"}))
            # The other client is served meanwhile, so the write is waiting by now.
            assert await other.names() == []
        assert (await author.read())["id"] == "a"
        assert (await author.read())["method"] == DID_CHANGE
        assert types_and_names(await other.next_change()) == [("created", "a")]
