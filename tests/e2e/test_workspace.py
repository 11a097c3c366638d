"""What a folder shows: the session bound to it, else the active one; and pinned files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.client import Client, ResponseError
from support.foreign import ForeignWriter
from support.messages import Json, notification
from support.modes import both_modes

pytestmark = pytest.mark.asyncio

FOLDERS = "workspace/didChangeWorkspaceFolders"


async def current(editor: Client, folder: str | None = None) -> tuple[str | None, str | None]:
    """Return the name of a folder's session, and the binding that decides."""
    found = await editor.session("getCurrent", folder=folder)
    stats = await editor.session("stats")
    assert (found["revision"], found["state"]) == (stats["revision"], stats["state"])
    return found["session"] and found["session"]["name"], found["binding"]


@both_modes
async def test_a_folder_shows_the_session_that_it_is_bound_to(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        assert await current(editor, "/app") == (None, None)
        await editor.create("app")
        await editor.create("other", active=True)
        assert await current(editor, "/app") == ("other", None)
        bound = await editor.session("bind", name="app", folder="file:///app/")
        assert (bound["folder"], bound["binding"]) == ("file:///app/", "file:///app/")
        assert bound["session"]["name"] == "app"
        assert bound["session"]["active"] is False
        assert await editor.active_name() == "other"
        # As it was first given.
        assert await current(editor, "/app/src") == ("app", "file:///app/")
        assert await current(editor, "/application") == ("other", None)
        assert await current(editor) == ("other", None)
        await editor.session("bind", name="other", folder="/app/src")
        assert await current(editor, "/app/src/deep") == ("other", "/app/src")
        listed = await editor.session("listBindings")
        assert [(one["folder"], one["name"]) for one in listed["bindings"]] == [
            ("/app/src", "other"),
            ("file:///app/", "app"),
        ]
        assert listed["state"] == (await editor.session("stats"))["state"]
        # Bound again under another name of the folder.
        await editor.session("bind", name="other", folder="file://localhost/app")
        assert await current(editor, "/app") == ("other", "file:///app/")
        unbound = await editor.session("bind", name=None, folder="/app")
        assert unbound["binding"] is None
        assert await current(editor, "/app") == ("other", None)


async def test_a_binding_follows_a_rename_and_sleeps_without_its_session(
    server_command: list[str], database: Path
) -> None:
    async with Client.opened(server_command) as editor:
        await editor.create("a")
        await editor.create("active", active=True)
        await editor.session("bind", name="a", folder="/app")
        await editor.session("bind", name="active", folder="/")
        await editor.session("rename", name="a", newName="b")
        assert await current(editor, "/app") == ("b", "/app")
        with ForeignWriter(database) as foreign:
            foreign.execute("UPDATE sessions SET name = 'c' WHERE name = 'b'")
            assert await current(editor, "/app") == ("c", "/app")
            foreign.delete("c")
            assert await current(editor, "/app") == ("active", "/")  # it is asleep
            foreign.create("c")
            assert await current(editor, "/app") == ("c", "/app")
        bound = await editor.session("bind", name="to come", folder="/new")
        assert (bound["session"]["name"], bound["binding"]) == ("active", "/")
        assert await editor.names(namePrefix="to come") == []
        await editor.add_note("to come", "x")
        assert await current(editor, "/new") == ("to come", "/new")


async def test_links_are_the_folder_that_they_lead_to(
    server_command: list[str], tmp_path: Path
) -> None:
    (tmp_path / "real" / "src").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    async with Client.opened(server_command) as editor:
        await editor.create("a")
        await editor.session("bind", name="a", folder=str(tmp_path / "link"))
        assert await current(editor, f"file://{tmp_path}/real/src") == ("a", f"{tmp_path}/link")
        # The same folder, so the binding is changed and no second one made.
        await editor.session("bind", name="b", folder=str(tmp_path / "real"))
        (binding,) = (await editor.session("listBindings"))["bindings"]
        assert binding == {"folder": f"{tmp_path}/link", "name": "b", "session": None}


CLIENT_FOLDERS = [
    ({"workspaceFolders": [{"uri": "file:///one", "name": "1"}, {"uri": "file:///two"}]},
     ["file:///one", "file:///two"]),
    ({"workspaceFolders": [], "rootUri": "file:///root"}, []),
    ({"workspaceFolders": None, "rootUri": "file:///root", "rootPath": "/old"}, ["file:///root"]),
    ({"rootUri": None, "rootPath": "/old"}, ["/old"]),
    ({"rootUri": 7, "workspaceFolders": [{"uri": 7}]}, []),
    ({"workspaceFolders": [{"uri": "relative"}, {"uri": "file:///one"}]}, ["file:///one"]),
    ({"initializationOptions": {"folders": ["/given"]}, "rootUri": "file:///r"}, ["/given"]),
    ({"initializationOptions": {"folders": []}, "rootUri": "file:///root"}, []),
    ({}, []),
]  # fmt: skip


@pytest.mark.parametrize(("params", "folders"), CLIENT_FOLDERS)
async def test_the_folders_of_a_window(
    server_command: list[str], params: dict[str, Any], folders: list[str]
) -> None:
    async with Client.started(server_command) as client:
        capability = await client.initialize(**{"initializationOptions": None, **params})
        assert capability["folders"] == folders
        assert client.capabilities["workspace"] == {
            "workspaceFolders": {"supported": True, "changeNotifications": True}
        }


@pytest.mark.parametrize("folders", [["relative"], ["/ok", ""], [7], "/app"])
async def test_wrong_folders_are_an_error(server_command: list[str], folders: object) -> None:
    async with Client.started(server_command) as client:
        with pytest.raises(ResponseError, match=r"initializationOptions\.folders") as caught:
            await client.initialize(initializationOptions={"folders": folders})
        assert caught.value.code == -32602


@pytest.mark.parametrize("given", ["workspaceFolders", "initializationOptions"])
async def test_further_folders_are_left_out_with_a_warning(
    server_command: list[str], given: str
) -> None:
    folders = [f"file:///f{number}" for number in range(101)]
    params: Json = {"workspaceFolders": [{"uri": folder} for folder in folders]}
    if given == "initializationOptions":
        params = {"initializationOptions": {"folders": folders}}
    async with Client.started(server_command) as client:
        capability = await client.initialize(**{"initializationOptions": None, **params})
        assert capability["folders"] == folders[:100]
        assert capability["warnings"] == [
            "Only the first 100 folders of this window are looked at."
        ]


@pytest.mark.parametrize("author", ["", " ", "a\nb", "\u202ex", "x" * 65, 7])
async def test_a_wrong_author_is_an_error(server_command: list[str], author: object) -> None:
    async with Client.started(server_command) as client:
        with pytest.raises(ResponseError, match=r"initializationOptions\.author: expected 1 to 64"):
            await client.initialize(initializationOptions={"author": author})


async def test_a_window_without_a_session_name_means_its_first_folder(
    server_command: list[str],
) -> None:
    async with Client.opened(server_command, rootUri="file:///app") as editor:
        with pytest.raises(ResponseError, match="no session is active") as caught:
            await editor.session("addContext", kind="note", content="lost?")
        assert caught.value.data == {"kind": "sessionNotFound", "retryable": False, "name": None}
        await editor.create("app")
        await editor.create("active", active=True)
        assert (await editor.session("addContext", kind="note", content="1"))[
            "sessionName"
        ] == "active"
        await editor.session("bind", name="app")
        assert await current(editor) == ("app", "file:///app")
        added = await editor.session("addContext", kind="note", content="2")
        assert (added["sessionName"], added["sessionCreated"]) == ("app", False)
        added = await editor.session("addContext", kind="note", content="3", folder="/else")
        assert added["sessionName"] == "active"
        await editor.send(
            notification(
                FOLDERS,
                {
                    "event": {
                        "added": [{"uri": "file:///else", "name": ""}],
                        "removed": [{"uri": "file:///app", "name": ""}],
                    }
                },
            )
        )
        assert await current(editor) == ("active", None)
        # What does not fit is ignored, and logged.
        await editor.send(notification(FOLDERS, {"event": {"added": [{"uri": 7}]}}))
        assert (await editor.session("getCurrent"))["folder"] == "file:///else"


async def test_a_window_without_folders_says_which_one(server_command: list[str]) -> None:
    async with Client.opened(server_command) as editor:
        await editor.create("a")
        with pytest.raises(ResponseError, match="folder is required") as caught:
            await editor.session("bind", name="a")
        assert caught.value.code == -32602
        for folder in ("relative", "", "C:"):
            with pytest.raises(ResponseError, match="folder: expected a URI or an absolute path"):
                await editor.session("bind", name="a", folder=folder)
        with pytest.raises(ResponseError, match="name: expected 1 to 255 characters"):
            await editor.session("bind", name="a\n", folder="/app")
        with pytest.raises(ResponseError, match="has the id 77"):
            await editor.session("bind", sessionId=77, folder="/app")


async def test_a_name_that_is_no_text_cannot_be_bound(
    server_command: list[str], database: Path
) -> None:
    async with Client.opened(server_command) as editor:
        created = await editor.create("a")
        with ForeignWriter(database) as foreign:
            foreign.execute("UPDATE sessions SET name = CAST(X'FF41' AS TEXT)")
        with pytest.raises(ResponseError, match="rename it first"):
            await editor.session("bind", sessionId=created["id"], folder="/app")
        await editor.session("rename", sessionId=created["id"], newName="b")
        await editor.session("bind", sessionId=created["id"], folder="/app")
        assert await current(editor, "/app") == ("b", "/app")


async def test_windows_are_told_what_their_folders_show(server_command: list[str]) -> None:
    async with (
        Client.opened(server_command, rootUri="file:///app/src") as inside,
        Client.opened(server_command, rootUri="file:///else") as outside,
    ):
        await inside.create("app")
        created = await inside.create("active", active=True)
        for client in (inside, outside):
            await client.until(created["revision"])
            assert "currents" not in client.notified[-1]
        bound = await outside.session("bind", name="app", folder="/app")
        for client in (inside, outside):
            await client.until(bound["revision"])
        (change,) = inside.notified[-1]["changes"]
        assert (change["type"], change["folder"], change["sessionName"]) == ("bound", "/app", "app")
        (shown,) = inside.notified[-1]["currents"]
        assert (shown["folder"], shown["binding"]) == ("file:///app/src", "/app")
        assert shown["session"]["name"] == "app"
        assert inside.notified[-1]["active"]["name"] == "active"
        assert "currents" not in outside.notified[-1]
        # Nothing changed, so nobody is told.
        revision = inside.revision
        await outside.session("bind", name="app", folder="file:///app")
        assert (await outside.session("stats"))["revision"] == revision
        await outside.session("bind", name=None, folder="/app")
        await inside.until(revision + 1)
        assert inside.notified[-1]["changes"][0]["sessionName"] is None
        assert inside.notified[-1]["changes"][0]["sessionId"] is None
        assert "currents" not in inside.notified[-1]


async def test_metadata_is_pushed_once_in_a_message(server_command: list[str]) -> None:
    folders = [f"/app/{number}" for number in range(50)]
    options = {"folders": folders}
    async with Client.opened(server_command, initializationOptions=options) as editor:
        await editor.create("app", metadata={"large": "x" * 900_000})
        await editor.session("bind", name="app", folder="/app")
        added = await editor.add_note("other", "x")
        await editor.until(added["revision"])
        first, *others = editor.notified[-1]["currents"]
        assert len(first["session"]["metadata"]["large"]) == 900_000
        assert [one["folder"] for one in others] == folders[1:]
        assert all("metadata" not in one["session"] for one in others)
        (binding,) = (await editor.session("listBindings"))["bindings"]
        assert binding["session"]["name"] == "app"
        assert "metadata" not in binding["session"]


async def test_metadata_can_be_left_out_of_what_is_pushed(server_command: list[str]) -> None:
    options = {"activeMetadata": False, "folders": ["/app"]}
    async with Client.opened(server_command, initializationOptions=options) as editor:
        await editor.create("app", metadata={"large": 1})
        await editor.session("bind", name="app", folder="/app")
        await editor.until((await editor.session("stats"))["revision"])
        (shown,) = editor.notified[-1]["currents"]
        assert "metadata" not in shown["session"]
        found = await editor.session("getCurrent", includeMetadata=False)
        assert "metadata" not in found["session"]
        assert (await editor.session("getCurrent"))["session"]["metadata"] == {"large": 1}


async def test_pinned_files_are_kept_as_tenets_keeps_them(
    server_command: list[str], database: Path, tmp_path: Path
) -> None:
    file = tmp_path / "with blank.py"
    file.write_text("")
    (tmp_path / "link.py").symlink_to(file)
    async with Client.opened(server_command) as editor:
        await editor.create("a", active=True)
        uri = f"file://{tmp_path}/with%20blank.py"
        pinned = await editor.session("pin", name="a", uri=uri)
        assert pinned["metadata"]["pinned_files"] == [str(file)]
        before = await editor.session("stats")
        for again in (uri, str(file), str(tmp_path / "link.py")):
            await editor.session("pin", uri=again)
        assert (await editor.session("stats"))["state"] == before["state"]
        with ForeignWriter(database) as foreign:
            stored: Json = json.loads(foreign.rows("SELECT metadata FROM sessions")[0][0])
            assert stored["pinned_files"] == [str(file)]
            foreign.update("a", {"pinned_files": [str(file), 7, "relative.py"]})
        assert (await editor.session("pin", uri="/x/y"))["metadata"]["pinned_files"] == [
            *(str(file), 7, "relative.py", "/x/y")
        ]
        file.unlink()
        unpinned = await editor.session("unpin", uri=str(file))
        assert unpinned["metadata"]["pinned_files"] == [7, "relative.py", "/x/y"]
        for uri in ("untitled:x", "vscode-remote://h/x", "file://server/x"):
            with pytest.raises(ResponseError, match="uri: expected a file: URI"):
                await editor.session("pin", uri=uri)
        with ForeignWriter(database) as foreign:
            foreign.update("a", {"pinned_files": {"odd": 1}})
        assert (await editor.session("pin", uri="/x"))["metadata"]["pinned_files"] == ["/x"]
