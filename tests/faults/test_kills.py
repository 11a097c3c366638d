"""Processes that are killed at any moment: nothing acknowledged is lost, and no process is left."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import sys
import textwrap
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from support import shared
from support.client import Client
from support.messages import request
from support.pipes import DEADLINE
from tenets_session_server.config import TenetsConfig
from tenets_session_server.storage.session_db import SessionDB
from tenets_session_server.storage.sqlite.store import SQLiteStore

pytestmark = [pytest.mark.faults, pytest.mark.asyncio]

KILLS: Final = 100
EDITORS: Final = 4

# An editor beside another process that holds the same pipes, as an editor's helpers do: so its
# end does not close the pipes. It prints the process of the command that it has started.
EDITOR: Final = textwrap.dedent("""
    import subprocess, sys
    command = subprocess.Popen(sys.argv[1:])
    print(command.pid, file=sys.stderr, flush=True)
    command.wait()
""")


class NoteTaker:
    """Writes notes, one after the other, starting the server again whenever it has ended."""

    def __init__(self, command: list[str], name: str) -> None:
        self._command, self._name = command, name
        self.acknowledged: list[str] = []
        self.editor = self.shim = self.daemon = 0
        self.commands: set[int] = set()
        self.daemons: set[int] = set()
        self.alone: list[str] = []
        self._count = 0
        self.over = False

    async def work(self) -> None:
        while not self.over:
            # Whatever part of it has been killed, the next one is another one.
            with contextlib.suppress(ConnectionError):
                await self._write_notes()

    async def _write_notes(self) -> None:
        async with Client.started([sys.executable, "-c", EDITOR, *self._command]) as client:
            assert client.process.stderr is not None
            line = await asyncio.wait_for(client.process.stderr.readline(), DEADLINE)
            if not line:
                return  # killed before it could say so
            self.editor, self.shim = client.process.pid, int(line)
            self.commands.add(self.shim)
            await client.initialize()
            self.daemon = await client.served_by()
            self.daemons.add(self.daemon)
            while not self.over:
                self._count += 1
                note = f"{self._name} {self._count}"
                await client.add_note("notes", note)
                self.acknowledged.append(note)


@contextlib.asynccontextmanager
async def at_work(editors: list[NoteTaker]) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(editor.work()) for editor in editors]
    try:
        yield
    finally:
        for editor in editors:
            editor.over = True
        await asyncio.wait_for(asyncio.gather(*tasks), DEADLINE)


async def test_a_hundred_kills(server_command: list[str], database: Path) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    command = [*server_command, "--idle-timeout", "0.5"]
    editors = [NoteTaker(command, f"editor {number}") for number in range(EDITORS)]
    kills = dict.fromkeys(("editor", "shim", "daemon"), 0)
    async with at_work(editors):
        while sum(kills.values()) < KILLS:
            # At any moment of anything: of starting, attaching, writing, being killed.
            await asyncio.sleep(dice.uniform(0, 0.15))
            part = dice.choice([*kills])
            victim = getattr(dice.choice(editors), part)
            if victim and shared.is_running(victim):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(victim, signal.SIGKILL)
                    kills[part] += 1
    print(kills, {editor._name: len(editor.acknowledged) for editor in editors})
    assert min(kills.values()) > 10
    # No command is left, and no daemon either, as all clients are gone.
    for editor in editors:
        for process_id in editor.commands | editor.daemons:
            await shared.ended(process_id)
    acknowledged = [note for editor in editors for note in editor.acknowledged]
    assert len(acknowledged) > KILLS
    with SessionDB(TenetsConfig(database=database)) as sessions:
        stored = sessions.db.run("SELECT content FROM session_context")
        assert sessions.db.run("PRAGMA integrity_check") == [("ok",)]
    kept = [content for (content,) in stored]
    assert len(kept) == len(set(kept)), "a note is there twice"
    assert set(acknowledged) <= set(kept)


LARGE: Final = 20_000
"""Entries of the session that is deleted, restored, removed or imported in one request."""


@pytest.mark.parametrize("verb", ["delete", "restore", "emptyTrash", "import"])
async def test_a_long_operation_that_is_killed_is_done_or_not(
    server_command: list[str], database: Path, verb: str
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    outcomes = {True: 0, False: 0}
    command = [*server_command, "--standalone"]
    params = {"name": "large", "content": exported(), "id": 0}
    for number in range(12):
        with closing(SQLiteStore(TenetsConfig(database=database))) as store:
            params["id"] = prepared(store, verb)
        async with Client.started(command) as client:
            await client.initialize()
            asked = time.monotonic()
            await client.send(request(1, f"tenets/session.{verb}", params))
            if number == 0:
                await client.read()
                took = time.monotonic() - asked
            else:
                await asyncio.sleep(dice.uniform(0, 2 * took))
            client.process.kill()
            await client.process.wait()
        with closing(SQLiteStore(TenetsConfig(database=database))) as store:
            outcomes[done(store, verb)] += 1
    print(outcomes)
    assert outcomes[True] > 0


def exported() -> str:
    """Return a document with the large session."""
    time = "2026-11-20T08:00:00+00:00"
    entry = {"kind": "note", "content": "x", "createdAt": time}
    session = {"name": "large", "createdAt": time, "context": [entry] * LARGE}
    return json.dumps({"format": "tenets-sessions", "version": 1, "sessions": [session]})


def prepared(store: SQLiteStore, verb: str) -> int:
    """Make what the operation needs; return the item of the trash that it is about, else 0."""
    there = store.sessions.get("large") is not None
    if verb == "import":
        if there:
            store.whole_sessions.delete("large")
        return 0
    if not there:
        if store.trash.page().items:
            store.restorer.restore(store.trash.page().items[0].id)
        else:
            store.importer.run([exported().encode()])
    if verb == "delete":
        return 0
    return store.whole_sessions.delete("large").trash_id or 0


def done(store: SQLiteStore, verb: str) -> bool:
    """Tell whether the operation was done; it has to be done wholly, or not at all."""
    assert store.database.run("PRAGMA integrity_check") == [("ok",)]
    page = store.sessions.page(include_context_count=True)
    items = store.trash.page().items
    found = [(one.name, one.context_count) for one in page.sessions]
    kept = [(item.names, item.entries) for item in items]
    if found:
        assert found == [("large", LARGE)]
        assert verb == "import" or kept == []
        return verb in {"restore", "import"}
    if verb == "import":
        return False
    assert kept in ([], [(["large"], LARGE)])
    assert kept or verb == "emptyTrash"
    return verb == "delete" or not kept
