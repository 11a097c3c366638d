"""VS Code finds the server, keeps it, and says what is wrong, whatever is open in the window."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from editors.vscode import code_server as vscode
from editors.vscode.code_server import CodeServer, Window
from support import damage, shared
from support.foreign import ForeignWriter
from support.people import Person

pytestmark = pytest.mark.editors


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
        # One word is a command, too; another wrong one while the first is waited for is told.
        settings.write_text(json.dumps({"tenets.server.command": "/none/other"}))
        expect(window.notification("could not be started: /none/other")).to_be_visible()
        settings.write_text(right)
        expect(window.status).to_contain_text("no session")


def test_the_chosen_interpreter_has_it(code_server: CodeServer, person: Person) -> None:
    person.does("create", "--switch", "billing")
    chosen = person.folder.parent / "python"
    # An interpreter of the user, with the package; the database is one that no other test has.
    line = f'exec env TENETS_CACHE_DIRECTORY={person.database.parent} {sys.executable} "$@"'
    chosen.write_text(f"#!/bin/sh\n{line}\n")
    chosen.chmod(0o755)
    given = json.dumps({"python.defaultInterpreterPath": str(chosen)})
    (person.folder / ".vscode" / "settings.json").write_text(given)
    with code_server.window(person.folder) as window:
        expect(window.status).to_contain_text("billing")


def test_a_folder_that_is_not_trusted_does_not_choose_the_program(
    tmp_path: Path, browser: Browser, extensions: Path, person: Person
) -> None:
    person.does("create", "--switch", "of the folder")
    database = tmp_path / "t.db"
    programs = vscode.installed_program(tmp_path / "bin", database)
    path = f"{programs}:/usr/bin:/bin"
    code = CodeServer(tmp_path / "code", browser, extensions, path, trusts=False)
    with code.running() as server, server.window(person.folder) as window:
        expect(window.status).to_contain_text("no session")
        window.runs("Workspaces: Manage Workspace Trust")
        window.page.locator(".workspace-trust-buttons-row").get_by_text("Trust", exact=True).click()
        expect(window.status).to_contain_text("of the folder")
    shared.stop(database)


def test_a_window_without_a_folder_shows_the_active_session(
    tmp_path: Path, browser: Browser, extensions: Path
) -> None:
    database = tmp_path / "t.db"
    path = f"{vscode.installed_program(tmp_path / 'bin', database)}:/usr/bin:/bin"
    running = CodeServer(tmp_path / "code", browser, extensions, path).running()
    with running as server, server.window(None) as window:
        expect(window.status).to_contain_text("no session")
        window.runs("Tenets: Create Session")
        window.answers("Create a session", "billing")
        expect(window.status).to_contain_text("billing")
        window.runs("Tenets: Bind This Folder")
        expect(window.picker).to_contain_text("Bind this folder")
        window.pick("billing")
        expect(window.notification("Open a folder first")).to_be_visible()
        # Lines of a text that is in no file are kept in the note.
        window.runs("File: New Untitled Text File")
        window.page.keyboard.type("print('draft')")
        window.runs("Tenets: Add Selection to Session")
        window.answers("Add line 1 to billing", "an idea")
        window.opens_view()
        window.unfolds("billing")
        expect(window.row("an idea")).to_be_visible()
        window.row("an idea").click()
        expect(window.text("an idea.md")).to_contain_text("print('draft')")
    shared.stop(database)


def test_each_folder_of_a_window_has_its_session(
    code_server: CodeServer, person: Person, tmp_path: Path
) -> None:
    person.does("create", "--switch", "billing")
    person.does("create", "parser")
    other = tmp_path / "other"
    other.mkdir()
    (other / "parse.py").write_text("pass\n")
    person.does("-C", str(other), "bind", "parser")
    workspace = tmp_path / "both.code-workspace"
    folders = [{"path": str(person.folder)}, {"path": str(other)}]
    settings = vscode.server_setting(person.database)
    workspace.write_text(json.dumps({"folders": folders, "settings": settings}))
    with code_server.window(workspace) as window:
        expect(window.status).to_contain_text("billing")
        window.opens("parse.py")
        expect(window.status).to_contain_text("parser")
        window.opens("login.py")
        expect(window.status).to_contain_text("billing")
        # What is told of both while one of them is shown.
        person.does("create", "--switch", "review")
        expect(window.status).to_contain_text("review")
        window.opens("parse.py")
        expect(window.status).to_contain_text("parser")
        window.runs("Tenets: Bind This Folder to a Session")
        window.pick("billing")
        window.pick("app")
        window.opens("login.py")
        expect(window.status).to_contain_text("billing")
        # Files of both are pinned at once, and marked.
        person.does("bind", "parser")
        expect(window.status).to_contain_text("parser")
        files = [window.file("login.py"), window.file("parse.py")]
        files[0].click()
        files[1].click(modifiers=["Control"])
        window.chooses(files[1], "Pin File to Session")
        for file in files:
            expect(file).to_match_aria_snapshot("- treeitem: /★/")
        pinned = person.gets("show", "parser")["metadata"]["pinned_files"]
        assert {Path(name).name for name in pinned} == {"login.py", "parse.py"}


def test_a_virtual_folder_has_sessions_and_notes_too(
    tmp_path: Path, browser: Browser, vsix: Path, person: Person
) -> None:
    person.does("create", "--switch", "billing")
    extensions = tmp_path / "extensions"
    path = f"{vscode.installed_program(tmp_path / 'bin', person.database)}:/usr/bin:/bin"
    code = CodeServer(tmp_path / "code", browser, extensions, path)
    code.install(vsix)
    code.install(vscode.extension_of_tests(tmp_path, "memory", vsix.parent))
    workspace = tmp_path / "virtual.code-workspace"
    folders = {"folders": [{"uri": "vscode-vfs://memory/app", "name": "app"}]}
    workspace.write_text(json.dumps(folders))
    with code.running() as server, server.window(workspace) as window:
        expect(window.status).to_contain_text("billing")
        window.page.locator(".explorer-folders-view").get_by_text("remote.py").click()
        expect(window.editor).to_contain_text("second")
        window.editor.click()
        window.selects_lines(2, 2)
        window.runs("Tenets: Add Selection to Session")
        window.answers("Add line 2 to billing", "why twice?")
        hint = window.page.locator(".view-line").filter(has_text="second")
        expect(hint).to_contain_text("why twice?")
        (entry,) = person.gets("show", "billing")["entries"]
        assert entry["location"]["uri"] == "vscode-vfs://memory/app/remote.py"
        assert entry["location"]["anchor"]["quote"] == "second = 2"


def test_two_windows_are_one(window: Window, person: Person, code_server: CodeServer) -> None:
    with code_server.window(person.folder) as other:
        expect(other.status).to_contain_text("billing")
        other.runs("Tenets: Create Session")
        other.answers("Create a session", "parser")
        expect(other.status).to_contain_text("parser")
        expect(window.status).to_contain_text("parser")
        # As the `tenets` command line does it.
        with ForeignWriter(person.database) as foreign:
            foreign.create("theirs", {"active": True})
        expect(other.status).to_contain_text("theirs")
        expect(window.status).to_contain_text("theirs")


def test_a_late_reply_does_not_hide_what_was_told_meanwhile(
    code_server: CodeServer, person: Person, tmp_path: Path
) -> None:
    person.does("create", "--switch", "billing")
    held = tmp_path / "held"
    held.touch()
    holder = [sys.executable, vscode.HOLDER, "tenets/session.getCurrent", str(held)]
    command = holder + vscode.server_setting(person.database)["tenets.server.command"]
    given = json.dumps({"tenets.server.command": command})
    (person.folder / ".vscode" / "settings.json").write_text(given)
    with code_server.window(person.folder) as window:
        end = time.monotonic() + vscode.DEADLINE
        while not held.read_bytes():
            assert time.monotonic() < end
            window.page.wait_for_timeout(100)
        person.does("create", "--switch", "review")
        expect(window.status).to_contain_text("review")
        held.unlink()
        # What is asked now is answered after that.
        window.status.click()
        expect(window.picker).to_contain_text("billing")
        window.page.keyboard.press("Escape")
        expect(window.status).to_contain_text("review")


def test_it_comes_back_when_its_server_does(window: Window, person: Person) -> None:
    for number in range(2):
        shared.stop(person.database)
        person.does("create", "--switch", f"while away {number}")
        expect(window.status).to_contain_text(f"while away {number}")
    assert window.page.locator(".notification-toast").count() == 0, "it restarts without noise"
    # Restarted twice at once, it runs once.
    servers = processes_with(str(person.database))
    window.runs("Tenets: Restart the Server")
    window.runs("Tenets: Restart the Server")
    person.does("create", "--switch", "review")
    expect(window.status).to_contain_text("review")
    end = time.monotonic() + vscode.DEADLINE
    while len(processes_with(str(person.database))) != len(servers):
        assert time.monotonic() < end
        window.page.wait_for_timeout(100)


def test_a_damaged_database_is_not_said_to_have_no_session(
    code_server: CodeServer, person: Person
) -> None:
    person.does("create", "--switch", "billing")
    backup = Path(person.does("backup").strip()).name
    shared.stop(person.database)
    sound = person.database.read_bytes()
    damage.header(person.database)
    with code_server.window(person.folder) as window:
        expect(window.status).to_contain_text("sessions unavailable")
        # What to do is told, once.
        expect(window.notification("tenets-session")).to_contain_text("recover")
        assert window.page.locator(".notification-toast").count() == 1
        person.does("recover", "--from", backup, "--yes")
        expect(window.status).to_contain_text("billing")
    assert person.database.read_bytes()[:16] == sound[:16]


def processes_with(argument: str) -> list[int]:
    """Return the processes that have an argument."""
    found = list[int]()
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().split(b"\0")
            if argument.encode() in words:
                found.append(int(process.name))
    return found
