"""Notes of open documents: never at other lines than theirs, and not lost without need."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.client import Client, ResponseError
from support.messages import notification
from support.plain_editor import (
    SOURCE,
    actions,
    annotated,
    between,
    edit,
    editor,
    found_by,
    hover,
    located_at,
    open_document,
    pick,
    range_,
)

pytestmark = pytest.mark.asyncio

LENS = {"annotations": "lens"}
ADD = "tenets.session.addSelection"


async def with_token_noted(client: Client, source: Path) -> str:
    """Open the source, with a note on ``token = fetch(user)``; return its URI."""
    await client.create("a", active=True)
    uri = await open_document(client, source)
    await pick(client, uri, range_(4, 5), "Add line 5")
    return uri


async def save(client: Client, uri: str) -> None:
    await client.send(notification("textDocument/didSave", {"textDocument": {"uri": uri}}))


async def test_a_saved_document_keeps_a_note_where_edits_led_it(
    server_command: list[str], source: Path
) -> None:
    async with editor(server_command) as client:
        uri = await with_token_noted(client, source)
        copy = "".join(SOURCE.splitlines(keepends=True)[3:6])
        await edit(client, uri, 2, {"range": range_(8, 8), "text": copy})
        await edit(client, uri, 3, {"range": between((4, 12), (4, 17)), "text": "load"})
        await save(client, uri)
        assert await located_at(client, uri) == [4], "the copy looks more like it now"


async def test_a_note_that_was_never_asked_for_follows_edits(
    server_command: list[str], source: Path
) -> None:
    async with editor(server_command) as client, Client.opened(server_command) as other:
        uri = await open_document(client, source)
        location = {"uri": uri, "range": range_(4, 5)}
        await other.session(
            "addContext", sessionName="a", kind="note", content="why?", location=location
        )
        await edit(client, uri, 2, {"range": between((4, 12), (4, 17)), "text": "load"})
        await edit(client, uri, 3, {"range": range_(0, 0), "text": "\n"})
        assert await located_at(client, uri) == [5]


async def test_a_deleted_line_that_comes_back_has_its_note(
    server_command: list[str], source: Path
) -> None:
    async with editor(server_command) as client:
        uri = await with_token_noted(client, source)
        line = SOURCE.splitlines(keepends=True)[4]
        await edit(client, uri, 2, {"range": range_(4, 5), "text": ""})
        assert await located_at(client, uri) == []
        await edit(client, uri, 3, {"range": range_(4, 4), "text": line})
        assert await located_at(client, uri) == [4]


@pytest.mark.parametrize(
    ("text", "line"),
    [("a = 1\n" * 50, 20), ("{\n}\n" * 20, 3), ("def f():\n    pass\n\n" * 5, 4)],
)
async def test_what_was_just_added_is_shown_where_it_was_added(
    server_command: list[str], source: Path, text: str, line: int
) -> None:
    """Also where its text and what is around it are as elsewhere, so that no search finds it."""
    async with editor(server_command, LENS) as client:
        await client.create("a", active=True)
        uri = await open_document(client, source, text)
        await pick(client, uri, range_(line, line + 1), f"Add line {line + 1}")
        assert [at for at, _ in await annotated(client, uri)] == [line]
        await edit(client, uri, 2, {"range": range_(0, 0), "text": "\n\n"})
        assert [at for at, _ in await annotated(client, uri)] == [line + 2]


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(
            b'{"jsonrpc":"2.0","method":"textDocument/didChange","params":"\xff"}', id="UTF-8"
        ),
        pytest.param(b'{"jsonrpc":"2.0","method":"textDocument/didChange","params":{', id="JSON"),
        pytest.param(b" " * (17 * 1024 * 1024), id="too large"),
    ],
)
async def test_a_message_that_is_refused_may_have_been_a_change(
    server_command: list[str], source: Path, message: bytes
) -> None:
    async with editor(server_command, LENS) as client:
        uri = await with_token_noted(client, source)
        await client.send(b"Content-Length: %d\r\n\r\n%b" % (len(message), message))
        while (await client.read()).get("id", 0) is not None:
            pass  # a request of the server's own comes before the refusal, perhaps
        await client.until_shown("Notes are not shown in some documents")
        assert await annotated(client, uri) == []
        assert await located_at(client, uri) == []
        await open_document(client, source)
        assert await located_at(client, uri) == [4]


async def test_a_text_that_is_not_known_has_no_notes_anywhere(
    server_command: list[str], source: Path
) -> None:
    async with editor(server_command, LENS) as client:
        uri = await with_token_noted(client, source)
        other = await open_document(client, source.with_name("other.py").as_uri())
        await pick(client, other, range_(4, 5), "Add line 5")
        await edit(client, uri, 2, {"text": 7})
        await client.until_shown("Notes are not shown in some documents")
        assert await annotated(client, uri) == []
        titles = [one["title"] for one in await actions(client, uri, range_(4, 5))]
        assert not any(title.startswith("Read") for title in titles)
        # The file has another text than the editor. So nothing is found or noted by it.
        assert (await client.session("locate", uri=uri))["placed"] == []
        note = {"sessionName": "a", "kind": "note", "content": "b"}
        added = await client.session(
            "addContext", **note, location={"uri": uri, "range": range_(5, 6)}
        )
        assert "anchor" not in added["location"]
        # The other document is not in doubt.
        assert await located_at(client, other) == [4]


async def test_a_change_of_nothing_loses_nothing(server_command: list[str], source: Path) -> None:
    async with editor(server_command) as client:
        uri = await with_token_noted(client, source)
        await edit(client, uri, 1)
        assert await located_at(client, uri) == [4]


async def test_blank_lines_are_not_added(server_command: list[str], source: Path) -> None:
    async with editor(server_command) as client:
        await client.create("a", active=True)
        uri = await open_document(client, source)
        await pick(client, uri, range_(1, 3), "Add lines 2-3")
        assert client.shown[-1]["message"] == "Nothing is added: lines 2-3 are blank"
        assert (await client.session("listContext"))["entries"] == []


async def test_one_more_document_than_are_kept_takes_none_of_the_others(
    server_command: list[str], source: Path
) -> None:
    async with editor(server_command) as client:
        uri = await with_token_noted(client, source)
        for number in range(2000):
            await open_document(client, f"file:///none/{number}")
        assert await hover(client, uri, 4) is not None
        await edit(client, uri, 2, {"range": range_(0, 0), "text": "\n"})
        assert await located_at(client, uri) == [5]


async def test_a_lens_of_several_notes_shows_all_of_them(
    server_command: list[str], source: Path
) -> None:
    async with editor(server_command, LENS, capabilities={"window": {}}) as client:
        await client.create("a", active=True)
        uri = await open_document(client, source)
        for content in ("one", "two"):
            location = {"uri": uri, "range": range_(4, 5)}
            await client.session("addContext", kind="note", content=content, location=location)
        (lens,) = await client.result("textDocument/codeLens", {"textDocument": {"uri": uri}})
        assert lens["command"]["title"].endswith("(+1)")
        await client.execute(lens["command"]["command"], *lens["command"]["arguments"])
        assert {one["message"] for one in client.shown} == {"one", "two"}


async def test_names_and_notes_do_nothing_where_they_are_shown(
    server_command: list[str], source: Path
) -> None:
    async with editor(server_command, LENS) as client:
        uri = await open_document(client, source)
        location = {"uri": uri, "range": range_(4, 5)}
        name, kind = "![i](https://example.org/t.png)", "<img src=x>"
        content = "\x1b[31mred \u202egnp\u2028next"
        await client.session(
            "addContext", sessionName=name, kind=kind, content=content, location=location
        )
        found = await hover(client, uri, 4)
        assert found is not None
        heading = found["contents"]["value"].splitlines()[0]
        assert heading.startswith(f"✎ `{name}` · `{kind}` · Vim · 20")
        ((_, title),) = await annotated(client, uri)
        (symbol,) = await found_by(client, "next")
        for shown in (title, symbol["name"]):
            assert not {"\x1b", "\u202e", "\u2028"} & {*shown}


async def test_refreshes_are_those_of_what_is_drawn(
    server_command: list[str], source: Path
) -> None:
    async with editor(server_command, {"annotations": "hint"}) as client:
        await client.create("a", active=True)
        uri = await open_document(client, source)
        location = {"uri": uri, "range": range_(4, 5)}
        await client.session("addContext", kind="note", content="one", location=location)
        message = await client.next_request("workspace/inlayHint/refresh")
        await client.answer(message, None)
        assert [one["method"] for one in client.asked] == []


async def test_symbols_of_notes_at_paths_and_of_what_was_not_read(
    server_command: list[str], source: Path
) -> None:
    async with editor(server_command) as client:
        await client.create("a", active=True)
        path = {"uri": str(source), "range": range_(4, 5)}
        await client.session("addContext", kind="note", content="by path", location=path)
        (symbol,) = await found_by(client, "path")
        assert symbol["location"]["uri"] == source.as_uri()
        large = source.with_name("large.py")
        large.write_text("x" * (1024 * 1024 + 1))
        where = {"uri": large.as_uri(), "range": range_(0, 1)}
        await client.session("addContext", kind="note", content="in a large one", location=where)
        (symbol,) = await found_by(client, "large")
        assert symbol["name"].endswith("(line unsure, was 1)")


async def test_a_session_and_a_note_with_one_number_have_files_of_their_own(
    server_command: list[str],
) -> None:
    async with editor(server_command) as client:
        session = await client.create("note", active=True)
        added = await client.session("addContext", kind="note", content="x" * 2_000_000)
        assert session["id"] == added["id"]
        found = {one["name"]: one for one in await found_by(client, "note")}
        uris = [one["location"]["uri"] for one in await found_by(client, "")]
        uris.append(found["note"]["location"]["uri"])
        texts = [Path(uri.removeprefix("file://")).read_text() for uri in uris]
        assert len({*uris}) == 2
        assert all("x" * 1000 in text for text in texts), "the beginning of a long note is shown"
        assert all(text.endswith("`tenets-session export`.*\n") for text in texts)


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ({"uri": ""}, "uri: expected"),
        ({"id": 2**63}, "id: expected"),
        ({"sessionId": -(2**63) - 1}, "sessionId: expected"),
    ],
)
async def test_wrong_arguments_of_commands(
    server_command: list[str], argument: dict[str, Any], expected: str
) -> None:
    async with editor(server_command) as client:
        await client.create("a", active=True)
        for command in ("pinFile", "addSelection", "show", "open", "switch"):
            with pytest.raises(ResponseError, match=expected) as refused:
                await client.execute(f"tenets.session.{command}", argument)
            assert refused.value.code == -32602


async def test_commands_are_about_the_last_file_and_no_other_buffer(
    server_command: list[str], source: Path
) -> None:
    async with editor(server_command) as client:
        await client.create("a", active=True)
        uri = await open_document(client, source)
        await hover(client, uri, 4)
        await hover(client, "lsp-quickpick", 0)
        await client.execute("tenets.session.pinFile")
        assert client.shown[-1]["message"] == "Pinned the file to a"
        metadata = (await client.session("get", name="a"))["metadata"]
        assert metadata["pinned_files"] == [str(source)]


@pytest.mark.parametrize(
    "uri", ["vscode-remote://ssh-remote%2Bhost/app/log in.py", "vscode-vfs://github/app/login.py"]
)
async def test_a_document_of_another_machine_shows_its_notes(
    server_command: list[str], uri: str
) -> None:
    async with editor(server_command) as client:
        await open_document(client, uri)
        location = {"uri": uri, "range": range_(4, 5)}
        note = {"sessionName": "a", "kind": "note", "content": "why twice?", "location": location}
        await client.session("addContext", **note)
        assert "why twice?" in str(await hover(client, uri, 4))
        await edit(client, uri, 2, {"range": range_(0, 0), "text": "# one more\n"})
        assert await hover(client, uri, 4) is None
        assert "why twice?" in str(await hover(client, uri, 5))
