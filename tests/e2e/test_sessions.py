"""Editors sharing sessions: each test speaks as the people who use them."""

from __future__ import annotations

import json
import math
from datetime import datetime
from pathlib import Path

import pytest

from support.client import Client, ResponseError
from support.foreign import ForeignWriter
from support.messages import Json, frame
from support.modes import both_modes
from tenets_session_server.storage.sqlite.hidden_context import VISIBLE

pytestmark = pytest.mark.asyncio


async def failure(awaitable: object) -> ResponseError:
    """Return the error that a request fails with."""
    with pytest.raises(ResponseError) as caught:
        await awaitable  # type: ignore[misc]
    return caught.value


@both_modes
async def test_two_editors_share_sessions_and_the_active_one(server_command: list[str]) -> None:
    async with Client.opened(server_command) as one, Client.opened(server_command) as other:
        assert await one.active_name() is None
        await one.create("refactor")
        await other.create("bug 4711", active=True)
        assert await one.active_name() == "bug 4711"
        await one.activate("refactor")
        assert await other.active_name() == "refactor"
        assert await other.names() == ["bug 4711", "refactor"]
        assert await other.names(active=True) == ["refactor"]
        assert await other.names(active=False) == ["bug 4711"]
        await one.session("setActive", name="refactor", active=False)
        assert await other.active_name() is None


@both_modes
async def test_sessions_outlive_their_editors(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        created = await editor.create("kept", metadata={"branch": "main"}, active=True)
        await editor.add_note("kept", "remember the milk")
    async with Client.opened(server_command) as editor:
        found = await editor.session("getActive")
        listed = await editor.session("list", includeContextCount=True)
        state = {member: found.pop(member) for member in ("revision", "state")}
        assert state == {"revision": 3, "state": editor.state}
        assert {**found, "created": True, "revision": 2, "state": created["state"]} == created
        sessions = [{**found, "contextCount": 1}]
        assert listed == {"sessions": sessions, "nextCursor": None, **state}


async def test_create_returns_the_session_as_it_is(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        session = await editor.create("new")
        assert session.keys() == {
            *("id", "name", "createdAt", "active", "metadata", "created", "revision", "state"),
        }
        assert session.pop("created") is True
        assert (session["name"], session["active"], session["metadata"]) == ("new", False, {})
        assert datetime.fromisoformat(session["createdAt"]).utcoffset() is not None
        assert await editor.session("get", name="new") == session
        assert await editor.session("get", name="other") is None


async def test_a_taken_name_is_an_error_and_changes_nothing(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        before = await editor.create("taken", metadata={"kept": True})
        del before["created"]
        error = await failure(editor.create("taken", metadata={"kept": False}))
        assert error.code == -32803
        assert error.data == {"kind": "sessionExists", "retryable": False, "name": "taken"}
        assert await editor.session("get", name="taken") == before


async def test_an_unknown_session_is_an_error(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        for verb in ("setActive", "updateMetadata"):
            error = await failure(editor.session(verb, name="unknown", updates={}))
            assert error.code == -32803
            assert error.data == {"kind": "sessionNotFound", "retryable": False, "name": "unknown"}
        assert await editor.names() == []


async def test_activation_writes_the_dates_that_upstream_writes(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        await editor.create("a", metadata={"own": 1})
        await editor.create("b")
        first = (await editor.activate("a"))["metadata"]
        assert first.keys() == {"own", "active", "updated_at", "resumed_at"}
        assert first["own"] == 1
        assert first["active"] is True
        assert first["updated_at"] == first["resumed_at"]
        assert datetime.fromisoformat(first["resumed_at"]).microsecond == 0
        await editor.activate("b")
        after = (await editor.session("get", name="a"))["metadata"]
        assert after.keys() == {"own", "active", "updated_at", "resumed_at", "ended_at"}
        assert after["active"] is False
        assert datetime.fromisoformat(after["ended_at"]).utcoffset() is not None


METADATA: Json = {
    "jsonrpc": "2.0",
    "class": {"jsonrpc": {"id": 1}, "_x": [], "type_name": "Object"},
    "a b": None,
    "": {"": {"": []}},
    "big": 2**200,
    "bigger": -(10**100),
    "float": 0.1,
    "tiny": 5e-324,
    "unicode": "Ünïcödé 🧵 \u2028 \x00 \x7f",
    "🔑": "key",
    "method": "exit",
    "$ref": [{"deep": [[[[[1]]]]]}],
}


async def test_metadata_comes_back_as_it_was_stored(server_command: list[str]) -> None:
    async with Client.opened(server_command) as one, Client.opened(server_command) as other:
        assert (await one.create("m", metadata=METADATA))["metadata"] == METADATA
        assert (await other.session("get", name="m"))["metadata"] == METADATA
        merged = await other.session("updateMetadata", name="m", updates={"a b": 1, "n": None})
        assert merged["metadata"] == {**METADATA, "a b": 1, "n": None}
        activated = await other.activate("m")
        assert activated["metadata"].items() >= {**METADATA, "a b": 1, "n": None}.items()


async def test_numbers_keep_the_form_they_were_written_in(server_command: list[str]) -> None:
    numbers = b'{"a":1.50,"b":1e400,"c":0.1000000000000000055511151231257827,"d":-0,"e":1E2}'
    async with Client.started(server_command) as client:
        await client.initialize()
        create = b'{"jsonrpc":"2.0","id":7,"method":"tenets/session.create","params":{"name":"n",'
        await client.send(frame(create + b'"metadata":' + numbers + b"}}"))
        assert numbers in await client.read_body()
        # Deactivation by another's activation is done by SQLite, not by this program.
        await client.result("tenets/session.setActive", {"name": "n"})
        await client.result("tenets/session.create", {"name": "o", "active": True})
        await client.send({"jsonrpc": "2.0", "id": 8, "method": "tenets/session.list"})
        body = await client.read_body()
        assert numbers[:-1] in body
        assert math.isinf(json.loads(body)["result"]["sessions"][1]["metadata"]["b"])


async def test_the_last_value_of_a_repeated_key_counts(
    server_command: list[str],
) -> None:
    async with Client.started(server_command) as client:
        await client.initialize()
        twice = b'{"active":true,"active":false}'
        create = b'{"jsonrpc":"2.0","id":7,"method":"tenets/session.create","params":{"name":"n",'
        await client.send(frame(create + b'"metadata":' + twice + b"}}"))
        assert (await client.read())["result"]["active"] is False
        assert await client.result("tenets/session.getActive") is None


async def test_context_creates_its_session(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        entry = await editor.add_note("found on the way", "Grüße 🧵", kind="code")
        assert entry.keys() == {
            *("id", "sessionId", "sessionName", "kind", "size", "createdAt", "sessionCreated"),
            *("preview", "author", "revision", "state", "duplicate"),
        }
        assert entry["size"] == len("Grüße 🧵".encode())
        assert (entry["kind"], entry["sessionCreated"]) == ("code", True)
        again = await editor.add_note("found on the way", "")
        assert (again["sessionCreated"], again["size"]) == (False, 0)
        assert again["sessionId"] == entry["sessionId"]
        assert again["id"] > entry["id"]


@pytest.mark.parametrize(("purge", "left"), [(None, 0), (True, 0), (False, 2)])
async def test_purge_context_decides_whether_context_is_deleted(
    server_command: list[str], database: Path, purge: bool | None, left: int
) -> None:
    async with Client.opened(server_command) as editor:
        for content in ("one", "two"):
            await editor.add_note("gone", content)
        await editor.add_note("stays", "three")
        deleted = await editor.session("delete", name="gone", purgeContext=purge)
        assert deleted == {"deleted": True, "trashId": 1}
        assert await editor.session("delete", name="gone") == {"deleted": False, "trashId": None}
        assert await editor.names() == ["stays"]
    assert contents(database) == ["one", "two", "three"][2 - left :]


@pytest.mark.parametrize(("params", "left"), [({}, []), ({"purgeContext": False}, ["x"])])
async def test_deleting_everything(
    server_command: list[str], database: Path, params: dict[str, bool], left: list[str]
) -> None:
    async with Client.opened(server_command) as editor:
        assert await editor.session("deleteAll", **params) == {"deleted": 0, "trashId": None}
        await editor.add_note("a", "x")
        await editor.create("b", active=True)
        assert await editor.session("deleteAll", **params) == {"deleted": 2, "trashId": 2}
        assert await editor.names() == []
        assert await editor.active_name() is None
    assert contents(database) == left


@both_modes
async def test_pages_neither_skip_nor_repeat_while_others_write(server_command: list[str]) -> None:
    async with Client.opened(server_command) as one, Client.opened(server_command) as other:
        for number in range(25):
            await one.create(f"s{number:02}")
        seen: list[str] = []
        cursor = None
        for _ in range(9):
            page = await one.session("list", limit=3, cursor=cursor)
            seen += [session["name"] for session in page["sessions"]]
            cursor = page["nextCursor"]
            await other.create(f"later {len(seen)}")
            await other.session("delete", name=seen[-1])  # the very row the cursor stands on
        assert cursor is None
        assert seen == [f"s{number:02}" for number in reversed(range(25))]


async def test_a_cursor_of_another_order_or_filter_is_refused(server_command: list[str]) -> None:
    lists: list[Json] = [{"order": "oldest"}, {"active": False}, {"namePrefix": "s"}]
    async with Client.opened(server_command) as editor:
        for number in range(3):
            await editor.create(f"s{number}")
        cursor = (await editor.session("list", limit=1))["nextCursor"]
        for other in lists:
            error = await failure(editor.session("list", limit=1, cursor=cursor, **other))
            assert error.code == -32602
            assert "cursor: expected a nextCursor of the same list" in str(error)
        assert len((await editor.session("list", cursor=cursor))["sessions"]) == 2


async def test_list_filters(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        for name in ("ab", "abc", "ac", "ab\U0010ffff", "AB", "ab%", "b"):
            await editor.create(name)
        assert await editor.names(namePrefix="ab") == ["ab%", "ab\U0010ffff", "abc", "ab"]
        assert await editor.names(namePrefix="ab", order="oldest", limit=1) == [
            *("ab", "abc", "ab\U0010ffff", "ab%")
        ]
        assert await editor.names(namePrefix="\U0010ffff") == []
        assert len(await editor.names(namePrefix="")) == 7


async def test_a_page_of_large_sessions_is_shorter_and_complete(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        large = {"text": "x" * 1_000_000}
        for number in range(12):
            await editor.create(f"s{number:02}", metadata=large)
        page = await editor.session("list", limit=12)
        assert 1 < len(page["sessions"]) < 12
        assert await editor.names(limit=12) == [f"s{number:02}" for number in reversed(range(12))]


async def test_metadata_has_a_limit_and_activation_still_works(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        limit = 1024 * 1024
        fits = {"t": "x" * (limit - len('{"t":""}'))}
        error = await failure(editor.create("large", metadata={"t": fits["t"] + "x"}))
        assert error.code == -32803
        assert error.data == {"kind": "limitExceeded", "retryable": False, "limit": limit}
        assert await editor.names() == []
        await editor.create("large", metadata=fits)
        assert (await editor.activate("large"))["metadata"]["t"] == fits["t"]
        error = await failure(editor.session("updateMetadata", name="large", updates={"u": 1}))
        assert error.data == {"kind": "limitExceeded", "retryable": False, "limit": limit}
        smaller = await editor.session("updateMetadata", name="large", updates={"t": ""})
        assert smaller["metadata"]["t"] == ""


def contents(database: Path) -> list[str]:
    """Return the content of all entries in the file that are not hidden."""
    with ForeignWriter(database) as foreign:
        sql = f"SELECT content FROM session_context AS c WHERE {VISIBLE} ORDER BY id"
        return [row[0] for row in foreign.rows(sql)]
