"""Entries are changed, removed, located and kept once; who did it is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.client import Client, ResponseError
from support.foreign import ForeignWriter
from support.messages import Json
from support.modes import both_modes

pytestmark = pytest.mark.asyncio


def note(content: str, **more: object) -> Json:
    return {"sessionName": "a", "kind": "note", "content": content, **more}


async def conflict(awaitable: Any) -> Json:
    """Return the newest state, which a request that has to conflict is told."""
    with pytest.raises(ResponseError) as caught:
        await awaitable
    data = caught.value.data
    assert data is not None
    assert (data["kind"], data["retryable"]) == ("conflict", False)
    return {"revision": data["revision"], "state": data["state"]}


async def changes(editor: Client, since: Json, **filters: object) -> list[tuple[Any, ...]]:
    found = await editor.session("changes", sinceState=since["state"], **filters)
    return [
        (change["type"], change["sessionName"], change.get("contextId"))
        for change in found["changes"]
    ]


@both_modes
async def test_an_entry_is_changed(server_command: list[str]) -> None:
    async with Client.opened(server_command, clientInfo={"name": "me"}) as editor:
        added = await editor.session("addContext", **note("first\nsecond"))
        entry = added["id"]
        changed = await editor.session("updateContext", id=entry, content="naïve\nü", kind="idea")
        assert changed.pop("updatedAt") > added["createdAt"]
        assert changed == {
            **{name: added[name] for name in ("id", "sessionId", "sessionName", "createdAt")},
            "kind": "idea",
            "preview": "naïve",
            "size": 9,
            "author": "me",
            "revision": added["revision"] + 1,
            "state": changed["state"],
        }
        assert await changes(editor, added) == [("contextUpdated", "a", entry)]
        read = await editor.session("getContext", id=entry)
        assert (read["content"], read["state"]) == ("naïve\nü", changed["state"])
        # What does not change anything is no change.
        for same in ({}, {"kind": "idea"}, {"content": "naïve\nü"}, {"content": None}):
            again = await editor.session("updateContext", id=entry, **same)
            assert again["state"] == changed["state"]
        moved = await editor.session("updateContext", id=entry, location={"uri": "/x.py"})
        assert moved["location"] == {"uri": "/x.py"}
        assert (await editor.session("getContext", id=entry))["content"] == "naïve\nü"
        assert await changes(editor, changed) == [("contextUpdated", "a", entry)]
        emptied = await editor.session("updateContext", id=entry, content="")
        assert (emptied["size"], emptied["location"]) == (0, {"uri": "/x.py"})


@both_modes
async def test_an_entry_is_removed(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        first = await editor.session("addContext", **note("1"))
        second = await editor.session("addContext", **note("2", location={"uri": "/x"}))
        removed = await editor.session("removeContext", id=first["id"])
        assert removed == {"removed": True, "trashId": 1}
        assert await changes(editor, second) == [("contextRemoved", "a", first["id"])]
        again = await editor.session("removeContext", id=first["id"])
        assert again == {"removed": False, "trashId": None}
        (left,) = (await editor.session("listContext", sessionName="a"))["entries"]
        assert left["content"] == "2"
        for verb, params in (("updateContext", {"kind": "k"}), ("removeContext", {})):
            reply = await editor.call(verb, {"id": 4711, **params})
            if verb == "removeContext":
                assert reply["result"]["removed"] is False
            else:
                data = {"kind": "contextNotFound", "retryable": False, "id": 4711}
                assert reply["error"]["data"] == data


async def test_an_entry_that_has_changed_is_left_alone(server_command: list[str]) -> None:
    async with (
        Client.opened(server_command) as editor,
        Client.opened(server_command) as other,
    ):
        added = await editor.session("addContext", **note("1"))
        entry, state = added["id"], added["state"]
        await editor.session("addContext", **note("2"))  # which is another entry
        await editor.session("updateMetadata", name="a", updates={"k": 1})
        await other.session("updateContext", id=entry, content="theirs", ifState=state)
        newest = await conflict(
            editor.session("updateContext", id=entry, content="ours", ifState=state)
        )
        assert newest == await conflict(editor.session("removeContext", id=entry, ifState=state))
        read = await editor.session("getContext", id=entry)
        assert (read["content"], read["state"]) == ("theirs", newest["state"])
        ours = await editor.session(
            "updateContext", id=entry, content="ours", ifState=read["state"]
        )
        await conflict(editor.session("updateContext", id=entry, kind="x", ifState=read["state"]))
        for unknown in ("0.1", "nonsense", "999999.1", "", f"{ours['revision']}.1"):
            await conflict(editor.session("updateContext", id=entry, kind="x", ifState=unknown))
        removed = await editor.session("removeContext", id=entry, ifState=ours["state"])
        assert removed["removed"] is True


async def test_a_session_that_has_changed_is_left_alone(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        state = (await editor.create("a"))["state"]
        await editor.session("addContext", **note("1"))
        await editor.session("bind", name="a", folder="/app")
        # Its context and its bindings are not part of it here.
        update = await editor.session("updateMetadata", name="a", updates={}, ifState=state)
        renamed = await editor.session("rename", name="a", newName="b", ifState=update["state"])
        back = await editor.session("rename", name="b", newName="a", ifState=renamed["state"])
        await conflict(editor.session("delete", name="a", ifState=state))
        added = await editor.session("addContext", **note("2"))
        await conflict(editor.session("delete", name="a", ifState=back["state"]))
        await conflict(editor.session("reset", name="a", ifState=back["state"]))
        reset = await editor.session("reset", name="a", ifState=added["state"])
        active = await editor.activate("a")
        for verb, params in (("rename", {"newName": "c"}), ("updateMetadata", {})):
            newest = await conflict(
                editor.session(verb, name="a", **params, ifState=reset["state"])
            )
            assert newest["state"] == active["state"]
        assert (await editor.session("delete", name="a", ifState=active["state"]))["deleted"]
        assert (await editor.session("delete", name="a", ifState=state))["deleted"] is False


async def test_an_identity_key_keeps_a_note_once(server_command: list[str], database: Path) -> None:
    async with (
        Client.opened(server_command, clientInfo={"name": "me"}) as editor,
        Client.opened(server_command, clientInfo={"name": "you"}) as other,
    ):
        once = note("1", identityKey="k", location={"uri": "/x"})
        first = await editor.session("addContext", **once)
        assert (first["sessionCreated"], first["duplicate"]) == (True, False)
        again = await editor.session("addContext", **once)
        assert again == {**first, "sessionCreated": False, "duplicate": True}
        ignored = await editor.session("addContext", **note("2", identityKey="k"))
        assert (ignored["id"], ignored["state"]) == (first["id"], first["state"])
        # Of another author, in another session, and under another key.
        entries = {
            first["id"],
            (await other.session("addContext", **once))["id"],
            (await editor.session("addContext", **{**once, "sessionName": "b"}))["id"],
            (await editor.session("addContext", **{**once, "identityKey": "K"}))["id"],
        }
        assert len(entries) == 4
        new = {**note("new", identityKey="k", replace=True), "kind": "idea"}
        replaced = await editor.session("addContext", **new)
        assert (replaced["id"], replaced["duplicate"]) == (first["id"], True)
        assert (replaced["kind"], replaced["preview"]) == ("idea", "new")
        assert "location" not in replaced
        same = await editor.session("addContext", **new)
        assert same["state"] == replaced["state"]
        await editor.session("removeContext", id=first["id"])
        anew = await editor.session("addContext", **new)
        assert (anew["duplicate"], anew["id"] in entries) == (False, False)
        # A deletion by another program ends it as well.
        with ForeignWriter(database) as foreign:
            foreign.execute("DELETE FROM session_context WHERE id = ?", (anew["id"],))
        assert (await editor.session("addContext", **new))["duplicate"] is False
    async with Client.opened(server_command) as nobody, Client.opened(server_command) as neither:
        first = await nobody.session("addContext", **once)
        assert (first["author"], first["duplicate"]) == (None, False)
        assert (await neither.session("addContext", **once))["id"] == first["id"]
        for key in ("", "x" * 129, 7):
            with pytest.raises(ResponseError, match="identityKey: expected a string of 1 to 128"):
                await nobody.session("addContext", **note("x", identityKey=key))


async def test_a_replay_of_the_same_requests_adds_nothing(server_command: list[str]) -> None:
    calls = [("addContext", note(str(number), identityKey=f"{number % 5}")) for number in range(20)]
    async with Client.opened(server_command) as editor:
        replies = await editor.pipelined(*calls, *calls)
        ids = [reply["result"]["id"] for reply in replies]
        assert ids == ids[:5] * 8
        listed = (await editor.session("listContext", sessionName="a"))["entries"]
        assert [entry["content"] for entry in listed] == list("01234")


ANCHOR: Json = {"quote": "q", "before": [], "after": [], "occurrences": 1}
RANGE = {"start": {"line": 1, "character": 0}, "end": {"line": 2, "character": 5}}


async def test_a_location_comes_back_as_it_was_given(server_command: list[str]) -> None:
    locations: list[Json] = [
        {"uri": "file:///a%20b/c.py"},
        {"uri": "/a b/c.py", "range": RANGE},
        {"uri": "vscode-remote://ssh-remote+x/c.py", "range": None, "more": [1.50, None]},
        {
            "uri": "untitled:Untitled-1",
            "range": RANGE,
            "anchor": {"quote": "q", "before": ["b"], "after": [], "occurrences": 1},
        },
    ]
    async with Client.opened(server_command) as editor:
        for location in locations:
            added = await editor.session("addContext", **note("x", location=location))
            assert added["location"] == location
        listed = (await editor.session("listContext", sessionName="a"))["entries"]
        assert [entry["location"] for entry in listed] == locations
        found = await editor.session("listContext", uri="file:///a b/c.py/")
        assert [entry["location"] for entry in found["entries"]] == locations[:2]
        assert (await editor.session("listContext", uri="/other.py"))["entries"] == []
        found = await editor.session("listContext", uri="untitled:Untitled-1", sessionName="a")
        assert [entry["id"] for entry in found["entries"]] == [added["id"]]


WRONG = [
    ({}, "location.uri is required"),
    ([1], "location: expected an object"),
    ("file:///x", "location: expected an object"),
    ({"uri": "relative.py"}, "location.uri: expected a URI or an absolute path"),
    ({"uri": "/x", "range": {"start": {"line": -1, "character": 0}}}, "location.range"),
    ({"uri": "/x", "range": {"start": RANGE["start"]}}, "location.range.end is required"),
    ({"uri": "/x", "anchor": {"quote": 7}}, "location.anchor"),
    ({"uri": "/x", "anchor": {**ANCHOR, "before": list("1234")}}, "location.anchor.before"),
]


@pytest.mark.parametrize(("location", "says"), WRONG)
async def test_a_wrong_location_is_an_error(
    server_command: list[str], location: object, says: str
) -> None:
    async with Client.opened(server_command) as editor:
        entry = (await editor.session("addContext", **note("x")))["id"]
        for verb, params in (("addContext", note("y")), ("updateContext", {"id": entry})):
            with pytest.raises(ResponseError) as caught:
                await editor.session(verb, **params, location=location)
            assert caught.value.code == -32602
            assert says in str(caught.value)
        assert len((await editor.session("listContext", sessionName="a"))["entries"]) == 1


async def test_a_location_has_a_limit_and_counts_for_pages(server_command: list[str]) -> None:
    anchor = {"quote": "q" * 60_000, "before": [], "after": [], "occurrences": 1}
    large = {"uri": "/x.py", "anchor": anchor}
    async with Client.opened(server_command) as editor:
        await editor.pipelined(*[("addContext", note("x", location=large))] * 100)
        page = await editor.session("listContext", sessionName="a", includeContent=False)
        assert len(page["entries"]) == 70
        rest = await editor.session(
            "listContext", sessionName="a", includeContent=False, cursor=page["nextCursor"]
        )
        assert len(rest["entries"]) == 30
        too_large = {**large, "more": "x" * 10_000}
        with pytest.raises(ResponseError) as caught:
            await editor.session("addContext", **note("x", location=too_large))
        assert caught.value.data == {"kind": "limitExceeded", "retryable": False, "limit": 65536}


async def test_entries_of_a_file_by_any_of_its_names(
    server_command: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "real" / "x.py"
    file.parent.mkdir()
    file.write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    names = [str(file), f"file://{tmp_path}/link/x.py", f"{tmp_path}/real/../link/x.py"]
    async with Client.opened(server_command) as editor:
        for name in names:
            await editor.session("addContext", **note("x", location={"uri": name}))
        await editor.session("addContext", **note("y", location={"uri": f"{file.parent}/X.PY"}))
        for name in names:
            found = await editor.session("listContext", uri=name)
            assert [entry["location"]["uri"] for entry in found["entries"]] == names


async def test_authors(server_command: list[str], database: Path) -> None:
    async with (
        Client.opened(server_command, clientInfo={"name": "me"}) as editor,
        Client.opened(server_command, initializationOptions={"author": "an agent"}) as agent,
    ):
        first = await editor.session("addContext", **note("mine"))
        await agent.session("addContext", **note("the agent's"))
        with ForeignWriter(database) as foreign:
            foreign.add_context("a", "foreign")
        updated = await agent.session("updateContext", id=first["id"], content="changed")
        assert updated["author"] == "me"
        await agent.activate("a")
        found = await editor.session("changes", since=0)
        assert [(one["type"], one["author"]) for one in found["changes"]] == [
            ("created", "me"),
            ("contextAdded", "me"),
            ("contextAdded", "an agent"),
            ("contextAdded", None),
            ("contextUpdated", "an agent"),
            ("activated", "an agent"),
        ]
        others = await editor.session("changes", since=0, notAuthor="an agent")
        assert [one["author"] for one in others["changes"]] == ["me", "me", None]
        assert others["state"] == found["state"]
        page = await editor.session("changes", since=0, notAuthor="me", limit=2)
        assert [one["revision"] for one in page["changes"]] == [3, 4]
        assert (page["revision"], page["truncated"]) == (4, True)
        rest = await editor.session("changes", sinceState=page["state"], notAuthor="me")
        assert [one["revision"] for one in rest["changes"]] == [5, 6]
        for author, contents in (("me", ["changed"]), ("an agent", ["the agent's"]), ("x", [])):
            entries = (await editor.session("listContext", author=author))["entries"]
            assert [entry["content"] for entry in entries] == contents
        # In a group commit, and with another client's writes in between, too.
        await asyncio_pair(editor, agent)
        found = await editor.session("changes", since=found["revision"], limit=1000)
        assert {
            (one["sessionName"], one["author"])
            for one in found["changes"]
            if one["type"] == "contextAdded"
        } == {("me", "me"), ("agent", "an agent")}


async def asyncio_pair(one: Client, other: Client) -> None:
    import asyncio

    def calls(name: str) -> list[tuple[str, Json]]:
        return [("addContext", {**note("x"), "sessionName": name})] * 50

    await asyncio.gather(one.pipelined(*calls("me")), other.pipelined(*calls("agent")))


async def test_the_changes_of_one_session(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        state = await editor.create("a")
        await editor.create("b")
        await editor.session("addContext", **note("x"))
        await editor.session("rename", name="a", newName="c")
        await editor.session("bind", name="c", folder="/app")
        await editor.session("delete", name="c", purgeContext=False)
        found = await editor.session("changes", since=0, sessionId=state["id"])
        kinds = ["created", "contextAdded", "renamed", "bound", "deleted"]
        assert [one["type"] for one in found["changes"]] == kinds
        assert found["changes"][-1]["contextKept"] is True
        assert (await changes(editor, state, sessionName="b")) == [("created", "b", None)]
        # By a name that it had, or has: what happened under that name.
        by_name = await changes(editor, state, sessionName="a")
        assert [kind for kind, _, _ in by_name] == ["contextAdded"]
        by_name = await changes(editor, state, sessionName="c")
        assert [kind for kind, _, _ in by_name] == ["renamed", "bound", "deleted"]
        assert await changes(editor, state, sessionName="nobody") == []
        # An entry without a session is still told of.
        (left,) = (await editor.session("listContext"))["entries"]
        before = await editor.session("stats")
        await editor.session("updateContext", id=left["id"], content="y")
        await editor.session("removeContext", id=left["id"])
        assert await changes(editor, before) == [
            ("contextUpdated", None, left["id"]),
            ("contextRemoved", None, left["id"]),
        ]


@both_modes
async def test_ten_megabytes_are_written_and_read_in_pieces(server_command: list[str]) -> None:
    text = "0123456789" * 1_000_000
    async with Client.opened(server_command) as editor:
        added = await editor.session("addContext", **note(text))
        changed = await editor.session("updateContext", id=added["id"], content=text + "é")
        assert "content" not in changed
        pieces, offset = [], 0
        while offset is not None:
            piece = await editor.session("getContext", id=added["id"], offset=offset)
            pieces.append(piece["content"])
            offset = piece["nextOffset"]
        assert "".join(pieces) == text + "é"
        assert len(pieces) == 3
