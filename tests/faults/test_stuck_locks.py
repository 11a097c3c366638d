"""The system fails to release a lock. Needs strace(1), which makes a system call fail."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from support.client import Client
from support.modes import OPTIONS

pytestmark = [pytest.mark.faults, pytest.mark.asyncio]

# The lock for writing in the shared memory of the write-ahead log (sqlite.org/walformat.html).
UNLOCKS = ("F_UNLCK", "l_start=120")


def traced(folder: Path, command: list[str], *inject: str) -> list[str]:
    database = folder / "tenets.db"
    options = [*OPTIONS["standalone"], "--database", str(database)]
    trace = ["strace", "-f", "-o", str(folder / "trace"), "-e", "trace=fcntl", *inject]
    return [*trace, *command, *options]


async def creates(command: list[str]) -> str:
    """Create a few sessions; return the log."""
    # Else the first run would compile modules, and make other system calls than the second one.
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    async with Client.started(command, env=environment) as client:
        await client.initialize()
        for name in ("a", "b", "c"):
            await client.create(name)
        assert await client.names() == ["c", "b", "a"]
        assert await client.leave() == 0
        return await client.log()


async def test_a_lock_that_the_system_does_not_release_is_got_rid_of(
    server_command: list[str], tmp_path: Path
) -> None:
    assert shutil.which("strace"), "install strace"
    for folder in ("usual", "failing"):
        (tmp_path / folder).mkdir()
    assert await creates(traced(tmp_path / "usual", server_command)) == ""
    lines = (tmp_path / "usual" / "trace").read_text().splitlines()
    main = lines[0].split()[0]
    calls = [line for line in lines if re.match(rf"{main} +fcntl\(", line)]
    unlocks = [
        number for number, line in enumerate(calls, 1) if all(part in line for part in UNLOCKS)
    ]
    # That of the second session's commit, so that the third one meets the lock.
    inject = ("-e", f"inject=fcntl:error=ENOLCK:when={unlocks[-2]}")
    log = await creates(traced(tmp_path / "failing", server_command, *inject))
    assert "nobody has a lock: it is opened anew" in log
