"""What other programs may have stored: it locks nobody out, and nothing of it is lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.client import Client, ResponseError
from support.foreign import INSERT, NOW, UPSTREAM_SCHEMA, ForeignWriter

pytestmark = pytest.mark.asyncio

LEVELS = 990


def nested(levels: int) -> str:
    return '{"a": ' * levels + "1" + "}" * levels


@pytest.fixture
def foreign(database: Path) -> ForeignWriter:
    """Another program, which has created the file."""
    return ForeignWriter.on_new_file(database)


@pytest.mark.parametrize("levels", [LEVELS, 100_000])
async def test_deeply_nested_metadata_locks_nobody_out(
    server_command: list[str], foreign: ForeignWriter, levels: int
) -> None:
    with foreign:
        foreign.execute(INSERT, ("deep", NOW, f'{{"deep": {nested(levels)}, "x": 1}}'))
        foreign.execute(INSERT, ("other", NOW, '{"active": true}'))
        async with Client.opened(server_command) as client:
            assert client.session_capability["warnings"] == []
            assert sorted(await client.names()) == ["deep", "other"]
            assert (await client.session("get", name="deep"))["metadata"]["x"] == 1
            await client.session("updateMetadata", name="deep", updates={"y": 2})
            if levels == LEVELS:
                assert (await client.activate("deep"))["active"]
                assert await client.active_name() == "deep"
            else:  # neither SQLite nor the tenets command line can read that
                with pytest.raises(ResponseError, match="SQLite cannot read the metadata"):
                    await client.activate("deep")
                assert await client.active_name() == "other"
        # What the server does not touch stays as it is stored.
        ((stored,),) = foreign.rows("SELECT metadata FROM sessions WHERE name = 'deep'")
        assert nested(levels) in stored


async def test_what_is_not_json_is_shown_as_json_and_kept(
    server_command: list[str], foreign: ForeignWriter
) -> None:
    theirs = '{"rate": NaN, "list": [1, -Infinity], "text": "\\ud800!", "big": 1.50}'
    with foreign:
        foreign.execute(INSERT, ("a", NOW, theirs))
        async with Client.opened(server_command) as client:
            shown = (await client.session("get", name="a"))["metadata"]
            assert shown == {"rate": None, "list": [1, None], "text": "\ufffd!", "big": 1.5}
            updated = await client.session("updateMetadata", name="a", updates={"mine": [7]})
            assert updated["metadata"] == {**shown, "mine": [7]}
            await client.activate("a")
            assert await client.active_name() == "a"
        ((stored,),) = foreign.rows("SELECT metadata FROM sessions")
        assert stored.startswith(theirs[:-1] + ', "mine": [7], "active": true')
        assert json.loads(stored)["mine"] == [7]  # as the tenets command line reads it


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("CREATE VIRTUAL TABLE sessions USING fts5(name, created_at, metadata, id)", "virtual"),
        ("CREATE VIEW sessions AS SELECT 1 AS id, 2 AS name, 3 AS created_at", "view"),
        (
            (
                "CREATE TABLE sessions (id INTEGER PRIMARY KEY, name TEXT, created_at TEXT,"
                " metadata TEXT) WITHOUT ROWID"
            ),
            "WITHOUT ROWID",
        ),
        ("CREATE TABLE session_server_sessions_by_created (a)", "session_server_sessions_by"),
        (
            (
                "CREATE TABLE session_server_migrations (name TEXT PRIMARY KEY, applied_at TEXT);"
                "INSERT INTO session_server_migrations VALUES (CAST(x'ff' AS TEXT), '')"
            ),
            "",
        ),
    ],
    ids=["virtual", "view", "without rowid", "index name", "invalid UTF-8"],
)
async def test_a_file_that_cannot_be_used_is_reported_by_the_running_server(
    server_command: list[str], database: Path, sql: str, words: str
) -> None:
    database.parent.mkdir(parents=True, exist_ok=True)
    with ForeignWriter(database) as foreign:
        foreign.execute(sql)
    async with Client.opened(server_command) as client:
        (warning,) = client.session_capability["warnings"]
        assert words in warning
        with pytest.raises(ResponseError) as caught:
            await client.create("a")
        assert caught.value.data is not None
        assert caught.value.data["kind"] == "databaseCorrupt"


@pytest.mark.parametrize(
    ("sql", "params", "words"),
    [
        (
            (
                "CREATE TRIGGER theirs BEFORE INSERT ON session_context"
                " BEGIN SELECT RAISE(ABORT, 'not on sundays'); END"
            ),
            ("addContext", {"sessionName": "s", "kind": "note", "content": "x"}),
            "not on sundays",
        ),
        (
            (
                "CREATE TRIGGER theirs BEFORE INSERT ON session_context"
                " BEGIN SELECT RAISE(IGNORE); END"
            ),
            ("addContext", {"sessionName": "s", "kind": "note", "content": "x"}),
            "swallows",
        ),
        (
            (
                "CREATE TRIGGER theirs AFTER INSERT ON session_context"
                " BEGIN DELETE FROM session_context WHERE id = NEW.id; END"
            ),
            ("addContext", {"sessionName": "s", "kind": "note", "content": "x"}),
            "swallows",
        ),
        (
            "CREATE TRIGGER theirs BEFORE INSERT ON sessions BEGIN SELECT RAISE(IGNORE); END",
            ("create", {"name": "new"}),
            "swallows",
        ),
        (
            "CREATE TRIGGER theirs BEFORE UPDATE ON sessions BEGIN SELECT RAISE(IGNORE); END",
            ("setActive", {"name": "s"}),
            "swallows",
        ),
        (
            "CREATE TRIGGER theirs BEFORE DELETE ON sessions BEGIN SELECT RAISE(IGNORE); END",
            ("delete", {"name": "s"}),
            "swallows",
        ),
        (
            f"INSERT INTO sessions VALUES ({2**63 - 1}, 'last', '{NOW}', '{{}}')",
            ("create", {"name": "new"}),
            "largest id",
        ),
    ],
    ids=["abort", "ignore", "remove", "ignore create", "ignore update", "ignore delete", "id"],
)
async def test_a_change_that_others_refuse_is_not_acknowledged(
    server_command: list[str], database: Path, sql: str, params: tuple[str, Any], words: str
) -> None:
    async with Client.opened(server_command) as client:
        await client.create("s")
        with ForeignWriter(database) as foreign:
            foreign.execute(sql)
        before = await client.session("list", includeContextCount=True)
        method, arguments = params
        with pytest.raises(ResponseError, match=words) as caught:
            await client.session(method, **arguments)
        assert caught.value.code == -32803
        assert caught.value.data is not None
        assert caught.value.data["kind"] == "databaseCorrupt"
        assert await client.session("list", includeContextCount=True) == before


async def test_a_column_that_must_not_be_null_is_named(
    server_command: list[str], database: Path
) -> None:
    database.parent.mkdir(parents=True, exist_ok=True)
    with ForeignWriter(database) as foreign:
        foreign.execute(
            UPSTREAM_SCHEMA.replace("metadata TEXT", "metadata TEXT, team TEXT NOT NULL")
        )
    async with Client.opened(server_command) as client:
        with pytest.raises(ResponseError, match="team"):
            await client.create("a")
