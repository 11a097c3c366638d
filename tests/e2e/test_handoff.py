"""Hand-offs: written from a template, and shown first."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.foreign import ForeignWriter
from support.people import Person, Terminal

EMPTY = "## Goal\n\n\n\n## Done\n\n\n\n## Next\n\n\n\n## Decisions\n\n\n\n## Blockers\n\n\n"


def editor(person: Person, script: str) -> Person:
    """Return the person with an editor that does this to the file ``$1``."""
    file = person.home / "editor"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return Person(person.database, person.folder, EDITOR=str(file), NO_COLOR="1", PAGER="cat")


def on_a_terminal(person: Person, *arguments: str) -> tuple[int, str]:
    with Terminal(person.command(*arguments), person.environment, person.folder) as terminal:
        return terminal.end()


def test_the_template_has_what_has_happened_since_the_last_one(person: Person) -> None:
    person.does("create", "fix login", "--switch")
    assert person.does("handoff", "--template") == EMPTY
    person.does("note", "--at", "auth.py:3", "the token is refreshed twice\n\nin detail")
    person.does("note", "--kind", "decision", "we keep the cookie")
    person.does("note", "--kind", "question", "who owns the clock?")
    assert person.does("handoff", "--template") == (
        f"## Goal\n\n\n\n## Done\n\n- the token is refreshed twice ({person.folder}/auth.py:3)\n\n"
        "## Next\n\n\n\n## Decisions\n\n- we keep the cookie\n\n"
        "## Blockers\n\n- who owns the clock?\n"
    )
    given = "## Goal\n\nOne login.\n\n## Done\n\n- all of it\n\n## Next\n\n- try it\n"
    assert person.does("handoff", "-", given=given) == "4\n"
    person.does("note", "tried it")
    person.does("note", "--kind", "decision", "no second cookie")
    assert person.does("handoff", "--template") == (
        "## Goal\n\nOne login.\n\n## Done\n\n- tried it\n\n## Next\n\n- try it\n\n"
        "## Decisions\n\n- no second cookie\n\n## Blockers\n\n\n"
    )
    person.does("create", "other")
    assert person.does("handoff", "--session", "other", "--template") == EMPTY


def test_nothing_of_a_handoff_is_dropped(alone: Person) -> None:
    alone.does("create", "a", "--switch")
    given = "## goal\r\n\r\nOne.\r\n\r\n## Risks\n\nMany.\n\n## Next\n\nFirst.\n\n"
    given += "```\n## Blockers\n```\n\n## Next\n\nSecond.\n"
    alone.does("handoff", "-", given=given)
    assert alone.does("handoff", "--template") == (
        "## Goal\n\nOne.\n\n## Done\n\n\n\n"
        "## Next\n\nFirst.\n\n```\n## Blockers\n```\n\n\nSecond.\n\n"
        "## Decisions\n\n\n\n## Blockers\n\n\n\n## Risks\n\nMany.\n"
    )


@pytest.mark.parametrize(
    ("given", "following"),
    [
        ("Finish the parser", "Finish the parser"),
        ("# Monday\n\nSee the log.\n## Goal\n", "# Monday\n\nSee the log."),
        ("Begin here.\n## Next\nGo on.\n", "Begin here.\n\nGo on."),
        ("```\n## Done\n```", "```\n## Done\n```"),
    ],
)
def test_text_without_a_heading_says_what_is_next(
    person: Person, given: str, following: str
) -> None:
    person.does("create", "a", "--switch")
    person.does("handoff", given)
    assert person.does("handoff", "--template") == EMPTY.replace(
        "## Next\n\n\n", f"## Next\n\n{following}\n"
    )


def test_a_heading_without_text_stays(alone: Person) -> None:
    alone.does("create", "a", "--switch")
    alone.does("handoff", "-", given="## Goal\n\nOne.\n\n## Risks")
    assert alone.does("handoff", "--template").endswith("\n\n## Risks\n\n\n")


@pytest.mark.parametrize("before", ["", "## Goal\n\nOne login."])
def test_notes_that_are_not_listed_are_counted(person: Person, database: Path, before: str) -> None:
    person.does("create", "a", "--switch")
    with ForeignWriter(database) as foreign:
        if before:
            foreign.add_context("a", "of no interest any more")
            person.does("handoff", "-", given=before)
        with foreign.transaction():
            for number in range(1, 1252):
                foreign.add_context("a", f"text {number}")
    done = person.does("handoff", "--template").partition("## Done\n\n")[2].partition("\n\n")[0]
    listed = [f"- text {number}" for number in range(1152, 1252)]
    assert done.splitlines() == ["- (not listed here: 1,151 older notes)", *listed]


def test_a_very_large_handoff_is_read_to_its_end(person: Person) -> None:
    person.does("create", "a", "--switch")
    large = "Zeile für Zeile. " * 300_000
    person.does("handoff", "-", given=f"## Next\n\n{large}\n\n## Risks\n\nMany.")
    expected = f"## Next\n\n{large.strip()}\n\n## Decisions\n\n\n\n## Blockers\n"
    template = person.does("handoff", "--template")
    assert template.partition("## Next")[2] == f"{expected}\n\n\n## Risks\n\nMany.\n"[7:]


def test_a_handoff_is_written_in_the_editor(alone: Person) -> None:
    writer = editor(alone, 'sed -i "s/^## Goal$/## Goal\\n\\nOne login./" "$1"')
    writer.does("create", "a", "--switch")
    writer.does("note", "done already")
    assert on_a_terminal(writer, "handoff") == (0, "Added hand-off 2 to a.\n")
    (_, entry) = writer.gets("show")["entries"]
    assert entry["kind"] == "handoff"
    assert "## Goal\n\nOne login." in entry["content"]
    assert "- done already" in entry["content"]
    reader = editor(alone, "true")
    status, shown = on_a_terminal(reader, "handoff")
    assert (status, shown) == (
        1,
        "tenets-session: the hand-off was not changed, so it was not added\n",
    )
    assert len(reader.gets("show")["entries"]) == 2


def test_the_newest_handoff_is_shown_first(alone: Person) -> None:
    alone.does("create", "a", "--switch")
    for text in ("old", "new"):
        alone.does("note", f"before the {text} one")
        alone.does("handoff", "-", given=f"## Goal\n\n{text}")
    shown = alone.does("show")
    headings = [line for line in shown.splitlines() if line[:1].isdigit()]
    assert [one.split()[0] for one in headings] == ["4", "1", "2", "3"]
    only = alone.does("show", "--kind", "note")
    assert "handoff" not in only
    alone.does("exit")
    quiet = Person(alone.database, alone.folder, NO_COLOR="1")
    status, said = on_a_terminal(quiet, "resume")
    assert status == 0
    assert said.splitlines()[0] == "Back on a."
    assert "## Goal" in said
    assert "new" in said
    assert alone.does("resume") == "a\n", "a script gets the name only"


@pytest.mark.parametrize(
    ("arguments", "given", "reason"),
    [
        (("-",), " \n", "the hand-off is empty: give its text"),
        (("--session", "no such", "-"), "x", "no session is named no such"),
    ],
)
def test_what_is_refused(
    alone: Person, arguments: tuple[str, ...], given: str, reason: str
) -> None:
    alone.does("create", "a", "--switch")
    status, sentence = alone.fails("handoff", *arguments, given=given)
    assert status in {2, 3}
    assert reason in sentence


def test_a_handoff_with_a_secret_is_told_on_the_terminal(alone: Person, tmp_path: Path) -> None:
    alone.does("create", "a", "--switch")
    secret = "ghp_" + "aB3" * 12
    writer = editor(alone, f'echo "{secret}" >> "$1"')
    _, said = on_a_terminal(writer, "handoff")
    assert "seems to have a GitHub token in it" in " ".join(said.split())
    assert not list(tmp_path.glob("tenets-note-*"))
