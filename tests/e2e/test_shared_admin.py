"""``tenets-session-server status`` and ``stop``, and the daemon's logs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import sys
from pathlib import Path

import pytest

import tenets_session_server
from support import shared
from support.attaching import run
from support.client import Client
from support.pipes import DEADLINE
from support.processes import Pipe
from support.waiting import eventually
from tenets_session_server.daemon import control
from tenets_session_server.daemon.address import Address

pytestmark = pytest.mark.asyncio

CREATE = "tenets/session.create"


async def test_status_lists_the_daemon_and_its_clients(
    shared_command: list[str], database: Path
) -> None:
    place = ["--database", str(database)]
    status, out, err = await run("status", *place)
    assert (status, err) == (1, "")
    assert out == f"no daemon serves {database} (named by --database)\n"
    status, out, _ = await run(*place, "--json", "status")
    assert (status, json.loads(out)) == (
        1,
        {
            "database": str(database),
            "reason": "named by --database",
            "running": False,
            "others": [],
        },
    )
    async with Client.started(shared_command) as one, contextlib.AsyncExitStack() as later:
        info = {"name": "Odd\x1b[31m \u202e editor", "version": "7"}
        await one.initialize(clientInfo=info, processId=os.getpid())
        await one.result(CREATE, {"name": "a", "active": True})
        two = await later.enter_async_context(Client.started(shared_command))
        await two.initialize()
        pid = await one.served_by()
        status, out, err = await run("status", "--json", *place)
        assert (status, err) == (0, "")
        report = json.loads(out)
        clients = report.pop("clients")
        assert [(c["name"], c["version"], c["processId"], c["pid"]) for c in clients] == [
            (info["name"], "7", os.getpid(), one.process.pid),
            (None, None, None, two.process.pid),
        ]
        assert 0 < report.pop("uptime") < 600
        log = Path(report.pop("log"))
        assert report == {
            "running": True,
            "database": str(database),
            "reason": "named by --database",
            "pid": pid,
            "version": tenets_session_server.__version__,
            "python": sys.executable,
            "problem": None,
            "revision": 2,
            "sessions": 1,
            "active": "a",
            "others": [],
        }
        status, out, err = await run("status", *place)
        assert (status, err) == (0, "")
        first, second, third, fourth, *_, last = out.splitlines()
        assert f"process {pid}, for " in first
        assert second == f"database  {database} (named by --database)"
        assert third == "revision  2"
        assert fourth == "sessions  1, active: a"
        assert f"process {two.process.pid}" in last
        # Names come from editors: none of them talks to the terminal.
        assert f"  Odd?[31m ? editor 7, process {one.process.pid} of {os.getpid()}, since 2" in out
        assert out.replace("\n", "").isprintable()
    assert "attached; its command is process" in log.read_text()


async def test_stop_ends_the_daemon(shared_command: list[str], database: Path) -> None:
    place = ["--database", str(database)]
    status, out, err = await run("stop", *place)
    assert (status, err) == (0, "")
    assert out == f"nothing to stop: no daemon serves {database}\n"
    async with Client.started(shared_command) as client:
        await client.initialize()
        pid = await client.served_by()
        status, out, err = await run("stop", *place)
        assert (status, out, err) == (0, f"stopped process {pid}\n", "")
        await shared.ended(pid)
        assert await client.ended() == 1
    status, out, _ = await run("status", *place)
    assert (status, out) == (1, f"no daemon serves {database} (named by --database)\n")


async def test_a_clients_log_has_its_own_lines(
    shared_command: list[str], database: Path, tmp_path: Path
) -> None:
    log = tmp_path / "two.log"
    log.write_text("before\n")
    curious = ["--log-level", "debug"]
    async with (
        Client.started(shared_command) as quiet,
        Client.started([*shared_command, *curious]) as one,
        Client.started([*shared_command, *curious, "--log-file", str(log)]) as two,
    ):
        for editor in (quiet, one, two):
            await editor.initialize()
        await one.result(CREATE, {"name": "by one"})
        await two.call("tenets/session.get", {"name": "by two"})
        database.unlink()
        # Every client's log has that as well.
        for editor in (quiet, one, two):
            assert "error" in await editor.call(CREATE, {"name": "lost"})
            while not editor.shown:
                message = await editor.read()
                assert message["method"] == "window/showMessage"
                editor.shown.append(message["params"])
        for editor in (quiet, one, two):
            await editor.leave()
        logs = [await quiet.log(), await one.log(), log.read_text()]
        assert await two.log() == ""
    assert logs[2].startswith("before\n")
    assert "DEBUG" not in logs[0]
    created = re.compile(r"Z DEBUG \[\d+\] \S+: request 2: tenets/session.create")
    assert created.search(logs[1])
    assert not created.search(logs[2])
    assert "request 2: tenets/session.get" in logs[2]
    assert "request 2: tenets/session.get" not in logs[1]
    for text in logs:
        assert text.count("Sessions are not available") == 0  # that is for the user
        assert text.count("the database cannot be used") == 1
        assert "(client" not in text
    # The daemon's own log has the lines of all clients, with the client's number.
    (own,) = (Path(os.environ["XDG_STATE_HOME"]) / "tenets-session-server" / "log").glob(
        f"{Address(str(database)).name}.log"
    )
    assert re.search(
        r"WARNING .*: tenets/session.create failed: .* \(client \d\)\n", own.read_text()
    )


@pytest.mark.lasting_daemon
async def test_an_unread_log_blocks_no_client(shared_command: list[str]) -> None:
    command = [*shared_command, "--log-level", "debug"]
    with Pipe() as pipe:
        async with (
            Client.started(command, stderr=pipe.writing) as noisy,
            Client.started(command) as other,
        ):
            pipe.close_writing()
            await noisy.initialize()
            await other.initialize()
            for number in range(2000):  # more than a pipe takes, logged
                await noisy.result(CREATE, {"name": f"s{number}"})
            await other.result(CREATE, {"name": "other"})
            pipe_of_daemon = str(Path(f"/proc/self/fd/{pipe.reading}").readlink())
            assert pipe_of_daemon in open_files(await other.served_by())
            assert await noisy.leave() == 0
            await other.result(CREATE, {"name": "another"})
            # The pipe is still full and open: this process has its other end.
            server = await other.served_by()
            await eventually(lambda: pipe_of_daemon not in open_files(server))


def open_files(process_id: int) -> set[str]:
    """Return what the descriptors of a process lead to."""
    found = set()
    for descriptor in Path(f"/proc/{process_id}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.add(str(descriptor.readlink()))
    return found


@pytest.mark.lasting_daemon
async def test_a_very_long_client_name_is_shortened(
    shared_command: list[str], database: Path
) -> None:
    async with Client.started(shared_command) as one, Client.started(shared_command) as two:
        await one.initialize(clientInfo={"name": "n" * 2_000_000, "version": "v" * 2_000_000})
        await two.initialize(
            clientInfo={"name": "two"},
            workspaceFolders=[{"uri": number} for number in range(100_000)],
        )
        status, out, err = await run("status", "--json", "--database", str(database))
        assert (status, err) == (0, "")
        lengths = {len(client["name"]) for client in json.loads(out)["clients"]}
        assert lengths == {255, 3}


WRONG_MESSAGES = [
    control.pack("attach"),
    control.pack("serve"),
    control.pack("stop", database="/another/one"),
    control.pack("status"),
    control.pack("")[:3],
]


@pytest.mark.lasting_daemon
async def test_wrong_control_messages_do_not_disturb_clients(
    shared_command: list[str], database: Path
) -> None:
    where = Address(str(database))
    whole = {
        "path": str(database),
        "named": "True",
        "database": where.database,
        "folder_identity": "",
        "access": "write",
        "limits": "",
        "installation": where.installation,
        "log_level": "info",
        "synchronous": "full",
        "idle_timeout": "1",
        "pid": "1",
    }
    wrong = ({"idle_timeout": "nan"}, {"log_level": "loud"}, {"pid": "x"})
    attach = [control.pack("attach", **{**whole, **fields}) for fields in wrong]
    async with Client.started(shared_command) as client:
        await client.initialize()
        for number, message in enumerate([*WRONG_MESSAGES, *attach]):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(DEADLINE)
                connection.connect(str(shared.socket_of(database)))
                connection.sendall(message)
                connection.shutdown(socket.SHUT_WR)
                answer = await asyncio.to_thread(connection.recv, 65536)
                assert answer == b"" or b"refuse" in answer, message
            await client.create(f"s{number}")
        await client.leave()
        assert await client.log() == ""


@pytest.mark.timings(ANSWER_TIMEOUT=0.3, SIGNAL_TIMEOUT=0.3)
async def test_a_daemon_that_does_not_answer_is_named_and_ended(
    shared_command: list[str], database: Path
) -> None:
    place = ["--database", str(database)]
    async with Client.started(shared_command) as client:
        await client.initialize()
        await client.result(CREATE, {"name": "a"})
        pid = await client.served_by()
        os.kill(pid, signal.SIGSTOP)
        status, out, err = await run("status", *place)
        assert (status, out) == (1, "")
        assert f"process {pid} does not answer; `stop` ends it" in err
        status, out, _ = await run("status", "--json", *place)
        assert status == 1
        assert json.loads(out)["notAnswering"] == [pid]
        status, out, err = await run("stop", *place)
        assert (status, out.splitlines()) == (
            0,
            ["asked it to end", "continued it", f"stopped process {pid}"],
        )
        assert f"process {pid} does not answer" in err
        await shared.ended(pid)
        assert await client.ended() == 1
    status, out, _ = await run("stop", *place)
    assert (status, out) == (0, f"nothing to stop: no daemon serves {database}\n")
