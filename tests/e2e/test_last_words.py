"""What a client said before it was gone is done, and its server ends, however it went."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from support.wire import DEADLINE, INITIALIZE, Wire, frame, notification, request
from tenets_session_server.config import TenetsConfig
from tenets_session_server.storage.session_db import SessionDB

ADD = "tenets/session.addContext"
NOTE = {"sessionName": "a", "kind": "note", "content": "last words"}


def stored(database: Path) -> int:
    with SessionDB(TenetsConfig(database=database)) as sessions:
        (session,) = sessions.store.sessions.page(include_context_count=True).sessions
        return session.context_count or 0


def started(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
    """Start a server whose output is read by nobody, but for the reply to ``initialize``."""
    server = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, **options
    )
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(frame(INITIALIZE))
    assert server.stdout.read(1) == b"C"
    return server


def test_notes_of_a_killed_editor(server_command: list[str], database: Path) -> None:
    """Both pipes are closed at once, so that the first reply meets a broken one."""
    server = started(server_command)
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(b"".join(frame(request(number, ADD, NOTE)) for number in range(300)))
    server.stdout.close()
    server.stdin.close()
    assert server.wait(DEADLINE) == 1
    assert stored(database) == 300


@pytest.mark.asyncio
async def test_notes_that_are_still_in_a_pipe_that_others_hold(
    server_command: list[str], database: Path
) -> None:
    editor = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "input()"), stdin=asyncio.subprocess.PIPE
    )
    async with Wire.started(server_command) as wire:
        await wire.initialize(processId=editor.pid)
        await wire.send(*(request(number, ADD, NOTE) for number in range(2_000)))
        editor.kill()
        await editor.wait()
        assert await wire.ended() == 1
    assert stored(database) == 2_000


def test_the_end_of_the_input_is_seen_though_nothing_is_read(
    server_command: list[str], database: Path
) -> None:
    with SessionDB(TenetsConfig(database=database)) as sessions:
        sessions.create_session("a", {"x": "y" * 100_000})
    server = started(server_command)
    assert server.stdin is not None
    # Nobody reads the replies, so the server reads no more requests.
    requests = (frame(request(number, "tenets/session.list")) for number in range(500))
    server.stdin.write(b"".join(requests))
    server.stdin.close()
    assert server.wait(DEADLINE) == 1
    assert server.stdout is not None
    server.stdout.close()


def test_a_log_that_nobody_reads_stops_nothing(server_command: list[str], database: Path) -> None:
    command = [*server_command, "--log-level", "debug"]
    server = started(command, stderr=subprocess.PIPE)
    assert server.stdin is not None
    assert server.stdout is not None
    reader = threading.Thread(target=server.stdout.read)
    reader.start()
    odd = (frame(request(number, "x" * 100)) for number in range(5_000))
    server.stdin.write(b"".join(odd))
    server.stdin.write(b"".join(frame(request(number, ADD, NOTE)) for number in range(10)))
    server.stdin.write(frame(request("s", "shutdown")) + frame(notification("exit")))
    assert server.wait(DEADLINE) == 0
    reader.join(DEADLINE)
    for stream in (server.stdin, server.stdout, server.stderr):
        assert stream is not None
        stream.close()
    assert stored(database) == 10
