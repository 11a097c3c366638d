"""Damaged files: a clear error, nothing written, and ``recover`` brings back what it says."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from support import damage, shared
from support.client import Client
from support.foreign import ForeignWriter
from support.people import Person
from tenets_session_server.config import TenetsConfig
from tenets_session_server.storage.session_db import SessionDB

Damage = Callable[[Path], None]

NOTES = 120
"""Notes of each of the sessions "a" and "b"."""
AFTER_CRASH = """
import os, signal, sys
from tenets_session_server.config import TenetsConfig
from tenets_session_server.storage.session_db import SessionDB
db = SessionDB(TenetsConfig(database=sys.argv[1]))
for number in range(30):
    db.add_context("a", "note", f"before the crash {number}")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def person(database: Path, tmp_path: Path) -> Person:
    return Person(database, tmp_path / "app")


@pytest.fixture
def notes(database: Path) -> None:
    """Two sessions with notes."""
    with SessionDB(TenetsConfig(database=database)) as db:
        for name in ("a", "b"):
            db.create_session(name)
            for number in range(NOTES):
                db.add_context(name, "note", f"{name} {number} " + "word " * 100)


@pytest.fixture
def backup(notes: None, person: Person) -> str:  # noqa: ARG001 - they are there
    """Return the name of a backup of the notes."""
    return Path(person.does("backup").strip()).name


def crash(database: Path) -> None:
    """Add notes, and leave them in the write-ahead log."""
    done = subprocess.run([sys.executable, "-c", AFTER_CRASH, str(database)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert damage.log_of(database).stat().st_size > 30 * damage.PAGE


async def assert_refused(
    server_command: list[str], database: Path, way_out: str | None = None
) -> str:
    """Start an editor, which gets databaseCorrupt; return the sentence that it is shown."""
    way_out = way_out or f"tenets-session --database {database} recover"
    before = damage.bytes_of(database)
    async with Client.started(server_command) as client:
        (warning,) = (await client.initialize())["warnings"]
        assert way_out in warning
        for method, params in (
            ("list", {}),
            ("addContext", {"sessionName": "a", "kind": "note", "content": "x"}),
            ("getActive", {}),
        ):
            error = (await client.call(method, params))["error"]
            assert error["data"] == {"kind": "databaseCorrupt", "retryable": False}
            assert way_out in error["message"]
        client.end_input()
        await client.ended()
        assert "Traceback" not in await client.log()
    shared.stop(database)
    assert damage.bytes_of(database) == before, "the original bytes are the evidence"
    return str(warning)


def assert_doctor_says(person: Person, words: str) -> None:
    done = person.run("doctor")
    assert done.returncode == 1
    (line,) = [one for one in done.stdout.splitlines() if one.startswith("problem\tdatabase\t")]
    assert words in line
    assert "recover" in line


def contents(database: Path) -> list[str]:
    with ForeignWriter(database) as foreign:
        assert foreign.integrity() == "ok"
        return foreign.contents()


AT_REST: list[tuple[Damage, str]] = [
    (damage.header, "not a SQLite database"),
    (damage.magic, "not a SQLite database"),
    (damage.pages, "damaged"),
    (damage.schema, "damaged"),
    (damage.truncated, "damaged"),
    (damage.emptied, "empty"),
    (damage.shortened, "not a SQLite database"),
    (damage.text, "not a SQLite database"),
]
"""What happens to a file that nobody has open, and words that say what."""


@pytest.mark.parametrize("case", AT_REST)
@pytest.mark.asyncio
async def test_a_damaged_file_is_left_as_it_is_and_recovered_from_a_backup(
    server_command: list[str],
    database: Path,
    person: Person,
    backup: str,
    case: tuple[Damage, str],
) -> None:
    harm, words = case
    harm(database)
    assert words in await assert_refused(server_command, database)
    assert_doctor_says(person, words)
    harmed, inode = database.read_bytes(), database.stat().st_ino
    async with Client.started(server_command) as client:  # an editor is open meanwhile
        await client.initialize(initializationOptions=None)
        found = person.gets("recover", "--from", backup, "--yes")
        assert (found["sessions"], found["entries"]) == (2, 2 * NOTES)
        await client.until_shown("Sessions are available again")
        assert await client.names() == ["b", "a"]
        await client.add_note("a", "after")
    assert len(contents(database)) == 2 * NOTES + 1
    assert database.stat().st_ino == inode, "a new file would have a log of its own"
    if harmed:
        kept = Path(found["kept"])
        assert kept.read_bytes() == harmed
        assert kept.stat().st_mode & 0o077 == 0
    assert person.run("doctor").returncode == 0


SALVAGED: list[tuple[Damage, int]] = [
    (damage.header, 2 * NOTES),
    (damage.magic, 2 * NOTES),
    (damage.schema, 2 * NOTES),
    (damage.pages, NOTES // 2),
    (damage.truncated, NOTES // 4),
]
"""How many notes are still there at least, of a file that has no backup."""


@pytest.mark.usefixtures("notes")
@pytest.mark.parametrize(("harm", "least"), SALVAGED)
def test_without_a_backup_what_can_be_read_is_salvaged(
    database: Path, person: Person, harm: Damage, least: int
) -> None:
    original = set(contents(database))
    harm(database)
    listed = person.gets("recover")
    assert listed["problem"] is not None
    (readable,) = listed["backups"]
    assert readable["kind"] == "readable"
    found = person.gets("recover", "--salvage", "--yes")
    assert found["entries"] == readable["entries"] >= least
    salvaged = contents(database)
    assert len(salvaged) == found["entries"]
    assert set(salvaged) <= original, "no text is invented"
    assert person.does("note", "after", "--session", "a")
    assert person.run("doctor").returncode == 0


def without_shared_memory(harm: Damage) -> Damage:
    def both(database: Path) -> None:
        database.with_name(f"{database.name}-shm").unlink()
        harm(database)

    both.__name__ = f"without_shared_memory_{harm.__name__}"
    return both


LOGS: list[tuple[Damage, int]] = [
    (damage.log_header, 25),
    (damage.log_frame, 25),
    (damage.log_cut, 5),
    (damage.log_salts, 25),
    (damage.log_emptied, 0),
    (damage.log_gone, 0),
    (without_shared_memory(damage.log_header), 25),
    (without_shared_memory(damage.log_salts), 25),
    (without_shared_memory(damage.log_frame), 25),
]
"""What happens to the log that a crash has left, and how many notes of it come back at least."""


@pytest.mark.usefixtures("notes")
@pytest.mark.parametrize(("harm", "least"), LOGS)
@pytest.mark.asyncio
async def test_a_damaged_log_of_a_crash_is_not_overwritten(
    server_command: list[str], database: Path, person: Person, harm: Damage, least: int
) -> None:
    crash(database)
    harm(database)
    assert "write-ahead log" in await assert_refused(server_command, database)
    assert "write-ahead log" in await assert_refused(server_command, database), "and not later"
    assert person.run("prompt").stdout == ""  # a shell runs it all the time
    assert_doctor_says(person, "write-ahead log")
    found = person.gets("recover", "--salvage", "--yes")
    assert found["entries"] >= 2 * NOTES + least
    assert sum(one.startswith("before the crash") for one in contents(database)) >= least


@pytest.mark.parametrize("harm", [damage.emptied, damage.gone])
@pytest.mark.asyncio
async def test_the_log_of_a_file_that_is_lost_is_not_removed(
    server_command: list[str], database: Path, person: Person, backup: str, harm: Damage
) -> None:
    crash(database)
    harm(database)
    person.run("prompt")
    assert "still has changes" in await assert_refused(server_command, database)
    found = person.gets("recover", "--from", backup, "--yes")
    assert found["entries"] == 2 * NOTES
    log = damage.log_of(Path(found["kept"]))
    assert log.stat().st_size > 30 * damage.PAGE


@pytest.mark.usefixtures("notes")
@pytest.mark.parametrize("harm", [damage.emptied, damage.gone])
def test_what_is_in_the_log_of_a_lost_file_is_salvaged(
    database: Path, person: Person, harm: Damage
) -> None:
    crash(database)
    harm(database)
    found = person.gets("recover", "--salvage", "--yes")
    assert found["entries"] >= 30
    there = contents(database)
    assert sum(one.startswith("before the crash") for one in there) == 30
    assert person.gets("show", "a" if "a" in person.does("list") else "recovered session 1")


@pytest.mark.usefixtures("notes")
@pytest.mark.asyncio
async def test_an_undamaged_log_of_a_crash_is_read(
    server_command: list[str], database: Path
) -> None:
    crash(database)
    damage.shared_memory(database)  # it is only a cache
    async with Client.opened(server_command) as client:
        assert client.session_capability["warnings"] == []
        assert (await client.result("stats"))["contextEntries"] == 2 * NOTES + 30


@pytest.mark.asyncio
async def test_a_backup_that_is_put_back_beside_the_log_of_a_crash(
    server_command: list[str], database: Path, person: Person, backup: str
) -> None:
    older = Path(f"{database}.backups", backup)
    with SessionDB(TenetsConfig(database=database)) as db:  # much has happened since
        for number in range(500):
            db.add_context("b", "note", f"later {number} " + "word " * 300)
    crash(database)
    damage.put_back(older)(database)
    assert "do not fit together" in await assert_refused(server_command, database)
    found = person.gets("recover", "--from", backup, "--yes")
    assert found["entries"] == 2 * NOTES
    assert len(contents(database)) == 2 * NOTES


@pytest.mark.asyncio
async def test_another_programs_database_is_not_touched(
    server_command: list[str], database: Path, person: Person, backup: str
) -> None:
    damage.another_programs(database)
    before = database.read_bytes()
    way_out = "move it away, or name another file"
    assert "another program" in await assert_refused(server_command, database, way_out)
    assert_doctor_says_move(person)
    status, sentence = person.fails("recover", "--from", backup, "--yes")
    assert status == 1
    assert "another program" in sentence
    assert "move it away" in sentence
    assert database.read_bytes() == before
    database.rename(database.with_name("places.sqlite"))  # as it says
    assert person.gets("recover", "--from", backup, "--yes")["sessions"] == 2


def assert_doctor_says_move(person: Person) -> None:
    done = person.run("doctor")
    assert done.returncode == 1
    assert re.search(
        "^problem\tdatabase\t.*another program.*\tmove it away", done.stdout, re.MULTILINE
    )


RUNNING: list[Damage] = [
    *(damage.header, damage.magic, damage.schema, damage.truncated, damage.emptied),
]


@pytest.mark.timings(CHECKPOINT_AFTER=0.2)
@pytest.mark.own_daemon
@pytest.mark.parametrize("harm", RUNNING)
@pytest.mark.asyncio
async def test_a_file_that_is_overwritten_while_an_editor_is_open(
    server_command: list[str], database: Path, person: Person, backup: str, harm: Damage
) -> None:
    async with Client.opened(server_command) as client:
        await client.add_note("a", "before")
        while damage.log_of(database).stat().st_size:
            await client.result("getActive")
        harm(database)
        harmed = damage.bytes_of(database)
        shown = await client.until_shown("Sessions are not available")
        assert "recover" in shown["message"]
        error = await client.call("addContext", {"sessionName": "a", "kind": "k", "content": "x"})
        assert error["error"]["data"]["kind"] == "databaseCorrupt"
        assert damage.bytes_of(database) == harmed
        assert person.gets("recover", "--from", backup, "--yes")["entries"] == 2 * NOTES
        await client.until_shown("Sessions are available again")
        await client.add_note("a", "after")
        assert await client.names() == ["b", "a"]
    assert len(contents(database)) == 2 * NOTES + 1


@pytest.mark.own_daemon
@pytest.mark.asyncio
async def test_damage_that_a_read_meets_ends_all_writing(
    server_command: list[str], database: Path, person: Person, backup: str
) -> None:
    async with Client.opened(server_command) as client:
        await client.result("getActive")
        damage.pages(database)
        shown = await client.until_shown("Sessions are not available")
        assert "damaged" in shown["message"]
        harmed = damage.bytes_of(database)
        for name in ("a", "b", "c"):
            note = {"sessionName": name, "kind": "note", "content": "x"}
            error = (await client.call("addContext", note))["error"]
            assert error["data"]["kind"] == "databaseCorrupt"
        assert damage.bytes_of(database) == harmed
        person.gets("recover", "--from", backup, "--yes")
        await client.until_shown("Sessions are available again")
        await client.add_note("a", "after")


@pytest.mark.timings(CHECKPOINT_AFTER=0.2)
@pytest.mark.own_daemon
@pytest.mark.asyncio
async def test_a_backup_that_is_copied_over_an_open_file_is_shown(
    server_command: list[str], database: Path, backup: str
) -> None:
    older = Path(f"{database}.backups", backup)
    async with Client.opened(server_command) as client:
        await client.create("new", active=True)
        while damage.log_of(database).stat().st_size:
            await client.result("getActive")
        damage.put_back(older)(database)
        while not client.notified[-1].get("incomplete"):
            await client.next_change()
        assert client.active is None
        assert await client.names() == ["b", "a"]
        await client.create("newer")
    assert len(contents(database)) == 2 * NOTES


def test_a_file_that_is_gone_comes_back(database: Path, person: Person, backup: str) -> None:
    database.unlink()
    assert person.gets("recover")["problem"] == "the file is gone"
    assert person.gets("recover", "--from", backup, "--yes")["entries"] == 2 * NOTES
    assert len(contents(database)) == 2 * NOTES


@pytest.mark.usefixtures("notes")
@pytest.mark.parametrize("synchronous", ["full", "normal"])
@pytest.mark.asyncio
async def test_a_log_that_a_power_cut_has_left(
    server_command: list[str], database: Path, synchronous: str
) -> None:
    """Without the promise that an acknowledged note is on the disk, the last ones may be lost."""
    crash(database)
    damage.log_frame(database)
    command = [*server_command, "--standalone", "--synchronous", synchronous]
    async with Client.opened(command) as client:
        reply = await client.call("stats")
        assert ("error" in reply) == (synchronous == "full")


def test_odd_values_of_other_programs_are_no_damage(person: Person, database: Path) -> None:
    strict, lax = "created_at TIMESTAMP NOT NULL", "created_at TIMESTAMP"
    person.does("note", "one", "--session", "a")
    with ForeignWriter(database) as foreign:
        redefine(foreign, strict, lax)
    with ForeignWriter(database) as foreign:
        foreign.execute(
            "INSERT INTO session_context (session_id, kind, content) VALUES (1, 'note', 'theirs')"
        )
        redefine(foreign, lax, strict)
    assert "odd values" in person.does("doctor")
    person.does("backup")
    crash(database)
    assert len(person.gets("show", "a")["entries"]) == 32


def redefine(foreign: ForeignWriter, old: str, new: str) -> None:
    """Change how the table of context is defined, whatever is in it."""
    foreign.execute("PRAGMA writable_schema = ON")
    foreign.execute(
        f"UPDATE sqlite_schema SET sql = replace(sql, '{old}', '{new}')"
        " WHERE name = 'session_context'"
    )


@pytest.mark.usefixtures("notes")
@pytest.mark.own_daemon
@pytest.mark.asyncio
async def test_pages_of_the_search_index_are_no_loss(
    server_command: list[str], database: Path, person: Person
) -> None:
    """All in it can be made anew: notes are taken meanwhile, and found afterwards."""
    person.does("search", "word")
    with ForeignWriter(database) as foreign:
        ((root,),) = foreign.rows(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'session_server_search_data'"
        )
    damage.overwrite(database, (root - 1) * damage.PAGE, damage.PAGE)
    async with Client.opened(server_command) as client:
        assert client.session_capability["warnings"] == []
        for number in range(20):
            await client.add_note("a", f"thereafter {number}")
        while len((await client.result("search", {"query": "thereafter"}))["hits"]) < 20:
            pass
        assert len((await client.result("search", {"query": "b 7"}))["hits"]) > 0
    assert person.run("doctor").returncode == 0
    with ForeignWriter(database) as foreign:
        assert len(foreign.contents()) == 2 * NOTES + 20
        # SQLite cannot give back what the damaged page has led to; VACUUM does.
        assert re.fullmatch(r"(\*\*\*.*\n?)?(Page \d+: never used\n?)+", foreign.integrity())
        foreign.execute("VACUUM")
        assert foreign.integrity() == "ok"


@pytest.mark.usefixtures("backup")
def test_a_busy_database_is_not_called_damaged(database: Path, person: Person) -> None:
    with ForeignWriter(database) as foreign:
        foreign.execute("PRAGMA locking_mode = EXCLUSIVE")
        foreign.execute("BEGIN EXCLUSIVE")
        foreign.execute("UPDATE sessions SET name = name")
        status, sentence = person.fails("recover", "--salvage", "--yes")
        assert (status, "another" in sentence) == (1, True)
        said = person.run("doctor").stdout
        foreign.execute("COMMIT")
    assert "damaged" not in said
    (line,) = [one for one in said.splitlines() if one.startswith("problem\tdatabase\t")]
    assert "end the other program" in line
    assert len(contents(database)) == 2 * NOTES


@pytest.mark.usefixtures("notes")
@pytest.mark.timings(CHECK_TIMEOUT=0.0)
@pytest.mark.own_daemon
@pytest.mark.asyncio
async def test_a_file_that_is_too_large_for_a_check_is_used_again_once_it_is_recovered(
    server_command: list[str], database: Path, person: Person
) -> None:
    backup = person.does("backup").strip()
    async with Client.opened(server_command) as client:
        await client.result("getActive")
        damage.pages(database)
        await client.until_shown("Sessions are not available")
        person.gets("recover", "--from", backup, "--yes")
        await client.until_shown("Sessions are available again")
        await client.add_note("a", "after")
    assert len(contents(database)) == 2 * NOTES + 1


@pytest.mark.usefixtures("notes")
def test_damage_that_only_a_write_meets_is_found(database: Path, person: Person) -> None:
    """Without its counter of ids, no note can be added, and all of them can be read."""
    damage.sequence(database)
    assert "damaged" in person.fails("note", "more", "--session", "a")[1]
    assert_doctor_says(person, "damaged")
    assert "damaged" in person.fails("backup")[1], "such a backup would be no way out"
    assert person.gets("recover", "--salvage", "--yes")["entries"] == 2 * NOTES
    assert person.does("note", "more", "--session", "a")
    assert person.run("doctor").returncode == 0


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE sessions",
        "DROP TABLE session_context",
        "DROP TABLE session_server_entries",
        "DROP TABLE session_server_totals",
        "DELETE FROM session_server_totals",
        "DELETE FROM session_server_migrations",
    ],
)
@pytest.mark.asyncio
async def test_tables_that_are_gone(
    server_command: list[str], database: Path, person: Person, backup: str, sql: str
) -> None:
    with ForeignWriter(database) as foreign:
        foreign.execute("PRAGMA foreign_keys = OFF")
        foreign.execute(sql)
    assert "tables of the database are gone" in await assert_refused(server_command, database)
    assert_doctor_says(person, "gone")
    assert person.gets("recover")["problem"] is not None
    assert person.gets("recover", "--from", backup, "--yes")["entries"] == 2 * NOTES
    assert person.run("doctor").returncode == 0
