"""The Python client has every method, reconnects, catches up, and cancels."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from docs import clients, exchanges
from support import shared
from support.foreign import ForeignWriter
from support.pipes import DEADLINE
from support.waiting import eventually
from tenets_session_client import COMMAND, DidChange, SessionClient, SessionError
from tenets_session_server.methods.table import METHODS

PYTHON = clients.PYTHON.parent

pytestmark = pytest.mark.own_daemon


@pytest.mark.parametrize("file", clients.FILES, ids=lambda path: path.name)
def test_the_generated_parts_are_up_to_date(file: Path) -> None:
    assert not clients.is_stale(file), f"run: {clients.COMMAND}"


def test_the_hand_written_part_is_small() -> None:
    text = (PYTHON / "tenets_session_client.py").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 400


def test_names_derive_mechanically() -> None:
    names = [clients.python_name(method.verb) for method in METHODS]
    assert {"add_context", "get_active", "import_", "changes"} <= {*names}
    for name in names:
        assert callable(getattr(SessionClient(()).methods, name))


def test_every_method_has_the_result_of_the_raw_request(tmp_path: Path) -> None:
    examples = [(method, example) for method in METHODS for example in method.examples]
    calls = [(method.name, example) for method, example in examples]
    command = [*exchanges.COMMAND, "--database", str(tmp_path / "raw" / "tenets.db")]
    replies = exchanges.conversation(command, calls)
    raw = [
        reply["result"] if "result" in reply else {"data": {}, **reply["error"]}
        for reply in replies
    ]

    async def typed() -> list[Any]:
        found: list[Any] = []
        database = tmp_path / "typed" / "tenets.db"
        async with SessionClient(exchanges.COMMAND, database=database) as sessions:
            for method, example in examples:
                call = getattr(sessions.methods, clients.python_name(method.verb))
                params = {clients.python_name(name): one for name, one in example.items()}
                if method.verb in clients.NULL_IS_REFUSED and not params:
                    params = {"id": "all"}
                try:
                    found.append(await call(**params))
                except SessionError as error:
                    found.append({"code": error.code, "message": str(error), "data": error.data})
        return found

    assert len(raw) == len(examples)
    assert any("code" not in (one or {}) for one in raw)
    for (method, example), left, right in zip(
        examples, map(comparable, raw), map(comparable, asyncio.run(typed())), strict=True
    ):
        assert left == right, (method.verb, example)


def test_a_trash_id_that_is_null_is_not_the_whole_trash(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with SessionClient(exchanges.COMMAND, database=tmp_path / "tenets.db") as sessions:
            await sessions.create("a")
            await sessions.delete("a")
            nothing = await sessions.methods.delete(name="no such session")
            with pytest.raises(SessionError, match="id"):
                await sessions.methods.empty_trash(id=nothing["trashId"])  # type: ignore[arg-type]
            assert await sessions.methods.empty_trash(id="all") == {"removed": 1}

    asyncio.run(scenario())


VARYING = {"createdAt", "updatedAt", "deletedAt", "expiresAt", "exportedAt", "author", "state"}
VARYING |= {"database", "databaseBytes", "logBytes", "processId", "pid", "connectedAt", "cursor"}
VARYING |= {"name", "version", "nextCursor", "clients", "size", "score", "content", "folder"}


def comparable(value: Any) -> Any:
    """Return a result without what differs from run to run, or from client to client."""
    if isinstance(value, dict):
        return {key: type(one) if key in VARYING else comparable(one) for key, one in value.items()}
    if isinstance(value, list):
        return [comparable(one) for one in value]
    return exchanges.sample(value)


def committed(database: Path) -> list[tuple[int, str]]:
    """Return what the file says was committed."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        query = "SELECT revision, type FROM session_server_changes ORDER BY revision"
        return connection.execute(query).fetchall()


class Told:
    """What a client is told, by its iterator and by its callback."""

    def __init__(self, client: SessionClient) -> None:
        self.batches: list[DidChange] = []
        self._task = asyncio.create_task(self._collect(client.changes()))

    async def _collect(self, batches: AsyncIterator[DidChange]) -> None:
        async for batch in batches:
            self.batches.append(batch)

    @property
    def changes(self) -> list[tuple[int, str]]:
        return [
            (one["revision"], one["type"]) for batch in self.batches for one in batch["changes"]
        ]


def kill(client: SessionClient) -> None:
    assert client._process is not None
    client._process.kill()


@pytest.mark.asyncio
@pytest.mark.parametrize("options", [(), ("--standalone",)], ids=["shared", "standalone"])
async def test_a_killed_server_is_started_again_and_no_change_is_lost(
    database: Path, options: tuple[str, ...]
) -> None:
    notified: list[int] = []

    def notice(method: str, params: Any) -> None:
        if method == "tenets/session.didChange":
            notified.extend(one["revision"] for one in params["changes"])

    command = (*COMMAND, *options)
    async with SessionClient(command, database=database, on_notification=notice) as sessions:
        told = Told(sessions)
        await sessions.create("a", active=True)
        with ForeignWriter(database) as foreign:
            for number in range(4):
                foreign.add_context("a", f"before {number}")
                killed = sessions._process
                kill(sessions)
                foreign.create(f"while away {number}")
                foreign.add_context("a", "while away")
                assert await asyncio.wait_for(sessions.get("a"), DEADLINE)
                foreign.add_context("a", f"after {number}")
            # The daemon may answer a moment longer. A write at its end would be refused.
            await eventually(lambda: sessions._process is not killed)
            await sessions.set_active("while away 3")
        expected = committed(database)
        await eventually(lambda: len(told.changes) >= len(expected))
        assert told.changes == expected
        assert notified == [revision for revision, _ in expected]
        active = told.batches[-1]["active"]
        assert active is not None
        assert active["name"] == "while away 3"
        assert not any(batch.get("incomplete") for batch in told.batches)
    shared.stop(database)


@pytest.mark.asyncio
async def test_a_killed_daemon_is_started_again(database: Path) -> None:
    async with SessionClient(database=database) as sessions:
        told = Told(sessions)
        await sessions.create("a")
        os.kill(shared.report(database)["pid"], signal.SIGKILL)
        with contextlib.suppress(ConnectionError):  # it may have been sent to the killed one
            await asyncio.wait_for(sessions.create("b"), DEADLINE)
        assert await asyncio.wait_for(sessions.get("a"), DEADLINE)
        await sessions.create("c")
        await eventually(lambda: told.changes == committed(database))
    shared.stop(database)


@pytest.mark.asyncio
async def test_another_file_in_its_place_is_incomplete(database: Path) -> None:
    async with SessionClient((*COMMAND, "--standalone"), database=database) as sessions:
        told = Told(sessions)
        await sessions.create("a")
        await eventually(lambda: bool(told.changes))
        kill(sessions)
        with ForeignWriter(database) as foreign:
            foreign.add_context("a", "x")
        with contextlib.closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("UPDATE session_server_changes SET token = token + 1")
            connection.execute("UPDATE session_server_history SET token = token + 1")
        assert await asyncio.wait_for(sessions.get("a"), DEADLINE)
        await eventually(lambda: len(told.batches) > 1)
        assert told.batches[-1].get("incomplete") is True
        assert told.batches[-1]["changes"] == []
        await sessions.create("b")
        await eventually(lambda: told.changes[-1][1] == "created")


@pytest.mark.asyncio
async def test_reads_are_sent_again_and_writes_are_not(database: Path) -> None:
    async with SessionClient((*COMMAND, "--standalone"), database=database) as sessions:
        await sessions.create("a")
        assert sessions._process is not None
        os.kill(sessions._process.pid, signal.SIGSTOP)
        reading = asyncio.ensure_future(sessions.get("a"))
        writing = asyncio.ensure_future(sessions.create("b"))
        adding = asyncio.ensure_future(sessions.add_context("a", "note", "x", identity_key="k"))
        await asyncio.sleep(0.1)
        kill(sessions)
        found = await asyncio.wait_for(reading, DEADLINE)
        assert found is not None
        with pytest.raises(ConnectionError, match="has ended"):
            await writing
        assert (await asyncio.wait_for(adding, DEADLINE))["duplicate"] is False
        assert (await sessions.create("c"))["name"] == "c"
        assert {one["name"] async for one in sessions.list()} == {"a", "c"}


@pytest.mark.asyncio
async def test_a_cancelled_request_is_cancelled_at_the_server(database: Path) -> None:
    async with SessionClient(database=database) as sessions:
        await sessions.create("a")
        with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await sessions.create("timed out")
            waiting = asyncio.ensure_future(sessions.create("cancelled"))
            while not sessions._pending:  # noqa: ASYNC110 - nothing else says that it is sent
                await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            await sessions.get_active()  # by then the server has read both
            other.execute("ROLLBACK")
        await sessions.create("b")
        assert {one["name"] async for one in sessions.list()} == {"a", "b"}
        assert sessions._pending == {}
    shared.stop(database)


SERVER_THAT_ASKS = """
import json, sys
def read():
    header = sys.stdin.buffer.readline()
    sys.stdin.buffer.readline()
    return json.loads(sys.stdin.buffer.read(int(header.split(b":")[1])))
def send(message):
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    sys.stdout.buffer.write(b"Content-Length: %d\\r\\n\\r\\n%b" % (len(body), body))
    sys.stdout.buffer.flush()
message = read()
known = {"state": "1.a", "revision": 1, "folders": []}
capabilities = {"experimental": {"tenetsSession": known}}
send({"id": message["id"], "result": {"capabilities": capabilities}})
read()
asked = read()
send({"id": "one", "method": "window/showMessageRequest", "params": {}})
send({"id": "two", "method": "workspace/configuration", "params": {}})
replies = [read(), read()]
send({"id": asked["id"], "result": replies})
send({"id": read()["id"], "result": None})
read()
"""


@pytest.mark.asyncio
async def test_requests_of_the_server_get_a_reply() -> None:
    async with SessionClient((sys.executable, "-c", SERVER_THAT_ASKS)) as sessions:
        one, two = await asyncio.wait_for(sessions.session("stats"), DEADLINE)
    assert (one["id"], one["result"]) == ("one", None)
    assert (two["id"], two["error"]["code"]) == ("two", -32601)


@pytest.mark.asyncio
async def test_the_delay_grows_and_requests_do_not_wait_for_ever(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenets_session_client.FIRST_DELAY", 0.02)
    starts = tmp_path / "starts"
    broken = tmp_path / "broken"
    script = (
        "import os, pathlib, sys, time\n"
        f"pathlib.Path({str(starts)!r}).open('a').write(f'{{time.time()}}\\n')\n"
        f"if pathlib.Path({str(broken)!r}).exists(): sys.exit(1)\n"
        "os.execv(sys.executable, [sys.executable, '-m', 'tenets_session_server', *sys.argv[1:]])\n"
    )
    command = (sys.executable, "-c", script, "--standalone")
    async with SessionClient(command, database=database) as sessions:
        await sessions.create("a")
        broken.touch()
        kill(sessions)
        with pytest.raises(ConnectionError, match="cannot be started again"):
            await asyncio.wait_for(sessions.get("a"), DEADLINE)
        times = [float(line) for line in starts.read_text().split()]
        assert len(times) >= 5
        assert times[-1] - times[-2] > 2 * (times[2] - times[1] - 0.1)
        broken.unlink()
        while True:
            with contextlib.suppress(ConnectionError):
                assert await asyncio.wait_for(sessions.get("a"), DEADLINE)
                break
            await asyncio.sleep(0.05)


USER_CODE = """
from tenets_session_client import DidChange, SessionClient, SessionError

async def right(sessions: SessionClient) -> str | None:
    added = await sessions.methods.add_context(session_name="a", kind="note", content="x")
    await sessions.add_context("a", "note", "x", location={"uri": "/a.py"})
    page = await sessions.methods.list(limit=5, order="recent")
    try:
        await sessions.create("a")
    except SessionError as error:
        if error.kind == "sessionExists":
            return added["preview"]
    async for batch in sessions.changes():
        return batch["changes"][0]["type"]
    return page["nextCursor"]
"""

WRONG_CODE = {
    'await sessions.methods.add_context(kind="note")': "call-arg",
    'await sessions.methods.list(limit="5")': "arg-type",
    'await sessions.methods.list(order="random")': "arg-type",
    "await sessions.methods.frobnicate()": "attr-defined",
    'print((await sessions.methods.stats())["nonsense"])': "typeddict-item",
    "await sessions.create(5)": "arg-type",
}


def test_wrong_usage_is_an_error_of_mypy(tmp_path: Path) -> None:
    lines = [
        f"async def wrong_{number}(sessions: SessionClient) -> None:\n    {line}"
        for number, line in enumerate(WRONG_CODE)
    ]
    module = tmp_path / "user_code.py"
    module.write_text("\n".join([USER_CODE, *lines, ""]), encoding="utf-8")
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file", os.devnull, str(module)],
        env={**os.environ, "MYPYPATH": str(PYTHON)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    found = [line for line in checked.stdout.splitlines() if ": error: " in line]
    assert [line.rpartition("[")[2].rstrip("]") for line in found] == [*WRONG_CODE.values()], found
    assert all("user_code.py" in line for line in found)


SERVER_THAT_LINGERS = """
import json, os, sys, time
header = sys.stdin.buffer.readline()
sys.stdin.buffer.readline()
message = json.loads(sys.stdin.buffer.read(int(header.split(b":")[1])))
known = {"state": "1.a", "revision": 1, "folders": []}
result = {"capabilities": {"experimental": {"tenetsSession": known}}}
body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode()
os.write(1, b"Content-Length: %d\\r\\n\\r\\n%b" % (len(body), body))
sys.stdin.buffer.readline()  # initialized
os.close(1)
sys.stdin.buffer.read()
time.sleep(0.3)
"""


@pytest.mark.asyncio
async def test_a_client_that_ends_while_its_server_does_waits_for_it() -> None:
    async with SessionClient((sys.executable, "-c", SERVER_THAT_LINGERS)) as sessions:
        process, receiving = sessions._process, sessions._receiving
        assert process is not None
        await eventually(lambda: receiving is None or receiving.done())
        await asyncio.sleep(0)
    assert process.returncode == 0
