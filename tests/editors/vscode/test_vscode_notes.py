"""Notes in VS Code: at their lines, as documents, found and moved."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from editors.plain_editors import SOURCE
from editors.vscode import code_server as vscode
from editors.vscode.code_server import CodeServer, Window
from support.people import Person

pytestmark = pytest.mark.editors


def test_lines_are_added_drawn_found_and_read(window: Window, person: Person) -> None:
    window.opens("login.py")
    window.selects_lines(4, 5)
    window.runs("Tenets: Add Selection to Session")
    window.answers("Add lines 4-5 to billing", "why twice?")
    hint = window.page.locator(".view-line").filter(has_text="def")
    expect(hint).to_contain_text("why twice?")
    (entry,) = person.gets("show", "billing")["entries"]
    assert (entry["kind"], entry["content"]) == ("note", "why twice?")
    assert entry["location"]["range"]["start"] == {"line": 3, "character": 0}
    assert entry["location"]["anchor"]["occurrences"] == 1
    window.runs("Tenets: Search Notes and Sessions")
    expect(window.picker).to_contain_text("Search notes and sessions")
    window.types("twi")
    window.pick("why twice?")
    expect(window.tab("why twice.md")).to_be_visible()
    # It leads back to its line, which has moved meanwhile.
    (person.folder / "login.py").write_text(f"# one more\n{SOURCE}")
    window.opens_view()
    window.unfolds("billing")
    window.row("why twice?").hover()
    window.row("why twice?").locator('.action-label[aria-label="Go to Its Line"]').click()
    expect(window.page.locator(".statusbar-item").filter(has_text="Ln 5, Col 1")).to_be_visible()


def test_lines_alone_are_added_with_two_keys_and_move(window: Window, person: Person) -> None:
    window.opens("login.py")
    window.selects_lines(4, 5)
    window.page.keyboard.press("Control+k")
    window.page.keyboard.press("n")
    window.answers("Add lines 4-5 to billing", "")
    hint = window.page.locator(".view-line").filter(has_text="def")
    expect(hint).to_contain_text("✎ def log_in(user):")
    (entry,) = person.gets("show", "billing")["entries"]
    lines = SOURCE.splitlines(keepends=True)[3:5]
    assert (entry["kind"], entry["content"]) == ("code", "".join(lines))
    # It moves with its line, in text that is not saved.
    window.page.keyboard.press("Control+Home")
    window.page.keyboard.type("# one\n# two\n")
    expect(hint).to_contain_text("✎ def log_in(user):")
    window.runs("Tenets: Notes of This File")
    expect(window.picker.locator(".monaco-list-row").first).to_contain_text("line 6")


def test_a_search_shows_what_it_finds(window: Window, person: Person) -> None:
    person.does("note", "the parser is slow")
    person.does("note", "the lexer is quick")
    window.runs("Tenets: Search Notes and Sessions")
    expect(window.picker).to_contain_text("Search notes and sessions")
    window.types("lexer")
    expect(window.picker.locator(".monaco-list-row")).to_have_count(1)
    expect(window.editor).to_contain_text("the lexer is quick")
    window.picker.locator("input[type=text]").fill("parser")
    expect(window.editor).to_contain_text("the parser is slow")
    # It was only looked at.
    window.page.keyboard.press("Escape")
    expect(window.page.locator(".tab")).to_have_count(0)
    # The name of a session is found, and picking it switches.
    person.does("create", "review")
    window.runs("Tenets: Search Notes and Sessions")
    expect(window.picker).to_contain_text("Search notes and sessions")
    window.types("revi")
    window.pick("review")
    expect(window.status).to_contain_text("review")


@pytest.mark.parametrize("theirs", ["of theirs again", "longer than first of theirs"])
def test_a_note_is_edited_and_a_conflict_is_shown(
    window: Window, person: Person, theirs: str
) -> None:
    person.does("note", "first")
    window.opens_note("billing", "first")
    window.editor.click()
    window.page.keyboard.press("Control+End")
    window.page.keyboard.type(" of mine")
    window.page.keyboard.press("Control+s")
    expect(window.row("first of mine")).to_be_visible()
    # Changed elsewhere: shown at once.
    entry_id = str(person.gets("show", "billing")["entries"][0]["id"])
    person.does("edit", entry_id, "first of theirs")
    expect(window.editor).to_contain_text("theirs")
    # Changed on both sides: neither is lost, and VS Code shows both.
    window.page.keyboard.press("Control+End")
    window.page.keyboard.type(" and mine")
    person.does("edit", entry_id, theirs)
    expect(window.row(theirs)).to_be_visible()
    window.page.keyboard.press("Control+s")
    if theirs == "of theirs again":  # as long as that which it replaced
        window.presses("The content of the file is newer", "Compare")
        expect(window.page.locator(".monaco-diff-editor")).to_contain_text(theirs)
        expect(window.page.locator(".monaco-diff-editor")).to_contain_text("and mine")
        (entry,) = person.gets("show", "billing")["entries"]
        assert entry["content"] == theirs
        # To have looked at it is no consent: it is asked again.
        window.page.keyboard.press("Escape")
        window.tab("first").first.click()
        window.page.keyboard.press("Control+s")
        expect(window.notification("The content of the file is newer")).to_be_visible()
        (entry,) = person.gets("show", "billing")["entries"]
        assert entry["content"] == theirs
    else:
        window.presses("The content of the file is newer", "Overwrite")
        expect(window.row("first of theirs and mine")).to_be_visible()


def test_a_note_opens_beside_the_code_and_as_markdown(window: Window, person: Person) -> None:
    person.does("note", "# Plan\n\nNot **now**.")
    window.opens("login.py")
    window.opens_view()
    window.unfolds("billing")
    window.row("Plan").click()
    groups = window.page.locator(".editor-group-container")
    expect(groups).to_have_count(2)
    expect(groups.last).to_contain_text("Not **now**.")
    # The next one goes where that one is.
    person.does("note", "another")
    window.row("another").click()
    expect(groups.last.locator(".view-lines")).to_contain_text("another")
    expect(groups).to_have_count(2)
    window.chooses(window.row("Plan"), "Open Preview")
    expect(window.preview.locator("h1")).to_have_text("Plan")
    expect(window.preview.locator("strong")).to_have_text("now")


def test_notes_are_dragged_to_another_session(window: Window, person: Person) -> None:
    person.does("create", "review")
    person.does("note", "--at", "login.py:5", "first")
    person.does("note", "second")
    window.opens_view()
    window.unfolds("billing")
    window.row("first").click()
    window.row("second").click(modifiers=["Control"])
    window.row("second").drag_to(window.row("review"))
    message = "Moved 2 notes to review"
    expect(window.notification(message)).to_be_visible()
    assert person.gets("show", "billing")["entries"] == []
    moved = person.gets("show", "review")["entries"]
    assert {one["content"] for one in moved} == {"first", "second"}
    assert [one["location"]["range"] for one in moved if one["content"] == "first"] != []
    window.presses(message, "Undo")
    expect(window.row("first")).to_be_visible()
    assert person.gets("show", "review")["entries"] == []
    # Without a mouse.
    window.chooses(window.row("first"), "Move Note to Session...")
    window.pick("review")
    expect(window.notification("Moved the note to review")).to_be_visible()
    (entry,) = person.gets("show", "review")["entries"]
    assert entry["content"] == "first"
    # To take that back would lose what was written since.
    person.does("edit", str(entry["id"]), "first, and more")
    window.presses("Moved the note to review", "Undo")
    expect(window.notification("A note was changed since")).to_be_visible()
    (entry,) = person.gets("show", "review")["entries"]
    assert entry["content"] == "first, and more"


def test_pinned_files_are_marked_and_lost_notes_listed(window: Window, person: Person) -> None:
    person.does("note", "--at", "login.py:5", "why twice?")
    person.does("note", "--at", "login.py:1", "import less")
    window.opens("login.py")
    window.runs("Tenets: Pin File to Session")
    star = '- tab "login.py":\n  - text: /★/'  # drawn by a style sheet, so it is no text
    expect(window.tab("login.py")).to_match_aria_snapshot(star)
    person.does("unpin", "login.py")
    expect(window.tab("login.py")).not_to_match_aria_snapshot(star)
    # A line that is gone takes its note with it, in text that is not saved.
    window.selects_lines(1, 1)
    window.page.keyboard.press("Delete")
    window.runs("Tenets: Notes of This File")
    expect(window.picker).to_contain_text("Notes of this file")
    rows = window.picker.locator(".monaco-list-row")
    expect(rows.first).to_contain_text("line 4")
    expect(rows.last).to_contain_text("was line 1")
    window.pick("why twice?")
    expect(window.page.locator(".statusbar-item").filter(has_text="Ln 4, Col 1")).to_be_visible()


def test_a_note_has_one_tab_also_after_a_reload(window: Window, person: Person) -> None:
    person.does("note", "first")
    window.opens_note("billing", "first")
    window.editor.click()
    window.page.keyboard.press("Control+a")
    window.page.keyboard.type("renamed")
    window.page.keyboard.press("Control+s")
    window.row("renamed").dblclick()
    expect(window.page.locator(".tab")).to_have_count(1)
    window.runs("Developer: Reload Window")
    expect(window.page.locator(".tab")).to_have_count(0)
    expect(window.status).to_contain_text("billing")
    expect(window.text("first.md")).to_contain_text("renamed")


def test_notes_are_read_and_written_as_utf8(code_server: CodeServer, person: Person) -> None:
    person.does("create", "--switch", "billing")
    person.does("note", "Grüße: 1 €")
    given = {**vscode.server_setting(person.database), "files.encoding": "windows1252"}
    (person.folder / ".vscode" / "settings.json").write_text(json.dumps(given))
    with code_server.window(person.folder) as window:
        window.opens_view()
        window.unfolds("billing")
        window.row("Grüße").click()
        expect(window.editor).to_contain_text("Grüße: 1 €")
        window.editor.click()
        window.page.keyboard.press("Control+End")
        window.page.keyboard.type("5 ¢")
        window.page.keyboard.press("Control+s")
        expect(window.row("Grüße: 1 €5 ¢")).to_be_visible()
    (entry,) = person.gets("show", "billing")["entries"]
    assert entry["content"] == "Grüße: 1 €5 ¢"


def test_a_conflict_is_found_after_a_reload(
    window: Window, person: Person, code_server: CodeServer
) -> None:
    person.does("note", "first")
    entry_id = str(person.gets("show", "billing")["entries"][0]["id"])
    window.opens_note("billing", "first")
    window.editor.click()
    window.page.keyboard.press("Control+End")
    window.page.keyboard.type(" of mine")
    code_server.wait_until_kept("first of mine")
    window.runs("Developer: Reload Window")
    expect(window.page.locator(".tab")).to_have_count(0)
    # While the window is away, to a text that is as long.
    person.does("edit", entry_id, "other")
    expect(window.status).to_contain_text("billing")
    expect(window.text("first.md")).to_contain_text("first of mine")
    window.text("first.md").click()
    window.page.keyboard.press("Control+s")
    expect(window.notification("The content of the file is newer")).to_be_visible()
    (entry,) = person.gets("show", "billing")["entries"]
    assert entry["content"] == "other"


def test_the_text_of_a_note_outlives_its_session(window: Window, person: Person) -> None:
    person.does("note", "first")
    window.opens_note("billing", "first")
    window.editor.click()
    window.page.keyboard.press("Control+End")
    window.page.keyboard.type(" of mine")
    person.does("delete", "--yes", "billing")
    expect(window.row("billing")).to_have_count(0)
    window.page.keyboard.press("Control+s")
    expect(window.notification("The note was deleted")).to_be_visible()
    expect(window.editor).to_contain_text("first of mine")
    person.does("restore")
    expect(window.row("billing")).to_be_visible()
    window.editor.click()
    window.page.keyboard.press("Control+s")
    expect(window.page.locator(".tab.dirty")).to_have_count(0)
    (entry,) = person.gets("show", "billing")["entries"]
    assert entry["content"] == "first of mine"
