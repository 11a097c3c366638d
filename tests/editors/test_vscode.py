"""The extension of VS Code, in a real VS Code, as a person uses it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from editors import vscode_support
from editors.node_support import npm
from editors.plain_editors import SOURCE, installed
from editors.vscode_support import EXTENSION, FLAGS, CodeServer, Window
from support import shared
from support.people import Person

pytestmark = pytest.mark.editors


# Not for the session: while it is there, playwright has an event loop running, and tests of other
# modules run their own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = installed("chromium", "Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=chromium, args=FLAGS)


@pytest.fixture(scope="session")
def vsix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return vscode_support.packaged(tmp_path_factory.mktemp("extension"))


@pytest.fixture(scope="module")
def extensions(tmp_path_factory: pytest.TempPathFactory, vsix: Path, browser: Browser) -> Path:
    folder = tmp_path_factory.mktemp("extensions")
    CodeServer(tmp_path_factory.mktemp("install") / "x", browser, folder, "").install(vsix)
    return folder


@pytest.fixture(scope="module")
def code_server(
    tmp_path_factory: pytest.TempPathFactory, browser: Browser, extensions: Path
) -> Iterator[CodeServer]:
    """One for all tests: each has a folder of its own, whose settings name its database."""
    folder = tmp_path_factory.mktemp("code-server") / "x"
    with CodeServer(folder, browser, extensions, "/usr/bin:/bin").running() as found:
        yield found


@pytest.fixture
def person(database: Path, tmp_path: Path) -> Iterator[Person]:
    found = Person(database, tmp_path / "app")
    (found.folder / "login.py").write_text(SOURCE)
    vscode_support.settings(found.folder, database)
    yield found
    shared.stop(database)


@pytest.fixture
def window(code_server: CodeServer, person: Person) -> Iterator[Window]:
    """A window with one session, which is active."""
    person.does("create", "--switch", "billing")
    with code_server.window(person.folder) as found:
        expect(found.status).to_contain_text("billing")
        yield found
        found.page.screenshot(path=person.home / "at the end.png")


def test_without_a_server_it_says_how_to_get_one(
    tmp_path: Path, browser: Browser, extensions: Path
) -> None:
    folder = tmp_path / "app"
    folder.mkdir()
    programs = tmp_path / "bin"
    programs.mkdir()
    path = f"{programs}:/usr/bin:/bin"
    running = CodeServer(tmp_path / "code", browser, extensions, path).running()
    with running as server, server.window(folder) as window:
        message = window.notification("The session server is not installed")
        expect(message).to_contain_text("pipx install tenets-session-server")
        expect(window.status).to_contain_text("disconnected")
        window.opens_view()
        expect(window.page.locator(".welcome-view")).to_contain_text("is not installed")
        # It is found once it is there.
        database = tmp_path / "t.db"
        program = programs / "tenets-session-server"
        line = f'exec {sys.executable} -m tenets_session_server --database {database} "$@"'
        program.write_text(f"#!/bin/sh\n{line}\n")
        program.chmod(0o755)
        window.page.locator(".welcome-view").get_by_text("Look again").click()
        expect(window.status).to_contain_text("no session")
        window.page.locator(".welcome-view").get_by_text("Create a session").click()
        window.answers("Create a session", "fix login")
        expect(window.status).to_contain_text("fix login")
        expect(window.row("fix login")).to_contain_text("active")
    shared.stop(database)


def test_a_server_that_cannot_be_started_is_told_of_once(
    code_server: CodeServer, person: Person
) -> None:
    settings = person.folder / ".vscode" / "settings.json"
    right = settings.read_text()
    settings.write_text(json.dumps({"tenets.server.command": ["/none/tenets-session-server"]}))
    with code_server.window(person.folder) as window:
        message = window.notification("could not be started: /none/tenets-session-server")
        expect(message).to_be_visible()
        # By then it has been tried several times.
        expect(window.status).to_contain_text("disconnected")
        assert window.page.locator(".notification-toast").count() == 1
        settings.write_text(right)
        expect(window.status).to_contain_text("no session")


def test_a_switch_anywhere_is_shown_and_made_here(window: Window, person: Person) -> None:
    person.does("create", "--switch", "review")
    expect(window.status).to_contain_text("review")
    window.status.click()
    expect(window.picker).to_contain_text("Switch session")
    window.pick("billing")
    expect(window.status).to_contain_text("billing")
    assert person.does("prompt") == "billing\n"


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
    window.page.keyboard.type("twi")
    window.pick("why twice?")
    expect(window.tab("why twice.md")).to_be_visible()
    # It leads back to its line, which has moved meanwhile.
    (person.folder / "login.py").write_text(f"# one more\n{SOURCE}")
    window.opens_view()
    window.row("billing").locator(".monaco-tl-twistie").click()
    window.row("why twice?").hover()
    window.row("why twice?").locator('.action-label[aria-label="Go to Its Line"]').click()
    expect(window.page.locator(".statusbar-item").filter(has_text="Ln 5, Col 1")).to_be_visible()


@pytest.mark.parametrize("theirs", ["of theirs again", "longer than first of theirs"])
def test_a_note_is_edited_and_a_conflict_is_shown(
    window: Window, person: Person, theirs: str
) -> None:
    person.does("note", "first")
    window.opens_view()
    window.row("billing").locator(".monaco-tl-twistie").click()
    window.row("first").click()
    expect(window.editor).to_contain_text("first")
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
    else:
        window.presses("The content of the file is newer", "Overwrite")
        expect(window.row("first of theirs and mine")).to_be_visible()


def test_what_is_deleted_comes_back(window: Window, person: Person) -> None:
    person.does("note", "first")
    window.opens_view()
    window.row("billing").click(button="right")
    window.page.locator(".context-view").get_by_text("Delete").hover()
    window.page.keyboard.press("Enter")
    expect(window.row("billing")).to_have_count(0)
    expect(window.status).to_contain_text("no session")
    window.presses("Deleted billing", "Undo")
    expect(window.row("billing")).to_be_visible()
    assert [one["content"] for one in person.gets("show", "billing")["entries"]] == ["first"]
    # From the trash, too.
    person.does("delete", "--yes", "billing")
    window.row("Trash").locator(".monaco-tl-twistie").click()
    item = window.row("deleted")
    item.hover()
    item.locator('.action-label[aria-label="Restore"]').click()
    expect(window.row("billing")).to_be_visible()


def test_a_folder_that_is_bound_keeps_its_session(window: Window, person: Person) -> None:
    person.does("create", "review")
    window.status.click()
    window.pick("Bind this folder to billing")
    person.does("switch", "review")
    window.opens_view()
    expect(window.row("review")).to_contain_text("active")
    expect(window.row("billing")).to_contain_text("this folder")
    expect(window.status).to_contain_text("billing")


def test_it_comes_back_when_its_server_does(window: Window, person: Person) -> None:
    for _ in range(2):
        shared.stop(person.database)
        person.does("create", "--switch", f"while away {_}")
        expect(window.status).to_contain_text(f"while away {_}")
    assert window.page.locator(".notification-toast").count() == 0, "it restarts without noise"


def test_two_windows_are_one(window: Window, person: Person, code_server: CodeServer) -> None:
    with code_server.window(person.folder) as other:
        expect(other.status).to_contain_text("billing")
        other.runs("Tenets: Create Session")
        other.answers("Create a session", "parser")
        expect(other.status).to_contain_text("parser")
        expect(window.status).to_contain_text("parser")


def test_ten_thousand_sessions_are_paged_and_filtered(window: Window, person: Person) -> None:
    exported = json.loads(person.does("export", "--format", "json", "billing"))
    (session,) = exported["sessions"]
    many = [{**session, "name": f"session {number}"} for number in range(10_000)]
    person.does("import", "-", given=json.dumps({**exported, "sessions": many}))
    window.opens_view()
    expect(window.row("session 9999")).to_be_visible()
    expect(window.rows.first).to_contain_text("billing")
    window.rows.first.click()
    window.page.keyboard.press("End")
    window.row("Show more").click()
    window.scrolls_to("session 9850")
    window.runs("Tenets: Filter Sessions")
    window.answers("Filter sessions by name", "session 77")
    # Older than the thousand most recent ones, it is found by the beginning of its name.
    window.scrolls_to("session 7701")
    window.runs("Tenets: Clear the Filter")
    expect(window.rows.filter(has_text=re.compile("session 9[89]")).first).to_be_visible()


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


@pytest.mark.parametrize(
    "theme", ["Default Light Modern", "Default Dark Modern", "Default High Contrast"]
)
def test_nobody_is_kept_out_by_it(
    code_server: CodeServer, person: Person, vsix: Path, theme: str
) -> None:
    """What is ours adds nothing serious, in each theme, to what axe-core finds without us."""
    axe = vsix.parent / "node_modules" / "axe-core" / "axe.min.js"
    vscode_support.settings(person.folder, person.database, colorTheme=theme)
    person.does("create", "review")
    person.does("create", "--switch", "billing")
    person.does("note", "--at", "login.py:5", "why twice?")
    person.does("delete", "--yes", "review")
    with code_server.window(person.folder) as window:
        expect(window.status).to_contain_text("billing")
        window.opens("login.py")
        # Its colours are those of every inlay hint: too pale for axe-core in the light theme.
        expect(window.page.locator(".view-line").filter(has_text="why twice?")).to_be_visible()
        before = window.violations(axe)
        window.opens_view()
        window.row("billing").locator(".monaco-tl-twistie").click()
        window.row("Trash").locator(".monaco-tl-twistie").click()
        expect(window.row("deleted")).to_be_visible()
        rules = {rule for rule, _ in before}
        added = {one for one in window.violations(axe) - before if one[0] not in rules}
        window.page.screenshot(path=person.home / f"{theme} view.png")
        assert added == set()
        window.status.click()
        expect(window.picker).to_contain_text("billing")
        window.page.screenshot(path=person.home / f"{theme} switch.png")


def test_its_strings_are_ready_to_be_translated(vsix: Path) -> None:
    """The strings of the code are in the bundle, and those of the manifest in package.nls.json."""
    npm(vsix.parent, "run", "l10n")
    bundle = Path("l10n") / "bundle.l10n.json"
    assert (vsix.parent / bundle).read_text() == (EXTENSION / bundle).read_text(), "npm run l10n"
    manifest = (EXTENSION / "package.json").read_text()
    named = {*re.findall(r'"%([\w.]+)%"', manifest)}
    assert named == {*json.loads((EXTENSION / "package.nls.json").read_text())}
