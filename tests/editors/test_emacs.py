"""The package for Emacs, in the oldest and in the newest one, as its users have it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from editors.emacs_support import PACKAGE, Emacs, batch, emacs_program, lint_paths
from editors.neovim_support import ServerProgram
from editors.plain_editors import SOURCE
from editors.screen import DEADLINE
from support import shared
from support.people import Person

pytestmark = pytest.mark.editors
WHICH = ("on the PATH", "newest")
FILE = PACKAGE / "tenets.el"
# What package-lint says of every package without a public address; and of those that need Emacs
# 28, because it is older than that.
KNOWN = ("Package should have a Homepage or URL header", "uninstallable in all released Emacs")


@pytest.fixture(params=WHICH)
def program(request: pytest.FixtureRequest) -> str:
    """Each Emacs in turn."""
    return emacs_program(request.param)


@pytest.fixture
def person(database: Path, tmp_path: Path) -> Person:
    """Somebody with an empty home."""
    return Person(database, tmp_path / "app")


@pytest.fixture
def worker(person: Person, server: ServerProgram) -> Person:
    """Somebody with two sessions, of which ``billing`` is active, and the server on the PATH."""
    found = f"{server.path.parent}{os.pathsep}{person.environment['PATH']}"
    person.environment["PATH"] = found
    (person.folder / "login.py").write_text(SOURCE)
    person.does("create", "review")
    person.does("create", "--switch", "billing")
    return person


def test_it_is_clean(program: str, person: Person) -> None:
    copy = str(shutil.copy(FILE, person.folder))
    strict = "(setq byte-compile-error-on-warn t byte-compile-docstring-max-column 80)"
    assert "rror" not in batch(program, person, "--eval", strict, "-f", "batch-byte-compile", copy)
    assert batch(program, person, "--eval", f'(checkdoc-file "{FILE}")') == ""
    # Without archives, it need not be told what there is.
    lint = (
        "(progn (require 'package) (setq package-archives nil) (require 'package-lint)"
        f' (with-temp-buffer (insert-file-contents "{FILE}" t) (emacs-lisp-mode)'
        ' (dolist (one (package-lint-buffer)) (message "lint: %S" one))))'
    )
    printed = batch(program, person, *lint_paths(), "--eval", lint).splitlines()
    problems = [line for line in printed if line.startswith("lint: ")]
    assert len(problems) == len(KNOWN), problems
    assert all(any(known in one for one in problems) for known in KNOWN), problems


def test_it_can_be_installed(program: str, person: Person) -> None:
    batch(program, person, "--eval", f'(package-install-file "{FILE}")')
    commands = re.findall(r"`(tenets-[\w-]+)` \| |`(tenets-[\w-]+)`,", commands_of_readme())
    names = sorted({one or other for one, other in commands})
    assert len(names) > 10
    quoted = " ".join(names)
    script = (
        '(progn (package-initialize) (global-set-key (kbd "C-c t") \'tenets-command-map)'
        f" (dolist (name '({quoted})) (princ (list name (commandp name))))"
        " (princ (list (featurep 'tenets) (key-binding (kbd \"C-c t s\")) (featurep 'tenets)))"
        ' (find-file "login.py") (tenets-mode) (princ tenets-mode))'
    )
    printed = batch(program, person, "--eval", script)
    expected = "".join(f"({name} t)" for name in names)
    assert printed.endswith(f"{expected}(nil tenets-switch t)t"), printed


def commands_of_readme() -> str:
    text = (PACKAGE / "README.md").read_text()
    return text.partition("| key after")[2].partition("In the buffer of notes")[0]


def test_the_recipe_names_the_package(program: str, person: Person) -> None:
    script = (
        f'(with-temp-buffer (insert-file-contents "{PACKAGE / "recipe"}")'
        " (let ((recipe (read (current-buffer)))) (prin1 (list (car recipe)"
        " (plist-get (cdr recipe) :fetcher) (plist-get (cdr recipe) :files)))))"
    )
    printed = batch(program, person, "--eval", script)
    assert printed == '(tenets git ("client_examples/emacs/tenets.el"))'
    assert FILE.is_file()


def test_its_own_tests_pass(person: Person, tmp_path: Path) -> None:
    """In both at a time, as they wait for processes mostly."""
    line = ["-Q", "--batch", "-L", str(PACKAGE), "-l", "tenets-tests.el"]
    load = ["--eval", "(setq load-prefer-newer t native-comp-deferred-compilation nil)"]
    with contextlib.ExitStack() as stack:
        runs = []
        for which in WHICH:
            program = emacs_program(which)
            file = stack.enter_context((tmp_path / which).open("w+"))
            command = [program, *load, *line, "-f", "ert-run-tests-batch-and-exit"]
            run = subprocess.Popen(
                command, env=person.environment, cwd=PACKAGE, stdout=file, stderr=file
            )
            stack.callback(run.kill)
            runs.append((run, file))
        for run, file in runs:
            status = run.wait(DEADLINE * 5)
            file.seek(0)
            printed = file.read()
            assert status == 0, printed[-5000:]
            assert re.search(r"Ran (\d\d) tests, \1 results as expected", printed), printed[-500:]


def test_a_user_switches_sessions(program: str, worker: Person, server: ServerProgram) -> None:
    with Emacs.opened(program, worker) as emacs:
        emacs.sees("[tenets: billing]")
        worker.does("switch", "review")
        emacs.sees("[tenets: review]")
        emacs.runs("tenets-switch")
        emacs.sees("Switch to session:")
        emacs.types("Tab")
        emacs.sees("* review  active, 0 notes, just now", "  billing  0 notes, just now")
        emacs.writes("bil")
        emacs.types("Tab", "Enter")
        emacs.sees("switched to billing", "[tenets: billing]")
        assert worker.does("prompt") == "billing\n"
        emacs.types("C-c", "t", "s")
        emacs.answers("Switch to session:", "fix login")  # a space is one
        emacs.sees("There is no session named fix login.  Create it?")
        emacs.types("y")
        emacs.sees("created fix login, which is active now", "[tenets: fix login]")
        emacs.types("C-c", "t", "c")
        emacs.answers("Create session:", "100% new")
        emacs.sees("created 100% new, which is active now", "[tenets: 100% new]")
        emacs.types("C-c", "t", "k")
        emacs.answers("Delete session:", "review")
        emacs.sees("deleted review; C-c t u brings it back")
        emacs.types("C-c", "t", "u")
        emacs.sees("brought back review (0 notes)")
        emacs.types("C-c", "t", "b")
        emacs.answers("to session:", "review")
        emacs.sees("shows review from now on", "[tenets: review]")
        emacs.types("C-c", "t", "i")
        emacs.sees("review (bound to ")
        emacs.types("C-c", "t", "x")
        emacs.sees("left 100% new; ", "still shows review")
        emacs.types("C-c", "t", "B")
        emacs.sees("is not bound any more; it shows no session", "[tenets: no session]")
        assert "rror" not in emacs.said()
    server.wait_until_all_ended()


def test_a_user_takes_and_finds_notes(program: str, worker: Person, server: ServerProgram) -> None:
    with Emacs.opened(program, worker) as emacs:
        emacs.sees("[tenets: billing]")
        emacs.types("C-o")
        emacs.writes("# one more")
        emacs.goes_to(5)
        emacs.types("C-Space", "C-n", "C-n", "C-c", "t", "a")
        emacs.answers("Comment", "why twice?")
        emacs.sees("added lines 5-6 to billing")
        (note,) = worker.gets("show", "billing")["entries"]
        assert (note["kind"], note["content"], note["author"]) == ("note", "why twice?", "Emacs")
        # Of the text of the buffer, which is not saved.
        assert note["location"] == {
            "uri": (worker.folder / "login.py").as_uri(),
            "range": {"start": {"line": 4, "character": 0}, "end": {"line": 6, "character": 0}},
            "anchor": {
                "quote": "def log_in(user):\ntoken = fetch(user)",
                "before": ["import os", "", ""],
                "after": ["return token", ""],
                "occurrences": 1,
            },
        }
        # To the line of the note, after one more line above it.
        emacs.types("M-<", "C-o", "C-c", "t", "o")
        emacs.sees("*xref*", "6:", "why twice? (billing)")
        emacs.types("n", "Enter")
        emacs.sees("L6 ")
        # Found as one types, in the completion of Emacs.
        emacs.runs("fido-mode")
        emacs.types("C-c", "t", "f")
        emacs.sees("Search notes:")
        emacs.writes("TWI")
        emacs.sees("Search notes: TWI", "why twice? #1")
        emacs.types("Enter")
        emacs.sees("*tenets: billing*", "note, Emacs, just now, login.py:5-6")
        emacs.types("C-x", "1", "Enter")
        emacs.sees("L6 ")
        assert "rror" not in emacs.said()
    server.wait_until_all_ended()


def test_a_user_edits_notes(program: str, worker: Person, server: ServerProgram) -> None:
    first, second = (worker.does("note", text).strip() for text in ("why?", "# Plan\n\nask"))
    with Emacs.opened(program, worker) as emacs:
        emacs.sees("[tenets: billing]")
        emacs.types("C-c", "t", "l")
        emacs.sees("billing (active), 2 notes", "note, tenets-session, just now")
        worker.does("note", "the third")
        emacs.sees("3 notes", "the third")
        emacs.types("M->", "p", "e")
        emacs.sees(f"*tenets note {first}*", "Note of billing: C-c C-c saves")
        emacs.types("M->")
        emacs.writes(" Ask them.")
        emacs.types("C-c", "C-c")
        emacs.sees("tenets: saved")
        assert contents(worker) == ["why? Ask them.", "# Plan\n\nask", "the third"]
        # Somebody else is faster.
        emacs.visits("*tenets: billing*")
        emacs.types("M-<", "n", "e")
        emacs.sees(f"*tenets note {second}*", "Note of billing: C-c C-c saves")
        emacs.writes("Mine. ")
        worker.does("edit", second, "theirs")
        emacs.sees("This note was changed meanwhile: C-c C-d compares, C-c C-o overwrites")
        emacs.types("C-c", "C-c")
        emacs.sees("your text is still here", "Mine. # Plan")
        assert contents(worker) == ["why? Ask them.", "theirs", "the third"]
        emacs.types("C-c", "C-d")
        emacs.sees("Mine. # Plan", "theirs", "*Ediff Control Panel*")
        emacs.types("q")
        emacs.sees("Quit this Ediff session")
        emacs.types("y")
        emacs.loses("*Ediff Control Panel*")
        emacs.types("C-c", "C-o")
        emacs.sees("tenets: saved")
        assert contents(worker) == ["why? Ask them.", "Mine. # Plan\n\nask", "the third"]
        # Deleted, and back.
        emacs.visits("*tenets: billing*")
        emacs.types("M-<", "d")
        emacs.sees('deleted "the third"; u brings it back', "2 notes")
        emacs.types("u")
        emacs.sees("brought back 1 note of billing", "3 notes")
        assert "rror" not in emacs.said()
    server.wait_until_all_ended()


def contents(person: Person) -> list[str]:
    """Return the contents of the notes of ``billing``."""
    return [entry["content"] for entry in person.gets("show", "billing")["entries"]]


def test_servers_come_and_go(
    program: str, worker: Person, server: ServerProgram, database: Path
) -> None:
    works = server.path.read_bytes()
    with Emacs.opened(program, worker, "notes.txt") as emacs:
        emacs.sees("[tenets: billing]")
        emacs.types("C-c", "t", "l")
        emacs.sees("There are no notes.")
        # It cannot be started again for a while.
        server.becomes(b"#!/bin/sh\nexit 1\n")
        shared.stop(database)
        emacs.sees("[tenets: disconnected]", "Disconnected: this may be out of date")
        worker.does("note", "written meanwhile")
        emacs.types("C-c", "t", "n")
        emacs.answers("Note:", "kept meanwhile")
        server.becomes(works)
        emacs.sees("[tenets: billing]", "written meanwhile", "kept meanwhile")
        emacs.loses("out of date")
        emacs.visits("*scratch*")
        with shared.frozen(database):
            emacs.types("C-c", "t", "s")
            emacs.sees("waiting for the server...")
            emacs.writes("typed while it is frozen")
            emacs.sees("typed while it is frozen")
            emacs.types("C-c", "t", "n")
            emacs.answers("Note for billing:", "taken while it is frozen")
        emacs.sees("Switch to session:")
        emacs.types("C-g")
        emacs.loses("Switch to session:")
        said = emacs.said()
        assert "the server has ended; it is started again" in said
        assert "rror" not in said
        # The last note is sent just before the end.
        emacs.types("C-c", "t", "n")
        emacs.answers("Note for billing:", "the last one")
        emacs.types("C-x", "C-c")
        server.wait_until_all_ended()
    assert sorted(contents(worker)) == [
        "kept meanwhile",
        "taken while it is frozen",
        "the last one",
        "written meanwhile",
    ]


def test_a_note_outlives_a_frozen_server_and_emacs(
    program: str, worker: Person, server: ServerProgram, database: Path
) -> None:
    state = worker.home / ".emacs.d" / "tenets.eld"
    with Emacs.opened(program, worker) as emacs:
        emacs.sees("[tenets: billing]")
        with shared.frozen(database) as daemon:
            emacs.types("C-c", "t", "n")
            emacs.answers("Note for billing:", "never answered")
            emacs.types("C-x", "C-c")
            server.wait_until_all_ended()
            assert "never answered" in state.read_text()
            os.kill(daemon, signal.SIGKILL)
    with Emacs.opened(program, worker) as emacs:
        emacs.sees("added to billing what was written before Emacs ended")
    assert contents(worker) == ["never answered"]
    server.wait_until_all_ended()
