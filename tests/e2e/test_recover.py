"""``tenets-session recover``: a bad day, from the backup before it."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import shared
from support.client import Client
from support.foreign import ForeignWriter
from support.people import Person, PersonWithoutOptions, an_editor, on_terminal
from tenets_session_server.config import TenetsConfig
from tenets_session_server.storage.session_db import SessionDB


@pytest.fixture(params=["alone", "without options", "with an editor"])
def person(request: pytest.FixtureRequest, database: Path, tmp_path: Path) -> Iterator[Person]:
    if request.param == "without options":
        yield PersonWithoutOptions(tmp_path / "app")
        return
    found = Person(database, tmp_path / "app")
    if request.param == "alone":
        yield found
        return
    with an_editor(found):
        yield found
    shared.stop(database)


@pytest.fixture
def backup(person: Person) -> str:
    """Return the name of a backup with two sessions."""
    for number in range(3):
        person.does("note", f"note {number}", "--session", "fix login")
    person.does("note", "a thought", "--session", "parser")
    return Path(person.does("backup").strip()).name


def test_the_wrong_thing_was_deleted_for_good(person: Person, backup: str) -> None:
    person.does("delete", "fix login")
    person.does("trash", "--empty", "--yes")
    person.does("note", "written since", "--session", "parser")
    assert person.does("recover", "--from", backup, "fix login") == "fix login\n"
    assert len(person.gets("show", "fix login")["entries"]) == 3
    assert len(person.gets("show", "parser")["entries"]) == 2, "nothing else is another"
    again = person.gets("recover", "--from", backup, "fix login", "parser")
    assert [one["name"] for one in again["sessions"]] == ["fix login (2)", "parser (2)"]
    status, sentence = person.fails("recover", "--from", backup, "no such session")
    assert (status, "no such session" in sentence) == (3, True)


def test_everything_goes_back_and_forth(person: Person, backup: str) -> None:
    person.does("delete", "fix login")
    person.does("note", "written since", "--session", "parser")
    done = person.run("recover", "--from", backup)
    assert done.returncode == 2, "nobody can be asked"
    assert "Lost: 0 sessions, 1 note.\n" in done.stdout
    assert "Gained: 1 session (fix login), 3 notes.\n" in done.stdout
    assert person.does("list") == "parser\n", "nothing is done yet"
    result = person.gets("recover", "--from", backup, "--yes")
    assert (result["sessions"], result["entries"]) == (2, 4)
    assert person.does("list") == "parser\nfix login\n"
    assert len(person.gets("show", "parser")["entries"]) == 1
    person.gets("recover", "--from", Path(result["kept"]).name, "--yes")
    assert person.does("list") == "parser\n"
    assert len(person.gets("show", "parser")["entries"]) == 2
    assert person.gets("trash")["items"], "as it was"
    kinds = [one["kind"] for one in person.gets("recover")["backups"]]
    kinds = [
        kind for kind in kinds if kind != "automatic"
    ]  # on a slow machine there is time for it
    assert kinds == ["replaced", "replaced", "manual"]


def test_nothing_differs(person: Person, backup: str) -> None:
    assert person.gets("recover", "--from", backup, "--yes") == {"recovered": False}


def test_it_has_to_be_said_from_what(person: Person, backup: str) -> None:
    """A script that goes on after it must not believe that anything was done."""
    for arguments in (["--yes"], ["fix login"]):
        done = person.run("recover", *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert "--from" in done.stderr
    with on_terminal(person, "recover", columns=80) as terminal:
        terminal.expect(backup)
        terminal.expect("Recover from which one?")
        terminal.types("\x04")
        terminal.end()


def test_what_cannot_be_recovered_from(person: Person, backup: str, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    with ForeignWriter(other) as foreign:
        foreign.execute("CREATE TABLE moz_places (url TEXT)")
    text = tmp_path / "text.db"
    text.write_text("no database")
    for source, status, words in (
        ("nowhere.db", 3, "there is no file"),
        (str(other), 1, "another program"),
        (str(text), 1, "not a SQLite database"),
        (str(person.database), 2, "that is the database itself"),
    ):
        found, sentence = person.fails("recover", "--from", source, "--yes")
        assert (found, words in sentence) == (status, True), sentence
    status, sentence = person.fails("recover", "--salvage", "--yes")
    assert (status, "nothing to salvage" in sentence) == (1, True)
    assert person.fails("recover", "--salvage", "--from", backup)[0] == 2
    assert person.does("list") == "parser\nfix login\n"


def test_a_database_of_upstream_alone_is_a_backup_too(person: Person, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs.db"
    with ForeignWriter.on_new_file(theirs) as foreign:
        foreign.create("of upstream", {"active": True})
    before = theirs.read_bytes()
    person.does("create", "mine")
    person.gets("recover", "--from", str(theirs), "--yes")
    assert person.does("list") == "of upstream\n"
    assert person.does("prompt") == "of upstream\n"
    assert theirs.read_bytes() == before, "it stays as it is"


@pytest.mark.parametrize("size", [512, 1024, 65536])
def test_pages_of_another_size(person: Person, backup: str, tmp_path: Path, size: int) -> None:
    theirs = tmp_path / "theirs.db"
    with ForeignWriter(theirs) as foreign:
        foreign.execute(f"PRAGMA page_size = {size}")
        foreign.create_tables()
        foreign.create("of upstream", {})
    person.gets("recover", "--from", str(theirs), "--yes")
    assert person.does("list") == "of upstream\n"
    person.gets("recover", "--from", backup, "--yes")
    assert person.does("list") == "parser\nfix login\n"


def test_where_there_is_nothing(database: Path, tmp_path: Path) -> None:
    person = Person(database, tmp_path / "app")
    assert person.fails("recover")[0] == 3
    database.parent.mkdir()
    assert person.gets("recover")["backups"] == []
    assert list(database.parent.iterdir()) == []


@pytest.mark.asyncio
async def test_every_editor_shows_it_at_once(
    server_command: list[str], database: Path, tmp_path: Path
) -> None:
    person = Person(database, tmp_path / "app")
    async with (
        Client.opened(server_command) as one,
        Client.opened([*server_command, "--standalone"]) as two,
    ):
        await one.create("old", active=True)
        backup = person.does("backup").strip()
        await one.create("new", active=True)
        for client in (one, two):
            await client.until(one.revision)
        person.does("recover", "--from", backup, "--yes")
        for client in (one, two):
            while not client.notified[-1].get("incomplete"):
                await client.next_change()
            assert client.active == "old"
        await two.add_note("old", "of two")
        await one.add_note("old", "of one")
    with ForeignWriter(database) as foreign:
        assert sorted(foreign.contents()) == ["of one", "of two"]
        assert foreign.integrity() == "ok"


def test_no_note_is_lost_that_is_written_meanwhile(database: Path, tmp_path: Path) -> None:
    """Each acknowledged note is in what was kept, or in the database."""
    person = Person(database, tmp_path / "app")
    with SessionDB(TenetsConfig(database=database)) as db:
        db.create_session("a")
        backup = person.does("backup").strip()
        ending, written = threading.Event(), list[str]()

        def write() -> None:
            while not ending.is_set():
                text = f"note {len(written)}"
                db.add_context("a", "note", text)
                written.append(text)

        writer = threading.Thread(target=write)
        writer.start()
        kept = [person.gets("recover", "--from", backup, "--yes")["kept"] for _ in range(4)]
        ending.set()
        writer.join()
    there = set[str]()
    for file in (str(database), *kept):
        with ForeignWriter(Path(file)) as foreign:
            assert foreign.integrity() == "ok"
            there |= set(foreign.contents())
    assert len(written) > 4
    assert set(written) <= there


def test_a_program_that_does_not_let_go_is_named(database: Path, tmp_path: Path) -> None:
    person = Person(database, tmp_path / "app")
    person.does("note", "one", "--session", "a")
    backup = person.does("backup").strip()
    person.does("note", "two", "--session", "a")
    with ForeignWriter(database) as foreign:
        foreign.execute("BEGIN IMMEDIATE")
        status, sentence = person.fails("recover", "--from", backup, "--yes")
        foreign.execute("ROLLBACK")
    assert (status, "another program" in sentence) == (1, True)
    assert len(person.gets("show", "a")["entries"]) == 2


def test_a_person_at_a_terminal_is_asked(person: Person, backup: str) -> None:
    person.does("delete", "fix login")
    with on_terminal(person, "recover", "--from", backup, columns=120) as terminal:
        terminal.expect("Gained: 1 session (fix login), 3 notes.")
        terminal.types("n\n")
        assert terminal.end()[0] == 1
    assert person.does("list") == "parser\n"
    with on_terminal(person, "recover", columns=120) as terminal:
        terminal.expect("is sound: 1 session, 1 note")
        terminal.expect("Recover from which one?")
        terminal.types("1\n")
        terminal.expect("Recover?")
        terminal.types("y\n")
        status, shown = terminal.end()
    assert status == 0
    assert "Recovered: 2 sessions, 4 notes." in shown
    assert "To go back to it: tenets-session recover --from" in shown
    assert person.does("list") == "parser\nfix login\n"


def test_a_killed_recovery_leaves_the_old_or_the_new(database: Path, tmp_path: Path) -> None:
    person = Person(database, tmp_path / "app")
    with SessionDB(TenetsConfig(database=database)) as db:
        db.create_session("a")
        for _ in range(300):
            db.add_context("a", "note", "x" * 20_000)
    backup = person.does("backup").strip()
    with SessionDB(TenetsConfig(database=database)) as db:
        db.create_session("b")
    for number in range(6):
        command = person.command("recover", "--from", backup, "--yes")
        with subprocess.Popen(
            command, env=person.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            try:
                process.wait(0.15 + 0.05 * number)
            except subprocess.TimeoutExpired:
                process.kill()
        with ForeignWriter(database) as foreign:
            assert foreign.integrity() == "ok"
            assert len(foreign.contents()) == 300
        names = person.does("list").split()
        assert names in (["b", "a"], ["a"])
