"""Clients that do not read, flood, delete much or wait for a lock do not delay other clients."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.client import Client
from support.foreign import ForeignWriter
from support.host import Host
from support.messages import frame, notification, request
from support.modes import both_modes
from support.pipes import DEADLINE
from support.waiting import eventually
from tenets_session_server.config import TenetsConfig
from tenets_session_server.storage.session_db import SessionDB
from tenets_session_server.storage.sqlite import hidden_context
from tenets_session_server.wire import streams

pytestmark = pytest.mark.asyncio

LIST = "tenets/session.list"
CREATE = "tenets/session.create"
ADD = "tenets/session.addContext"


async def test_a_client_that_does_not_read_is_held_back_and_served_when_it_does(
    database: Path,
) -> None:
    async with Host.opened(database) as host:
        lazy, other = await host.quiet_client(), await host.quiet_client()
        large = {"name": "large", "metadata": {"t": "x" * 500_000}}
        await lazy.call(CREATE, large)
        sending = asyncio.ensure_future(lazy.send(*[request(n, LIST) for n in range(100)]))
        for _ in range(50):
            await other.names()
        assert not lazy.hosted.status.done()
        for number in range(100):
            assert (await lazy.read())["id"] == number
        await sending


async def test_the_input_of_a_client_that_does_not_read_is_held_back(database: Path) -> None:
    async with Host.opened(database) as host:
        lazy, other = await host.quiet_client(), await host.quiet_client()
        await lazy.call(CREATE, {"name": "large", "metadata": {"t": "x" * 900_000}})
        flood = b"".join(
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
            for body in [b'{"jsonrpc":"2.0","id":1,"method":"tenets/session.list"}'] * 30_000
        )
        sending = asyncio.ensure_future(lazy.send(flood))
        done, _ = await asyncio.wait({sending}, timeout=1.0)
        assert not done, "the pipe took everything: nothing holds the client back"
        assert not lazy.hosted.status.done()
        await other.names()
        lazy.hosted.close()
        assert await lazy.ended() == 1
        await asyncio.wait({sending}, timeout=DEADLINE)
        assert sending.done()


async def test_a_client_with_too_much_unread_is_dropped(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "OVERFLOW_BYTES", 200_000)
    async with Host.opened(database) as host:
        lazy, other = await host.quiet_client(), await host.quiet_client()
        await other.call(CREATE, {"name": "large", "metadata": {"t": "x" * 150_000}})
        await lazy.send(request(1, LIST), request(2, LIST))
        assert await lazy.ended() == 1
        await other.names()


async def test_a_flood_does_not_keep_others_waiting(database: Path) -> None:
    async with Host.opened(database) as host:
        flooding, other = await host.quiet_client(), await host.quiet_client()
        count = 20_000
        sending = asyncio.ensure_future(flooding.send(*[request(n, LIST) for n in range(count)]))
        assert (await flooding.read())["id"] == 0
        answered = asyncio.ensure_future(other.names())
        for number in range(1, count):
            assert (await flooding.read())["id"] == number
            if answered.done():
                break
        await answered
        assert number < count - 1, "the other client was served after the whole flood"
        flooding.hosted.close()
        await asyncio.wait({sending}, timeout=DEADLINE)
        sending.exception()


async def test_writes_wait_for_a_lock_and_other_clients_are_served(database: Path) -> None:
    async with Host.opened(database) as host:
        writing, reading = await host.quiet_client(), await host.quiet_client()
        with locked(database):
            await writing.send(
                request(1, CREATE, {"name": "a"}),
                request(2, LIST),
                request(3, ADD, {"sessionName": "a", "kind": "k", "content": "c"}),
            )
            for _ in range(20):
                assert await reading.names() == []
            assert readable(writing.hosted.reading) is False
        # Order is kept: the list that was asked for second sees what was created first.
        assert (await writing.read())["result"]["name"] == "a"
        assert [s["name"] for s in (await writing.read())["result"]["sessions"]] == ["a"]
        assert (await writing.read())["result"]["sessionCreated"] is False


async def test_a_write_that_waits_can_be_cancelled(database: Path) -> None:
    async with Host.opened(database) as host:
        client = await host.quiet_client()
        with locked(database):
            await client.send(request(1, CREATE, {"name": "a"}))
            await client.send(notification("$/cancelRequest", {"id": 1}))
            reply = await client.read()
            assert (reply["id"], reply["error"]["code"]) == (1, -32800)
        assert await client.names() == []


async def test_a_write_can_be_cancelled_before_its_wait_has_begun(database: Path) -> None:
    """Both in one turn of the event loop: the task that would wait never takes its first step."""
    async with Host.opened(database) as host:
        client = await host.quiet_client()
        create = request(1, CREATE, {"name": "a"})
        cancel = notification("$/cancelRequest", {"id": 1})
        with locked(database):
            client.expect_reply_to(create)
            for message in (create, cancel):
                client.hosted.connection._arrived(frame(message))
            reply = await client.read()
            assert (reply["id"], reply["error"]["code"]) == (1, -32800)
        assert await client.names() == []


@pytest.mark.parametrize("params", [..., {}, {"id": None}, {"id": True}, {"id": 1.0}])
async def test_a_cancel_that_names_nothing_cancels_nothing(database: Path, params: object) -> None:
    async with Host.opened(database) as host:
        client = await host.quiet_client()
        with locked(database):
            await client.send(notification(ADD, {"sessionName": "a", "kind": "k", "content": "c"}))
            await client.send(request(1, CREATE, {"name": "b"}))
            await client.send(notification("$/cancelRequest", params))
        assert (await client.read())["result"]["name"] == "b"
        page = await client.session("list", includeContextCount=True)
        assert [session["contextCount"] for session in page["sessions"]] == [0, 1]


@pytest.mark.timings(BUSY_TIMEOUT=0.1)
async def test_a_lock_that_is_not_released_is_an_error(database: Path) -> None:
    async with Host.opened(database) as host:
        client = await host.quiet_client()
        with locked(database):
            error = (await client.call(CREATE, {"name": "a"}))["error"]
            assert error["code"] == -32803
            assert error["data"] == {"kind": "databaseBusy", "retryable": True}
        assert (await client.call(CREATE, {"name": "a"}))["result"]["name"] == "a"


@both_modes
async def test_an_editor_that_leaves_while_its_write_waits_does_not_lose_it(
    server_command: list[str], database: Path
) -> None:
    async with Client.started(server_command) as client:
        await client.initialize()
        with locked(database):
            await client.send(request(1, CREATE, {"name": "last words"}))
            client.end_input()
        assert (await client.read())["result"]["name"] == "last words"
        assert await client.ended() == 1


@contextlib.contextmanager
def locked(database: Path) -> Iterator[None]:
    """Hold the database's write lock, as another program would."""
    with ForeignWriter(database) as foreign, foreign.transaction("ROLLBACK"):
        yield


def readable(fd: int) -> bool:
    """Tell whether there is something to read now."""
    import select

    return bool(select.select([fd], [], [], 0)[0])


async def test_the_trash_is_emptied_in_batches_between_other_requests(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hidden_context, "BATCH", 10)
    async with Host.opened(database) as host:
        busy, other = await host.quiet_client(), await host.quiet_client()
        with host.session_db.db.transaction():
            for number in range(3000):
                host.session_db.add_context("large", "note", f"{number}")
            host.session_db.add_context("small", "note", "kept")
        deleted = (await busy.call("tenets/session.delete", {"name": "large"}))["result"]
        emptied = await busy.call("tenets/session.emptyTrash", {"id": deleted["trashId"]})
        assert emptied["result"] == {"removed": 1}
        served = 0
        while rows(host) > 1:
            listed = (await other.call(LIST, {"includeContextCount": True}))["result"]["sessions"]
            assert [(one["name"], one["contextCount"]) for one in listed] == [("small", 1)]
            served += 1
        assert served > 20


async def test_what_an_earlier_process_left_of_the_trash_is_removed(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hidden_context, "BATCH", 10)
    with SessionDB(TenetsConfig(database=database)) as crashed:
        with crashed.db.transaction():
            for number in range(35):
                crashed.add_context("large", "note", f"{number}")
        crashed.delete_session("large")
        crashed.store.trash.empty()  # as when the process dies before the first batch
    async with Host.opened(database) as host:
        assert rows(host) == 35
        await host.quiet_client()
        await eventually(lambda: rows(host) == 0)


async def test_a_deletion_waits_for_a_lock(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hidden_context, "BATCH", 10)
    async with Host.opened(database) as host:
        client = await host.quiet_client()
        with host.session_db.db.transaction():
            for number in range(100):
                host.session_db.add_context("large", "note", f"{number}")
        with locked(database):
            await client.send(request(1, "tenets/session.delete", {"name": "large"}))
            await host.quiet_client()  # whose handshake comes after the request has met the lock
        assert (await client.read())["result"] == {"deleted": True, "trashId": 1}
        await client.call("tenets/session.emptyTrash")
        with locked(database):
            await host.quiet_client()  # meanwhile a batch meets the lock
        await eventually(lambda: rows(host) == 0)


def rows(host: Host) -> int:
    """Return the number of entries in their table, hidden ones included."""
    found: int = host.session_db.db.run("SELECT count(*) FROM session_context")[0][0]
    return found


async def test_garbage_after_the_last_requests_of_a_client_executes_nothing_twice(
    database: Path,
) -> None:
    async with Host.opened(database) as host:
        client = await host.quiet_client()
        # The pipe takes more than is read at once.
        fcntl.fcntl(client.hosted.writing, fcntl.F_SETPIPE_SZ, 1024 * 1024)
        notes = [
            frame(request(n, ADD, {"sessionName": "s", "kind": "note", "content": f"{n}"}))
            for n in range(3)
        ]
        os.set_blocking(client.hosted.writing, False)
        with contextlib.suppress(BlockingIOError):
            os.write(client.hosted.writing, b"".join(notes))
            while True:
                os.write(client.hosted.writing, b"no header at all\n" * 1000)
        client.hosted.connection.leave("a test")  # before any of it has been read
        await client.ended()
        stored = host.session_db.db.run("SELECT content FROM session_context ORDER BY id")
        assert stored == [("0",), ("1",), ("2",)]
