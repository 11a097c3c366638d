"""The daemon: started once, found by every command, independent of the one that started it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from pathlib import Path

import pytest

from support import shared
from support.client import Client
from support.pipes import read_from
from support.processes import Pipe, output

pytestmark = pytest.mark.asyncio

COMMAND = [sys.executable, "-m", "tenets_session_server"]
STATS = "tenets/session.stats"
CREATE = "tenets/session.create"

TOO_HEAVY = {
    *("pygls", "lsprotocol", "asyncio", "msgspec", "apsw", "platformdirs"),
    *("argparse", "json", "logging", "pathlib", "typing", "dataclasses", "subprocess"),
}


async def test_fifty_commands_that_start_at_once_share_one_daemon(
    shared_command: list[str],
) -> None:
    async def start(number: int) -> tuple[int, int, str]:
        async with Client.started(shared_command) as client:
            await client.initialize()
            await client.result(CREATE, {"name": f"s{number}"})
            served_by = await client.served_by()
            started.add(number)
            if len(started) == 50:
                all_started.set()
            await asyncio.wait_for(all_started.wait(), 60)
            return served_by, await client.leave(), await client.log()

    started: set[int] = set()
    all_started = asyncio.Event()
    found = await asyncio.gather(*map(start, range(50)))
    assert {status for _, status, _ in found} == {0}
    assert {log for _, _, log in found} == {""}
    assert len({served_by for served_by, _, _ in found}) == 1


@pytest.mark.parametrize("first", [True, False], ids=["starting", "attaching"])
async def test_the_command_imports_no_heavy_module(
    shared_command: list[str], tmp_path: Path, first: bool
) -> None:
    shown = tmp_path / "modules"
    program = (
        "import sys\n"
        "from tenets_session_server.cli.server import main\n"
        "status = main(sys.argv[2:])\n"
        "open(sys.argv[1], 'w').write(' '.join(sys.modules))\n"
        "sys.exit(status)"
    )
    async with Client.started(shared_command) as other:
        if not first:
            await other.initialize()
        command = [sys.executable, "-c", program, str(shown), *shared_command[3:]]
        async with Client.started(command) as client:
            await client.initialize()
            assert await client.served_by() != client.process.pid
            assert await client.leave() == 0
    modules = {name.partition(".")[0] for name in shown.read_text().split()}
    assert "tenets_session_server.daemon.shim" in shown.read_text().split()
    # Whatever the interpreter imports by itself, in an editable installation for instance.
    imported = await output([sys.executable, "-c", "import sys; print(*sys.modules)"])
    unavoidable = {name.partition(".")[0] for name in imported.split()}
    assert modules & (TOO_HEAVY - unavoidable) == set()


async def test_the_daemon_shares_nothing_with_the_command_that_started_it(
    shared_command: list[str], tmp_path: Path
) -> None:
    with Pipe() as pipe:
        os.set_inheritable(pipe.writing, True)
        async with Client.started(shared_command, pass_fds=[pipe.writing], cwd=tmp_path) as client:
            pipe.close_writing()
            await client.initialize()
            pid = await client.served_by()
            assert os.getsid(pid) not in {os.getsid(0), os.getsid(client.process.pid)}
            assert Path(f"/proc/{pid}/cwd").readlink() == Path("/")
            assert Path(f"/proc/{pid}/status").read_text().count("\nUmask:\t0077\n") == 1
            assert await client.leave() == 0
        # No process has it open any more; the daemon is still there.
        assert await read_from(pipe.reading) == b""
    assert shared.report(tmp_path / "cache" / "tenets.db")["pid"] == pid


async def test_every_path_of_a_file_leads_to_one_daemon(
    shared_command: list[str], database: Path, tmp_path: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to(database.parent)
    relative = [*COMMAND, "--database", "../cache/./tenets.db"]
    other = [*COMMAND, "--database", str(tmp_path / "other.db")]
    async with (
        Client.started(shared_command) as one,
        Client.started([*COMMAND, "--database", str(link / "tenets.db")]) as two,
    ):
        await one.initialize()
        assert (await two.initialize())["database"] == str(database)
        async with Client.started(relative, cwd=database.parent) as three:
            await three.initialize()
            assert await one.served_by() == await two.served_by() == await three.served_by()
        async with Client.started(other) as four:
            await four.initialize()
            assert await four.served_by() != await one.served_by()
    shared.stop(tmp_path / "other.db")


@pytest.mark.timings(PATH_INTERVAL=0.1)
async def test_a_link_that_changes_its_target_ends_the_connection(
    shared_command: list[str], database: Path, tmp_path: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to(database.parent)
    linked = [*COMMAND, "--database", str(link / "tenets.db")]
    async with Client.started(shared_command) as one, Client.started(linked) as two:
        await one.initialize()
        await two.initialize()
        link.unlink()
        (tmp_path / "elsewhere").mkdir()
        link.symlink_to(tmp_path / "elsewhere")
        assert await two.ended() == 1
        assert "now leads to another file" in await two.log()
        await one.result(CREATE, {"name": "a"})
        async with Client.started(linked) as three:
            assert (await three.initialize())["database"] == str(tmp_path / "elsewhere/tenets.db")
    shared.stop(tmp_path / "elsewhere" / "tenets.db")


async def test_another_interpreter_has_its_own_daemon(
    shared_command: list[str], database: Path, tmp_path: Path
) -> None:
    interpreter = tmp_path / "python"
    interpreter.symlink_to(Path(sys.executable).resolve())
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    other = [str(interpreter), *shared_command[1:]]
    async with Client.started(shared_command) as one, Client.started(other, env=environment) as two:
        await one.initialize()
        await two.initialize()
        assert await one.served_by() != await two.served_by()
        report = json.loads(
            await output([*COMMAND, "status", "--json", "--database", str(database)])
        )
        assert report["pid"] == await one.served_by()
        assert [other["pid"] for other in report["others"]] == [await two.served_by()]


async def test_stats_lists_the_attached_clients(shared_command: list[str]) -> None:
    async with Client.started(shared_command) as one, contextlib.AsyncExitStack() as later:
        await one.initialize(
            clientInfo={"name": "Neovim", "version": "0.11"}, processId=os.getpid()
        )
        two = await later.enter_async_context(Client.started(shared_command))
        await two.initialize()
        stats = await two.result(STATS)
        assert [
            (client["name"], client["version"], client["processId"], client["pid"], client["you"])
            for client in stats["clients"]
        ] == [
            ("Neovim", "0.11", os.getpid(), one.process.pid, False),
            (None, None, None, two.process.pid, True),
        ]
        assert stats["pid"] not in {one.process.pid, two.process.pid}
        await one.result(CREATE, {"name": "a"})
        await one.result(
            "tenets/session.addContext", {"sessionName": "a", "kind": "n", "content": ""}
        )
        stats = await two.result(STATS)
        assert (stats["sessions"], stats["contextEntries"], stats["revision"]) == (1, 1, 2)
        assert await one.leave() == 0
        assert [client["you"] for client in (await two.result(STATS))["clients"]] == [True]
