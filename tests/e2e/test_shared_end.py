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
from support.live import LiveClient, eventually
from support.wire import Wire, request

pytestmark = pytest.mark.asyncio

CREATE = "tenets/session.create"
ADD = "tenets/session.addContext"
LIST = "tenets/session.list"
UNHEEDED = {signal.SIGKILL, signal.SIGSTOP}


async def test_without_clients_it_ends_in_a_while(
    shared_command: list[str], database: Path
) -> None:
    async with Wire.started([*shared_command, "--idle-timeout", "3600"]) as wire:
        await wire.initialize()
        first = await shared.server_of(wire)
        await wire.result(CREATE, {"name": "kept"})
        await shared.leave(wire)
    async with Wire.started([*shared_command, "--idle-timeout", "0.2"]) as wire:
        await wire.initialize()
        assert await shared.server_of(wire) == first
        assert shared.is_running(first)
        await shared.leave(wire)
        await shared.ended(first)
    assert not shared.socket_of(database).exists()
    async with Wire.started(shared_command) as wire:
        await wire.initialize()
        assert await shared.server_of(wire) != first
        assert [one["name"] for one in (await wire.result(LIST))["sessions"]] == ["kept"]


async def test_starts_while_it_is_ending_are_all_served(shared_command: list[str]) -> None:
    async def come_and_go(count: int) -> None:
        for _ in range(count):
            async with Wire.started([*shared_command, "--idle-timeout", "0"]) as wire:
                await wire.initialize()
                assert await shared.server_of(wire) != wire.process.pid
                assert await shared.leave(wire) == 0
                assert await wire.log() == ""

    await asyncio.gather(*[come_and_go(8) for _ in range(3)])


async def test_a_killed_process_is_told_within_a_second(
    shared_command: list[str], database: Path
) -> None:
    async with (
        Wire.started(shared_command) as one,
        Wire.started(shared_command) as two,
        Wire.started(shared_command) as three,
    ):
        for wire in (one, two, three):
            await wire.initialize()
        await two.result(CREATE, {"name": "acknowledged"})
        killed = await shared.server_of(one)
        os.kill(killed, signal.SIGKILL)
        for wire in (one, two, three):
            assert await wire.ended() == 1
            (line,) = (await wire.log()).splitlines()
            assert (
                line == "tenets-session-server: the daemon ended unexpectedly; restart the server"
            )
    # Its socket is still there, and nobody listens.
    assert shared.socket_of(database).is_socket()
    async with Wire.started(shared_command) as wire:
        await wire.initialize()
        assert await shared.server_of(wire) not in {killed, wire.process.pid}
        assert (await wire.result("tenets/session.get", {"name": "acknowledged"}))["id"] == 1


@pytest.mark.parametrize(
    "number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGSTOP]
)
async def test_who_kills_the_command_loses_its_connection_only(
    shared_command: list[str], database: Path, number: int
) -> None:
    # Whatever has started the tests may have ignored it; a caught one would be as good.
    heeded = (
        None if number in UNHEEDED else functools.partial(signal.signal, number, signal.SIG_DFL)
    )
    async with (
        Wire.started(shared_command) as one,
        Wire.started(shared_command, preexec_fn=heeded) as two,
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


async def test_what_arrived_whole_before_the_editor_died_is_executed(
    shared_command: list[str], database: Path
) -> None:
    # The editor is killed, and somebody else (we) holds its pipes.
    editor = textwrap.dedent("""
        import subprocess, sys, time
        subprocess.Popen(sys.argv[1:])
        time.sleep(3600)
    """)
    async with LiveClient.started_on(shared_command) as other:
        async with Wire.started([sys.executable, "-c", editor, *shared_command]) as wire:
            await wire.initialize()
            notes = [
                request(n, ADD, {"sessionName": "a", "kind": "note", "content": f"{n}"})
                for n in range(100)
            ]
            await wire.send(*notes)
            wire.process.kill()
            await wire.rest()
        await other.until(101)
        await eventually(lambda: len(shared.report(database)["clients"]) == 1)


async def test_stopping_it_gives_everybody_the_replies_that_are_due(
    shared_command: list[str], database: Path
) -> None:
    async with Wire.started(shared_command) as one, Wire.started(shared_command) as two:
        await one.initialize()
        await two.initialize()
        pid = await shared.server_of(one)
        await one.send(*[request(n, CREATE, {"name": f"s{n}"}) for n in range(50)])
        await asyncio.to_thread(shared.stop, database)
        await shared.ended(pid)
        answered = (await one.rest()).count(b'"result"')
        for wire in (one, two):
            assert await wire.ended() == 1
            (line,) = (await wire.log()).splitlines()
            assert line.startswith("tenets-session-server: the daemon was stopped; ")
    async with Wire.started(shared_command) as wire:
        await wire.initialize()
        assert len((await wire.result(LIST))["sessions"]) == answered == 50


async def test_a_deleted_database_is_made_anew_for_a_new_client(
    shared_command: list[str], database: Path
) -> None:
    async with Wire.started(shared_command) as wire:
        await wire.initialize()
        await wire.result(CREATE, {"name": "a"})
        await shared.leave(wire)
    for ending in ("", "-wal", "-shm"):
        database.with_name(f"tenets.db{ending}").unlink(missing_ok=True)
    async with Wire.started(shared_command) as one:
        assert (await one.initialize())["warnings"] == []
        assert (await one.result(LIST))["sessions"] == []
        database.unlink()
        assert (await one.call(CREATE, {"name": "x"}))["error"]["data"]["kind"] == (
            "databaseUnavailable"
        )
        # As a process of its own would.
        async with Wire.started(shared_command) as two:
            assert (await two.initialize())["warnings"] == []
            await two.result(CREATE, {"name": "b"})
            assert [one["name"] for one in (await one.result(LIST))["sessions"]] == ["b"]


async def test_without_clients_the_database_is_anybodys(
    shared_command: list[str], database: Path
) -> None:
    async with Wire.started(shared_command) as wire:
        await wire.initialize()
        pid = await shared.server_of(wire)
        await wire.result(CREATE, {"name": "a"})
        await shared.leave(wire)
        assert shared.report(database)["revision"] == 1  # without opening it again
    # All of it is in the one file, which may be copied, or replaced by any means.
    assert [path.name for path in database.parent.iterdir()] == ["tenets.db"]
    opened = [path.readlink().name for path in Path(f"/proc/{pid}/fd").iterdir()]
    assert "tenets.db" not in opened
    database.unlink()
    assert shared.report(database)["clients"] == []
    assert not database.exists()


async def test_it_ends_though_its_folder_has_been_removed(
    shared_command: list[str], database: Path
) -> None:
    async with Wire.started([*shared_command, "--idle-timeout", "0"]) as wire:
        await wire.initialize()
        pid = await shared.server_of(wire)
        shutil.rmtree(shared.folder())
        await wire.result(CREATE, {"name": "a"})
        await shared.leave(wire)
    await shared.ended(pid)
    assert database.exists()


async def test_it_ends_though_somebody_keeps_its_lock(
    shared_command: list[str], database: Path
) -> None:
    async with Wire.started([*shared_command, "--idle-timeout", "0"]) as wire:
        await wire.initialize()
        pid = await shared.server_of(wire)
        with shared.socket_of(database).with_suffix(".lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            await shared.leave(wire)
            await shared.ended(pid)
    assert not shared.socket_of(database).exists()
