"""The public ``tenets`` package on one file with ours: its command line, and a minute of both.

Needs PyPI.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from support import processes, shared
from support.client import Client
from support.foreign import ForeignWriter
from support.messages import Json
from support.people import Person, an_editor

pytestmark = pytest.mark.stress

SECONDS = 60
SESSIONS = [f"session {number}" for number in range(8)]

# What the command line's own set_active does, again and again.
FOREIGN = """
import json, random, sys, time
from tenets.config import TenetsConfig
from tenets.storage.session_db import SessionDB

config = TenetsConfig()
config.cache.directory = sys.argv[1]
sessions, names = SessionDB(config), json.loads(sys.argv[3])
until = time.time() + float(sys.argv[2])
calls, errors = 0, []
while time.time() < until:
    try:
        assert sessions.set_active(random.choice(names), True)
        calls += 1
    except Exception as error:
        errors.append(repr(error))
print(json.dumps({"calls": calls, "errors": errors}))
"""

# How many sessions are active, at as many moments as possible.
MONITOR = """
import collections, json, sys, time
import apsw

connection, until = apsw.Connection(sys.argv[1] + "/tenets.db"), time.time() + float(sys.argv[2])
connection.set_busy_timeout(20_000)
seen = collections.Counter()
while time.time() < until:
    rows = connection.execute("SELECT metadata FROM sessions").fetchall()
    seen[sum(bool(json.loads(row[0] or "{}").get("active")) for row in rows)] += 1
print(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def tenets_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has the public package; what is used of it needs no other one."""
    folder = tmp_path_factory.mktemp("tenets") / "venv"
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    install = ["-m", "pip", "install", "--quiet", "--no-deps", "tenets==0.13.3"]
    subprocess.run([python, *install], check=True)
    return python


@pytest.mark.asyncio
async def test_the_command_line_and_servers_never_leave_two_active(
    server_command: list[str], database: Path, tenets_python: Path, tmp_path: Path
) -> None:
    async with (
        Client.opened(server_command) as one,
        Client.opened([*server_command, "--standalone"]) as two,
    ):
        for name in SESSIONS:
            await one.result("create", {"name": name})
        arguments = [str(database.parent), str(SECONDS), json.dumps(SESSIONS)]
        running = [
            asyncio.ensure_future(output([python, "-c", script, *arguments], tmp_path))
            for python, script in [*3 * [(tenets_python, FOREIGN)], (Path(sys.executable), MONITOR)]
        ]
        programs = asyncio.gather(*running)
        added = await asyncio.gather(*(work(client, programs) for client in (one, two)))
        *foreign, monitor = await programs
        with ForeignWriter(database) as after:
            newest = after.revision()
            active = [
                name
                for name, metadata in after.rows("SELECT name, metadata FROM sessions")
                if json.loads(metadata).get("active")
            ]
            ((kept,),) = after.rows("SELECT count(*) FROM session_context")
        for client in (one, two):
            await client.until(newest)
            assert [client.active] == active
        print(f"foreign: {foreign}, active at a moment: {monitor}, notes: {sum(added)}")
        assert [process["errors"] for process in foreign] == [[], [], []]
        assert all(process["calls"] for process in foreign)
        assert set(monitor) <= {"0", "1"}
        assert sum(monitor.values()) > 1_000
        assert sum(added) == kept > 0


@pytest.fixture(scope="module")
def tenets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of the public package."""
    folder = tmp_path_factory.mktemp("tenets-command") / "venv"
    venv.create(folder, with_pip=True)
    install = ["-m", "pip", "install", "--quiet", "tenets==0.13.3"]
    subprocess.run([folder / "bin" / "python", *install], check=True)
    return folder / "bin" / "tenets"


@pytest.mark.parametrize("is_editor_open", [False, True])
def test_both_commands_in_turn(tmp_path: Path, tenets: Path, is_editor_open: bool) -> None:
    person = Person(tmp_path / "home" / ".tenets" / "cache" / "tenets.db", tmp_path / "app")

    def theirs(*arguments: str) -> str:
        command = [str(tenets), "session", *arguments]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            env=person.environment,
            cwd=person.folder,
        )
        assert done.returncode == 0, done
        return done.stdout + done.stderr

    theirs("create", "fix login")
    (person.folder / "note.txt").write_text("their note")
    theirs("add", "fix login", "note", "note.txt")
    with an_editor(person) if is_editor_open else contextlib.nullcontext():
        assert person.does("prompt") == "fix login\n"
        assert person.does() == "fix login\n"
        person.does("note", "our note")
        entries = person.gets("show")["entries"]
        assert [(one["content"], one["author"]) for one in entries] == [
            ("their note", None),
            ("our note", "tenets-session"),
        ]
        person.does("create", "parser", "--switch")
        listed = theirs("list")
        assert "fix login" in listed
        assert "parser" in listed
        theirs("resume", "fix login")
        assert person.does("prompt") == "fix login\n"
        person.does("bind", "fix login")
        theirs("exit", "fix login")
        assert person.does("-C", "/", "prompt") == ""
        theirs("reset", "fix login")  # deletes and creates it anew
        assert person.gets("show", "fix login")["entries"] == []
        assert person.gets("status")["binding"] == str(person.folder)
        person.does("delete", "parser")
        assert "parser" not in theirs("list")
        person.does("restore")
        assert "parser" in theirs("list")
        theirs("delete", "parser")
        assert person.does("list") == "fix login\n"
    shared.stop(person.database)


async def work(client: Client, programs: asyncio.Future[Any]) -> int:
    """Switch sessions and note things until the others are done; return the number of notes."""
    added = 0
    while not programs.done():
        name = random.choice(SESSIONS)
        assert (await client.result("setActive", {"name": name}))["active"] is True
        note = {"sessionName": name, "kind": "note", "content": "x" * 100}
        await client.result("addContext", note)
        added += 1
    return added


async def output(command: Sequence[str | Path], home: Path) -> Json:
    """Return what a program prints, as JSON."""
    shown = await processes.output([str(part) for part in command], env={"HOME": str(home)})
    found = json.loads(shown.splitlines()[-1])
    assert isinstance(found, dict)
    return found
