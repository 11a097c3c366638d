"""What stdin, stdout and stderr may be: files, sockets, closed, full, the same pipe."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
from pathlib import Path

import pytest

from support.client import Client
from support.messages import INITIALIZE, frame, notification, request
from support.modes import both_modes
from support.pipes import DEADLINE
from support.processes import Pipe, process

pytestmark = pytest.mark.asyncio

LIST = "tenets/session.list"
CREATE = "tenets/session.create"


CONVERSATION = b"".join(
    [
        frame(INITIALIZE),
        frame(request(1, CREATE, {"name": "from a file"})),
        frame(request(2, "shutdown")),
        frame(notification("exit")),
    ]
)


@both_modes
async def test_regular_files_as_stdin_and_stdout(server_command: list[str], tmp_path: Path) -> None:
    asked, answered = tmp_path / "asked", tmp_path / "answered"
    asked.write_bytes(CONVERSATION)
    with asked.open("rb") as stdin, answered.open("wb") as stdout:
        done = await asyncio.to_thread(
            subprocess.run,
            server_command,
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            timeout=DEADLINE,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"from a file" in answered.read_bytes()
    assert answered.read_bytes().count(b"Content-Length: ") == 3


@both_modes
async def test_dev_null_as_stdin(server_command: list[str]) -> None:
    async with Client.started(server_command, stdin=asyncio.subprocess.DEVNULL) as client:
        assert await client.ended() == 1
        assert await client.rest() == b""


@both_modes
async def test_one_socket_for_both_directions(server_command: list[str]) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(DEADLINE)
        async with Client.started(
            server_command, stdin=theirs.fileno(), stdout=theirs.fileno()
        ) as client:
            theirs.close()
            ours.sendall(CONVERSATION)
            received = b""
            while part := await asyncio.to_thread(ours.recv, 65536):
                received += part
            assert received.count(b"Content-Length: ") == 3
            assert await client.ended() == 0


@both_modes
async def test_closed_stdio_is_logged(server_command: list[str]) -> None:
    closed = ["sh", "-c", '"$@" <&- >&-', "sh", *server_command]
    async with Client.started(closed) as client:
        assert await client.ended() == 1
        log = await client.log()
        assert "stdin and stdout have to be open" in log
        assert "Traceback" not in log


@both_modes
async def test_a_log_file_does_not_take_the_descriptor_of_a_closed_stream(
    server_command: list[str], tmp_path: Path
) -> None:
    for redirection, name in ((">&-", "stdout"), ("<&-", "stdin")):
        log = tmp_path / f"{name}.log"
        script = f'exec "$@" --log-file {log} {redirection}'
        command = ["sh", "-c", script, "sh", *server_command]
        async with process(command, stdin=asyncio.subprocess.PIPE) as server:
            await asyncio.wait_for(server.communicate(CONVERSATION), DEADLINE)
            assert server.returncode == 1
        (line,) = log.read_text().splitlines()
        assert line.endswith(f"stdin and stdout have to be open; closed: {name}")


@both_modes
async def test_a_closed_stderr_does_not_matter(server_command: list[str]) -> None:
    closed = ["sh", "-c", 'exec "$@" 2>&-', "sh", *server_command, "--log-level", "debug"]
    async with Client.started(closed) as client:
        await client.initialize()
        assert (await client.call("nope"))["error"]["code"] == -32601
        assert await client.leave() == 0


@both_modes
@pytest.mark.timings(GRACE=0.2)
async def test_a_full_pipe_as_stdout_and_stderr_does_not_block_the_server(
    server_command: list[str],
) -> None:
    # 2>&1 by mistake, and the pipe is not read: neither replies nor the log may block the server.
    joined = ["sh", "-c", 'exec "$@" 2>&1', "sh", *server_command]
    with Pipe() as pipe:
        async with Client.started(joined, stdout=pipe.writing) as client:
            pipe.close_writing()
            await client.send(INITIALIZE, *[frame(b"{") for _ in range(5000)])
            client.end_input()
            assert await client.ended() == 1


async def test_json_is_sent_as_utf8_with_its_length_in_bytes(server_command: list[str]) -> None:
    async with Client.started(server_command) as client:
        await client.initialize()
        await client.send(request(5, CREATE, {"name": "Grüße 🧵"}))
        body = await client.read_body()
        assert "Grüße 🧵".encode() in body
        assert json.loads(body)["result"]["name"] == "Grüße 🧵"
