"""``tenets-session`` on a terminal: sentences, tables that fit, questions, editor, pager."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.foreign import ForeignWriter
from support.people import Person, on_terminal

LONG = "review the parser and everything that the parser is used by, in all of its places"


@pytest.fixture
def person(database: Path, tmp_path: Path) -> Person:
    found = Person(database, tmp_path / "app", PAGER="cat")
    found.does("create", LONG)
    found.does("create", "fix login", "--switch")
    found.does("note", "the token is refreshed twice")
    return found


def shown(person: Person, *arguments: str, columns: int = 80) -> str:
    with on_terminal(person, *arguments, columns=columns) as terminal:
        status, text = terminal.end()
    assert status == 0, text
    return text


def editor(person: Person, program: str) -> None:
    """Have an editor that runs a program in Python; the name of the file is in ``file``."""
    path = person.home / "editor"
    path.write_text(f"#!/usr/bin/env python3\nimport sys\nfile = sys.argv[1]\n{program}\n")
    path.chmod(0o700)
    person.environment["VISUAL"] = str(path)


@pytest.mark.parametrize("columns", [40, 80])
def test_it_says_where_one_is_and_what_to_do_next(person: Person, columns: int) -> None:
    text = shown(person, columns=columns)
    assert text.startswith("On fix login, the active session\n")
    assert "the token is refreshed twice" in text.replace("\n", "")
    assert "tenets-session note TEXT" in text
    person.does("exit")
    assert "No session is current here.\nCreate one with: tenets-session create" in shown(person)


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_tables_fit(person: Person, columns: int) -> None:
    lines = shown(person, "list", columns=columns).splitlines()
    assert max(map(len, lines)) <= columns
    assert [line.split()[0] for line in lines[:2]] == ["NAME", "*"]
    assert "NOTES" in lines[0]
    assert lines[1].split()[1:4] == ["fix", "login", "1"]
    assert (LONG in lines[2]) == (columns == 200)
    assert ("…" in lines[2]) == (columns < 200)
    person.does("delete", "fix login")
    lines = shown(person, "trash", columns=columns).splitlines()
    assert max(map(len, lines[:2])) <= columns
    assert lines[1].split()[0] == "1"


def test_a_terminal_is_shown_the_newest_and_told_how_to_see_all(person: Person) -> None:
    for number in range(3):
        person.does("create", f"session {number}")
    text = shown(person, "list", "--limit", "2")
    assert ("session 2" in text, "session 1" in text, "session 0" in text) == (True, True, False)
    assert "tenets-session list --all" in text
    assert LONG[:30] in shown(person, "list", "--all")


@pytest.mark.parametrize(
    ("environment", "arguments", "colored"),
    [
        ({}, (), True),
        ({"NO_COLOR": "1"}, (), False),
        ({"TERM": "dumb"}, (), False),
        ({}, ("--color", "never"), False),
        ({"NO_COLOR": "1"}, ("--color", "always"), True),
    ],
)
def test_colours(
    person: Person, environment: dict[str, str], arguments: tuple[str, ...], colored: bool
) -> None:
    person.environment |= environment
    with on_terminal(person, *arguments, "search", "token") as terminal:
        terminal.end()
        assert ("\x1b[31m" in terminal.raw) == colored


def test_what_is_destroyed_is_asked_for_and_can_be_undone(person: Person) -> None:
    with on_terminal(person, "delete", "fix login") as terminal:
        terminal.expect("Delete fix login and all notes? [y/N]: ")
        terminal.types("n\r")
        assert terminal.end()[0] == 1
    assert "fix login" in person.does("list")
    with on_terminal(person, "delete", "fix login") as terminal:
        terminal.expect("[y/N]: ")
        terminal.types("y\r")
        status, text = terminal.end()
    assert status == 0
    assert "Deleted fix login.\nUndo it with: tenets-session restore 1\n" in text
    assert "Restored fix login with 1 note." in shown(person, "restore", "1")
    assert shown(person, "delete", "--yes", "fix login").startswith("Deleted fix login.\n")
    for arguments in (("clear",), ("trash", "--empty"), ("reset", LONG)):
        with on_terminal(person, *arguments) as terminal:
            terminal.expect("[y/N]: ")
            terminal.types("\r")
            assert terminal.end()[0] == 1
    assert person.does("list") == f"{LONG}\n"


def test_a_session_is_chosen_by_typing(person: Person) -> None:
    person.does("create", "other")
    with on_terminal(person, "switch") as terminal:
        terminal.expect("Switch to")
        terminal.expect("fix login")
        terminal.types("review")
        terminal.expect("review...")
        terminal.types("\r")
        status, text = terminal.end()
    assert status == 0, text
    assert person.does("prompt") == f"{LONG}\n"


def test_nothing_is_chosen_with_ctrl_c(person: Person) -> None:
    with on_terminal(person, "switch") as terminal:
        terminal.expect("fix login")
        terminal.types("\x03")
        assert terminal.end()[0] == 1
    assert person.does("prompt") == "fix login\n"


def test_a_note_is_written_in_the_editor(person: Person) -> None:
    editor(person, "open(file, 'w').write('# thought\\n\\nwritten\\n')")
    assert "Added note 2 to fix login." in shown(person, "note")
    assert person.does("show", "--id", "2") == "# thought\n\nwritten\n"
    editor(person, "")
    with on_terminal(person, "note") as terminal:
        status, text = terminal.end()
    assert (status, "the note is empty" in text) == (2, True)
    editor(person, "open(file, 'a').write('and more\\n')")
    assert "Changed note 2." in shown(person, "edit", "2")
    assert person.does("show", "--id", "2") == "# thought\n\nwritten\nand more\n"
    editor(person, "")
    assert "Nothing has changed." in shown(person, "edit", "2")


def test_what_others_change_meanwhile_is_not_overwritten_and_no_text_is_lost(
    person: Person, database: Path
) -> None:
    editor(
        person,
        f"import sqlite3\nwith sqlite3.connect({str(database)!r}) as c:\n"
        "    c.execute(\"UPDATE session_context SET content = 'theirs'\")\n"
        "open(file, 'a').write(' (mine)')",
    )
    with on_terminal(person, "edit", "1") as terminal:
        status, text = terminal.end()
    assert status == 4
    kept = Path(text.partition("the text is kept in ")[2].split()[0])
    assert kept.read_text() == "the token is refreshed twice\n (mine)"
    kept.unlink()
    assert person.does("show", "--id", "1") == "theirs\n"


@pytest.mark.parametrize("content", ["a\r\nb\r\n", "keep\n\n", "\ufeffx", "no end", "end\n"])
def test_what_the_editor_leaves_as_it_is_stays_as_it_is(
    person: Person, database: Path, content: str
) -> None:
    with ForeignWriter(database) as foreign:
        foreign.add_context("fix login", content)
    editor(person, "")
    assert "Nothing has changed." in shown(person, "edit", "2")
    assert person.gets("show", "--id", "2")["content"] == content
    editor(person, "open(file, 'ab').write(b'more')")
    shown(person, "edit", "2")
    assert person.gets("show", "--id", "2")["content"].replace("\n", "").endswith("more")


def test_a_note_goes_to_the_session_that_it_was_begun_in(person: Person) -> None:
    command = " ".join(person.command("switch", "other"))
    person.does("create", "other")
    editor(person, f"import os\nos.system({command!r})\nopen(file, 'w').write('thought')")
    assert "Added note 2 to fix login." in shown(person, "note")


def test_ctrl_c_is_the_editors(person: Person) -> None:
    editor(
        person,
        "import os, signal\nsignal.signal(signal.SIGINT, lambda *_: None)\n"
        "os.kill(os.getppid(), signal.SIGINT)\nopen(file, 'w').write('typed a lot')",
    )
    assert "Added note 2 to fix login." in shown(person, "note")
    assert person.does("show", "--id", "2") == "typed a lot\n"


def test_text_of_the_editor_that_is_no_utf8_is_kept(person: Person) -> None:
    editor(person, "open(file, 'wb').write(b'caf\\xe9')")
    with on_terminal(person, "note") as terminal:
        status, text = terminal.end()
    assert (status, "the editor has not written UTF-8" in text) == (1, True)
    kept = Path(text.partition("the text is kept in ")[2].split()[0])
    assert kept.read_bytes() == b"caf\xe9"
    kept.unlink()


def test_nothing_is_chosen_that_does_not_match(person: Person) -> None:
    with on_terminal(person, "switch") as terminal:
        terminal.expect("fix login")
        terminal.types("zzzz")
        terminal.expect("zzzz...")
        terminal.types("\r")
        status, text = terminal.end()
    assert (status, "no session in the list matches 'zzzz'" in text) == (3, True)
    assert person.does("prompt") == "fix login\n"


@pytest.mark.parametrize("verb", [("note",), ("edit", "1")])
def test_what_was_written_is_kept_if_the_editor_fails(
    person: Person, verb: tuple[str, ...]
) -> None:
    editor(person, "open(file, 'a').write('a thought\\n')\nsys.exit(3)")
    with on_terminal(person, *verb) as terminal:
        status, text = terminal.end()
    assert (status, "Editing failed" in text) == (1, True)
    kept = Path(text.partition("the text is kept in ")[2].split()[0])
    assert kept.read_text().endswith("a thought\n")
    kept.unlink()
    editor(person, "sys.exit(3)")
    with on_terminal(person, *verb) as terminal:
        status, text = terminal.end()
    assert (status, "the text is kept" in text) == (1, False)
    person.environment["VISUAL"] = "/no/such/editor"
    with on_terminal(person, *verb) as terminal:
        status, text = terminal.end()
    assert (status, "Traceback" in text) == (1, False)
    assert len(person.gets("show")["entries"]) == 1


def test_long_output_goes_through_the_pager(person: Person, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    person.environment["PAGER"] = f"tee {seen}"
    shown(person, "show")
    assert "the token is refreshed twice" in seen.read_text()
    seen.unlink()
    assert "the token is refreshed twice" in shown(person, "--no-pager", "show")
    assert not seen.exists()


def test_a_pager_that_is_left_early_is_no_error(person: Person, database: Path) -> None:
    with ForeignWriter(database) as foreign:
        foreign.add_much_context("fix login", 3000)
    person.environment["PAGER"] = "head -n 1"
    with on_terminal(person, "show") as terminal:
        status, text = terminal.end()
    assert (status, "Traceback" in text, "fix login" in text) == (0, False, True)


def test_texts_of_others_are_inert_on_a_terminal(person: Person, database: Path) -> None:
    with ForeignWriter(database) as foreign:
        foreign.create("\x1b]0;title\x07\u202eevil")
        foreign.add_context("fix login", "\x1b[2J\x1b]0;title\x07 \u202eevil")
    for arguments in (("list",), ("show",), (), ("search", "evil"), ("export", "fix login")):
        with on_terminal(person, *arguments) as terminal:
            terminal.end()
            raw = terminal.raw
        assert "\x1b]0" not in raw, arguments
        assert "\x1b[2J" not in raw
        assert "\x07" not in raw
        assert "\u202e" not in raw


def test_warnings_are_told_beside_the_result(person: Person, database: Path) -> None:
    (database.parent / "other name.db").hardlink_to(database)
    text = shown(person, "list")
    assert "sessions are read-only until it has one name only" in text.replace("\n", "")


def test_long_work_shows_its_progress(person: Person, database: Path) -> None:
    with ForeignWriter(database) as foreign:
        foreign.add_much_context("fix login", 50_000)
    shown(person, "export", "--output", "all.json")
    with on_terminal(person, "import", "--on-conflict", "rename", "all.json") as terminal:
        status, text = terminal.end()
    assert status == 0, text
    assert "Importing" in text
    assert "Imported 2 sessions with 50,001 notes, 2 renamed." in text
