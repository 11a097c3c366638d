"""No method looks at more than it answers with: by SQLite's own plans, and by its own counting.

Each method is called by a client with its examples, and with any two of its optional params in all
combinations. For every statement that is executed meanwhile the test looks at SQLite's plan
(EXPLAIN QUERY PLAN, with its triggers). The steps are counted of statements that are executed on
behalf of the client. Others follow from earlier calls: their commits are published a little later,
and other programs' commits are polled for.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import apsw
import msgspec
import pytest
from msgspec import NODEFAULT, Meta

from support.client import METHOD_NAMES, Client
from support.foreign import ForeignWriter
from support.host import Host
from tenets_session_server.logs import CLIENT, client_context
from tenets_session_server.methods.table import METHODS
from tenets_session_server.storage.sqlite.context_pages import WALKED
from tenets_session_server.storage.sqlite.schema import CHANGES_KEPT, ONE_ROW_TABLES, PRUNE_INTERVAL

pytestmark = pytest.mark.asyncio

SMALL, LARGE = 200, 5000
ENTRIES = 10  # of each session
TOGETHER = 2  # optional params that are given beside those of the first example
# Their work is what they delete, or return: everything.
PROPORTIONAL = {"deleteAll", "export"}
WRITING = {method.verb for method in METHODS if method.writes}


def calls() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every example of every method, and combinations of its optional params."""
    for method in METHODS:
        if method.verb in PROPORTIONAL:
            continue
        for example in method.examples:
            yield method.verb, dict(example)
        hints = get_type_hints(method.params, include_extras=True)
        optional = {
            field.encode_name: values_of(hints[field.name])
            for field in msgspec.structs.fields(method.params)
            if field.default is not NODEFAULT
        }
        for together in itertools.combinations(optional, min(TOGETHER, len(optional))):
            for values in itertools.product(*(optional[name] for name in together)):
                given = dict(zip(together, values, strict=True))
                yield method.verb, {**method.examples[0], **given}


def values_of(annotation: Any) -> list[Any]:
    """Return what a test gives for a param of this type; null means its default."""
    if annotation is bool:
        return [True, False]
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    found = []
    for part in get_args(annotation):
        found += part.examples or [] if isinstance(part, Meta) else values_of(part)
    return found or [None]


Statement = dict[str, Any]
CALLER = "client 1"
# What FTS5 executes on its own tables. It keeps these statements, with the steps of all executions.
FTS5 = re.compile(r"'main'\.('session_server_search\w*_(data|idx|docsize|config)'|data_version)")


@contextmanager
def traced() -> Iterator[list[Statement]]:
    """Collect what every connection that is opened in the block executes, until it is closed.

    Each statement has a member ``client``, as the log has it.
    """
    executed: list[Statement] = []

    def record(statement: Statement) -> None:
        if FTS5.search(statement["sql"]):
            return
        executed.append({**statement, "client": CLIENT.get()})

    def listen(connection: apsw.Connection) -> None:
        connection.trace_v2(apsw.SQLITE_TRACE_PROFILE, record)

    apsw.connection_hooks.append(listen)
    try:
        yield executed
    finally:
        apsw.connection_hooks.remove(listen)


@asynccontextmanager
async def client_of(database: Path, sessions: int) -> AsyncIterator[tuple[Client, list[Any]]]:
    """A client of a database with so many sessions, and the list of what is executed for it."""
    with traced() as executed:
        async with Host.opened(database) as host:
            host.session_db.create_session("first")
            fill(database, sessions)
            host.session_db.set_active("session-3", True)
            host.session_db.set_active("session-4", True)
            with client_context(CALLER):
                client = host.connect()
            await client.initialize()
            while (await client.session("search", query="nothing"))["isIncomplete"]:
                pass  # what the database was filled with is indexed first
            yield client, executed


def fill(database: Path, sessions: int) -> None:
    """Put sessions and context into a database, as another program would."""
    with ForeignWriter(database) as foreign, foreign.transaction():
        foreign.execute(
            "WITH n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
            " INSERT INTO sessions (name, created_at, metadata)"
            " SELECT 'fix login ' || i, '2026-01-01T00:00:00.' || i || '+00:00', '{\"i\": 1}'"
            " FROM n",
            (sessions,),
        )
        foreign.execute(
            "WITH n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
            " INSERT INTO session_context (session_id, kind, content, created_at)"
            " SELECT s.id, 'note', 'x', s.created_at FROM sessions AS s, n",
            (ENTRIES,),
        )


async def call(client: Client, verb: str, params: dict[str, Any]) -> Any:
    reply = await client.call(METHOD_NAMES[verb], params)
    return reply.get("result", reply)


async def statements_of(
    client: Client, executed: list[Statement]
) -> list[tuple[str, list[Statement]]]:
    """Make every call; return what was executed for each."""
    found: list[tuple[str, list[Statement]]] = []
    for verb, params in calls():
        executed.clear()
        result = await call(client, verb, params)
        found.append((f"{verb} {params}", list(executed)))
        if cursor := isinstance(result, dict) and result.get("nextCursor"):
            executed.clear()
            await call(client, verb, {**params, "cursor": cursor})
            found.append((f"{verb} {params}, the next page", list(executed)))
    for method in METHODS:
        if method.pick is None:
            continue
        executed.clear()
        await client.call("workspace/executeCommand", {"command": method.command})
        found.append((method.command, list(executed)))
    return found


async def test_no_plan_scans_a_table_or_sorts_one(database: Path) -> None:
    async with client_of(database, SMALL) as (client, executed):
        for what, statements in await statements_of(client, executed):
            for sql in {one["sql"] for one in statements}:
                steps = plan(database, sql)
                # What a subquery gives, whose own steps are looked at as well.
                subqueries = {step.removeprefix("CO-ROUTINE ") for step in steps}
                for step in steps:
                    scanned = re.match(r"SCAN (\S+)(?!\S)(?! .*USING (COVERING )?INDEX)", step)
                    allowed = ONE_ROW_TABLES | BOUNDED | subqueries
                    assert scanned is None or scanned[1] in allowed, f"{what}: {step} in {sql}"
                    assert "USE TEMP B-TREE" not in step or SORTED in sql, f"{what}: {step}, {sql}"


# The one row of the active session; two rows at most, that an INSERT replaces; one of constants; a
# row for each table that never gives an id twice; the ids of one page; the bindings, of which there
# are as many as a user's folders.
BOUNDED = {
    *("a", "session_server_replaced", "CONSTANT", "sqlite_sequence", "json_each"),
    *("b", "session_server_bindings"),
    # Of the trash, all items are looked at, once a minute and when nobody waits.
    "session_server_trash",
    "session_server_purges",  # what older servers have left
    # Only its newest row is read: ORDER BY revision DESC LIMIT 1.
    "session_server_changes",
    # Whether there is one; and the next one, by its id.
    "session_server_search_scans",
    # FTS5 reads the rows that match, or a range of ids, and each statement has a LIMIT.
    *("f", "session_server_search", "session_server_search_names"),
}
# The sessions of a prefix, which are counted before, or not found by walking.
SORTED = "WHERE name >= :prefix AND name < :after LIMIT -1) AS s"


def plan(database: Path, sql: str) -> list[str]:
    """Return the steps of a statement's plan, with those of the triggers that it fires."""
    with ForeignWriter(database) as foreign:
        foreign.connection.config(apsw.SQLITE_DBCONFIG_TRIGGER_EQP, 1)
        names = re.findall(r":([a-z]\w*)", sql)
        values = dict.fromkeys(names) if names else [None] * sql.count("?")
        steps = foreign.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()
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
                what: sum(
                    one["stmt_status"]["SQLITE_STMTSTATUS_VM_STEP"]
                    for one in statements
                    if one["client"] == CALLER
                )
                for what, statements in await statements_of(client, executed)
            }
    for what, few in taken[SMALL].items():
        many = taken[LARGE][what]
        # Twice as many, and a few for a row that only the large database has, are no scan of 25
        # times as much. Names with a prefix are visited up to a fixed number.
        most = 2 * few + 60 if "namePrefix" not in what else 60_000
        if what.split()[0] in WRITING:  # one in a hundred changes prunes the log
            most += 6 * PRUNE_INTERVAL
        if "'recent'" in what:  # the whole log is looked at
            most = 20 * CHANGES_KEPT
        if what.startswith("search"):  # the calls before have changed what is indexed first
            most += 20_000
        if "'author': 'me'" in what:
            most = 15 * WALKED
        assert many <= most, f"{what}: {many} steps with {LARGE} sessions, {few} with {SMALL}"
