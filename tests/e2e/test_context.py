"""Notes come back: ``listContext`` and ``getContext``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.client import Client, ResponseError
from support.foreign import NOW, ForeignWriter
from support.messages import Json
from support.modes import both_modes

pytestmark = pytest.mark.asyncio(loop_scope="module")

ADD = (
    "INSERT INTO session_context (session_id, kind, content, created_at)"
    " VALUES (?, CAST(? AS TEXT), CAST(? AS TEXT), ?)"
)


async def pages(client: Client, **params: Any) -> list[Json]:
    """Return the entries of all pages."""
    found: list[Json] = []
    cursor = None
    while True:
        page = await client.session("listContext", **params, cursor=cursor)
        assert page["revision"] == (await client.session("changes"))["revision"]
        found += page["entries"]
        cursor = page["nextCursor"]
        if cursor is None:
            return found


@both_modes
async def test_what_was_added_comes_back(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        text = "\n \t\n  the first line 🧵\nand more\0\n"
        added = await editor.add_note("a", text)
        state = added.pop("state")
        assert added.pop("revision") == 2
        assert added.pop("sessionCreated") is True
        assert added.pop("duplicate") is False
        assert added["preview"] == "the first line 🧵"
        assert added["size"] == len(text.encode())
        assert "content" not in added
        page = await editor.session("listContext", sessionName="a")
        assert page == {
            "entries": [{**added, "content": text}],
            "nextCursor": None,
            "revision": 2,
            "state": state,
        }
        assert await editor.session("getContext", id=added["id"]) == {
            **added,
            "content": text,
            "nextOffset": None,
            "revision": 2,
            "state": state,
        }
        assert await editor.session("getContext", id=added["id"] + 1) is None


@pytest.mark.parametrize("order", ["oldest", "newest"])
@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_pages_neither_skip_nor_repeat_while_others_write(
    server_command: list[str], order: str, limit: int
) -> None:
    async with Client.opened(server_command) as editor:
        ids = [(await editor.add_note("a", str(number)))["id"] for number in range(7)]
        await editor.add_note("b", "another session's")
        found: list[int] = []
        cursor = None
        while True:
            page = await editor.session(
                "listContext", sessionName="a", order=order, limit=limit, cursor=cursor
            )
            assert len(page["entries"]) <= limit
            found += [entry["id"] for entry in page["entries"]]
            cursor = page["nextCursor"]
            if cursor is None:
                break
            if len(found) < 3:
                await editor.add_note("a", "in between")
        expected = ids if order == "oldest" else ids[::-1]
        assert [one for one in found if one in ids] == expected
        assert found == sorted(set(found), reverse=order == "newest")


async def test_filters(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        for number in range(3):
            await editor.add_note("a", f"note {number}")
            await editor.add_note("a", f"code {number}", kind="code")
            await editor.add_note("b", f"other {number}")
        a = await editor.session("get", name="a")

        async def contents(**params: Any) -> list[str]:
            return [entry["content"] for entry in await pages(editor, limit=2, **params)]

        of_a = ["note 0", "code 0", "note 1", "code 1", "note 2", "code 2"]
        assert await contents(sessionName="a") == of_a
        assert await contents(sessionId=a["id"]) == of_a
        assert await contents(sessionName="a", sessionId=a["id"]) == of_a
        assert await contents(sessionName="a", kind="code") == ["code 0", "code 1", "code 2"]
        assert await contents(kind="code", order="newest") == ["code 2", "code 1", "code 0"]
        assert await contents(kind="none") == []
        assert await contents(ids=[9, 4711, 1, 1]) == ["note 0", "other 2"]
        assert await contents(ids=[]) == []
        assert len(await contents()) == 9
        await editor.session("delete", name="b", purgeContext=False)
        kept = await pages(editor, ids=[3])
        assert [(entry["sessionName"], entry["content"]) for entry in kept] == [(None, "other 0")]


async def test_a_session_that_does_not_exist_is_an_error(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        a, b = await editor.create("a"), await editor.create("b")
        for given in (
            {"sessionName": "c"},
            {"sessionId": 99},
            {"sessionName": "a", "sessionId": b["id"]},
        ):
            with pytest.raises(ResponseError, match="no session") as caught:
                await editor.session("listContext", **given)
            assert caught.value.data is not None
            assert caught.value.data["kind"] == "sessionNotFound"
            assert caught.value.data.get("name") == given.get("sessionName")
            assert caught.value.data.get("sessionId") == given.get("sessionId")
        assert (await editor.session("listContext", sessionId=a["id"]))["entries"] == []


async def test_a_large_content_is_read_in_pieces(server_command: list[str]) -> None:
    text = "première ligne\n" + "🧵é x" * 560_000
    async with Client.opened(server_command) as editor:
        added = await editor.add_note("a", text)
        (entry,) = (await editor.session("listContext", sessionName="a"))["entries"]
        assert "content" not in entry
        assert entry["size"] == added["size"] == len(text.encode())
        assert entry["preview"] == "première ligne"
        for size in (4 * 1024 * 1024, 1_000_003):
            pieces, offset = [], 0
            while offset is not None:
                piece = await editor.session(
                    "getContext", id=added["id"], offset=offset, maxBytes=size
                )
                assert len(piece["content"].encode()) <= size
                assert piece["nextOffset"] in {None, offset + len(piece["content"].encode())}
                pieces.append(piece["content"])
                offset = piece["nextOffset"]
            assert "".join(pieces) == text
        beyond = await editor.session("getContext", id=added["id"], offset=2**31 - 1)
        assert (beyond["content"], beyond["nextOffset"]) == ("", None)


async def test_a_page_ends_when_it_is_large(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        for number in range(7):
            await editor.add_note("a", str(number) * 1_000_000)
        for order in ("oldest", "newest"):
            page = await editor.session("listContext", sessionName="a", order=order)
            assert len(page["entries"]) == 5
            rest = await editor.session(
                "listContext", sessionName="a", order=order, cursor=page["nextCursor"]
            )
            found = [entry["content"][0] for entry in page["entries"] + rest["entries"]]
            assert found == sorted("0123456", reverse=order == "newest")
            assert rest["nextCursor"] is None
        small = await editor.session("listContext", sessionName="a", includeContent=False)
        assert len(small["entries"]) == 7
        assert all("content" not in entry for entry in small["entries"])


async def test_what_other_programs_have_written_comes_back(
    server_command: list[str], database: Path
) -> None:
    async with Client.opened(server_command) as editor:
        session = (await editor.create("a"))["id"]
        with ForeignWriter(database) as foreign:
            for kind, content, created in (
                (b"note", b"theirs", NOW),
                (b"\xff", b"\xf0\x9f bad \xff", "yesterday"),
                (b"", b"", 1.5),
            ):
                foreign.execute(ADD, (session, kind, content, created))
            foreign.execute(
                "INSERT INTO session_context (session_id, kind, content, created_at)"
                " VALUES (?, 7, x'00ff', NULL)".replace("NULL", "''"),
                (session,),
            )
        entries = await pages(editor, sessionName="a")
        assert [entry["content"] for entry in entries] == [
            "theirs",
            "\ufffd bad \ufffd",
            "",
            "\0\ufffd",
        ]
        assert [entry["kind"] for entry in entries] == ["note", "\ufffd", "", "7"]
        assert [entry["author"] for entry in entries] == [None] * 4
        assert entries[1]["createdAt"] == "1970-01-01T00:00:00+00:00"
        for entry in entries:
            piece = await editor.session("getContext", id=entry["id"])
            assert piece["content"] == entry["content"]


async def test_an_entry_has_its_author(server_command: list[str], database: Path) -> None:
    given: list[tuple[Json, str | None]] = [
        ({"clientInfo": {"name": "Neovim"}}, "Neovim"),
        ({"clientInfo": {"name": "n" * 100}}, "n" * 64),
        ({"clientInfo": {"name": "x"}, "initializationOptions": {"author": "Ada"}}, "Ada"),
        ({}, None),
    ]
    for params, author in given:
        async with Client.started(server_command) as editor:
            capability = await editor.initialize(**params)
            assert capability["author"] == author
            assert (await editor.add_note("a", "x"))["author"] == author
            await editor.leave()
    async with Client.opened(server_command) as editor:
        found = [entry["author"] for entry in await pages(editor)]
        assert found == [author for _, author in given]
        await editor.session("deleteAll")
        await editor.session("emptyTrash")
        with ForeignWriter(database) as foreign:
            while foreign.rows("SELECT count(*) FROM session_server_entries") != [(0,)]:
                await editor.session("stats")


async def test_the_command_shows_the_newest_notes_of_the_active_session(
    server_command: list[str],
) -> None:
    async with Client.opened(server_command) as editor:
        command = {"command": "tenets.session.listContext"}
        assert await editor.result("workspace/executeCommand", command) is None
        assert editor.shown[-1]["message"] == "No session is active"
        await editor.create("a", active=True)
        await editor.add_note("a", "first\nline")
        await editor.add_note("a", "second")
        page = await editor.result("workspace/executeCommand", command)
        assert [entry["content"] for entry in page["entries"]] == ["second", "first\nline"]
        message = "a, newest first: note: second; note: first"
        assert editor.shown[-1]["message"] == message


@pytest.mark.parametrize(
    ("method", "params", "says"),
    [
        ("listContext", {"ids": 1}, "ids: expected an array of at most 1000 ids, got int"),
        ("listContext", {"ids": [1] * 1001}, "ids: expected an array of at most 1000 ids"),
        ("listContext", {"ids": ["1"]}, r"ids\[0\]: expected int, got str"),
        ("listContext", {"order": "recent"}, 'order: expected "oldest" or "newest"'),
        ("listContext", {"cursor": "x"}, "cursor: expected a nextCursor of the same list"),
        ("listContext", {"sessionId": "1"}, "sessionId: expected the id of a session"),
        ("getContext", {}, "id is required: expected the id of an entry"),
        ("getContext", {"id": 1, "offset": -1}, "offset: expected a number of bytes, 0 or more"),
        ("getContext", {"id": 1, "maxBytes": 3}, "maxBytes: expected a number of bytes from 4 to"),
    ],
)
async def test_wrong_params_are_errors(
    shared: Client, method: str, params: Json, says: str
) -> None:
    with pytest.raises(ResponseError, match=says) as caught:
        await shared.session(method, **params)
    assert caught.value.code == -32602


async def test_a_cursor_of_another_list_is_refused(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        for name in ("a", "a", "b", "b"):
            await editor.add_note(name, "x")
        page = await editor.session("listContext", sessionName="a", limit=1)
        for other in ({"sessionName": "b"}, {"order": "newest", "sessionName": "a"}, {}):
            with pytest.raises(ResponseError, match="a nextCursor of the same list"):
                await editor.session("listContext", **other, cursor=page["nextCursor"])
        with pytest.raises(ResponseError, match="a nextCursor of the same list"):
            await editor.session("list", cursor=page["nextCursor"])
