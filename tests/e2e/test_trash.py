"""What is deleted goes to the trash, and comes back as it was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from support.answers import changes_since, contents, entries, failure
from support.client import Client, ResponseError
from support.foreign import ForeignWriter
from support.host import Host
from support.messages import Json
from support.modes import both_modes

pytestmark = pytest.mark.asyncio

KEYED = {"kind": "code", "location": {"uri": "file:///x.py"}, "identityKey": "k"}


async def items(editor: Client) -> list[Json]:
    found: list[Json] = (await editor.session("listTrash"))["items"]
    return found


@both_modes
async def test_an_entry_comes_back_as_it_was(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        added = await editor.session("addContext", sessionName="a", content="one\ntwo", **KEYED)
        await editor.session("updateContext", id=added["id"], content="three")
        before = await entries(editor)
        removed = await editor.session("removeContext", id=added["id"])
        (item,) = await items(editor)
        assert item["id"] == removed["trashId"]
        assert (item["type"], item["sessions"], item["entries"]) == ("context", 0, 1)
        assert (item["names"], item["size"]) == (["a"], len("three"))
        deleted, expires = map(datetime.fromisoformat, (item["deletedAt"], item["expiresAt"]))
        assert expires - deleted == timedelta(days=30)
        state = (await editor.session("stats"))["state"]
        restored = await editor.session("restore", id=item["id"])
        assert (restored["sessions"], restored["entries"], restored["trashId"]) == ([], 1, None)
        assert await entries(editor) == before
        assert await changes_since(editor, state) == [("contextAdded", "a")]
        assert await items(editor) == []
        # It has its key again.
        again = await editor.session("addContext", sessionName="a", content="other", **KEYED)
        assert (again["id"], again["duplicate"]) == (added["id"], True)
        data = await failure(editor.session("restore", id=item["id"]))
        assert data == {"kind": "trashNotFound", "retryable": False, "id": item["id"]}


@both_modes
async def test_a_session_comes_back_with_all_that_it_had(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        session = await editor.create("a", metadata={"x": [1.50, {"": 2}]})
        await editor.session("addContext", sessionName="a", content="x", **KEYED)
        await editor.add_note("a", "y")
        await editor.add_note("other", "z")
        await editor.session("bind", name="a", folder="/work")
        before = await entries(editor)
        deleted = await editor.session("delete", name="a")
        assert await contents(editor) == ["z"]
        assert (await editor.session("getCurrent", folder="/work"))["binding"] is None
        (item,) = await items(editor)
        assert (item["type"], item["sessions"], item["entries"]) == ("sessions", 1, 2)
        assert (item["names"], item["author"]) == (["a"], before[0]["author"])
        state = (await editor.session("stats"))["state"]
        restored = await editor.session("restore", id=deleted["trashId"])
        ((found,), count, number) = (
            restored[member] for member in ("sessions", "sessionCount", "entries")
        )
        assert (count, number) == (1, 2)
        assert found == {name: session[name] for name in found}
        assert await entries(editor) == before
        assert await changes_since(editor, state) == [("restored", "a")]
        current = await editor.session("getCurrent", folder="/work")
        assert (current["session"]["name"], current["binding"]) == ("a", "/work")
        assert (await editor.session("stats"))["contextEntries"] == 3


async def test_an_active_session_comes_back_inactive(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        await editor.create("a", active=True)
        deleted = await editor.session("delete", name="a")
        await editor.create("b", active=True)
        restored = await editor.session("restore", id=deleted["trashId"])
        assert [one["active"] for one in restored["sessions"]] == [False]
        assert restored["sessions"][0]["metadata"]["active"] is False
        assert await editor.active_name() == "b"


async def test_everything_comes_back(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        for number in range(12):
            await editor.add_note(f"s{number}", f"{number}")
        await editor.session("delete", name="s3", purgeContext=False)
        await editor.session("reset", name="s4")  # whose item stays one of its own
        before = await entries(editor)
        deleted = await editor.session("deleteAll")
        assert (await entries(editor), await editor.names()) == ([], [])
        item = (await items(editor))[0]
        assert (item["id"], item["sessions"], item["entries"]) == (deleted["trashId"], 11, 11)
        assert item["names"] == [f"s{number}" for number in range(11) if number != 3]
        state = (await editor.session("stats"))["state"]
        restored = await editor.session("restore", id=item["id"])
        assert (restored["sessionCount"], len(restored["sessions"])) == (11, 11)
        assert restored["entries"] == 11
        assert await entries(editor) == before
        changes = await changes_since(editor, state)
        assert sorted(changes, key=str) == sorted(
            [
                ("contextAdded", None),  # that of s3, which is not there
                *(("restored", f"s{number}") for number in range(12) if number != 3),
            ],
            key=str,
        )


@both_modes
async def test_what_a_reset_removed_comes_back_beside_what_there_is(
    server_command: list[str],
) -> None:
    async with Client.opened(server_command) as editor:
        await editor.create("a")
        first = await editor.session("addContext", sessionName="a", content="1", **KEYED)
        await editor.add_note("a", "2")
        one = await editor.session("removeContext", id=first["id"])
        reset = await editor.session("reset", name="a")
        newer = await editor.session("addContext", sessionName="a", content="3", **KEYED)
        assert newer["duplicate"] is False
        await editor.add_note("a", "4")
        again = await editor.session("reset", name="a")
        assert await contents(editor) == []
        for item, expected in (
            (one, ["1"]),  # which is among hidden ones
            (again, ["1", "3", "4"]),
            (reset, ["1", "2", "3", "4"]),
        ):
            await editor.session("restore", id=item["trashId"])
            assert await contents(editor, sessionName="a") == expected
        # The key is that of the one which was there first.
        same = await editor.session("addContext", sessionName="a", content="5", **KEYED)
        assert (same["id"], same["duplicate"]) == (first["id"], True)
        assert newer["id"] != first["id"]
        nothing = await editor.create("empty")
        assert (await editor.session("reset", name=nothing["name"]))["trashId"] is None


async def test_an_entry_needs_its_session(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        added = await editor.add_note("a", "x")
        removed = await editor.session("removeContext", id=added["id"])
        await editor.add_note("a", "y")
        reset = await editor.session("reset", name="a")
        deleted = await editor.session("delete", name="a")
        for item in (removed, reset):
            data = await failure(editor.session("restore", id=item["trashId"]))
            assert data == {
                "kind": "sessionNotFound",
                "retryable": False,
                "name": None,
                "sessionId": added["sessionId"],
            }
        for item in (deleted, reset, removed):
            await editor.session("restore", id=item["trashId"])
        assert await contents(editor, sessionName="a") == ["x", "y"]


async def test_entries_of_a_session_that_is_gone_make_a_new_one(
    server_command: list[str], database: Path
) -> None:
    async with Client.opened(server_command) as editor:
        added = await editor.add_note("a", "x")
        await editor.session("removeContext", id=added["id"])
        await editor.add_note("a", "y")
        await editor.session("reset", name="a")
        with ForeignWriter(database) as foreign:
            foreign.delete("a")
            foreign.create("a")
        with pytest.raises(ResponseError, match="give a newName"):
            await editor.session("restore", id=2)
        data = await failure(editor.session("restore", id=2, newName="a"))
        assert data["kind"] == "sessionExists"
        state = (await editor.session("stats"))["state"]
        restored = await editor.session("restore", id=2, newName="old a")
        assert [one["name"] for one in restored["sessions"]] == ["old a"]
        assert restored["sessions"][0]["id"] == added["sessionId"]
        assert await changes_since(editor, state) == [("created", "old a"), ("restored", "old a")]
        with pytest.raises(ResponseError, match="newName: expected none, as the session"):
            await editor.session("restore", id=1, newName="b")
        await editor.session("restore", id=1)
        assert await contents(editor, sessionName="old a") == ["x", "y"]


async def test_keys_of_other_items_stay(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        first = await editor.session("addContext", sessionName="a", content="1", **KEYED)
        reset = await editor.session("reset", name="a")
        second = await editor.session("addContext", sessionName="a", content="2", **KEYED)
        other = await editor.add_note("a", "3")
        removed = await editor.session("removeContext", id=other["id"])
        await editor.session("restore", id=removed["trashId"])
        await editor.session("removeContext", id=second["id"])
        await editor.session("restore", id=reset["trashId"])
        same = await editor.session("addContext", sessionName="a", content="4", **KEYED)
        assert (same["id"], same["duplicate"]) == (first["id"], True)


async def test_what_an_older_server_deletes_does_not_take_what_is_restored(
    server_command: list[str], database: Path
) -> None:
    async with Client.opened(server_command) as editor:
        await editor.add_note("a", "kept")
        await editor.add_note("b", "gone")
        deleted = await editor.session("delete", name="a")
        with ForeignWriter(database) as older, older.transaction():
            older.execute(
                "INSERT INTO session_server_purges (session_id, last_entry)"
                " SELECT NULL, max(id) FROM session_context"
            )
            older.execute("DELETE FROM sessions")
        assert await contents(editor) == []
        await editor.session("restore", id=deleted["trashId"])
        assert await contents(editor) == ["kept"]
        with ForeignWriter(database) as foreign:
            while foreign.rows("SELECT 1 FROM session_server_purges"):
                await editor.add_note("c", "more")
        assert "kept" in await contents(editor)


async def test_a_null_does_not_empty_the_trash(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        await editor.create("a")
        await editor.session("delete", name="a")
        kept_nothing = await editor.session("delete", name="b")
        with pytest.raises(ResponseError, match="leave it out to empty the whole trash"):
            await editor.session("emptyTrash", id=kept_nothing["trashId"])
        assert len(await items(editor)) == 1


async def test_stats_know_at_once(server_command: list[str], database: Path) -> None:
    async with Client.opened(server_command) as editor:
        await editor.create("large")
        with ForeignWriter(database) as foreign:
            foreign.add_much_context("large", 20_000)
        _, stats, _, after = await editor.pipelined(
            ("delete", {"name": "large"}), ("stats", {}), ("emptyTrash", {}), ("stats", {})
        )
        assert stats["result"]["contextEntries"] == 0
        assert after["result"]["contextEntries"] == 0


async def test_a_name_that_is_taken(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        await editor.add_note("a", "old")
        await editor.session("bind", name="a", folder="/work")
        old = await editor.session("delete", name="a")
        await editor.add_note("a", "new")
        data = await failure(editor.session("restore", id=old["trashId"]))
        assert data == {"kind": "sessionExists", "retryable": False, "name": "a"}
        assert await contents(editor) == ["new"]
        restored = await editor.session("restore", id=old["trashId"], newName="b")
        assert [one["name"] for one in restored["sessions"]] == ["b"]
        assert await contents(editor, sessionName="b") == ["old"]
        # The binding is to the name.
        current = await editor.session("getCurrent", folder="/work")
        assert current["session"]["name"] == "a"
        gone = await editor.session("delete", name="b")
        data = await failure(editor.session("restore", id=gone["trashId"], newName="a"))
        assert data["kind"] == "sessionExists"
        restored = await editor.session("restore", id=gone["trashId"], newName="a", replace=True)
        assert await contents(editor) == ["old"]
        await editor.session("restore", id=restored["trashId"], newName="c")
        assert await contents(editor, sessionName="c") == ["new"]


@pytest.mark.parametrize("verb", ["reset", "removeContext"])
async def test_entries_do_not_take_the_place_of_their_session_in_the_trash(
    database: Path, verb: str
) -> None:
    async with Host.opened(database) as host:
        editor = await host.quiet_client()
        note = await editor.add_note("a", "first")
        params = {"id": note["id"]} if verb == "removeContext" else {"name": "a"}
        context = (await editor.session(verb, **params))["trashId"]
        await editor.add_note("a", "second")
        session = (await editor.session("delete", name="a"))["trashId"]
        with pytest.raises(ResponseError, match=f"restore item {session} of the trash first"):
            await editor.session("restore", id=context, newName="b")
        await editor.session("restore", id=session)
        await editor.session("restore", id=context)
        assert await contents(editor) == ["first", "second"]


async def test_a_binding_follows_the_new_name(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        await editor.create("a")
        await editor.session("bind", name="a", folder="/work")
        deleted = await editor.session("delete", name="a")
        state = (await editor.session("stats"))["state"]
        await editor.session("restore", id=deleted["trashId"], newName="b")
        assert await changes_since(editor, state) == [("bound", "b"), ("restored", "b")]
        assert (await editor.session("getCurrent", folder="/work"))["binding"] == "/work"


async def test_a_new_name_is_for_one_session(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        await editor.create("a")
        await editor.create("b")
        deleted = await editor.session("deleteAll")
        for name, expected in (("c", "none, unless"), ("\u200b", "1 to 255 characters")):
            with pytest.raises(ResponseError, match=f"newName: expected {expected}") as caught:
                await editor.session("restore", id=deleted["trashId"], newName=name)
            assert caught.value.code == -32602
        assert await editor.names() == []


async def test_what_a_copy_replaced(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        await editor.add_note("a", "a")
        await editor.add_note("b", "b")
        copied = await editor.session("copy", name="a", newName="b", overwrite=True)
        assert await contents(editor, sessionName="b") == ["a"]
        await editor.session("restore", id=copied["trashId"], replace=True)
        assert await contents(editor, sessionName="b") == ["b"]
        assert (await editor.session("copy", name="a", newName="new"))["trashId"] is None


async def test_pages_of_the_trash(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        for number in range(5):
            await editor.create(f"s{number}")
            await editor.session("delete", name=f"s{number}")
        found, cursor = list[list[str]](), None
        while True:
            page = await editor.session("listTrash", limit=2, cursor=cursor)
            found += [item["names"] for item in page["items"]]
            cursor = page["nextCursor"]
            if cursor is None:
                break
        assert found == [[f"s{number}"] for number in (4, 3, 2, 1, 0)]
        other = (await editor.session("listTrash", limit=1))["nextCursor"]
        with pytest.raises(ResponseError, match="cursor: expected a nextCursor of the same list"):
            await editor.session("list", cursor=other)


async def test_one_item_is_removed_for_good(server_command: list[str], database: Path) -> None:
    async with Client.opened(server_command) as editor:
        await editor.add_note("a", "1")
        reset = await editor.session("reset", name="a")
        await editor.add_note("a", "2")
        deleted = await editor.session("delete", name="a")
        assert await editor.session("emptyTrash", id=reset["trashId"]) == {"removed": 1}
        assert await editor.session("emptyTrash", id=reset["trashId"]) == {"removed": 0}
        with ForeignWriter(database) as foreign:
            while foreign.contents() != ["2"]:
                await editor.session("stats")
        await editor.session("restore", id=deleted["trashId"])
        assert await contents(editor) == ["2"]
        await editor.session("deleteAll")
        assert await editor.session("emptyTrash") == {"removed": 1}
        assert await items(editor) == []


@both_modes
async def test_other_programs_do_not_reach_into_the_trash(
    server_command: list[str], database: Path
) -> None:
    async with Client.opened(server_command) as editor:
        for name in ("a", "b"):
            await editor.add_note(name, f"{name} 1")
        deleted = await editor.session("delete", name="a")
        reset = await editor.session("reset", name="b")
        await editor.add_note("b", "b 2")
        with ForeignWriter(database) as foreign:
            foreign.execute("UPDATE session_context SET session_id = 7 WHERE content <> 'b 2'")
            foreign.execute("DELETE FROM session_context")  # as `tenets` clears everything
        assert await contents(editor) == []
        for item in (deleted, reset):
            await editor.session("restore", id=item["trashId"])
        assert await contents(editor) == ["a 1", "b 1"]
        with ForeignWriter(database) as foreign:
            foreign.delete("a")
        assert await items(editor) == []  # what they delete is not kept


async def test_what_has_expired_is_removed(server_command: list[str], database: Path) -> None:
    async with Client.opened(server_command) as editor:
        for name in ("old", "large", "newer", "newest"):
            await editor.add_note(name, name)
            await editor.session("delete", name=name)
        assert [item["entries"] for item in await items(editor)] == [1] * 4
        with ForeignWriter(database) as foreign:
            while foreign.rows("SELECT 1 FROM session_server_trash WHERE entries IS NULL"):
                await editor.session("stats")
    long_ago = (datetime.now(UTC) - timedelta(days=30, minutes=1)).isoformat()
    with ForeignWriter(database) as foreign:
        foreign.execute("UPDATE session_server_trash SET deleted_at = ? WHERE id = 1", (long_ago,))
        foreign.execute("UPDATE session_server_trash SET size = 300 << 20 WHERE id IN (2, 4)")
    # The server looks once a minute, and when it starts.
    async with Client.opened([*server_command, "--standalone"]) as editor:
        while len(found := await items(editor)) > 1:
            pass
        assert [item["names"] for item in found] == [["newest"]]  # whatever its size
        with ForeignWriter(database) as foreign:
            while foreign.contents() != ["newest"]:
                await editor.session("stats")


@both_modes
async def test_a_large_session_is_back_at_once(server_command: list[str], database: Path) -> None:
    async with Client.opened(server_command) as editor:
        await editor.create("large")
        with ForeignWriter(database) as foreign:
            foreign.add_much_context("large", 20_000)
        deleted, restored, count, page = await editor.pipelined(
            ("delete", {"name": "large"}),
            ("restore", {"id": 1}),
            ("list", {"includeContextCount": True}),
            ("listContext", {"order": "newest", "limit": 1}),
        )
        assert deleted["result"]["trashId"] == 1
        assert restored["result"]["entries"] == 20_000
        assert [one["contextCount"] for one in count["result"]["sessions"]] == [20_000]
        assert [one["id"] for one in page["result"]["entries"]] == [20_000]


async def test_commands_of_the_trash(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        for verb in ("listTrash", "restore"):
            await editor.execute(f"tenets.session.{verb}")
            assert editor.shown[-1]["message"] == "The trash is empty"
        added = await editor.add_note("a", "x")
        await editor.session("removeContext", id=added["id"])
        await editor.session("delete", name="a")
        await editor.execute("tenets.session.listTrash")
        assert editor.shown[-1]["message"] == (
            "In the trash, newest first: a (0 entries); 1 entry of a"
        )
        for restored in ("a (0 entries)", "1 entry of a"):
            await editor.execute("tenets.session.restore")
            assert editor.shown[-1]["message"] == f"Restored {restored}"
        assert await contents(editor) == ["x"]
