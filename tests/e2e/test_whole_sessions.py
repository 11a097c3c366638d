"""Renaming, copying and resetting a session, resuming and leaving it."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.answers import changes_since, contents, failure
from support.client import Client, ResponseError
from support.foreign import ForeignWriter
from support.messages import Json
from support.modes import both_modes

pytestmark = pytest.mark.asyncio


@both_modes
async def test_rename(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        before = await editor.create("a", metadata={"k": 1}, active=True)
        await editor.create("taken")
        added = await editor.add_note("a", "x")
        after = await editor.session("rename", name="a", newName="e\u0301")
        assert after["name"] == "\u00e9"  # in NFC
        assert {**after, "name": "a"} == {
            **{name: value for name, value in before.items() if name != "created"},
            "revision": added["revision"] + 1,
            "state": after["state"],
        }
        assert await contents(editor, sessionName="\u00e9") == ["x"]
        assert await editor.session("get", name="a") is None
        assert await changes_since(editor, added["state"]) == [("renamed", "\u00e9")]
        same = await editor.session("rename", sessionId=after["id"], newName="\u00e9")
        assert same["state"] == after["state"]
        data = await failure(editor.session("rename", name="\u00e9", newName="taken"))
        assert (data["kind"], data["name"]) == ("sessionExists", "taken")
        data = await failure(editor.session("rename", name="a", newName="b"))
        assert (data["kind"], data["name"]) == ("sessionNotFound", "a")
        with pytest.raises(ResponseError, match="newName: expected 1 to 255 characters"):
            await editor.session("rename", name="taken", newName="\u200b")


@both_modes
async def test_a_copy_has_metadata_and_context(server_command: list[str]) -> None:
    async with Client.opened(server_command, clientInfo={"name": "me"}) as editor:
        original = await editor.create("a", metadata={"k": [1.50], "ended_at": "x"}, active=True)
        location = {"uri": "/a.py", "anchor": None, "colour": "kept"}
        for number in range(3):
            note = {"kind": f"k{number}", "content": f"c{number}", "identityKey": str(number)}
            await editor.session("addContext", sessionName="a", location=location, **note)
        await editor.add_note("other", "not copied")
        first, *_ = (await editor.session("listContext", sessionName="a"))["entries"]
        updated = await editor.session("updateContext", id=first["id"], kind="changed")
        copy = await editor.session("copy", name="a", newName="b")
        assert copy["metadata"].keys() == {"k", "updated_at"}
        assert (copy["active"], copy["trashId"]) == (False, None)
        assert copy["id"] > original["id"]
        assert await changes_since(editor, updated["state"]) == [("created", "b")]
        ours, theirs = [
            (await editor.session("listContext", sessionName=name))["entries"] for name in "ab"
        ]
        left_out = {"id", "sessionId", "sessionName"}
        assert [
            {key: value for key, value in entry.items() if key not in left_out} for entry in ours
        ] == [
            {key: value for key, value in entry.items() if key not in left_out} for entry in theirs
        ]
        assert theirs[0]["updatedAt"] == updated["updatedAt"]
        assert theirs[0]["location"]["colour"] == "kept"
        assert not {entry["id"] for entry in ours} & {entry["id"] for entry in theirs}
        # The identity keys came along, and the file is found in both.
        again = {"sessionName": "b", "kind": "k", "content": "?", "identityKey": "1"}
        assert (await editor.session("addContext", **again))["id"] == theirs[1]["id"]
        assert len((await editor.session("listContext", uri="/a.py"))["entries"]) == 6
        assert (await editor.session("stats"))["contextEntries"] == 7


async def test_a_copy_in_a_taken_place(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        await editor.add_note("a", "x")
        old = await editor.add_note("b", "old")
        data = await failure(editor.session("copy", name="a", newName="b"))
        assert (data["kind"], data["name"]) == ("sessionExists", "b")
        for overwrite in (False, True):
            same = editor.session("copy", name="a", newName="a", overwrite=overwrite)
            assert (await failure(same))["kind"] == "sessionExists"
        stale = old["state"]
        await editor.add_note("b", "newer")
        over = {"name": "a", "newName": "b", "overwrite": True, "active": True}
        data = await failure(editor.session("copy", **over, ifState=stale))
        assert data["kind"] == "conflict"
        assert await contents(editor, sessionName="b") == ["old", "newer"]
        copy = await editor.session("copy", **over, ifState=data["state"])
        assert copy["active"] is True
        assert await contents(editor, sessionName="b") == ["x"]
        assert await changes_since(editor, data["state"]) == [
            *(("deleted", "b"), ("created", "b"), ("activated", "b"))
        ]
        empty = await editor.session("copy", name="a", newName="c", includeContext=False)
        assert empty["name"] == "c"
        assert await contents(editor, sessionName="c") == []
        missing = editor.session("copy", name="nobody", newName="d")
        assert (await failure(missing))["name"] == "nobody"


@both_modes
async def test_reset_keeps_the_session_and_loses_its_context(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        created = await editor.create("a", metadata={"pinned_files": ["/x"], "k": 1})
        await editor.create("other", active=True)
        for number in range(5):
            added = await editor.add_note("a", str(number))
        await editor.add_note("other", "stays")
        found = await editor.session("stats")
        reset = await editor.session("reset", name="a", ifState=added["state"])
        assert (reset["id"], reset["name"], reset["active"]) == (created["id"], "a", True)
        assert (reset["metadata"]["k"], reset["metadata"]["pinned_files"]) == (1, ["/x"])
        assert reset["trashId"] == 1
        assert await contents(editor, sessionName="a") == []
        assert await contents(editor, sessionName="other") == ["stays"]
        assert await editor.session("getContext", id=added["id"]) is None
        assert await changes_since(editor, found["state"]) == [
            *(("deactivated", "other"), ("reset", "a"))
        ]
        await editor.add_note("a", "after")
        assert await contents(editor, sessionName="a") == ["after"]
        again = await editor.session("reset", sessionId=created["id"])
        data = await failure(editor.session("reset", name="a", ifState=reset["state"]))
        assert data == {
            "kind": "conflict",
            "retryable": False,
            "revision": again["revision"],
            "state": again["state"],
        }


async def test_a_large_context_is_gone_at_once(server_command: list[str], database: Path) -> None:
    async with Client.opened(server_command) as editor:
        await editor.add_note("a", "first")
        with ForeignWriter(database) as foreign:
            foreign.add_much_context("a", 20_000)
        (reset, listed, found, removed, added, count) = await editor.pipelined(
            ("reset", {"name": "a"}),
            ("listContext", {"sessionName": "a"}),
            ("getContext", {"id": 5000}),
            ("removeContext", {"id": 5000}),
            ("addContext", {"sessionName": "a", "kind": "k", "content": "new"}),
            ("list", {"includeContextCount": True}),
        )
        assert reset["result"]["active"] is True
        assert listed["result"]["entries"] == []
        assert found["result"] is None
        assert removed["result"] == {"removed": False, "trashId": None}
        assert count["result"]["sessions"][0]["contextCount"] == 1
        ((change),) = [
            one
            for one in (await editor.session("changes", since=reset["result"]["revision"] - 1))[
                "changes"
            ]
            if one["type"] != "reset"
        ]
        assert (change["type"], change["contextId"]) == ("contextAdded", added["result"]["id"])


async def test_resume_and_exit(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        for verb in ("resume", "tenets/session.exit"):
            reply = await editor.call(verb, {})
            assert reply["error"]["data"] == {
                "kind": "sessionNotFound",
                "retryable": False,
                "name": None,
            }
        for name in "abc":
            await editor.create(name, active=True)
        left = await editor.session("exit")
        assert (left["name"], left["active"]) == ("c", False)
        assert "ended_at" in left["metadata"]
        resumed = await editor.session("resume")
        assert resumed["name"] == "c"
        assert await editor.session("resume") == resumed  # it may be sent again
        assert (await editor.execute("tenets.session.resume"))["name"] == "c"
        await editor.session("exit", name="c")
        await editor.session("exit", name="b")
        await editor.session("delete", name="c")
        assert (await editor.session("resume"))["name"] == "b"
        await editor.create("c", active=True)
        assert (await editor.session("resume", name="a"))["name"] == "a"
        await editor.session("bind", name="c", folder="/app")
        assert (await editor.session("resume", folder="/app/x"))["name"] == "c"
        assert await editor.active_name() == "c"
        assert (await editor.session("exit", folder="/app"))["name"] == "c"
        assert await editor.active_name() is None
        again = await editor.session("exit", name="c")
        assert again["active"] is False


async def test_create_may_return_what_there_is(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        first = await editor.create("a", metadata={"k": 1}, ifExists="return")
        assert first["created"] is True
        again = await editor.create("a", metadata={"k": 2}, ifExists="return")
        assert again == {**first, "created": False}
        active = await editor.create("a", active=True, ifExists="return")
        assert (active["active"], active["created"]) == (True, False)
        error = await failure(editor.create("a", ifExists="error"))
        assert error["kind"] == "sessionExists"


async def test_metadata_keys_can_be_removed(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        await editor.create("a", metadata={"a": 1, "b": 2, "c": 3})
        update = {"name": "a", "updates": {"b": 4, "d": None}, "remove": ["a", "d", "no such"]}
        found = await editor.session("updateMetadata", **update)
        assert found["metadata"] == {"b": 4, "c": 3}
        found = await editor.session("updateMetadata", name="a", remove=["b"])
        assert found["metadata"] == {"c": 3}
        unchanged: list[Json] = [{}, {"updates": {}}, {"updates": {"c": 3}}, {"remove": ["x"]}]
        for nothing in unchanged:
            same = await editor.session("updateMetadata", name="a", **nothing)
            assert same == found
        with pytest.raises(ResponseError, match=r"remove\[1\]: expected str, got int"):
            await editor.session("updateMetadata", name="a", remove=["a", 7])


async def test_a_session_is_named_by_its_id_everywhere(
    server_command: list[str], database: Path
) -> None:
    async with Client.opened(server_command) as editor:
        created = await editor.create("a")
        with ForeignWriter(database) as foreign:
            foreign.execute("UPDATE sessions SET name = CAST(X'FF41' AS TEXT)")
        by_id: Json = {"sessionId": created["id"]}
        assert (await editor.session("get", **by_id))["name"] == "\ufffdA"
        calls: list[tuple[str, Json]] = [
            ("setActive", {}),
            ("resume", {}),
            ("updateMetadata", {"updates": {"k": 1}}),
            ("pin", {"uri": "/x"}),
            ("unpin", {"uri": "/x"}),
            ("addContext", {"kind": "k", "content": "c"}),
            ("listContext", {}),
            ("changes", {"since": 0}),
            ("reset", {}),
            ("rename", {"newName": "b"}),
            ("bind", {"folder": "/app"}),
            ("copy", {"newName": "c"}),
        ]
        for verb, params in calls:
            await editor.session(verb, **by_id, **params)
            for name in ("nobody", "c"):
                key = "sessionName" if "Context" in verb or verb == "changes" else "name"
                given = {**by_id, **params, key: name}
                if verb == "copy":  # "c" is there by now
                    given["newName"] = "d"
                data = await failure(editor.session(verb, **given))
                assert data["kind"] == "sessionNotFound", verb
                assert (data["name"], data["sessionId"]) == (name, created["id"]), verb
        assert (await editor.session("exit", **by_id))["name"] == "b"
        assert (await editor.session("delete", **by_id))["deleted"] is True
        assert await editor.session("get", **by_id) is None
        assert (await editor.session("delete", **by_id))["deleted"] is False
        for verb in ("get", "delete", "setActive", "rename", "copy", "reset"):
            with pytest.raises(ResponseError, match="name: expected the name of a session"):
                await editor.session(verb, newName="x")
        note = {"kind": "k", "content": "c"}
        data = await failure(editor.session("addContext", **by_id, **note))
        assert data["kind"] == "sessionNotFound"


async def test_the_order_of_the_last_change(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        for name in "abcd":
            await editor.create(name)
        await editor.add_note("b", "x")
        await editor.activate("c")
        await editor.session("delete", name="d")
        await editor.session("bind", name="a", folder="/app")
        listed = await editor.session("list", order="recent", includeMetadata=False)
        assert [one["name"] for one in listed["sessions"]] == ["c", "b", "a"]
        assert listed["nextCursor"] is None
        assert all("metadata" not in one for one in listed["sessions"])
        assert await editor.names(order="recent", limit=2) == ["c", "b"]
        assert await editor.names(order="recent", active=False) == ["b", "a"]
        assert await editor.names(order="recent", active=True) == ["c"]
        assert await editor.names(order="recent", namePrefix="b") == ["b"]
        with pytest.raises(ResponseError, match="one page only"):
            await editor.session("list", order="recent", cursor="x")


async def test_sessions_whose_last_change_is_not_known_come_last(
    server_command: list[str], database: Path
) -> None:
    database.parent.mkdir()
    with ForeignWriter.on_new_file(database) as foreign:
        for name in "abc":
            foreign.create(name)
    async with Client.opened(server_command) as editor:
        assert await editor.names(order="recent") == ["c", "b", "a"]
        await editor.add_note("a", "x")
        assert await editor.names(order="recent") == ["a", "c", "b"]
        assert await editor.names(order="recent", limit=2) == ["a", "c"]
