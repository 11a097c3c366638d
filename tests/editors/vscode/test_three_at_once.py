"""Neovim, Emacs and VS Code at one daemon: what is done in one of them is seen in the others."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from editors.vscode.code_server import CodeServer
from editors.vscode.three import Three
from support import shared
from support.people import Person

pytestmark = pytest.mark.editors


@pytest.fixture
def three(code_server: CodeServer, person: Person) -> Iterator[Three]:
    """All three, with one session in the database."""
    person.does("create", "review")
    person.does("create", "--switch", "billing")
    found = Three(person, code_server)
    try:
        for editor in ("vscode", "neovim", "emacs"):
            found.open(editor)
        found.show("billing")
        yield found
    finally:
        found.close()


def test_a_switch_in_each_shows_in_the_others(three: Three) -> None:
    for editor, session in (("neovim", "review"), ("emacs", "billing"), ("vscode", "review")):
        three.switch(editor, session)
        three.show(session)


def test_a_note_of_one_is_read_in_the_others_at_its_line(three: Three, person: Person) -> None:
    three.neovim.types_text(":4Tenets note of neovim\r")
    three.vscode.selects_lines(5, 5)
    three.vscode.runs("Tenets: Add Selection to Session")
    three.vscode.answers("Add line 5 to billing", "of code")
    three.emacs.types("M->", "Up")
    three.emacs_runs("tenets-add-region")
    three.emacs.wait_for("Comment")
    three.emacs.types_text("of emacs\r")
    notes = {"def log_in": "of neovim", "token = fetch": "of code", "return token": "of emacs"}
    hint = three.vscode.page.locator(".view-line")
    for line, note in notes.items():
        three.neovim.wait_for(lambda text, line=line, note=note: is_marked(text, line, note))  # type: ignore[misc]
        expect(hint.filter(has_text=line)).to_contain_text(f"✎ {note}")
    three.emacs_runs("tenets-file-notes")
    for number, note in ((4, "of neovim"), (5, "of code"), (6, "of emacs")):
        three.emacs.wait_for(lambda text, number=number, note=note: f"{number}: {note}" in text)  # type: ignore[misc]
    found = person.gets("show", "billing")["entries"]
    assert [one["location"]["range"]["start"]["line"] for one in found] == [3, 4, 5]


def is_marked(text: str, line: str, note: str) -> bool:
    """Tell whether a line of a screen has a note behind it."""
    return any(line in one and f"✎ {note}" in one for one in text.splitlines())


def test_each_may_be_killed_and_so_may_the_daemon(three: Three, person: Person) -> None:
    for editor, other, session in (
        ("neovim", "emacs", "review"),
        ("emacs", "vscode", "billing"),
        ("vscode", "neovim", "review"),
    ):
        three.kill(editor)
        three.switch(other, session)
        three.show(session)
        three.open(editor)
        three.show(session)
    os.kill(shared.report(person.database)["pid"], signal.SIGKILL)
    person.does("switch", "billing")
    three.show("billing")
    three.switch("emacs", "review")
    three.show("review")
