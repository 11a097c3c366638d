"""Folders, authors and the change log stay right whatever other programs do to the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from support.client import Client, ResponseError
from support.foreign import ForeignWriter
from support.messages import Json, notification

pytestmark = pytest.mark.asyncio

FOLDERS = "workspace/didChangeWorkspaceFolders"


async def changes(editor: Client, since: int = 0, **filters: object) -> list[Json]:
    found = (await editor.session("changes", since=since, **filters))["changes"]
    return list(found)


@pytest.mark.own_daemon
async def test_a_group_commit_names_its_author_for_its_own_changes_only(
    server_command: list[str], database: Path
) -> None:
    async with Client.opened(server_command, clientInfo={"name": "A"}) as editor:
        await editor.create("a")
    with ForeignWriter(database) as foreign:
        foreign.create("foreign")
    async with (
        Client.opened(server_command) as nobody,
        Client.opened(server_command, clientInfo={"name": "B"}) as other,
    ):
        await nobody.create("nobody")
        await other.pipelined(
            ("create", {"name": "b"}), ("getActive", {}), ("changes", {"since": 0})
        )
        assert [(one["sessionName"], one["author"]) for one in await changes(other)] == [
            *(("a", "A"), ("foreign", None), ("nobody", None), ("b", "B"))
        ]


async def test_a_write_after_an_older_state_was_restored_in_place(
    server_command: list[str], database: Path, tmp_path: Path
) -> None:
    backup = tmp_path / "backup.db"
    with ForeignWriter.on_new_file(backup) as foreign:
        foreign.create("old")
    async with Client.opened(server_command) as editor:
        await editor.create("new")
        with ForeignWriter(database) as foreign:
            foreign.restore_from(backup)
        replies = [await editor.call("create", {"name": name}) for name in ("b", "c")]
        codes = {reply["error"]["code"] for reply in replies if "error" in reply}
        assert codes <= {-32803}
        assert "result" in await editor.call("create", {"name": "d"})
        assert "old" in await editor.names()


@pytest.mark.parametrize("name", ["CAST(X'636166E9' AS TEXT)", "X'41'", "7"])
async def test_a_bound_session_is_renamed_to_what_is_no_text(
    server_command: list[str], database: Path, name: str
) -> None:
    async with Client.opened(server_command) as editor:
        await editor.create("a")
        await editor.session("bind", name="a", folder="/app")
        with ForeignWriter(database) as foreign:
            foreign.execute(f"UPDATE sessions SET name = {name}")
        (binding,) = (await editor.session("listBindings"))["bindings"]
        assert isinstance(binding["name"], str)
        await editor.session("getCurrent", folder="/app")
        await editor.session("bind", name="b", folder="/other")
        await editor.session("bind", name=None, folder="/app")
        (binding,) = (await editor.session("listBindings"))["bindings"]
        assert binding["folder"] == "/other"


async def test_entries_without_a_session_are_told_of_when_everything_is_deleted(
    server_command: list[str],
) -> None:
    async with Client.opened(server_command) as editor:
        kept = await editor.add_note("a", "kept")
        await editor.session("delete", name="a", purgeContext=False)
        await editor.add_note("b", "goes with its session")
        before = await editor.session("stats")
        await editor.session("deleteAll")
        found = await changes(editor, before["revision"])
        assert [(one["type"], one["sessionName"], one.get("contextId")) for one in found] == [
            ("contextRemoved", None, kept["id"]),
            ("deleted", "b", None),
        ]
        assert "contextKept" not in found[1]
        assert (await editor.session("listContext"))["entries"] == []


async def test_a_deletion_by_an_older_version_keeps_no_context(
    server_command: list[str], database: Path
) -> None:
    async with Client.opened(server_command) as editor:
        for name in "abc":
            await editor.add_note(name, "x")
        before = await editor.session("stats")
        purge = (
            "INSERT INTO session_server_purges (session_id, last_entry)"
            " SELECT ?, max(id) FROM session_context"
        )
        with ForeignWriter(database) as older, older.transaction():
            older.execute("DELETE FROM sessions WHERE name = 'a'")
            older.execute(purge, (1,))
        with ForeignWriter(database) as older, older.transaction():
            older.execute("DELETE FROM sessions")
            older.execute(purge, (None,))
        found = await changes(editor, before["revision"])
        assert [one["type"] for one in found] == ["deleted"] * 3
        assert not any("contextKept" in one for one in found)


async def test_pinned_files_whose_names_are_no_text(
    server_command: list[str], database: Path, tmp_path: Path
) -> None:
    odd = b"\xff.py"
    async with Client.opened(server_command) as editor:
        await editor.create("a", active=True)
        await editor.session("pin", uri=f"file://{tmp_path}/{quote(odd)}")
        with ForeignWriter(database) as foreign:
            text = foreign.rows("SELECT metadata FROM sessions")[0][0]
            assert json.loads(text)["pinned_files"] == [f"{tmp_path}/\udcff.py"]
            foreign.update("a", {"pinned_files": ["/theirs/\udcff", 1.5], "odd": float("nan")})
        await editor.session("pin", uri="/x.py")
        await editor.session("unpin", uri="/no/such")
        with ForeignWriter(database) as foreign:
            stored = foreign.rows("SELECT metadata FROM sessions")[0][0]
        assert json.loads(stored)["pinned_files"] == ["/theirs/\udcff", 1.5, "/x.py"]
        assert "NaN" in stored
        copied = await editor.session("copy", name="a", newName="b")
        assert copied["metadata"]["odd"] is None
        with ForeignWriter(database) as foreign:
            copy = foreign.rows("SELECT metadata FROM sessions WHERE name = 'b'")[0][0]
        assert "NaN" in copy
        assert json.loads(copy)["pinned_files"] == ["/theirs/\udcff", 1.5, "/x.py"]


async def test_the_order_of_the_last_change_with_much_metadata(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        for number in range(12):
            await editor.create(f"s{number:02}", metadata={"t": "x" * 900_000})
        newest = [f"s{number:02}" for number in reversed(range(12))]
        page = await editor.session("list", order="recent")
        assert [one["name"] for one in page["sessions"]] == newest[:5]
        small = await editor.session("list", order="recent", includeMetadata=False)
        assert [one["name"] for one in small["sessions"]] == newest
        page = await editor.session("list")
        assert len(page["sessions"]) == 5
        assert page["nextCursor"] is not None


async def test_folders_of_a_window_by_any_of_their_names(server_command: list[str]) -> None:
    options = {"folders": ["/tmp/x", "/tmp/y"]}
    async with Client.opened(server_command, initializationOptions=options) as editor:
        await editor.create("a")
        await editor.session("bind", name="a", folder="/")
        event = {
            "removed": [{"uri": "file:///tmp/x/", "name": ""}],
            "added": [{"uri": "file:///tmp/y/", "name": ""}, {"uri": "file:///z", "name": ""}],
        }
        await editor.send(notification(FOLDERS, {"event": event}))
        added = await editor.add_note("a", "x")
        await editor.until(added["revision"])
        shown = [one["folder"] for one in editor.notified[-1]["currents"]]
        assert shown == ["/tmp/y", "file:///z"]


async def test_a_copy_over_what_was_deleted_meanwhile(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        await editor.create("a")
        state = (await editor.create("b"))["state"]
        await editor.session("delete", name="b")
        with pytest.raises(ResponseError) as caught:
            await editor.session("copy", name="a", newName="b", overwrite=True, ifState=state)
        assert caught.value.data is not None
        state = caught.value.data["state"]
        await editor.session("copy", name="a", newName="b", overwrite=True, ifState=state)


async def test_an_entry_that_another_program_has_moved(
    server_command: list[str], database: Path
) -> None:
    async with Client.opened(server_command, clientInfo={"name": "me"}) as editor:
        note: dict[str, Any] = {"kind": "k", "content": "c", "identityKey": "1"}
        first = await editor.session("addContext", sessionName="a", **note)
        other = await editor.create("b")
        with ForeignWriter(database) as foreign:
            foreign.execute("UPDATE session_context SET session_id = ?", (other["id"],))
        again = await editor.session("addContext", sessionName="a", **note)
        assert (again["duplicate"], again["id"] != first["id"]) == (False, True)


async def test_a_change_without_a_token_is_a_known_state(
    server_command: list[str], database: Path
) -> None:
    async with Client.opened(server_command) as editor:
        await editor.create("a")
        with ForeignWriter(database) as foreign:
            foreign.execute(
                "INSERT INTO session_server_changes (type, session_id, session_name)"
                " VALUES ('updated', 1, 'a')"
            )
        state = (await editor.session("stats"))["state"]
        assert (await editor.session("changes", sinceState=state))["changes"] == []
        await editor.session("updateMetadata", name="a", updates={"k": 1}, ifState=state)


@pytest.mark.parametrize("kind", ["\u200b", "\u3164", "\u00ad\u200d"])
async def test_an_invisible_kind_is_refused(server_command: list[str], kind: str) -> None:
    async with Client.opened(server_command) as editor:
        entry = (await editor.add_note("a", "x"))["id"]
        for verb, params in (
            ("addContext", {"sessionName": "a", "content": "c"}),
            ("updateContext", {"id": entry}),
        ):
            with pytest.raises(ResponseError, match="kind: expected") as caught:
                await editor.session(verb, kind=kind, **params)
            assert caught.value.code == -32602


async def test_a_uri_of_a_menu_is_the_uri_of_a_method_that_has_one(
    server_command: list[str],
) -> None:
    uri = {"$mid": 1, "path": "/a b.py", "scheme": "file", "fsPath": "/a b.py"}
    async with Client.opened(server_command) as editor:
        await editor.create("a", active=True)
        pinned = await editor.execute("tenets.session.pin", uri, [uri])
        assert pinned["metadata"]["pinned_files"] == ["/a b.py"]
        note = {"kind": "k", "content": "c", "location": {"uri": "/a b.py"}}
        await editor.session("addContext", **note)
        external = {**uri, "external": "file:///a%20b.py"}
        found = await editor.execute("tenets.session.listContext", external)
        assert [entry["content"] for entry in found["entries"]] == ["c"]


async def test_a_long_path_is_found_in_another_case(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        path = "/a/" + "é" * 900
        note = {"sessionName": "a", "kind": "k", "content": "c", "location": {"uri": path}}
        await editor.session("addContext", **note)
        assert len((await editor.session("listContext", uri=path))["entries"]) == 1
        other = await editor.session("listContext", uri=path.replace("/a/", "/A/"))
        assert other["entries"] == []


async def test_the_picked_command_returns_the_session_as_it_is_then(
    server_command: list[str],
) -> None:
    async with Client.opened(server_command) as editor:
        assert await editor.execute("tenets.session.exit") is None
        await editor.create("a", active=True)
        left = await editor.execute("tenets.session.exit")
        assert (left["name"], left["active"]) == ("a", False)
        assert left["state"] == (await editor.session("stats"))["state"]
        assert editor.shown[-1]["message"] == "Deactivated session a"
