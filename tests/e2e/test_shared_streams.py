"""An editor's streams, of any kind and also shared with other processes, block no other editor."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import resource
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from support.client import Client
from support.messages import INITIALIZE, frame, notification, request
from support.pipes import DEADLINE, read_from
from support.processes import Pipe
from support.waiting import eventually
from tenets_session_server.config import TenetsConfig
from tenets_session_server.storage.session_db import SessionDB

pytestmark = [pytest.mark.asyncio, pytest.mark.lasting_daemon]

CREATE = "tenets/session.create"
LIST = "tenets/session.list"
ADD = "tenets/session.addContext"


async def test_a_stdin_of_two_clients_blocks_no_other_client(
    shared_command: list[str],
) -> None:
    async with Client.started(shared_command) as other:
        await other.initialize()
        with Pipe() as pipe:
            async with (
                Client.started(shared_command, stdin=pipe.reading) as one,
                Client.started(shared_command, stdin=pipe.reading) as two,
            ):
                pipe.close_reading()
                for number in range(200):
                    # Both may be woken up, and one finds nothing to read any more.
                    os.write(pipe.writing, b"\r\n")
                    await other.result(CREATE, {"name": f"s{number}"})
                pipe.close_writing()
                assert await one.ended() == await two.ended() == 1


async def test_a_stdout_of_two_clients_blocks_no_other_client(
    shared_command: list[str],
) -> None:
    async with Client.started(shared_command) as other:
        await other.initialize()
        await other.result(CREATE, {"name": "large", "metadata": {"t": "x" * 500_000}})
        with Pipe() as pipe:
            async with (
                Client.started(shared_command, stdout=pipe.writing) as one,
                Client.started(shared_command, stdout=pipe.writing) as two,
            ):
                for client in (one, two):
                    await client.send(INITIALIZE)
                    assert b"initialize" in await read_from(pipe.reading)
                one.process.kill()
                await one.ended()
                # Its description is what it was: not to wait is no property of the pipe itself.
                assert not fcntl.fcntl(pipe.writing, fcntl.F_GETFL) & os.O_NONBLOCK
                await two.send(request(1, LIST))  # more than the pipe takes, unread
                for number in range(50):
                    await other.result(CREATE, {"name": f"s{number}"})
                pipe.close_writing()
                pipe.close_reading()
                assert await two.ended() == 1


def fill(pipe: int) -> None:
    """Write until nothing more fits."""
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(pipe, b"x" * 65536)


async def test_a_command_ends_though_stderr_is_full(shared_command: list[str]) -> None:
    with Pipe() as pipe:
        os.set_blocking(pipe.writing, False)
        fill(pipe.writing)
        os.set_blocking(pipe.writing, True)
        async with Client.started(shared_command, stderr=pipe.writing) as client:
            await client.initialize()
            os.kill(await client.served_by(), signal.SIGKILL)
            assert await client.ended() == 1


@pytest.mark.own_daemon
async def test_the_daemon_inherits_no_descriptor_of_an_editor(shared_command: list[str]) -> None:
    def lower_the_limit() -> None:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        )

    with Pipe() as pipe:
        # Opened before the limit was lowered, and so above it.
        high = fcntl.fcntl(pipe.writing, fcntl.F_DUPFD, 300)
        pipe.close_writing()
        os.set_inheritable(high, True)
        lowered = Client.started(shared_command, close_fds=False, preexec_fn=lower_the_limit)
        async with lowered as client:
            os.close(high)
            await client.initialize()
            assert await client.served_by() != client.process.pid
            assert await client.leave() == 0
        assert await read_from(pipe.reading) == b""


async def test_files_as_streams_are_logged_to_their_own_client(
    shared_command: list[str], tmp_path: Path
) -> None:
    asked, answered = tmp_path / "asked", tmp_path / "answered"
    conversation = (INITIALIZE, request(1, "nope"), request(2, "shutdown"), notification("exit"))
    asked.write_bytes(b"".join(map(frame, conversation)))
    curious = [*shared_command, "--log-level", "debug"]
    async with Client.started(curious) as other:
        await other.initialize()
        with asked.open("rb") as stdin, answered.open("wb") as stdout:
            done = await asyncio.to_thread(
                subprocess.run,
                curious,
                stdin=stdin,
                stdout=stdout,
                stderr=subprocess.PIPE,
                timeout=DEADLINE,
                check=False,
            )
        assert (done.returncode, b"request 1: nope" in done.stderr) == (0, True)
        await other.leave()
        assert "nope" not in await other.log()


async def test_newlines_in_client_text_are_escaped_in_the_log(shared_command: list[str]) -> None:
    async with Client.started([*shared_command, "--log-level", "debug"]) as client:
        await client.initialize()
        await client.call("one\n2026-01-01T00:00:00.000Z ERROR forged")
        await client.leave()
        lines = (await client.log()).splitlines()
        assert any("one\\n2026" in line for line in lines)
        assert not any(line.startswith("2026-01-01") for line in lines)


@pytest.mark.own_daemon
@pytest.mark.parametrize("running", [False, True], ids=["starting", "attaching"])
async def test_requests_of_an_editor_that_died_during_the_start_are_executed(
    shared_command: list[str], database: Path, running: bool
) -> None:
    # The editor writes to a pipe that is its own command's, and dies at once; we hold the pipes.
    editor = textwrap.dedent("""
        import subprocess, sys
        data = sys.stdin.buffer.read()
        command = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE, stdout=int(sys.argv[1]),
                                   pass_fds=[int(sys.argv[1])])
        command.stdin.write(data)
        command.stdin.flush()
    """)
    notes = [
        request(n, ADD, {"sessionName": "a", "kind": "note", "content": f"{n}"}) for n in range(10)
    ]
    async with Client.started(shared_command) as other:
        with Pipe() as pipe:
            if running:
                await other.initialize()
            done = await asyncio.to_thread(
                subprocess.run,
                [sys.executable, "-c", editor, str(pipe.writing), *shared_command],
                input=b"".join(map(frame, [INITIALIZE, *notes])),
                pass_fds=[pipe.writing],
                timeout=DEADLINE,
                check=True,
            )
            assert done.returncode == 0
            pipe.close_writing()

            def executed() -> bool:
                if not database.exists():
                    return False
                with SessionDB(TenetsConfig(database=database)) as stored:
                    return stored.store.totals().context_entries == 10

            await eventually(executed)
