"""The completions of ``tenets-session`` in real shells: verbs, options, names of sessions."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.people import Person, Terminal

pytestmark = pytest.mark.editors

SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], 'eval "$(tenets-session completion bash)"'),
    "zsh": (
        ["zsh", "-f", "-i"],
        'autoload -Uz compinit; compinit -u; eval "$(tenets-session completion zsh)"',
    ),
    "fish": (["fish", "--no-config", "-i"], "tenets-session completion fish | source"),
}


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Terminal]:
    """A shell with the completion, and some sessions in the default database."""
    command, setup = SHELLS[request.param]
    assert shutil.which(command[0]), f"{command[0]} has to be installed"
    person = Person(tmp_path / "home" / ".tenets" / "cache" / "tenets.db", tmp_path / "app")
    for name in ("fix login", "fix parser", "it's odd", "review", "danger $(touch run)", "a:b c:d"):
        person.does("create", name)
    other = Person(tmp_path / "other.db", tmp_path / "app")
    other.does("create", "elsewhere")
    with Terminal(command, {**person.environment, "PS1": "> "}, person.folder) as terminal:
        terminal.types(f"{setup}; echo re''ady\r")
        terminal.expect("ready")
        yield terminal


def completed(shell: Terminal, line: str, expected: str) -> None:
    """Type a line and complete it; then have the words that are left printed."""
    before = len(shell.shown)
    shell.types(f"{line}\t")
    shell.expect(expected, before)
    shell.types("\x15\x03")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("tenets-session swi", "switch"),
        ("tenets-session --database x wat", "watch"),
        ("tenets-session completion f", "fish"),
        ("tenets-session copy --over", "--overwrite"),
        ("tenets-session --colo", "--color"),
        ("tenets-session export --format markdown rev", "review"),
        ("tenets-session note --session rev", "review"),
    ],
)
def test_words_are_completed(shell: Terminal, line: str, expected: str) -> None:
    completed(shell, line, line.rpartition(" ")[0] + " " + expected)


def test_names_are_those_of_the_database_that_is_named(shell: Terminal) -> None:
    shell.types("tenets-session --database ../other.db show else\t\r")
    shell.expect("created")


def test_names_with_blanks_are_words(shell: Terminal) -> None:
    shell.types("tenets-session show fix\\ lo\t\r")
    shell.expect("created")


@pytest.mark.parametrize("begun", ["a", "a:", "a:b", "a:b\\ c:"])
def test_names_with_colons_are_words(shell: Terminal, begun: str) -> None:
    shell.types(f"tenets-session show {begun}\t\r")
    shell.expect("created")


def test_names_with_quotes_are_words(shell: Terminal) -> None:
    shell.types("tenets-session show it\t\r")
    shell.expect("created")


@pytest.mark.parametrize("quote", ["", '"'])
def test_a_name_runs_nothing(
    shell: Terminal, tmp_path: Path, quote: str, request: pytest.FixtureRequest
) -> None:
    if quote and request.node.callspec.params["shell"] == "bash":
        # It inserts a name as it is within quotes, so this one is not offered.
        shell.types('tenets-session show "dang\tXYZ"\r')
        shell.expect("no session is named dangXYZ")
    else:
        shell.types(f"tenets-session show {quote}dang\t\r")
        shell.expect("created")
    assert not (tmp_path / "app" / "run").exists()
