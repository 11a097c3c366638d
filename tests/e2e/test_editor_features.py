"""The features for editors without a plugin: standard requests of LSP only."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from support.client import Client, ResponseError
from support.messages import notification
from support.plain_editor import (
    SOURCE,
    actions,
    edit,
    editor,
    hover,
    located_at,
    open_document,
    pick,
    range_,
)

pytestmark = pytest.mark.asyncio

STANDARD = {"codeActionProvider", "workspaceSymbolProvider", "hoverProvider", "textDocumentSync"}


async def test_nothing_is_announced_without_being_asked(server_command: list[str]) -> None:
    for features in (False, None, ...):
        options = {} if features is ... else {"editorFeatures": features}
        async with Client.opened(server_command, initializationOptions=options) as client:
            assert STANDARD & client.capabilities.keys() == {"textDocumentSync"}
            assert client.capabilities["textDocumentSync"]["change"] == 0
            commands = client.capabilities["executeCommandProvider"]["commands"]
            assert "tenets.session.addSelection" not in commands
            for method in ("textDocument/hover", "workspace/symbol"):
                with pytest.raises(ResponseError) as caught:
                    await client.result(method, {"query": "x"})
                assert caught.value.code == -32601


@pytest.mark.parametrize("features", [True, {}, [], {"annotations": "off"}])
async def test_what_is_announced(server_command: list[str], features: object) -> None:
    async with editor(server_command, features) as client:
        found = client.capabilities
        assert found.keys() >= STANDARD
        assert found["textDocumentSync"]["change"] == 2
        assert found["positionEncoding"] == "utf-16"
        never = {"referencesProvider", "documentSymbolProvider", "completionProvider"}
        never |= {"documentLinkProvider", "diagnosticProvider", "codeLensProvider"}
        assert not found.keys() & {*never, "inlayHintProvider"}
        assert "tenets.session.switch" in found["executeCommandProvider"]["commands"]


async def test_each_feature_has_a_switch(server_command: list[str]) -> None:
    none = {"codeAction": False, "workspaceSymbol": False, "hover": False}
    async with editor(server_command, none) as client:
        assert STANDARD & client.capabilities.keys() == {"textDocumentSync"}
    with pytest.raises(ResponseError, match=r"initializationOptions.*lens"):
        async with editor(server_command, {"annotations": "both"}):
            pass


async def test_lines_are_added_and_read_at_their_place(
    server_command: list[str], source: Path
) -> None:
    async with editor(server_command) as client:
        await client.create("fix login", active=True)
        uri = await open_document(client, source)
        titles = [one["title"] for one in await actions(client, uri, range_(3, 6))]
        assert titles[:2] == ["Add lines 4-6 to fix login", "Pin this file to fix login"]
        await pick(client, uri, range_(3, 6), "Add lines 4-6")
        assert client.shown[-1]["message"] == "Added lines 4-6 to fix login"
        (entry,) = (await client.session("listContext"))["entries"]
        assert (entry["kind"], entry["author"]) == ("code", "Vim")
        assert entry["content"] == "".join(SOURCE.splitlines(keepends=True)[3:6])
        assert entry["location"]["range"] == range_(3, 6)
        assert entry["location"]["anchor"]["occurrences"] == 1
        found = await hover(client, uri, 4)
        assert found is not None
        assert found["contents"]["kind"] == "markdown"
        assert "token = fetch(user)" in found["contents"]["value"]
        assert "fix login" in found["contents"]["value"]
        assert found["range"] == range_(3, 6)
        assert await located_at(client, uri) == [3, 4, 5]


async def test_a_selection_that_ends_before_a_line_does_not_include_it(
    server_command: list[str], source: Path
) -> None:
    async with editor(server_command) as client:
        await client.create("a", active=True)
        uri = await open_document(client, source)
        for where, title in (
            (range_(3, 4, 0), "Add line 4 to a"),
            (range_(3, 4, 1), "Add lines 4-5 to a"),
            (range_(3, 3, 0), "Add line 4 to a"),
        ):
            assert (await actions(client, uri, where))[0]["title"] == title


async def test_code_actions_are_quiet(server_command: list[str], source: Path) -> None:
    async with editor(server_command) as client:
        await client.create("a", active=True)
        uri = await open_document(client, source)
        where = range_(3, 4)
        assert await actions(client, uri, where, triggerKind=2) == []
        assert await actions(client, uri, where, only=["quickfix"]) == []
        assert all("kind" not in one for one in await actions(client, uri, where, triggerKind=1))
        for only in ("source", "source.tenets"):
            found = await actions(client, uri, where, only=[only])
            assert {one["kind"] for one in found} == {"source.tenets"}
        assert await actions(client, "untitled:Untitled-1", where) == []
        assert await actions(client, "lsp-quickpick", where) == []


async def test_notes_move_with_unsaved_edits(server_command: list[str], source: Path) -> None:
    async with editor(server_command) as client:
        await client.create("a", active=True)
        uri = await open_document(client, source)
        await pick(client, uri, range_(4, 5), "Add line 5")
        await edit(client, uri, 2, {"range": range_(0, 0), "text": "# one\n# two 😀\n"})
        assert await located_at(client, uri) == [6]
        # On the line itself: it is still this line.
        await edit(client, uri, 3, {"range": range_(6, 6), "text": "  "})
        assert await located_at(client, uri) == [6]
        # Also for the method, which gets the unsaved text.
        assert (await client.session("locate", uri=uri))["placed"][0]["range"] == range_(6, 7)
        await edit(client, uri, 4, {"range": range_(6, 7), "text": ""})
        assert await located_at(client, uri) == []
        await edit(client, uri, 5, {"text": SOURCE})
        assert await located_at(client, uri) == [4]


async def test_an_edit_that_does_not_fit_loses_the_notes_and_nothing_is_guessed(
    server_command: list[str], source: Path
) -> None:
    async with editor(server_command) as client:
        await client.create("a", active=True)
        uri = await open_document(client, source)
        await pick(client, uri, range_(4, 5), "Add line 5")
        await edit(client, uri, 2, {"range": range_(400, 401), "text": "x"})
        assert await located_at(client, uri) == []
        await client.until_shown("Notes are not shown in some documents")
        await open_document(client, source)
        assert await located_at(client, uri) == [4]
        await edit(client, uri, 1, {"range": range_(0, 0), "text": "\n"})  # of an older version
        assert await located_at(client, uri) == []


async def test_a_change_that_cannot_be_understood_loses_the_notes(
    server_command: list[str], source: Path
) -> None:
    async with editor(server_command) as client:
        await client.create("a", active=True)
        uri = await open_document(client, source)
        await pick(client, uri, range_(4, 5), "Add line 5")
        # Some clients do not count versions.
        change = {"range": range_(0, 0), "text": "\n"}
        params = {"textDocument": {"uri": uri, "version": None}, "contentChanges": [change]}
        await client.send(notification("textDocument/didChange", params))
        assert await located_at(client, uri) == [5]
        params["contentChanges"] = [{"text": 7}]
        await client.send(notification("textDocument/didChange", params))
        assert await located_at(client, uri) == []


async def test_notes_of_others_are_shown_at_once(server_command: list[str], source: Path) -> None:
    async with (
        editor(server_command, {"annotations": "lens"}) as client,
        Client.opened(server_command) as other,
    ):
        uri = await open_document(client, source)
        lenses = {"textDocument": {"uri": uri}}
        assert await client.result("textDocument/codeLens", lenses) == []
        note = {"sessionName": "b", "kind": "note", "content": "why twice?\nreally"}
        await other.session("addContext", **note, location={"uri": uri, "range": range_(4, 5)})
        message = await client.next_request("workspace/codeLens/refresh")
        await client.answer(message, None)
        (lens,) = await client.result("textDocument/codeLens", lenses)
        assert lens["range"]["start"]["line"] == 4
        assert lens["command"]["title"] == "✎ why twice? · b"
        assert lens["command"]["arguments"] == [1]
        await client.execute(lens["command"]["command"], *lens["command"]["arguments"])
        shown = await client.next_request("window/showDocument")
        assert "why twice?" in Path(shown["params"]["uri"].removeprefix("file://")).read_text()
        await client.answer(shown, {"success": True})


async def test_hints_are_short(server_command: list[str], source: Path) -> None:
    async with editor(server_command, {"annotations": "hint"}) as client:
        assert "codeLensProvider" not in client.capabilities
        uri = await open_document(client, source)
        location = {"uri": uri, "range": range_(4, 5)}
        note = {"sessionName": "b", "kind": "note", "content": "word " * 100, "location": location}
        await client.session("addContext", **note)
        params = {"textDocument": {"uri": uri}, "range": range_(0, 9)}
        (hint,) = await client.result("textDocument/inlayHint", params)
        assert hint["position"] == {"line": 4, "character": 23}
        assert len(hint["label"]) == 40
        assert "word word" in hint["tooltip"]
        params["range"] = range_(5, 9)
        assert await client.result("textDocument/inlayHint", params) == []


async def test_symbols_lead_to_notes_and_sessions(
    server_command: list[str], source: Path, database: Path
) -> None:
    async with editor(server_command) as client:
        await client.create("billing refactor", active=True)
        location = {"uri": source.as_uri(), "range": range_(4, 5)}
        note = {"sessionName": "billing refactor", "kind": "note"}
        await client.session("addContext", **note, content="token is stale", location=location)
        await client.session("addContext", **note, content="refund twice, see ticket 4")
        source.write_text("# moved\n" + SOURCE)  # it is not open
        (token,) = await client.result("workspace/symbol", {"query": "token"})
        assert token["name"] == "✎ token is stale — billing refactor"
        assert token["kind"] == 15
        assert token["location"] == {"uri": source.as_uri(), "range": range_(5, 6)}
        (refund,) = await client.result("workspace/symbol", {"query": "refund"})
        file = Path(refund["location"]["uri"].removeprefix("file://"))
        assert "see ticket 4" in file.read_text()
        assert file.stat().st_mode & 0o077 == 0
        assert file.parent == Path(f"{database}.shown")
        names = [
            one["name"] for one in await client.result("workspace/symbol", {"query": "billing"})
        ]
        assert "billing refactor" in names
        # Any of the words; VS Code sends the first one only.
        both = await client.result("workspace/symbol", {"query": "token refund"})
        assert len(both) == 2
        newest = await client.result("workspace/symbol", {"query": ""})
        assert [one["name"].split(" —")[0] for one in newest] == [
            "✎ refund twice, see ticket 4",
            "✎ token is stale",
        ]
        source.write_text("all of it is another text\n")
        (lost,) = await client.result("workspace/symbol", {"query": "token"})
        assert lost["name"].endswith("(line lost, was 5)")
        assert lost["location"]["range"] == range_(0, 0)


async def test_a_session_is_chosen(server_command: list[str], source: Path) -> None:
    async with editor(server_command, name="Visual Studio Code") as client:
        for name in ("one", "two", "three", "four"):
            await client.create(name, active=name == "two")
        await open_document(client, source)
        assert await client.execute("tenets.session.switch") is None
        message = await client.next_request("window/showMessageRequest")
        titles = [one["title"] for one in message["params"]["actions"]]
        assert titles == ["two (current)", "four", "three"], "VS Code cuts off more"
        # It never blocks: others are answered meanwhile.
        assert await client.active_name() == "two"
        await client.answer(message, {"title": "four"})
        await client.until_shown("Active session: four")
        assert await client.active_name() == "four"
        await client.execute("tenets.session.switch")
        message = await client.next_request("window/showMessageRequest")
        await client.answer(message, None)  # the user wants none
        assert await client.active_name() == "four"


async def test_an_editor_that_shows_no_questions_gets_an_action_for_each_session(
    server_command: list[str], source: Path
) -> None:
    async with editor(server_command, capabilities={}, name=None) as client:
        for name in ("one", "two", "three", "four", "five", "six", "seven"):
            await client.create(name, active=name == "two")
        uri = await open_document(client, source)
        titles = [one["title"] for one in await actions(client, uri, range_(0, 0))]
        switching = [title for title in titles if title.startswith("Switch")]
        newest = ("seven", "six", "five", "four", "three")
        assert switching == [f"Switch to {one}" for one in newest]
        await pick(client, uri, range_(0, 0), "Switch to four")
        await client.until_shown("Active session: four")
        assert await client.active_name() == "four"
        seven = await client.result("tenets/session.get", {"name": "seven"})
        await client.execute("tenets.session.switch", seven["id"])  # as it is typed in Helix
        assert await client.active_name() == "seven"
        await client.execute("tenets.session.switch", {"name": "one"})
        assert await client.active_name() == "one"
        with pytest.raises(ResponseError, match="no session is named 'two '"):
            await client.execute("tenets.session.switch", {"name": "two "})
        await client.until_shown("no session is named 'two '")


async def test_a_bound_folder_keeps_its_session_and_says_so(
    server_command: list[str], source: Path
) -> None:
    folder = source.parent.as_uri()
    folders = [{"uri": folder, "name": "app"}]
    async with editor(server_command, workspaceFolders=folders) as client:
        await client.create("bound")
        await client.create("other")
        await client.session("bind", name="bound", folder=folder)
        uri = await open_document(client, source)
        assert (await actions(client, uri, range_(0, 1)))[0]["title"] == "Add line 1 to bound"
        await client.execute("tenets.session.switch")
        message = await client.next_request("window/showMessageRequest")
        await client.answer(message, {"title": "other"})
        await client.until_shown("this folder stays bound to bound")


async def test_files_are_pinned_and_unpinned(server_command: list[str], source: Path) -> None:
    async with editor(server_command) as client:
        await client.create("a", active=True)
        uri = await open_document(client, source)
        await pick(client, uri, range_(0, 1), "Pin this file to a")
        metadata = (await client.session("get", name="a"))["metadata"]
        assert metadata["pinned_files"] == [str(source)]
        await pick(client, uri, range_(0, 1), "Unpin this file from a")
        assert (await client.session("get", name="a"))["metadata"]["pinned_files"] == []


async def test_a_session_is_opened_as_markdown(server_command: list[str], source: Path) -> None:
    async with editor(server_command) as client:
        await client.create("a/b: c", active=True)
        await client.add_note("a/b: c", "a thought")
        await open_document(client, source)
        await client.execute("tenets.session.open")
        shown = await client.next_request("window/showDocument")
        text = Path(shown["params"]["uri"].removeprefix("file://")).read_text()
        assert text.startswith("# a/b: c\n")
        assert "> a thought" in text
        await client.answer(shown, {"success": False})
        await client.until_shown("a/b: c is in ")
    async with editor(server_command, capabilities={}) as client:  # eglot
        await client.execute("tenets.session.open")
        assert "a/b: c is in " in client.shown[-1]["message"]
        await client.execute("tenets.session.show", 1)
        assert client.shown[-1]["message"] == "a thought"


async def test_commands_without_an_argument_use_the_last_place(
    server_command: list[str], source: Path
) -> None:
    async with editor(server_command) as client:
        await client.execute("tenets.session.addSelection")
        assert "Select the lines" in client.shown[-1]["message"]
        with pytest.raises(ResponseError, match="no session is active"):
            await client.execute("tenets.session.open")
        await client.create("a", active=True)
        uri = await open_document(client, source)
        await hover(client, uri, 4)
        await client.execute("tenets.session.addSelection")
        assert client.shown[-1]["message"] == "Added line 5 to a"
        await client.execute("tenets.session.pinFile")
        assert client.shown[-1]["message"] == "Pinned the file to a"


async def test_the_note_goes_where_the_title_said(server_command: list[str], source: Path) -> None:
    async with editor(server_command) as client:
        await client.create("a", active=True)
        uri = await open_document(client, source)
        (add, *_) = await actions(client, uri, range_(4, 5))
        await client.create("b", active=True)
        await client.execute(add["command"]["command"], *add["command"]["arguments"])
        (entry,) = (await client.session("listContext"))["entries"]
        assert entry["sessionName"] == "a"
        await client.session("delete", name="a")
        with pytest.raises(ResponseError):
            await client.execute(add["command"]["command"], *add["command"]["arguments"])
        assert "a" in client.shown[-1]["message"]


async def test_many_large_documents(server_command: list[str], tmp_path: Path) -> None:
    async with editor(server_command) as client:
        await client.create("a", active=True)
        text = ("x" * 63 + "\n") * 16_384
        for number in range(40):
            await open_document(client, (tmp_path / f"{number}.py").as_uri(), text)
        await client.until_shown("Notes are not shown in some documents")
        assert len(client.shown) == 1
        uri = (tmp_path / "39.py").as_uri()
        assert await hover(client, uri, 1) is None
        assert await actions(client, uri, range_(0, 1)) != []
        await client.execute("tenets.session.addSelection", {"uri": uri, "range": range_(0, 1)})
        assert "cannot be read" in client.shown[-1]["message"]


async def test_an_unnamed_buffer_is_tolerated(server_command: list[str]) -> None:
    async with editor(server_command) as client:
        for uri in ("file://", "lsp-quickpick", "untitled:1", ""):
            await open_document(client, uri)
            await edit(client, uri, 2, {"range": range_(0, 0), "text": "x"})
            assert await hover(client, uri, 0) is None
            await client.send(notification("textDocument/didClose", {"textDocument": {"uri": uri}}))
        assert client.shown == []


async def test_a_note_cannot_leave_its_place_in_a_hover(
    server_command: list[str], source: Path
) -> None:
    async with editor(server_command) as client:
        uri = await open_document(client, source)
        content = "```\n[click](command:evil) <b>bold</b>\n````\n"
        location = {"uri": uri, "range": range_(4, 5)}
        note = {"sessionName": "a", "kind": "note", "content": content, "location": location}
        await client.session("addContext", **note)
        found = await hover(client, uri, 4)
        assert found is not None
        lines = found["contents"]["value"].splitlines()
        assert (lines[1], lines[-1]) == ("`````", "`````")


async def test_nothing_is_loaded_without_being_asked(database: Path) -> None:
    program = (
        "import sys; from tenets_session_server.rpc import connection, pygls_server;"
        "print([one for one in sys.modules if '.features.' in one])"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert out.decode().strip() == "['tenets_session_server.features.options']"
    assert not database.exists()
