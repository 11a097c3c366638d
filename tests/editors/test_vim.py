"""The plugin for Vim, in a real Vim on a screen, beside the command line as another client."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from editors import vim_support
from editors.neovim_support import ServerProgram
from editors.plain_editors import SOURCE, installed
from editors.vim_support import Vim
from support import shared
from support.people import Person
from tenets_session_server.models.context import Position, Range
from tenets_session_server.storage import lines
from tenets_session_server.storage.anchors import Text

pytestmark = pytest.mark.editors


@pytest.fixture
def server(database: Path, tmp_path: Path) -> Iterator[ServerProgram]:
    """The only server on the person's PATH; in the end its processes have to be gone."""
    command = [sys.executable, "-m", "tenets_session_server", "--database", str(database)]
    found = ServerProgram(tmp_path / "bin", command)
    yield found
    found.wait_until_all_ended()
    found.close()
    shared.stop(database)


@pytest.fixture
def person(database: Path, tmp_path: Path, server: ServerProgram) -> Person:
    """Somebody with two sessions, of which ``billing`` is active, and a file ``login.py``."""
    path = f"{server.path.parent}{os.pathsep}{os.defpath}"
    found = Person(database, tmp_path / "app", PATH=path)
    found.does("create", "review")
    found.does("create", "--switch", "billing")
    (found.folder / "login.py").write_text(SOURCE)
    return found


def notes(person: Person, session: str = "billing") -> list[str]:
    """Return the contents of a session's notes."""
    return [entry["content"] for entry in person.gets("show", session)["entries"]]


def run(person: Person, command: list[str]) -> subprocess.CompletedProcess[bytes]:
    """Run a command in the person's folder, without a terminal."""
    return subprocess.run(
        command,
        cwd=person.folder,
        env=person.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )


def have_notes(person: Person, session: str, contents: list[str]) -> None:
    """Make a session that has these notes, to the byte."""
    time = "2026-11-20T08:05:00+02:00"
    context = [{"kind": "note", "content": content, "createdAt": time} for content in contents]
    made = {"name": session, "createdAt": time, "metadata": {}, "context": context}
    document = {"format": "tenets-sessions", "version": 1, "sessions": [made]}
    person.does("import", "-", given=json.dumps(document))


def test_the_session_is_switched(person: Person) -> None:
    odd = """fix "it" | now"""
    person.does("create", odd)
    follow = (
        "let g:told = []\nautocmd User TenetsSessionChanged let g:told += [TenetsStatusline()]\n"
    )
    with Vim.opened(person, "login.py", configuration=follow) as vim:
        # It follows what others do.
        vim.wait_for_status("tenets: billing")
        person.does("switch", "review")
        vim.wait_for_status("tenets: review")
        # A menu narrows as you type, and moves.
        vim.enters("Tenets switch")
        shown = vim.wait_for("* review")
        assert "billing" in shown
        vim.writes("BILL")
        vim.wait_for(lambda text: "Switch to: BILL" in text and "* review" not in text)
        vim.types("Enter")
        vim.wait_for("tenets: switched to billing")
        vim.wait_for_status("tenets: billing")
        assert person.does("prompt") == "billing\n"
        vim.enters("Tenets switch")
        vim.wait_for("* billing")
        vim.writes("nothing")
        vim.wait_for("nothing fits")
        vim.types("Enter", "C-u", "Down", "Down", "C-n", "C-p", "Up", "Up", "Down", "Enter")
        vim.wait_for("tenets: switched to review")
        # Names are completed, and are everything after the verb.
        vim.writes(":Tenets sw")
        vim.types("Tab")
        vim.writes(' fix "i')
        vim.types("Tab")
        vim.wait_for(f":Tenets switch {odd}")
        vim.types("Enter")
        vim.wait_for_status(f"tenets: {odd}")
        vim.enters("Tenets exit")
        vim.wait_for_status("")
        names = ("billing", "review", "billing", "review", odd)
        told = "".join(f"tenets: {name}\n" for name in names)
        assert vim.evaluates('join(g:told, "\\n")') == told


def test_sessions_are_made_and_deleted(person: Person) -> None:
    with Vim.opened(person, "login.py") as vim:
        vim.enters("Tenets")
        vim.wait_for("tenets: billing (active in every editor)")
        vim.enters("Tenets create a|b")
        vim.wait_for_status("tenets: a|b")
        vim.enters("Tenets create a|b")
        vim.wait_for("tenets: a session is already named 'a|b'")
        vim.enters("Tenets exit")
        vim.wait_for("tenets: left a|b")
        vim.enters("Tenets")
        vim.wait_for("tenets: no session")
        vim.enters("Tenets note to nobody")
        vim.wait_for("tenets: not added: no session")
        vim.enters("Tenets create")
        vim.wait_for("Name of the new session:")
        vim.writes("c")
        vim.types("Enter")
        vim.wait_for_status("tenets: c")
        # The old name is offered.
        vim.enters("Tenets rename")
        vim.wait_for("New name of the session: c")
        vim.writes(" 2")
        vim.types("Enter")
        vim.wait_for("tenets: renamed c to c 2")
        vim.wait_for_status("tenets: c 2")
        vim.enters("Tenets copy d")
        vim.wait_for("tenets: copied c 2 to d")
        # What is deleted comes back.
        vim.enters("Tenets delete c 2")
        vim.wait_for("tenets: deleted c 2; :Tenets undo brings it back")
        vim.wait_for_status("")
        vim.enters("Tenets delete review")
        vim.wait_for("tenets: deleted review;")
        vim.enters("Tenets undo")
        vim.wait_for("tenets: brought back review with 0 notes")
        vim.enters("Tenets trash")
        vim.wait_for("c 2 with 0 notes")
        vim.types("Enter")
        vim.wait_for("tenets: brought back c 2 with 0 notes")
        vim.enters("Tenets trash")
        vim.wait_for("tenets: the trash is empty")
        names = [session["name"] for session in person.gets("list")["sessions"]]
        assert sorted(names) == ["a|b", "billing", "c 2", "d", "review"]
        # Wrong input is told.
        vim.enters("Tenets nonsense")
        vim.wait_for("tenets: there is no :Tenets nonsense; see :help tenets-commands")
        vim.enters("Tenets switch nobody")
        vim.wait_for("tenets: no session is named 'nobody'")


def test_a_folder_is_bound(person: Person) -> None:
    with Vim.opened(person, "login.py") as vim:
        vim.wait_for_status("tenets: billing")
        vim.enters("Tenets bind")
        vim.wait_for("Bind this folder to:")
        vim.writes("rev")
        vim.types("Enter")
        vim.wait_for("app is bound to review")
        vim.wait_for_status("tenets: review")
        person.does("create", "--switch", "elsewhere")
        vim.enters("Tenets switch billing")
        vim.wait_for("app still shows review, see :Tenets unbind")
        vim.wait_for_status("tenets: review")
        vim.enters("Tenets switch review")
        vim.wait_for(lambda text: text.rstrip().endswith("tenets: switched to review"))
        vim.enters("Tenets exit")
        vim.wait_for("tenets: left review; ")
        vim.wait_for("app still shows review, see :Tenets unbind")
        vim.enters("Tenets switch billing")
        vim.wait_for("tenets: switched to billing; ")
        vim.enters("Tenets")
        vim.wait_for("tenets: review (bound to ")
        vim.enters("Tenets note in the bound one")
        vim.wait_for("tenets: added a note to review")
        vim.enters("Tenets unbind")
        vim.wait_for("app shows the active session")
        vim.wait_for_status("tenets: billing")
        # The folder of the window counts.
        (person.folder / "sub").mkdir()
        person.does("bind", "review", "--folder", "sub")
        vim.enters("split | lcd sub")
        vim.wait_for_status("tenets: review")
        vim.enters("wincmd w")
        vim.wait_for_status("tenets: billing")
        # A folder that is deleted still counts.
        vim.enters("cd sub")
        vim.wait_for_status("tenets: review")
        (person.folder / "sub").rmdir()
        vim.enters("Tenets")
        vim.wait_for("tenets: review (bound to ")


def test_a_faulty_autocommand_stops_nothing(person: Person) -> None:
    faulty = "autocmd User TenetsSessionChanged throw 'oops'\n"
    with Vim.opened(person, configuration=faulty) as vim:
        vim.wait_for("tenets: User TenetsSessionChanged: oops")
        vim.wait_for_status("tenets: billing")
        shared.stop(person.database)
        vim.wait_until("execute('messages') =~ 'the server has ended'")
        person.does("switch", "review")
        vim.wait_for_status("tenets: review")


def test_wrong_options_are_told(person: Person) -> None:
    for wrong in ("[]", "5"):
        with Vim.opened(person, configuration=f"let g:tenets_server = {wrong}\n") as vim:
            vim.wait_for("tenets: g:tenets_server: expected a list of texts")
            vim.wait_for_status("tenets: disconnected")
    # Another program may say nothing.
    silent = "let g:tenets_server = ['sh', '-c', 'exec cat >/dev/null']\n"
    with Vim.opened(person, configuration=silent) as vim:
        vim.wait_for("tenets: no reply from sh yet; see :help tenets-trouble")


def test_where_no_window_can_be_opened(person: Person) -> None:
    with Vim.opened(person, errors="^tenets: E11:") as vim:
        vim.wait_for_status("tenets: billing")
        vim.types("q", ":")
        vim.wait_for("[Command Line]")
        # At once, by a reply, and by a choice.
        vim.enters("Tenets notes")
        vim.wait_for("tenets: E11: Invalid in command-line window")
        vim.enters("messages clear")
        vim.enters("Tenets export billing")
        vim.wait_for("tenets: E11: Invalid in command-line window")
        person.does("note", "needle")
        vim.enters("messages clear")
        vim.enters("Tenets search needle")
        vim.wait_for("needle  billing")
        vim.types("Enter")
        vim.wait_for("tenets: E11: Invalid in command-line window")
        vim.enters("quit")


def test_notes_are_taken(person: Person) -> None:
    marks = "let g:tenets_signs = 1\n"
    with Vim.opened(person, "login.py", configuration=marks) as vim:
        vim.wait_for_status("tenets: billing")
        vim.goes_to(4)
        vim.types("V", "j")
        vim.enters("TenetsAdd")
        vim.wait_for("tenets: added the lines to billing")
        vim.wait_for("def log_in(user):  ✎ def log_in(user): · billing")
        # The buffer has text that is in no file.
        vim.enters("call append(0, ['# naïve', ''])")
        vim.enters("7Tenets note why twice?")
        vim.wait_for("tenets: added a note to billing")
        vim.wait_for("token = fetch(user)  ✎ why twice? · billing")
        vim.enters("Tenets note")
        vim.wait_for("Note:")
        vim.writes('say "hello" | world')
        vim.types("Enter")
        vim.wait_for(lambda text: "Note:" not in text and "added a note" in text)
        code, why, hello = person.gets("show", "billing")["entries"]
        assert (code["kind"], code["content"]) == (
            "code",
            "def log_in(user):\n    token = fetch(user)\n",
        )
        assert (why["kind"], why["content"]) == ("note", "why twice?")
        assert (hello["content"], hello.get("location")) == ('say "hello" | world', None)
        uri = (person.folder / "login.py").as_uri()
        assert code["location"]["uri"] == why["location"]["uri"] == uri
        assert code["location"]["range"] == {
            "start": {"line": 3, "character": 0},
            "end": {"line": 5, "character": 0},
        }
        # Its anchor is the one that the server would have taken.
        anchor = why["location"]["anchor"]
        assert anchor == {
            "quote": "token = fetch(user)",
            "before": ["", "", "def log_in(user):"],
            "after": ["return token", ""],
            "occurrences": 1,
        }
        # Marks move with edits; the lines are found again, and those that are gone come last.
        vim.enters("call append(0, '# one more')")
        vim.enters("7delete")
        vim.enters("w")
        vim.wait_for(lambda text: "✎ why twice?" in text and "✎ def log_in" not in text)
        vim.enters("Tenets file")
        vim.wait_for("login.py|7| why twice? · billing")
        shown = vim.wait_for("login.py|| def log_in(user): (was line 4) · billing")
        assert shown.index("|7|") < shown.index("was line 4")
        vim.goes_to(1)
        vim.types("Enter")
        assert vim.evaluates("bufname() .. line('.')") == "login.py7"


def test_lines_of_no_file(person: Person) -> None:
    with Vim.opened(person) as vim:
        vim.wait_for_status("tenets: billing")
        # The lines are in the note.
        vim.enters("set filetype=sh")
        vim.types("i")
        vim.writes("echo ```")
        vim.types("Escape")
        vim.enters(".Tenets note")
        vim.wait_for("Note:")
        vim.writes("in no file")
        vim.types("Enter")
        vim.wait_for("tenets: added a note to billing")
        *_, last = person.gets("show", "billing")["entries"]
        assert last["content"] == "in no file\n\n````sh\necho ```\n````"
        assert "location" not in last
        # Another session is named, and completed; where there is none, it is made.
        vim.writes(":TenetsAdd rev")
        vim.types("Tab")
        vim.wait_for(":TenetsAdd review")
        vim.types("Enter")
        vim.wait_for("tenets: added the lines to review")
        assert notes(person, "review") == ["echo ```\n"]
        vim.enters("TenetsAdd a | new one")
        vim.wait_for("tenets: added the lines to the new session a | new one")
        vim.enters("%delete")
        vim.enters("TenetsAdd")
        vim.wait_for("tenets: the lines are blank")
        vim.enters("Tenets file")
        vim.wait_for("tenets: this buffer is of no file")


def test_anchors_are_those_of_the_server(person: Person) -> None:
    text = [
        *("}", "  a\tb ", "\u00a0a b\u3000", "", "x" * 600, "}", "a b", "", *["y"] * 25, "日本 語"),
        *("\x1c a\x85b", "end"),
    ]
    with Vim.opened(person, "new.txt") as vim:
        (person.folder / "text.json").write_text(json.dumps(text))
        vim.enters("call setline(1, json_decode(join(readfile('text.json'), '')))")
        for first, last in ((1, 1), (2, 2), (3, 3), (2, 3), (5, 6), (9, 33), (10, 10), (35, 36)):
            vim.enters(f"{first},{last}Tenets note {first}-{last}")
        vim.wait_until("line('$') == 36")
        vim.enters("Tenets note the last one")
        vim.wait_until("execute('messages') =~ 'added a note.*'")
        vim.leaves()
    entries = person.gets("show", "billing")["entries"]
    assert len(entries) == 9
    whole = Text(lines.split("\n".join(text) + "\n"))
    for entry in entries[:-1]:
        location = entry["location"]
        first, last = map(int, entry["content"].split("-"))
        range_ = Range(Position(first - 1, 0), Position(last, 0))
        anchor = whole.anchor(range_)
        assert anchor is not None
        assert location["anchor"] == {
            "quote": anchor.quote,
            "before": anchor.before,
            "after": anchor.after,
            "occurrences": anchor.occurrences,
        }


def test_a_notes_buffer_is_written(person: Person) -> None:
    # Nothing of these may change where nobody has edited them.
    kept = ["\r\nends of lines\r\n\n\n", " no end", "", "\n\n", "tab\tand  blanks  "]
    person.does("delete", "billing")
    have_notes(person, "billing", [*kept, "with an end\n\n"])
    person.does("switch", "billing")
    person.does("note", "to be removed")
    person.does("note", "--at", "login.py:5", "to be edited")
    stored = notes(person)
    assert stored[:5] == kept
    with Vim.opened(person, "login.py") as vim:
        vim.wait_for_status("tenets: billing")
        vim.enters("Tenets notes")
        vim.wait_for("to be edited")
        shown = vim.buffer()
        assert shown.splitlines()[-1] == "──"
        heading = vim_support.HEADING.findall(shown)[-1]
        assert heading[1:] == ("note", "tenets-session", heading[3], "login.py:5")
        # Some are edited, one is removed, and one is added.
        vim.goes_to("to be edited")
        vim.appends(", and is")
        vim.goes_to("with an end")
        vim.appends(" that stays")
        vim.goes_to("to be removed")
        vim.types("k", "2", "d", "d")
        for text in ("another new one", "a new one"):
            vim.enters("Tenets note")
            vim.writes(text)
            vim.types("Escape")
        vim.types("o")
        vim.writes("of two lines")
        vim.types("Escape")
        vim.enters("w")
        vim.wait_for("tenets: notes of billing: 2 changed, 2 added, 1 deleted; :Tenets undo")
        edited = ["with an end that stays\n\n", "to be edited, and is"]
        assert notes(person) == [*kept, *edited, "another new one", "a new one\nof two lines"]
        vim.wait_until("&modified == 0")
        assert "\n──\n" not in vim.buffer(), "the new one has a heading"
        vim.enters("Tenets undo")
        vim.wait_for("tenets: brought back 1 note of billing")
        vim.wait_for("to be removed")
        # Writing what nobody has edited writes nothing.
        before = person.gets("show", "billing")
        vim.enters("set modified | w")
        vim.wait_for("tenets: notes of billing: nothing to write")
        assert person.gets("show", "billing") == before
        # The place of a note is found.
        vim.goes_to("to be edited")
        vim.types("Enter")
        assert vim.evaluates("bufname() .. line('.')") == "login.py5"
        # :wq finds the buffer written.
        vim.enters("wincmd p")
        vim.goes_to("of two lines")
        vim.types("d", "d")
        vim.enters("wq")
        vim.wait_for(lambda text: "tenets://" not in text and "1 changed" in text)
        assert notes(person)[-3:] == ["to be edited, and is", "another new one", "a new one"]


def test_what_cannot_be_meant_is_not_written(person: Person) -> None:
    for content in ("one", "two"):
        person.does("note", content)
    before = person.gets("show", "billing")
    with Vim.opened(person) as vim:
        vim.enters("Tenets notes billing")
        vim.wait_for("two")
        vim.goes_to("── 2")
        vim.types("d", "d")
        vim.enters("w")
        vim.wait_for("tenets: note 2 has lost its heading, but not its text (:w! joins them)")
        vim.types("u", "y", "y", "P")
        vim.enters("w")
        vim.wait_for("tenets: note 2 is there twice; give one the heading ──")
        vim.types("u", "g", "g", "O")
        vim.writes("of none")
        vim.types("Escape")
        vim.enters("w")
        vim.wait_for("tenets: the text at the top is of no note; move it below a line ──")
        assert person.gets("show", "billing") == before
        vim.enters("e!")
        vim.wait_until("&modified == 0")
        vim.goes_to("── 2")
        vim.types("d", "d")
        vim.enters("w!")
        vim.wait_for("tenets: notes of billing: 1 changed, 1 deleted; :Tenets undo")
        assert notes(person) == ["one\n\ntwo"]


def test_a_session_is_made_in_its_buffer(person: Person) -> None:
    name = "a | 100% #new one"
    with Vim.opened(person) as vim:
        vim.enters(f"Tenets notes {name}")
        vim.wait_for(f"tenets: {name} is new; :w creates it with its first note")
        vim.types("o")
        vim.writes("its first note")
        vim.types("Escape")
        vim.enters("w")
        vim.wait_for(f"tenets: notes of {name}: 1 added")
        assert notes(person, name) == ["its first note"]
        # The buffer follows a new name, of which there is one buffer then.
        person.does("rename", name, "b")
        vim.wait_until("bufname() == 'tenets://notes/b'")
        vim.enters("new | Tenets notes b")
        assert vim.evaluates("len(filter(getbufinfo(), 'v:val.name =~ \"tenets:\"'))") == "1"
        vim.enters("Tenets notes review")
        vim.wait_until("&modifiable")
        person.does("rename", "review", "empty, and renamed")
        vim.wait_until("bufname() == 'tenets://notes/empty, and renamed'")
        vim.enters("Tenets notes b")
        # A session that is gone is told, and what is written stays.
        person.does("delete", "b")
        vim.wait_for("tenets: b was deleted; :Tenets undo brings it back")
        vim.goes_to("its first note")
        vim.appends(", kept")
        vim.enters("Tenets note")
        vim.writes("and another one")
        vim.types("Escape")
        for write in ("w", "w!"):
            vim.enters("messages clear")
            vim.enters(write)
            vim.wait_for("tenets: not written: b was deleted; after :Tenets undo, write again")
        assert vim.evaluates("&modified") == "1"
        vim.enters("Tenets undo")
        vim.wait_for("tenets: brought back b with 1 note")
        vim.enters("w")
        vim.wait_for("tenets: notes of b: 1 changed, 1 added")
        assert notes(person, "b") == ["its first note, kept", "and another one"]
        # Another session of that name is another one.
        vim.wait_until("&modified == 0")
        person.does("delete", "b")
        vim.wait_for("tenets: b was deleted; :Tenets undo brings it back")
        vim.enters("Tenets notes b")
        vim.wait_for("tenets: b is new; :w creates it with its first note")
        person.does("create", "b")
        person.does("note", "--session", "b", "of the new one")
        vim.wait_for("of the new one")
        assert "its first note" not in vim.buffer()


def test_a_notes_buffer_follows(person: Person) -> None:
    for content in ("one", "two", "three"):
        person.does("note", content)
    with Vim.opened(person) as vim:
        vim.enters("Tenets notes billing")
        vim.wait_for("three")
        # The cursor stays on its note.
        vim.goes_to("two")
        person.does("edit", "1", "-", given="one\nof\nfour\nlines")
        person.does("note", "four")
        vim.wait_for(lambda text: "lines" in text and "\nfour" in text)
        assert vim.evaluates("getline('.')") == "two"
        person.does("remove", "2")
        vim.wait_for(lambda text: "two" not in text)
        assert "── 3 ·" in vim.evaluates("getline('.')"), "the one that follows"
        assert vim.evaluates("&modified") == "0"
        # Undo does not bring back what others have removed.
        vim.types("u")
        assert "two" not in vim.buffer()
        # A content that looks like a heading, or like the line of a new note, is text.
        (heading, *_) = vim_support.HEADING.finditer(vim.buffer())
        fake = f"{heading[0]}\n──\n───"
        person.does("note", "-", given=fake)
        vim.wait_for("────")
        vim.goes_to("three")
        vim.appends(" and a half")
        vim.enters("w")
        vim.wait_for("tenets: notes of billing: 1 changed")
        assert notes(person) == ["one\nof\nfour\nlines", "three and a half", "four", fake]
        assert vim.buffer().splitlines()[-1] == "────"


def test_a_session_of_vim_brings_notes_back(person: Person) -> None:
    person.does("note", "one")
    with Vim.opened(person) as vim:
        vim.enters("Tenets notes billing")
        vim.wait_for("one")
        vim.enters("only")
        vim.enters("mksession s.vim")
    with Vim.opened(person, "-S", "s.vim") as vim:
        vim.wait_for("one")
        vim.goes_to("one")
        vim.appends(" and a half")
        vim.enters("w")
        vim.wait_for("tenets: notes of billing: 1 changed")
    assert notes(person) == ["one and a half"]


def test_nothing_of_others_is_overwritten(person: Person) -> None:
    for content in ("one", "two", "three"):
        person.does("note", content)
    with Vim.opened(person, errors="E37:") as vim:
        vim.enters("Tenets notes billing")
        vim.wait_for("three")
        # A note that was changed meanwhile is not overwritten, while others are written.
        vim.goes_to("two")
        vim.appends(" of mine")
        vim.goes_to("one")
        vim.appends(" of mine")
        vim.types("G", "o")
        vim.writes("four")
        vim.types("Escape")
        person.does("edit", "2", "two of theirs")
        vim.enters("w")
        vim.wait_for("tenets: note 2 was changed elsewhere; :w! overwrites it, :e! shows theirs")
        assert notes(person) == ["one of mine", "two of theirs", "three", "four"]
        assert "two of mine" in vim.buffer()
        assert vim.evaluates("&modified") == "1"
        vim.enters("wq")
        assert "two of mine" in vim.buffer(), "it is not closed"
        vim.enters("w!")
        vim.wait_for("tenets: notes of billing: 1 changed")
        assert notes(person) == ["one of mine", "two of mine", "three", "four"]
        vim.wait_until("&modified == 0")
        vim.goes_to("two of mine")
        vim.types("x")
        person.does("edit", "2", "two of theirs")
        vim.enters("e!")
        vim.wait_for("two of theirs")
        assert vim.evaluates("getline('.')") == "two of theirs"
        assert vim.evaluates("&modified") == "0"
        # One that was deleted meanwhile can be written again.
        vim.appends(" and mine")
        person.does("remove", "2")
        vim.enters("w")
        vim.wait_for("tenets: note 2 was deleted elsewhere; :w! adds it anew, :e! drops it")
        vim.enters("w!")
        vim.wait_for("tenets: notes of billing: 1 changed")
        assert notes(person) == ["one of mine", "three", "four", "two of theirs and mine"]
        # Nor is one removed that was changed meanwhile.
        vim.wait_until("&modified == 0")
        vim.goes_to("three")
        vim.types("k", "3", "d", "d")
        person.does("edit", "3", "three of theirs")
        vim.enters("w")
        vim.wait_for("tenets: note 3 was changed elsewhere; :w! deletes it, :e! shows theirs")
        vim.enters("e")
        vim.wait_for("E37: No write since last change")
        vim.enters("e!")
        vim.wait_for("three of theirs")


def test_many_and_large_notes(person: Person) -> None:
    contents = ["the needle", *(f"number {number}" for number in range(204))]
    contents += ["x" * 1_100_000, "a\0b", "last"]
    have_notes(person, "large", contents)
    with Vim.opened(person) as vim:
        vim.enters("Tenets notes large")
        vim.wait_for("last")
        shown = vim.buffer()
        assert shown.splitlines()[0] == "── 8 older notes not shown ──"
        assert shown.count("(not to be edited here: ") == 2
        assert len(vim_support.HEADING.findall(shown)) == 200
        assert "2026-11-20 06:05" in shown, "the local time, which is UTC"
        # What Vim cannot show as it is, is not written.
        vim.enters("%s/not to be edited/edited/ | w")
        vim.wait_for("cannot be changed here")
        vim.enters("e!")
        vim.wait_for("not to be edited")
        vim.enters("set modified | w")
        vim.wait_for("nothing to write")
        # An older one is shown, too, where it is looked for.
        vim.enters("Tenets search needle")
        vim.wait_for("Found:")
        vim.wait_for("the needle")
        vim.types("Enter")
        vim.wait_until("getline(line('.') + 1) == 'the needle'")
        assert vim.buffer().splitlines()[0] == "── 7 older notes not shown ──"
    assert notes(person, "large") == contents


def test_many_sessions_and_a_long_name(person: Person) -> None:
    time = "2026-11-20T08:05:00+02:00"
    made = [
        {"name": f"session {number}", "createdAt": time, "metadata": {}, "context": []}
        for number in range(1000)
    ]
    document = {"format": "tenets-sessions", "version": 1, "sessions": made}
    person.does("import", "-", given=json.dumps(document))
    person.does("create", "--switch", "n" * 255)
    with Vim.opened(person, "login.py") as vim:
        status = re.compile(rf"^login.py +tenets: {'n' * 39}… 1,1$", re.MULTILINE)
        vim.wait_for(lambda text: status.search(text) is not None)
        # Those that are not in the menu can be named.
        vim.enters("Tenets switch")
        vim.wait_for("Switch to (the first 1000):")
        vim.writes("review")
        vim.wait_for("nothing fits")
        vim.types("Escape")
        vim.writes(":Tenets switch re")
        vim.types("Tab")
        vim.wait_for(":Tenets switch review")
        vim.types("Enter")
        vim.wait_for_status("tenets: review")


def test_search_export_and_changes(person: Person) -> None:
    person.does("note", "--at", "login.py:5", "the token is refreshed twice")
    with Vim.opened(person, "login.py") as vim:
        vim.wait_for_status("tenets: billing")
        vim.enters("Tenets changes")
        vim.wait_for("tenets: nothing has changed")
        vim.enters("Tenets search refreshed tok")
        vim.wait_for("the token is refreshed twice  billing  ")
        vim.types("Enter")
        vim.wait_until("getline(line('.') + 1) == 'the token is refreshed twice'")
        vim.enters("bwipeout")
        vim.enters("Tenets search")
        vim.wait_for("Search for:")
        vim.writes("review")
        vim.types("Enter")
        vim.wait_for("review  session")
        vim.types("Enter")
        vim.wait_for("tenets: switched to review")
        vim.enters("Tenets search nowhere")
        vim.wait_for("tenets: nothing has: nowhere")
        # It is a buffer without a file.
        vim.enters("Tenets export billing")
        vim.wait_for("# billing")
        assert vim.buffer() + "\n" == person.does("export", "--format", "markdown", "billing")
        assert vim.evaluates("bufname() .. &modified .. &filetype") == "0markdown"
        vim.enters("close")
        vim.leaves()
    assert (person.home / ".vim" / "tenets" / "state.json").exists()
    person.does("--author", "alice", "note", "--session", "billing", "so is the cookie")
    person.does("--author", "alice", "create", "from alice")
    with Vim.opened(person, "login.py") as vim:
        vim.enters("Tenets changes")
        shown = vim.wait_for("session created  alice")
        assert "billing     note added  alice  so is the cookie" in shown
        assert shown.index("from alice") < shown.index("note added"), "the newest is first"
        assert "refreshed" not in shown
        vim.writes("cookie")
        vim.types("Enter")
        vim.wait_until("getline(line('.') + 1) == 'so is the cookie'")
        # What is done here is known here.
        vim.enters("Tenets note of mine")
        vim.wait_for("tenets: added a note to review")
        vim.enters("Tenets changes")
        vim.wait_for("tenets: nothing has changed")


def test_a_server_that_ends_is_started_again(person: Person, server: ServerProgram) -> None:
    with Vim.opened(person, "login.py") as vim:
        vim.wait_for_status("tenets: billing")
        vim.enters("Tenets notes")
        vim.wait_for("──")
        # There is none for a while.
        program = server.path.read_bytes()
        server.path.unlink()
        shared.stop(person.database)
        vim.wait_for_status("tenets: disconnected")
        vim.wait_for("tenets: the server has ended (the daemon was stopped")
        vim.enters("Tenets switch review")
        vim.wait_for("the PATH; see :help tenets-install; switch was not done")
        vim.enters("Tenets note while it was away")
        vim.wait_for("; 1 note will be sent again")
        person.does("note", "from outside")
        server.becomes(program)
        vim.wait_for_status("tenets: billing")
        vim.wait_for(lambda text: "from outside" in text and "\nwhile it was away" in text)
        assert person.does("prompt") == "billing\n", "what was not executed is not executed later"
        assert notes(person) == ["from outside", "while it was away"]
        # It is told what has happened meanwhile.
        person.does("switch", "review")
        vim.wait_for_status("tenets: review")
        messages = vim.evaluates("execute('messages')")
        assert messages.count("the server has ended") == 1
    # A Vim without a server keeps what it could not send.
    server.path.unlink()
    with Vim.opened(person, "login.py") as vim:
        vim.wait_for_status("tenets: disconnected")
        vim.enters("Tenets note kept for later")
        vim.wait_for("1 note will be sent again")
    server.becomes(program)
    with Vim.opened(person, "login.py") as vim:
        vim.wait_for("tenets: added 1 note that had no reply when Vim was left")
        assert notes(person, "review") == ["kept for later"]
        vim.wait_until("empty(glob('~/.vim/tenets/unsent*'))")


def test_a_frozen_server_does_not_freeze_vim(person: Person, server: ServerProgram) -> None:
    with Vim.opened(person, "login.py") as vim:
        vim.wait_for_status("tenets: billing")
        processes = [*server.pids(), shared.report(person.database)["pid"]]
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        try:
            vim.enters("Tenets switch")
            vim.wait_for("Switch to:")
            vim.writes("rev")
            vim.wait_for("Switch to: rev")
            vim.types("Enter", "Escape")
            vim.wait_for(lambda text: "Switch to:" not in text)
            vim.enters("Tenets note frozen")
            # More than the pipe has room for.
            vim.enters("%delete | call setline(1, repeat(['1234567890'], 30000)) | %TenetsAdd")
            vim.writes(":Tenets delete rev")
            vim.types("Tab")
            vim.wait_for(lambda text: ":Tenets delete rev" in text)
            vim.types("C-u", "Escape", "O")
            vim.writes("it is not frozen")
            vim.types("Escape")
            vim.wait_for("it is not frozen")
            assert vim.evaluates("getline(1)") == "it is not frozen"
        finally:
            for process in processes:
                os.kill(process, signal.SIGCONT)
        vim.wait_for("tenets: added the lines to billing")
    assert notes(person) == ["frozen", "1234567890\n" * 30000]


def test_leaving_vim_loses_no_note(person: Person, server: ServerProgram) -> None:
    with Vim.opened(person, "login.py") as vim:
        vim.enters("Tenets note the last words | of many")
        vim.leaves()
    assert notes(person) == ["the last words | of many"]
    server.wait_until_all_ended()
    # A server that has got it, but is slow.
    with Vim.opened(person, "login.py") as vim:
        vim.wait_for_status("tenets: billing")
        process = shared.report(person.database)["pid"]
        os.kill(process, signal.SIGSTOP)
        vim.enters("Tenets note to a slow server")
        vim.enters("qa")
        try:
            vim.wait_for("tenets: waiting for the server; CTRL-C ends that")
            vim.types("C-c")
            vim.wait_for("Vim was left with 0")
        finally:
            os.kill(process, signal.SIGCONT)
    with Vim.opened(person, "login.py") as vim:
        vim.wait_for("tenets: added 1 note that had no reply when Vim was left")
    assert notes(person) == ["the last words | of many", "to a slow server"], "it is kept once"
    # In a script, without a screen.
    script = ["-es", "-c", "Tenets note from a script", "-c", "qa!"]
    done = run(person, [*vim_support.install(person), *script])
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert notes(person)[2:] == ["from a script"]


def test_help(person: Person) -> None:
    vim_support.install(person)
    (tags,) = vim_support.commands("helptags")
    done = run(person, ["sh", "-c", tags])
    assert done.returncode == 0, done
    with Vim.opened(person) as vim:
        vim.enters("help tenets")
        vim.wait_for("Work sessions that every editor on the machine shares")
        tagged = [f":Tenets-{verb}" for verb in ("changes", "note", "switch", "unbind")]
        for tag in (*tagged, ":TenetsAdd", "g:tenets_signs", "TenetsStatusline()"):
            vim.enters(f"help {tag}")
            assert f"*{tag}*" in vim.evaluates("getline('.')")


def test_all_functions_can_be_compiled(person: Person) -> None:
    vim = vim_support.install(person)
    script = (
        person.home / ".vim" / "pack" / "tenets" / "start" / "tenets" / "autoload" / "tenets.vim"
    )
    script.write_text(script.read_text() + "\ndefcompile\n")
    done = run(person, [*vim, "-es", "-c", "call tenets#Statusline()", "-c", "qa!"])
    assert (done.returncode, done.stderr) == (0, b"")


def test_neovim_is_left_alone(person: Person) -> None:
    plugin = vim_support.PLUGIN / "plugin" / "tenets.vim"
    neovim = installed("nvim", "Debian and Ubuntu: apt-get install neovim")
    shown = ["-S", str(plugin), "-c", "echo exists(':Tenets')", "-c", "qa!"]
    done = run(person, [neovim, "--headless", "-u", "NONE", "-i", "NONE", *shown])
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"0")
