"""The requests that a client sent before its end are executed, and its server ends."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.client import Client
from support.messages import INITIALIZE, frame, notification, request
from support.modes import both_modes
from support.pipes import DEADLINE
from support.processes import popen, process
from tenets_session_server.config import TenetsConfig
from tenets_session_server.storage.session_db import SessionDB

ADD = "tenets/session.addContext"
NOTE = {"sessionName": "a", "kind": "note", "content": "last words"}


def stored(database: Path) -> int:
    with SessionDB(TenetsConfig(database=database)) as sessions:
        (session,) = sessions.store.sessions.page(include_context_count=True).sessions
        return session.context_count or 0


@contextmanager
def started(command: list[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Start a server whose output is not read, except for the reply to ``initialize``."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with popen(command, bufsize=0, **pipes, **options) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(frame(INITIALIZE))
        assert server.stdout.read(1) == b"C"
        yield server


@both_modes
def test_notes_of_a_killed_editor_are_stored(server_command: list[str], database: Path) -> None:
    """Both pipes are closed at once, so that the first reply meets a broken one."""
    with started(server_command) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(b"".join(frame(request(number, ADD, NOTE)) for number in range(300)))
        server.stdout.close()
        server.stdin.close()
        assert server.wait(DEADLINE) == 1
    assert stored(database) == 300


@both_modes
@pytest.mark.asyncio
async def test_notes_still_in_the_pipe_of_a_killed_editor_are_stored(
    server_command: list[str], database: Path
) -> None:
    async with (
        process(["sleep", "3600"]) as editor,
        Client.started(server_command) as client,
    ):
        await client.initialize(processId=editor.pid)
        await client.send(*(request(number, ADD, NOTE) for number in range(2_000)))
        editor.kill()
        await editor.wait()
        assert await client.ended() == 1
    assert stored(database) == 2_000


@both_modes
@pytest.mark.timings(LIVENESS_INTERVAL=0.1, GRACE=0.2)
def test_the_end_of_input_ends_a_server_whose_replies_are_unread(
    server_command: list[str], database: Path
) -> None:
    with SessionDB(TenetsConfig(database=database)) as sessions:
        sessions.create_session("a", {"x": "y" * 100_000})
    with started(server_command) as server:
        assert server.stdin is not None
        # The replies are not read, so the server reads no more requests.
        requests = (frame(request(number, "tenets/session.list")) for number in range(500))
        server.stdin.write(b"".join(requests))
        server.stdin.close()
        assert server.wait(DEADLINE) == 1


@both_modes
def test_an_unread_log_does_not_block_the_server(server_command: list[str], database: Path) -> None:
    command = [*server_command, "--log-level", "debug"]
    odd = (frame(request(number, "x" * 100)) for number in range(5_000))
    with started(command, stderr=subprocess.PIPE) as server, ThreadPoolExecutor() as reader:
        assert server.stdin is not None
        assert server.stdout is not None
        replies = reader.submit(server.stdout.read)
        server.stdin.write(b"".join(odd))
        server.stdin.write(b"".join(frame(request(number, ADD, NOTE)) for number in range(10)))
        server.stdin.write(frame(request("s", "shutdown")) + frame(notification("exit")))
        try:
            assert server.wait(DEADLINE) == 0
        finally:
            server.kill()  # else its output has no end
        assert replies.result(DEADLINE)
    assert stored(database) == 10
