"""No method looks at more than it answers with: by SQLite's own plans, and by its own counting.

Each method is called by a client, and every statement that is executed for it is looked at: how
SQLite would execute it (EXPLAIN QUERY PLAN, with its triggers), and how many steps it has taken.
``deleteAll`` is not among them: its work is what it deletes.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import apsw
import pytest

from support.host import Host, HostedClient
from tenets_session_server.methods.method import METHODS
from tenets_session_server.storage.schema import ONE_ROW_TABLES

pytestmark = pytest.mark.asyncio

SMALL, LARGE = 200, 5000
ENTRIES = 10  # of each session
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("getActive", {}),
    ("get", {"name": "session-7"}),
    ("get", {"name": "nobody"}),
    ("list", {"limit": 5}),
    ("list", {"limit": 5, "order": "oldest", "includeContextCount": True}),
    ("list", {"limit": 5, "active": True}),
    ("list", {"limit": 5, "active": True, "namePrefix": "session-"}),
    ("list", {"limit": 5, "active": False}),
    ("list", {"limit": 5, "namePrefix": "session-7"}),
    ("list", {"limit": 5, "namePrefix": "session-"}),
    ("list", {"limit": 5, "namePrefix": "session-", "active": False, "order": "oldest"}),
    ("list", {"limit": 5, "namePrefix": "nobody"}),
    ("changes", {"since": 1, "limit": 5}),
    ("stats", {}),
    ("create", {"name": "one more"}),
    ("create", {"name": "and active", "active": True}),
    ("create", {"name": "session-7"}),
    ("setActive", {"name": "session-7"}),
    ("setActive", {"name": "session-7", "active": False}),
    ("updateMetadata", {"name": "session-7", "updates": {"a": 1}}),
    ("addContext", {"sessionName": "session-7", "kind": "note", "content": "x"}),
    ("addContext", {"sessionName": "a new one", "kind": "note", "content": "x"}),
    ("delete", {"name": "session-8"}),
    ("delete", {"name": "nobody"}),
]
COMMANDS = ["getActive", "list", "setActive", "stats", "create"]

Statement = dict[str, Any]


@contextmanager
def traced() -> Iterator[list[Statement]]:
    """Collect what every connection that is opened in the block executes, until it is closed."""
    executed: list[Statement] = []

    def listen(connection: apsw.Connection) -> None:
        connection.trace_v2(apsw.SQLITE_TRACE_PROFILE, executed.append)

    apsw.connection_hooks.append(listen)
    try:
        yield executed
    finally:
        apsw.connection_hooks.remove(listen)


@asynccontextmanager
async def client_of(database: Path, sessions: int) -> AsyncIterator[tuple[HostedClient, list[Any]]]:
    """A client of a database with so many sessions, and the list of what is executed for it."""
    with traced() as executed:
        async with Host.opened(database) as host:
            host.session_db.create_session("first")
            fill(database, sessions)
            host.session_db.set_active("session-3", True)
            host.session_db.set_active("session-4", True)
            yield await host.attach(), executed


def fill(database: Path, sessions: int) -> None:
    """Put sessions and context into a database, as another program would."""
    with apsw.Connection(str(database)) as connection:
        connection.execute(
            "WITH n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
            " INSERT INTO sessions (name, created_at, metadata)"
            " SELECT 'session-' || i, '2026-01-01T00:00:00.' || i || '+00:00', '{\"i\": 1}' FROM n",
            (sessions,),
        )
        connection.execute(
            "WITH n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
            " INSERT INTO session_context (session_id, kind, content, created_at)"
            " SELECT s.id, 'note', 'x', s.created_at FROM sessions AS s, n",
            (ENTRIES,),
        )
    connection.close()


async def call(client: HostedClient, method: str, params: dict[str, Any]) -> Any:
    reply = await client.call(f"tenets/session.{method}", params)
    return reply.get("result", reply)


async def statements_of(
    client: HostedClient, executed: list[Statement]
) -> list[tuple[str, list[Statement]]]:
    """Make every call; return what was executed for each."""
    found: list[tuple[str, list[Statement]]] = []
    cursor = None
    for method, params in CALLS:
        executed.clear()
        result = await call(client, method, params)
        found.append((f"{method} {params}", list(executed)))
        if method == "list" and result["nextCursor"]:
            cursor = result["nextCursor"]
            executed.clear()
            await call(client, method, {**params, "cursor": cursor})
            found.append((f"{method} {params}, the next page", list(executed)))
    assert cursor is not None
    for verb in COMMANDS:
        executed.clear()
        await client.send(
            {
                "jsonrpc": "2.0",
                "id": 1,
                "method": "workspace/executeCommand",
                "params": {"command": f"tenets.session.{verb}"},
            }
        )
        while "id" not in await client.read():
            pass  # what is shown to the user comes first
        found.append((f"command {verb}", list(executed)))
    return found


async def test_every_method_is_looked_at() -> None:
    called = {method for method, _ in CALLS}
    assert called == {method.verb for method in METHODS} - {"deleteAll"}


async def test_no_plan_scans_a_table_or_sorts_one(database: Path) -> None:
    async with client_of(database, SMALL) as (client, executed):
        for what, statements in await statements_of(client, executed):
            for sql in {one["sql"] for one in statements}:
                steps = plan(database, sql)
                # What a subquery gives, whose own steps are looked at as well.
                subqueries = {step.removeprefix("CO-ROUTINE ") for step in steps}
                for step in steps:
                    scanned = re.match(r"SCAN (\S+)(?! .*USING (COVERING )?INDEX)", step)
                    allowed = ONE_ROW_TABLES | BOUNDED | subqueries
                    assert scanned is None or scanned[1] in allowed, f"{what}: {step} in {sql}"
                    assert "USE TEMP B-TREE" not in step or SORTED in sql, f"{what}: {step}, {sql}"


# The one row of the active session; two rows at most, that an INSERT replaces; one of constants.
BOUNDED = {"a", "session_server_replaced", "CONSTANT"}
# The sessions of a prefix, which are counted before, or not found by walking.
SORTED = "WHERE name >= :prefix AND name < :after LIMIT -1) AS s"


def plan(database: Path, sql: str) -> list[str]:
    """Return the steps of a statement's plan, with those of the triggers that it fires."""
    with apsw.Connection(str(database)) as connection:
        connection.config(apsw.SQLITE_DBCONFIG_TRIGGER_EQP, 1)
        names = re.findall(r":(\w+)", sql)
        values = dict.fromkeys(names) if names else [None] * sql.count("?")
        steps = connection.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()
    connection.close()
    return [str(detail) for _, _, _, detail in steps]


async def test_the_steps_taken_do_not_depend_on_how_much_there_is(
    tmp_path: Path,
) -> None:
    taken: dict[int, dict[str, int]] = {}
    for sessions in (SMALL, LARGE):
        folder = tmp_path / str(sessions)
        folder.mkdir()
        async with client_of(folder / "tenets.db", sessions) as (client, executed):
            taken[sessions] = {
                what: sum(one["stmt_status"]["SQLITE_STMTSTATUS_VM_STEP"] for one in statements)
                for what, statements in await statements_of(client, executed)
            }
    for what, few in taken[SMALL].items():
        many = taken[LARGE][what]
        # What starts with a prefix is looked for among names, up to a fixed number of them.
        most = 2 * few + 100 if "namePrefix" not in what else 60_000
        assert many <= most, f"{what}: {many} steps with {LARGE} sessions, {few} with {SMALL}"
