"""What ends what: the daemon, the command of an editor, the editor."""

from __future__ import annotations

import asyncio
import fcntl
import functools
import os
import shutil
import signal
import sys
import textwrap
from pathlib import Path

import pytest

from support import shared
from support.client import Client
from support.messages import request
from support.waiting import eventually

pytestmark = pytest.mark.asyncio

CREATE = "tenets/session.create"
ADD = "tenets/session.addContext"
LIST = "tenets/session.list"
UNHEEDED = {signal.SIGKILL, signal.SIGSTOP}


async def test_the_daemon_ends_after_the_idle_timeout(
    shared_command: list[str], database: Path
) -> None:
    async with Client.started([*shared_command, "--idle-timeout", "3600"]) as client:
        await client.initialize()
        first = await client.served_by()
        await client.result(CREATE, {"name": "kept"})
        await client.leave()
    async with Client.started([*shared_command, "--idle-timeout", "0.2"]) as client:
        await client.initialize()
        assert await client.served_by() == first
        assert shared.is_running(first)
        await client.leave()
        await shared.ended(first)
    assert not shared.socket_of(database).exists()
    async with Client.started(shared_command) as client:
        await client.initialize()
        assert await client.served_by() != first
        assert [one["name"] for one in (await client.result(LIST))["sessions"]] == ["kept"]


async def test_starts_while_it_is_ending_are_all_served(shared_command: list[str]) -> None:
    async def come_and_go(count: int) -> None:
        for _ in range(count):
            async with Client.started([*shared_command, "--idle-timeout", "0"]) as client:
                await client.initialize()
                assert await client.served_by() != client.process.pid
                assert await client.leave() == 0
                assert await client.log() == ""

    await asyncio.gather(*[come_and_go(3) for _ in range(3)])


async def test_a_killed_daemon_ends_its_commands_with_a_message(
    shared_command: list[str], database: Path
) -> None:
    async with (
        Client.started(shared_command) as one,
        Client.started(shared_command) as two,
        Client.started(shared_command) as three,
    ):
        for client in (one, two, three):
            await client.initialize()
        await two.result(CREATE, {"name": "acknowledged"})
        killed = await one.served_by()
        os.kill(killed, signal.SIGKILL)
        for client in (one, two, three):
            assert await client.ended() == 1
            (line,) = (await client.log()).splitlines()
            assert (
                line == "tenets-session-server: the daemon ended unexpectedly; restart the server"
            )
    # Its socket is still there, and no process listens on it.
    assert shared.socket_of(database).is_socket()
    async with Client.started(shared_command) as client:
        await client.initialize()
        assert await client.served_by() not in {killed, client.process.pid}
        assert (await client.result("tenets/session.get", {"name": "acknowledged"}))["id"] == 1


@pytest.mark.parametrize(
    "number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGSTOP]
)
async def test_a_signal_to_a_command_ends_only_its_connection(
    shared_command: list[str], database: Path, number: int
) -> None:
    # Whatever has started the tests may have ignored it; a caught one would be as good.
    heeded = (
        None if number in UNHEEDED else functools.partial(signal.signal, number, signal.SIG_DFL)
    )
    async with (
        Client.started(shared_command) as one,
        Client.started(shared_command, preexec_fn=heeded) as two,
    ):
        await one.initialize()
        await two.initialize()
        two.process.send_signal(number)
        if number == signal.SIGSTOP:  # it is not needed for anything but its end
            await two.result(CREATE, {"name": "by a stopped one"})
            two.process.kill()
        assert await two.ended() in {1, -signal.SIGKILL}
        # Its pipes are still held by us, and are let go of on the other side.
        assert await two.rest() == b""
        assert await two.log() == ""
        await eventually(lambda: len(shared.report(database)["clients"]) == 1)
        await one.result(CREATE, {"name": "a"})


async def test_whole_requests_of_a_killed_editor_are_executed(
    shared_command: list[str], database: Path
) -> None:
    # The editor is killed, and this process holds its pipes.
    editor = textwrap.dedent("""
        import subprocess, sys, time
        subprocess.Popen(sys.argv[1:])
        time.sleep(3600)
    """)
    async with Client.opened(shared_command) as other:
        async with Client.started([sys.executable, "-c", editor, *shared_command]) as client:
            await client.initialize()
            notes = [
                request(n, ADD, {"sessionName": "a", "kind": "note", "content": f"{n}"})
                for n in range(100)
            ]
            await client.send(*notes)
            client.process.kill()
            await client.rest()
        await other.until(101)
        await eventually(lambda: len(shared.report(database)["clients"]) == 1)


async def test_a_stopped_daemon_sends_the_replies_that_are_due(
    shared_command: list[str], database: Path
) -> None:
    async with Client.started(shared_command) as one, Client.started(shared_command) as two:
        await one.initialize()
        await two.initialize()
        pid = await one.served_by()
        await one.send(*[request(n, CREATE, {"name": f"s{n}"}) for n in range(50)])
        await asyncio.to_thread(shared.stop, database)
        await shared.ended(pid)
        answered = (await one.rest()).count(b'"result"')
        for client in (one, two):
            assert await client.ended() == 1
            (line,) = (await client.log()).splitlines()
            assert line.startswith("tenets-session-server: the daemon was stopped; ")
    async with Client.started(shared_command) as client:
        await client.initialize()
        assert len((await client.result(LIST))["sessions"]) == answered == 50


async def test_a_deleted_database_is_created_again_for_a_new_client(
    shared_command: list[str], database: Path
) -> None:
    async with Client.started(shared_command) as client:
        await client.initialize()
        await client.result(CREATE, {"name": "a"})
        await client.leave()
    for ending in ("", "-wal", "-shm"):
        database.with_name(f"tenets.db{ending}").unlink(missing_ok=True)
    async with Client.started(shared_command) as one:
        assert (await one.initialize())["warnings"] == []
        assert (await one.result(LIST))["sessions"] == []
        database.unlink()
        assert (await one.call(CREATE, {"name": "x"}))["error"]["data"]["kind"] == (
            "databaseUnavailable"
        )
        # As a process of its own would.
        async with Client.started(shared_command) as two:
            assert (await two.initialize())["warnings"] == []
            await two.result(CREATE, {"name": "b"})
            assert [one["name"] for one in (await one.result(LIST))["sessions"]] == ["b"]


async def test_without_clients_the_daemon_has_the_database_closed(
    shared_command: list[str], database: Path
) -> None:
    async with Client.started(shared_command) as client:
        await client.initialize()
        pid = await client.served_by()
        await client.result(CREATE, {"name": "a"})
        await client.leave()
        assert shared.report(database)["revision"] == 1  # without opening it again
    # All of it is in the one file, which may be copied, or replaced by any means.
    assert [path.name for path in database.parent.iterdir()] == ["tenets.db"]
    opened = [path.readlink().name for path in Path(f"/proc/{pid}/fd").iterdir()]
    assert "tenets.db" not in opened
    database.unlink()
    assert shared.report(database)["clients"] == []
    assert not database.exists()


async def test_the_daemon_ends_though_its_folder_was_removed(
    shared_command: list[str], database: Path
) -> None:
    async with Client.started([*shared_command, "--idle-timeout", "0"]) as client:
        await client.initialize()
        pid = await client.served_by()
        shutil.rmtree(shared.folder())
        await client.result(CREATE, {"name": "a"})
        await client.leave()
    await shared.ended(pid)
    assert database.exists()


@pytest.mark.timings(LOCK_TIMEOUT=0.3)
async def test_the_daemon_ends_though_another_process_keeps_its_lock(
    shared_command: list[str], database: Path
) -> None:
    async with Client.started([*shared_command, "--idle-timeout", "0"]) as client:
        await client.initialize()
        pid = await client.served_by()
        with shared.socket_of(database).with_suffix(".lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            await client.leave()
            await shared.ended(pid)
    assert not shared.socket_of(database).exists()
