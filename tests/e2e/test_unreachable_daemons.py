"""``status`` and ``stop`` when a daemon cannot be reached as usual, and what it does about that."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
from pathlib import Path

import pytest

from support import shared
from support.attaching import run, stopped_in_the_end
from support.client import Client
from support.waiting import eventually
from tenets_session_server.daemon import processes
from tenets_session_server.daemon.address import Address

pytestmark = pytest.mark.asyncio

CREATE = "tenets/session.create"


async def test_a_daemon_whose_socket_cannot_be_found_is_named_and_ended(
    shared_command: list[str], database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = ["--database", str(database)]
    async with Client.started(shared_command) as client:
        await client.initialize()
        pid = await client.served_by()
        other = tmp_path / "runtime"
        other.mkdir(mode=0o700)
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(other))
        status, out, err = await run("status", *place)
        assert (status, out) == (1, "")
        assert f"process {pid} cannot be reached" in err
        assert list(other.iterdir()) == []
        status, out, err = await run("stop", *place)
        assert (status, out.splitlines()) == (0, ["asked it to end", f"stopped process {pid}"])
        assert await client.ended() == 1


@pytest.mark.timings(SOCKET_INTERVAL=0.05)
@pytest.mark.parametrize("removed", ["socket", "folder"])
async def test_a_socket_that_is_removed_is_made_again(
    shared_command: list[str], database: Path, runtime: Path, removed: str
) -> None:
    place = runtime / "tenets-session-server"
    async with Client.started(shared_command) as one, contextlib.AsyncExitStack() as later:
        await one.initialize()
        pid = await one.served_by()
        with stopped_in_the_end(place, database):
            socket_file = place / Address(str(database)).socket_name
            if removed == "socket":
                socket_file.unlink()
            else:
                shutil.rmtree(place)
            await eventually(socket_file.exists)
            two = await later.enter_async_context(Client.started(shared_command))
            await two.initialize()
            assert await two.served_by() == pid
            old = socket_file.stat().st_mtime_ns
            await eventually(lambda: socket_file.stat().st_mtime_ns > old)


async def test_two_daemons_of_one_database_have_a_log_each(
    shared_command: list[str], database: Path
) -> None:
    async with Client.started(shared_command) as one, contextlib.AsyncExitStack() as later:
        await one.initialize()
        shared.socket_of(database).unlink()
        two = await later.enter_async_context(Client.started(shared_command))
        await two.initialize()
        pids = {await one.served_by(), await two.served_by()}
        assert len(pids) == 2
        logs = {log for pid in pids for log in open_logs(pid)}
        assert len(logs) == 2
        status, _, err = await run("status", "--database", str(database))
        assert (status, err.count("cannot be reached")) == (1, 1)
        status, out, _ = await run("stop", "--database", str(database))
        assert status == 0
        assert {f"stopped process {pid}" for pid in pids} <= set(out.splitlines())


def open_logs(pid: int) -> list[Path]:
    """Return the logs that a process has open."""
    found = [path.readlink() for path in Path(f"/proc/{pid}/fd").iterdir()]
    return [path for path in found if path.suffix == ".log"]


async def test_status_says_that_the_database_cannot_be_used(
    shared_command: list[str], database: Path
) -> None:
    place = ["--database", str(database)]
    async with Client.started(shared_command) as client:
        await client.initialize()
        await client.result(CREATE, {"name": "a"})
        database.unlink()
        status, out, _ = await run("status", *place)
        assert status == 0
        assert f"problem   {database} has been deleted or moved" in out
        assert "revision  None" not in out
        status, out, _ = await run("status", "--json", *place)
        assert "has been deleted or moved" in json.loads(out)["problem"]


@pytest.mark.timings(RESPONSE_TIMEOUT=0.3, START_TIMEOUT=0.3, ANSWER_TIMEOUT=0.3)
async def test_stop_ends_a_daemon_that_hangs_at_its_start_and_no_editor(
    shared_command: list[str], database: Path
) -> None:
    place = ["--database", str(database)]
    log = Path(os.environ["XDG_STATE_HOME"]) / "tenets-session-server" / "log"
    log.mkdir(parents=True, exist_ok=True)
    os.mkfifo(log / f"{Address(str(database)).name}.log")  # as on a disk that hangs
    async with Client.started(shared_command) as client:
        await client.initialize()
        assert await client.served_by() == client.process.pid
        (pid,) = processes.daemons(str(database))
        status, _, err = await run("status", *place)
        assert status == 1
        assert f"process {pid} " in err
        assert f"process {client.process.pid} " not in err
        status, out, _ = await run("stop", *place)
        assert (status, out.splitlines()) == (0, ["asked it to end", f"stopped process {pid}"])
        assert processes.daemons(str(database)) == []
        await client.result(CREATE, {"name": "a"})
        await client.leave()


async def test_stop_works_when_the_daemon_has_no_descriptor_left(
    shared_command: list[str], database: Path
) -> None:
    async with Client.started(shared_command) as client:
        await client.initialize()
        pid = await client.served_by()
        highest = max(int(path.name) for path in Path(f"/proc/{pid}/fd").iterdir())
        used = {int(path.name) for path in Path(f"/proc/{pid}/fd").iterdir()}
        free = min(set(range(highest + 2)) - used)  # the one that the connection gets
        _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (free + 1, hard))
        status, out, _ = await run("stop", "--database", str(database))
        assert (status, out) == (0, f"stopped process {pid}\n")
        await shared.ended(pid)
        assert await client.ended() == 1
