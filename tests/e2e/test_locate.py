"""Notes stay on their lines: anchors are taken with notes, and ``locate`` finds them again."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from pathlib import Path
from typing import Any, Final

import pytest

from support.client import Client, ResponseError
from support.messages import Json, frame
from support.modes import both_modes

pytestmark = pytest.mark.asyncio

TEXT: Final = "import time\n\n\ndef log_in(user):\n\tcheck(user)\n\tsend(user)\n"
LINE: Final = 4
QUOTE: Final = "check(user)"
MEBIBYTE: Final = 1024 * 1024
DEVICES: Final = ("/dev/zero", "/dev/tty", "/")


def lines(first: int, last: int | None = None) -> Json:
    """Return the range of whole lines."""
    return span(first, 0, (first if last is None else last) + 1, 0)


def span(line: int, character: int, end: int, end_character: int) -> Json:
    return {
        "start": {"line": line, "character": character},
        "end": {"line": end, "character": end_character},
    }


async def add(editor: Client, uri: str | Path, range_: Json | None = None, **more: Any) -> Json:
    """Add a note at some lines of a file, by default at :data:`LINE`."""
    location = {"uri": str(uri), "range": lines(LINE) if range_ is None else range_}
    params = {"sessionName": "a", "kind": "note", "content": "x", "location": location, **more}
    added: Json = await editor.session("addContext", **params)
    return added


async def locate(editor: Client, uri: str | Path, **more: Any) -> Json:
    """Return what ``locate`` finds, without its revision and state, which are the newest."""
    found: Json = await editor.session("locate", uri=str(uri), **more)
    newest = await editor.session("changes")
    assert (found.pop("revision"), found.pop("state")) == (newest["revision"], newest["state"])
    assert found.pop("isIncomplete") is False
    return found


def placed(note: Json, range_: Json, *, moved: bool = True) -> Json:
    return {"placed": [{"id": note["id"], "range": range_, "moved": moved}], "lost": []}


def lost(*notes: Json) -> Json:
    return {"placed": [], "lost": [note["id"] for note in notes]}


NOTHING: Final[Json] = {"placed": [], "lost": []}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "app" / "login.py"
    found.parent.mkdir()
    found.write_text(TEXT)
    return found


@both_modes
async def test_a_note_moves_with_its_line(server_command: list[str], file: Path) -> None:
    async with Client.opened(server_command) as editor:
        note = await add(editor, file.as_uri())
        assert note["location"] == {
            "uri": file.as_uri(),
            "range": lines(LINE),
            "anchor": {
                "quote": QUOTE,
                "before": ["", "", "def log_in(user):"],
                "after": ["send(user)", ""],
                "occurrences": 1,
                "rival": 0,
                "indents": [1, 1],
            },
        }
        assert (await editor.session("getContext", id=note["id"]))["location"] == note["location"]
        assert await locate(editor, file) == placed(note, lines(LINE), moved=False)
        file.write_text(f"# new\n{TEXT}")
        assert await locate(editor, file) == placed(note, lines(LINE + 1))
        # Unsaved text counts, whatever is in the file.
        assert await locate(editor, file, text=f"1\n2\n{TEXT}") == placed(note, lines(LINE + 2))
        assert await locate(editor, file, text="") == lost(note)
        file.write_text("other\n")
        assert await locate(editor, file) == lost(note)
        file.unlink()
        assert await locate(editor, file) == lost(note)
        # What is stored does not change.
        assert (await editor.session("getContext", id=note["id"]))["location"] == note["location"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
async def test_line_ends_tabs_and_a_byte_order_mark(
    server_command: list[str], file: Path, end: str
) -> None:
    file.write_bytes(b"\xef\xbb\xbf" + TEXT.replace("\n", end).encode())
    async with Client.opened(server_command) as editor:
        first = await add(editor, file, lines(0))
        note = await add(editor, file)
        assert first["location"]["anchor"]["quote"] == "import time"
        assert note["location"]["anchor"]["quote"] == QUOTE
        now = f"new\n{TEXT}".replace("\t", " " * 8)
        found = await locate(editor, file, text=now)
        assert [one["range"] for one in found["placed"]] == [lines(1), lines(LINE + 1)]


async def test_columns_are_utf_16_units_in_every_client(
    server_command: list[str], file: Path
) -> None:
    for encoding in ("utf-8", "utf-16", "utf-32"):
        file.write_text("# 😀\nx = '😀🧵' + name\nend = 1\n")
        general = {"general": {"positionEncodings": [encoding]}}
        async with Client.opened(server_command, capabilities=general) as editor:
            note = await add(editor, file, span(1, 13, 1, 17), sessionName=encoding)
            file.write_text("# 😀\n  x = '😀🧵' + name\nend = 1\n")
            found = await locate(editor, file, sessionName=encoding)
            assert found == placed(note, span(1, 15, 1, 19))


async def test_a_range_beyond_the_end(server_command: list[str], file: Path) -> None:
    async with Client.opened(server_command) as editor:
        note = await add(editor, file, span(4, 0, 99, 99))
        assert note["location"]["range"] == span(4, 0, 99, 99)
        assert note["location"]["anchor"]["quote"] == f"{QUOTE}\nsend(user)"
        assert await locate(editor, file, text=f"\n{TEXT}end\n") == placed(note, lines(5, 6))
        beyond = await add(editor, file, lines(99), sessionName="b")
        assert "anchor" not in beyond["location"]
        assert await locate(editor, file, sessionName="b") == lost(beyond)


async def test_notes_without_a_range_belong_to_the_file(
    server_command: list[str], file: Path
) -> None:
    async with Client.opened(server_command) as editor:
        for extra in ({}, {"range": None}, {"anchor": None}):
            note = await add(editor, file, location={"uri": str(file), **extra})
            assert note["location"] == {"uri": str(file), **extra}
        assert await locate(editor, file) == NOTHING


async def test_a_note_whose_text_was_not_known_is_lost(
    server_command: list[str], file: Path
) -> None:
    file.unlink()
    async with Client.opened(server_command) as editor:
        note = await add(editor, file)
        assert "anchor" not in note["location"]
        file.write_text(TEXT)
        assert await locate(editor, file) == lost(note)
        assert await locate(editor, file, text=TEXT) == lost(note)
        # It is not, once its location is told again.
        await editor.session("updateContext", id=note["id"], location=note["location"])
        assert await locate(editor, file) == placed(note, lines(LINE), moved=False)


async def test_files_that_are_too_large(server_command: list[str], file: Path) -> None:
    line = "x" * 63 + "\n"
    filler = line * ((MEBIBYTE - len(TEXT)) // len(line))
    filler += "y" * (MEBIBYTE - len(TEXT) - len(filler))
    file.write_text(TEXT + filler)
    assert file.stat().st_size == MEBIBYTE
    async with Client.opened(server_command) as editor:
        note = await add(editor, file)
        assert await locate(editor, file) == placed(note, lines(LINE), moved=False)
        file.write_text(TEXT + filler + "y")
        without = await add(editor, file, sessionName="b")
        assert "anchor" not in without["location"]
        large: list[tuple[Json, int]] = [
            ({}, MEBIBYTE),
            ({"text": TEXT + filler + "y"}, MEBIBYTE),
            ({"text": "\n" * 100_000}, 100_000),
        ]
        for text, limit in large:
            with pytest.raises(ResponseError) as caught:
                await editor.session("locate", uri=str(file), **text)
            data = caught.value.data
            assert data is not None
            assert (data["kind"], data["limit"]) == ("limitExceeded", limit)
        assert await locate(editor, file, text=TEXT, sessionName="a") == placed(
            note, lines(LINE), moved=False
        )
        file.write_text(TEXT + "\n" * 100_000)
        assert "anchor" not in (await add(editor, file, sessionName="b"))["location"]


@pytest.mark.parametrize("uri", ["untitled:Untitled-1", "vscode-remote://ssh-remote+host/app/a.py"])
async def test_what_is_no_file_here_needs_its_text(server_command: list[str], uri: str) -> None:
    async with Client.opened(server_command) as editor:
        note = await add(editor, uri)
        assert "anchor" not in note["location"]
        anchor = {"quote": QUOTE, "before": ["def log_in(user):"], "after": [], "occurrences": 1}
        location = {"uri": uri, "range": lines(LINE), "anchor": anchor}
        note = await add(editor, uri, location=location, sessionName="b")
        assert note["location"] == location
        with pytest.raises(ResponseError, match="text is required"):
            await editor.session("locate", uri=uri)
        found = await locate(editor, uri, text=f"\n{TEXT}", sessionName="b")
        assert found == placed(note, lines(LINE + 1))
        with pytest.raises(ResponseError, match="uri: expected a URI or an absolute path"):
            await editor.session("locate", uri="app/a.py", text=TEXT)


async def test_nothing_waits_for_what_is_no_regular_file(
    server_command: list[str], tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "unreadable").write_text(TEXT)
    (tmp_path / "unreadable").chmod(0)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "to-pipe").symlink_to(tmp_path / "pipe")
    places = ["pipe", "to-pipe", "folder", "loop", "missing", "missing/deeper", "socket"]
    if os.getuid() != 0:
        places.append("unreadable")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        async with Client.opened(server_command) as editor:
            began = time.monotonic()
            for place in [tmp_path / name for name in places] + list(map(Path, DEVICES)):
                async with asyncio.timeout(10):
                    note = await add(editor, place)
                    assert "anchor" not in note["location"]
                    assert note["id"] in (await locate(editor, place))["lost"]
            assert time.monotonic() - began < 10


async def test_the_database_is_never_opened_as_a_file(
    server_command: list[str], tmp_path: Path
) -> None:
    async with Client.opened(server_command) as editor:
        await editor.create("a")
        database = Path(editor.session_capability["database"])
        link = tmp_path / "link.db"
        link.symlink_to(database)
        for path in (database, database.with_name(f"{database.name}-wal"), link):
            assert path.exists()
            note = await add(editor, path, lines(0))
            assert "anchor" not in note["location"]


async def test_what_is_no_utf_8_is_read_all_the_same(server_command: list[str], file: Path) -> None:
    file.write_bytes(b"\xff\xfe caf\xe9 \x00\n" + TEXT.encode())
    async with Client.opened(server_command) as editor:
        note = await add(editor, file, lines(0, 1))
        assert note["location"]["anchor"]["quote"] == "\ufffd\ufffd caf\ufffd \0\nimport time"
        assert await locate(editor, file) == placed(note, lines(0, 1), moved=False)


async def test_a_file_has_several_names(
    server_command: list[str], file: Path, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(file.parent)
    linked = tmp_path / "link" / "login.py"
    async with Client.opened(server_command) as editor:
        note = await add(editor, linked)
        other = await add(editor, file.parent / "other.py")
        for uri in (file, linked, file.as_uri(), f"file://localhost{linked}"):
            assert await locate(editor, uri) == placed(note, lines(LINE), moved=False)
        file.rename(file.parent / "other.py")
        assert await locate(editor, file.parent / "other.py") == lost(other)
        assert await locate(editor, file) == lost(note)


async def test_sessions(server_command: list[str], file: Path) -> None:
    async with Client.opened(server_command) as editor:
        first, second = await add(editor, file), await add(editor, file, sessionName="b")
        third = await add(editor, file, lines(0))
        found = await locate(editor, file)
        assert [one["id"] for one in found["placed"]] == [third["id"], first["id"], second["id"]]
        of_b = placed(second, lines(LINE), moved=False)
        assert await locate(editor, file, sessionName="b") == of_b
        assert await locate(editor, file, sessionId=second["sessionId"]) == of_b
        with pytest.raises(ResponseError, match="no session"):
            await editor.session("locate", uri=str(file), sessionName="c")
        await editor.session("delete", name="b")
        await editor.session("removeContext", id=third["id"])
        assert await locate(editor, file) == placed(first, lines(LINE), moved=False)
        assert await locate(editor, file.parent) == NOTHING


async def test_a_location_comes_back_as_it_was_given(server_command: list[str], file: Path) -> None:
    uri = json.dumps(str(file))
    range_ = '{"start": {"character":0, "line":4},"end":{"line":5,"character":0}, "x" :1}'
    given = f'{{ "odd":1.50, "range" : {range_},\n "uri":{uri}, "e":"\\u00e9" }}'
    params = f'{{"sessionName":"a","kind":"note","content":"x","location":{given}}}'
    head = {"jsonrpc": "2.0", "id": "raw", "method": "tenets/session.addContext"}
    message = f'{json.dumps(head)[:-1]},"params":{params}}}'
    async with Client.opened(server_command) as editor:
        editor.expect_reply_to(json.loads(message))
        await editor.send(frame(message.encode()))
        reply = (await editor.read_body()).decode()
        assert f'"location":{given[:-1]},"anchor":{{"quote":"{QUOTE}"' in reply
        null = {"uri": str(file), "anchor": None, "range": lines(LINE)}
        note = await add(editor, file, location=null)
        assert note["location"].pop("anchor")["quote"] == QUOTE
        assert note["location"] == {"uri": str(file), "range": lines(LINE)}


async def test_a_note_that_is_sent_again_is_a_duplicate(
    server_command: list[str], file: Path
) -> None:
    async with Client.opened(server_command) as editor:
        for replace in (False, True):
            once: Json = {"identityKey": f"key {replace}", "replace": replace}
            file.write_text(TEXT)
            note = await add(editor, file, **once)
            for text in (TEXT, "changed\n" * 9, None):
                if text is None:
                    file.unlink()
                else:
                    file.write_text(text)
                again = await add(editor, file, **once)
                assert again == {**note, "sessionCreated": False, "duplicate": True}
        # Another content is another note, at the line where it was taken.
        file.write_text(f"new\n{TEXT}")
        changed = await add(editor, file, **{**once, "content": "y"})
        assert changed["location"] == note["location"]
        moved = await add(editor, file, lines(LINE + 1), **once)
        assert moved["location"]["range"] == lines(LINE + 1)
        assert moved["location"]["anchor"]["quote"] == QUOTE
        # A key without a file has no anchor; it is still the same note after there is one.
        file.unlink()
        note = await add(editor, file, identityKey="none", replace=True)
        file.write_text(TEXT)
        assert (await add(editor, file, identityKey="none", replace=True))["state"] == note["state"]


async def test_a_new_location_has_a_new_anchor(server_command: list[str], file: Path) -> None:
    async with Client.opened(server_command) as editor:
        note = await add(editor, file, lines(0))
        location = {"uri": str(file), "range": lines(LINE)}
        changed = await editor.session("updateContext", id=note["id"], location=location)
        assert changed["location"]["anchor"]["quote"] == QUOTE
        same = await editor.session("updateContext", id=note["id"], location=location)
        assert same["state"] == changed["state"]
        file.write_text("".join(f"line {number}\n" for number in range(9)))
        again = await editor.session("updateContext", id=note["id"], location=location)
        assert again["location"]["anchor"]["quote"] == f"line {LINE}"
        file.unlink()  # the old one is better than none
        kept = await editor.session("updateContext", id=note["id"], location=location)
        assert kept["state"] == again["state"]


async def test_anchors_go_with_their_notes(server_command: list[str], file: Path) -> None:
    async with Client.opened(server_command) as editor:
        note = await add(editor, file)
        await editor.session("copy", name="a", newName="b")
        content = (await editor.session("export", names=["a"]))["content"]
        trash = (await editor.session("delete", name="a"))["trashId"]
        file.write_text(f"new\n{TEXT}")
        assert len((await locate(editor, file, sessionName="b"))["placed"]) == 1
        await editor.session("restore", id=trash)
        assert await locate(editor, file, sessionName="a") == placed(note, lines(LINE + 1))
        await editor.session("import", content=content, onConflict="rename")
        found = await locate(editor, file, sessionName="a (2)")
        assert [one["range"] for one in found["placed"]] == [lines(LINE + 1)]


async def test_it_is_a_command_as_well(server_command: list[str], file: Path) -> None:
    async with Client.opened(server_command) as editor:
        note = await add(editor, file)
        menu = {"$mid": 1, "path": str(file), "scheme": "file"}
        for argument in ({"uri": str(file)}, menu):
            found = await editor.execute("tenets.session.locate", argument)
            assert [one["id"] for one in found["placed"]] == [note["id"]]


async def test_others_are_served_while_many_notes_are_located(
    server_command: list[str], file: Path
) -> None:
    """A megabyte in which each of many notes has many places."""
    text = "}\n\n" * 30_000
    async with Client.opened(server_command) as editor, Client.opened(server_command) as other:
        file.write_text(text)
        for number in range(30):
            await add(editor, file, lines(3 * number))
        slow = asyncio.create_task(editor.session("locate", uri=str(file)))
        longest = 0.0
        while not slow.done():
            began = time.monotonic()
            await other.session("getActive")
            longest = max(longest, time.monotonic() - began)
        assert len((await slow)["lost"]) == 30
        assert longest < 1
