"""The Python client in client_examples does what its users read there."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.foreign import ForeignWriter
from support.pipes import DEADLINE
from support.processes import process
from tenets_session_client import COMMAND, SessionClient, SessionError
from tenets_session_server.config import TenetsConfig
from tenets_session_server.storage.session_db import SessionDB

pytestmark = pytest.mark.lasting_daemon

EXAMPLE = Path(__file__).parents[2] / "client_examples" / "python" / "share_session.py"


@pytest.mark.parametrize("named", [True, False])
def test_the_main_job(database: Path, tmp_path: Path, named: bool) -> None:
    arguments = ["--database", str(database)] if named else []
    shown = subprocess.run(
        [sys.executable, str(EXAMPLE), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert (shown.returncode, shown.stderr) == (0, "")
    lines = shown.stdout.splitlines()
    assert lines[0].startswith("Two clients on ")
    # What one does, the other sees.
    assert lines[2] == lines[4]
    assert "{'branch': 'tidy', 'reviewer': 'Ada'}" in lines[6]
    assert [line.strip() for line in lines[8:11]] == [
        "sees 'the parser is the slow part'",
        "sees 'the cache is not'",
        "sees 'Ada says: measure it'",
    ]
    assert lines[12].strip() == "sees 'the parser is the slow part'"
    assert lines[14].strip() == "sees 3 notes again"
    assert lines[16] == lines[18] == lines[22]
    assert lines[20].split() == lines[6].replace("*", " ").split()
    assert "(sessionExists)" in lines[23]
    assert lines[-1] == "  the same in both: yes"
    assert list(tmp_path.glob("tenets-*")) == []
    if named:
        with SessionDB(TenetsConfig(database=database)) as db:
            names = [record.name.split()[0] for record in db.list_sessions()]
            assert names == ["hotfix", "refactor"]
            active = db.get_active_session()
            assert active is not None
            assert active.name in lines[16]


@pytest.mark.asyncio
async def test_watching(database: Path) -> None:
    with SessionDB(TenetsConfig(database=database)) as db:
        db.create_session("fix login", {"active": True})
    command = [sys.executable, str(EXAMPLE.with_name("watch.py")), "--database", str(database)]
    async with process(
        command,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
        # A shell's background jobs, a whole test run for instance, ignore it and pass that on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as watching:

        async def line() -> str:
            assert watching.stdout is not None
            return (await asyncio.wait_for(watching.stdout.readline(), DEADLINE)).decode().rstrip()

        assert await line() == f"watching {database}; the active session is fix login"
        with ForeignWriter(database) as foreign:
            foreign.add_context("fix login", "x")
            assert await line() == "     3  contextAdded   fix login (entry 1)"
            foreign.create("review", {"active": 1})
            assert [await line() for _ in range(4)] == [
                "     4  deactivated    fix login",
                "     5  created        review",
                "     6  activated      review",
                "        the active session is review",
            ]
            foreign.delete("review")
            assert await line() == "     7  deleted        review"
            assert await line() == "        no session is active"
        # Ctrl-C in a terminal goes to all of its processes.
        os.killpg(watching.pid, signal.SIGINT)
        assert await asyncio.wait_for(watching.wait(), DEADLINE) == 0
        assert await line() == ""


@pytest.mark.asyncio
async def test_changes_end_with_the_server(database: Path) -> None:
    async with SessionClient(database=database, reconnect=False) as sessions:
        changes = sessions.changes()
        first = asyncio.ensure_future(anext(changes))
        await sessions.create("a", active=True)
        change = await asyncio.wait_for(first, DEADLINE)
        assert [one["type"] for one in change["changes"]] == ["created", "activated"]
        active = await sessions.get_active()
        assert active is not None
        assert change["active"] == {
            name: value for name, value in active.items() if name not in {"revision", "state"}
        }
        assert sessions._process is not None
        os.kill(sessions._process.pid, signal.SIGKILL)
        assert [one async for one in changes] == []
        assert [one async for one in sessions.changes()] == []


@pytest.mark.asyncio
async def test_every_method(database: Path) -> None:
    async with SessionClient(database=database) as sessions:
        created = await sessions.create("a", {"a b": 1})
        found = await sessions.get("a")
        assert found is not None
        assert {**found, "created": True} == created
        assert await sessions.get("b") is None
        assert await sessions.get_active() is None
        assert (await sessions.set_active("a"))["active"]
        assert not (await sessions.set_active("a", active=False))["active"]
        assert (await sessions.update_metadata("a", {"": None}))["metadata"][""] is None
        assert (await sessions.add_context("new", "note", "ü"))["size"] == 2
        entry = await sessions.add_context("new", "note", "once", identity_key="k")
        again = await sessions.add_context(
            "new", "note", "now", identity_key="k", replace=True, location={"uri": "/x.py"}
        )
        assert (again["id"], again["duplicate"]) == (entry["id"], True)
        assert again["author"] == "tenets_session_client"
        changed = await sessions.update_context(again["id"], "later", if_state=again["state"])
        assert changed["preview"] == "later"
        with pytest.raises(SessionError) as caught:
            await sessions.remove_context(again["id"], if_state=again["state"])
        assert caught.value.kind == "conflict"
        assert await sessions.remove_context(again["id"])
        assert not await sessions.remove_context(again["id"])
        large = "é" * 2_300_000
        await sessions.add_context("new", "note", large)
        assert [one.get("content") async for one in sessions.context("new")] == ["ü", large]
        names = [one["name"] async for one in sessions.list(limit=1, include_context_count=True)]
        assert names == ["new", "a"]
        assert (await sessions.rename("new", "newer"))["name"] == "newer"
        assert (await sessions.copy("newer", "copy"))["name"] == "copy"
        assert [one["size"] async for one in sessions.context("copy")] == [2, 4_600_000]
        assert (await sessions.reset("newer"))["active"]
        assert [one async for one in sessions.context("newer")] == []
        assert [one["name"] async for one in sessions.list(order="recent")] == [
            *("newer", "copy", "a")
        ]
        assert await sessions.delete("copy")
        assert await sessions.delete("a")
        assert not await sessions.delete("a")
        assert await sessions.delete_all() == 1


@pytest.mark.asyncio
async def test_folders_and_author(database: Path, tmp_path: Path) -> None:
    async with SessionClient(database=database, author="me", folders=[tmp_path]) as sessions:
        await sessions.create("active", active=True)
        assert (await sessions.current())["binding"] is None
        bound = await sessions.bind("app", tmp_path)
        assert (bound["folder"], bound["binding"]) == (str(tmp_path), None)  # it sleeps
        await sessions.add_context("app", "note", "x")
        added = await sessions.add_context(None, "note", "here")
        assert (added["sessionName"], added["author"]) == ("app", "me")
        current = await sessions.current(tmp_path / "src")
        assert current["session"] is not None
        assert (current["session"]["name"], current["binding"]) == ("app", str(tmp_path))
        assert (await sessions.bind(None))["binding"] is None


@pytest.mark.asyncio
async def test_overlapping_requests_fail_separately(database: Path) -> None:
    async with SessionClient(database=database) as sessions:
        names = [f"s{number // 2}" for number in range(40)]
        outcomes = await asyncio.gather(*map(sessions.create, names), return_exceptions=True)
        for number, outcome in enumerate(outcomes):
            if number % 2:
                assert isinstance(outcome, SessionError)
                assert (outcome.code, outcome.kind) == (-32803, "sessionExists")
                assert outcome.data["name"] == names[number]
                assert not outcome.retryable
            else:
                assert isinstance(outcome, dict)
                assert outcome["name"] == names[number]


@pytest.mark.asyncio
async def test_a_killed_server_is_a_connection_error(database: Path) -> None:
    command = (*COMMAND, "--standalone")
    async with SessionClient(command, database=database, reconnect=False) as sessions:
        assert sessions._process is not None
        os.kill(sessions._process.pid, signal.SIGSTOP)  # so that the request is not answered
        waiting = asyncio.ensure_future(sessions.get_active())
        await asyncio.sleep(0)
        os.kill(sessions._process.pid, signal.SIGKILL)
        with pytest.raises(ConnectionError, match="has ended"):
            await asyncio.wait_for(waiting, DEADLINE)
        with pytest.raises(ConnectionError, match="not running"):
            await sessions.get_active()


@pytest.mark.asyncio
async def test_a_command_that_is_no_server_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        async with SessionClient(("no-such-command",)):
            pass
    with pytest.raises(ConnectionError):
        async with SessionClient((sys.executable, "-c", "pass")):
            pass


@pytest.mark.asyncio
async def test_an_exception_of_a_callback_stops_nothing(database: Path) -> None:
    problems: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, problem: problems.append(problem))

    def mistaken(_method: str, _params: object) -> None:
        raise RuntimeError("a mistake of the user")

    async with SessionClient(database=database, on_notification=mistaken) as sessions:
        changes = sessions.changes()
        await sessions.create("a")
        assert (await anext(changes))["changes"][0]["sessionName"] == "a"
        assert await sessions.get_active() is None
    assert [str(problem["exception"]) for problem in problems] == ["a mistake of the user"]


@pytest.mark.asyncio
async def test_notifications_are_passed_on(database: Path) -> None:
    notifications: list[tuple[str, object]] = []
    notice = lambda method, params: notifications.append((method, params))  # noqa: E731
    async with SessionClient(database=database, on_notification=notice) as sessions:
        await sessions.request("workspace/executeCommand", {"command": "tenets.session.list"})
    assert notifications == [
        ("window/showMessage", {"type": 3, "message": "There are no sessions"})
    ]


def test_without_the_package_the_client_starts_the_command_on_the_path(database: Path) -> None:
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    shown = subprocess.run(
        [sys.executable, "-S", str(EXAMPLE), "--database", str(database)],  # no site-packages
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "the same in both: yes" in shown.stdout
