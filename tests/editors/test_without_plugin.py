"""Editors without a plugin, on their screens, beside another language server."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from editors import linter
from editors.plain_editors import EDITORS, SOURCE, Conversation, PlainEditor, on_the_path
from editors.screen import Screen
from support import shared
from support.people import Person

pytestmark = pytest.mark.editors


@pytest.fixture
def person(database: Path, tmp_path: Path) -> Person:
    """Somebody with two sessions, of which ``billing`` is active, and the servers on the PATH."""
    found = Person(database, tmp_path / "app", COLORTERM="truecolor")
    found.environment["PATH"] = f"{found.home / 'bin'}{os.pathsep}{found.environment['PATH']}"
    found.does("create", "review")
    found.does("create", "--switch", "billing")
    return found


@pytest.fixture(params=EDITORS, ids=lambda kind: kind.__name__)
def editor(
    request: pytest.FixtureRequest, person: Person, database: Path, tmp_path: Path
) -> Iterator[PlainEditor]:
    """Each editor in turn, with its file open."""
    kind: type[PlainEditor] = request.param
    (person.folder / kind.file).write_text(SOURCE)
    file = tmp_path / "conversation"
    server = [sys.executable, "-m", "tenets_session_server", "--database", str(database)]
    on_the_path(person, "tenets-session-server", file, server)
    on_the_path(person, "linter", tmp_path / "linter", [sys.executable, linter.__file__])
    found = kind(person, Conversation(file))
    command = shlex.join(found.command())
    with Screen.opened(command, person.folder, person.environment) as screen:
        found.screen = screen
        found.wait_until_ready()
        yield found
    assert found.conversation.errors() == []
    shared.stop(database)


def test_notes_are_taken_and_read_beside_a_linter(editor: PlainEditor, person: Person) -> None:
    editor.adds_lines(4, 5)
    editor.screen.wait_for("Added lines 4-5 to billing")
    (entry,) = person.gets("show", "billing")["entries"]
    assert entry["content"] == "def log_in(user):\n    token = fetch(user)\n"
    assert entry["location"]["range"] == {
        "start": {"line": 3, "character": 0},
        "end": {"line": 5, "character": 0},
    }
    # The note moves with a line above it, before anything is saved.
    editor.inserts_line_above()
    editor.conversation.wait_for("textDocument/didChange")
    editor.sees_annotation("✎ def log_in(user):")
    editor.reads_line(6)
    if editor.is_beside_linter:
        assert linter.PROBLEM in editor.screen.text, "what the linter says of the file stays"
    editor.finds("token")
    editor.tells_line(5)


def test_a_session_is_switched_pinned_to_and_opened(editor: PlainEditor, person: Person) -> None:
    editor.switches("review")
    editor.screen.wait_for("Active session: review")
    assert person.does("prompt") == "review\n"
    editor.pins()
    editor.screen.wait_for("Pinned the file to review")
    metadata = person.gets("show", "review")["metadata"]
    assert metadata["pinned_files"] == [str(person.folder / editor.file)]
    editor.opens_session()
    editor.screen.wait_for("# review" if editor.opens_files else "review is in")
