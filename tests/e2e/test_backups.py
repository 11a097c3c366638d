"""Backups: by the command while others write, and by the daemon every day."""

from __future__ import annotations

import os
import re
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from support import shared
from support.client import Client
from support.foreign import ForeignWriter
from support.people import Person
from support.waiting import eventually
from tenets_session_server.config import TenetsConfig
from tenets_session_server.storage.session_db import SessionDB


@pytest.fixture
def person(database: Path, tmp_path: Path) -> Person:
    return Person(database, tmp_path / "app")


def folder(database: Path) -> Path:
    return Path(f"{database}.backups")


def names(database: Path) -> list[str]:
    place = folder(database)
    return sorted(path.name for path in place.iterdir()) if place.exists() else []


def automatic(database: Path) -> list[str]:
    return [name for name in names(database) if name.endswith(".automatic.db")]


def integrity(path: Path) -> str:
    with ForeignWriter(path) as foreign:
        return foreign.integrity()


def test_a_backup_is_a_complete_private_database(person: Person, database: Path) -> None:
    person.does("note", "one", "--session", "a")
    (made,) = person.does("backup").splitlines()
    assert Path(made).parent == folder(database)
    assert folder(database).stat().st_mode & 0o777 == 0o700
    assert Path(made).stat().st_mode & 0o777 == 0o600
    person.does("note", "two", "--session", "a")
    with ForeignWriter(Path(made)) as foreign:
        assert foreign.contents() == ["one"]
        assert foreign.integrity() == "ok"
    found = person.gets("backup", "--list")["backups"]
    assert [(one["kind"], one["sessions"], one["entries"]) for one in found] == [("manual", 1, 1)]
    copy = person.folder / "copy.db"
    result = person.gets("backup", "copy.db")
    assert (result["file"], result["entries"]) == (str(copy), 2)
    status, sentence = person.fails("backup", "copy.db")
    assert (status, "exists: choose another name" in sentence) == (1, True)
    assert integrity(copy) == "ok"
    assert names(database) == [Path(made).name], "nothing is left over"


def test_a_backup_does_not_join_what_stands_beside_it(person: Person, database: Path) -> None:
    """SQLite would take a write-ahead log of that name for a part of the new file."""
    person.does("note", "one", "--session", "a")
    beside = person.folder / "copy.db-wal"
    beside.write_bytes(b"another one's")
    status, sentence = person.fails("backup", "copy.db")
    assert (status, "copy.db-wal exists: choose another name" in sentence) == (1, True)
    (person.folder / "link.db").symlink_to(database)
    assert "exists" in person.fails("backup", "link.db")[1]
    assert beside.read_bytes() == b"another one's"
    assert not (person.folder / "copy.db").exists()
    assert "has only" not in person.fails("backup", "missing/copy.db")[1]


@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal", "-evidence", ".backups"])
def test_names_that_belong_to_the_database_are_refused(
    person: Person, database: Path, suffix: str
) -> None:
    """SQLite would remove such a file, or it would be in the way of all further backups."""
    person.does("note", "one", "--session", "a")
    status, sentence = person.fails("backup", f"{database}{suffix}")
    assert (status, "is a name of the database: choose another one" in sentence) == (1, True)
    assert person.does("backup")


def test_what_is_in_the_place_of_the_folder_is_named(person: Person, database: Path) -> None:
    person.does("note", "one", "--session", "a")
    folder(database).write_text("a file")
    for command in (["backup"], ["recover", "--salvage", "--yes"]):
        assert "move it away" in person.fails(*command)[1]
    done = person.run("doctor")
    assert done.returncode == 1
    assert re.search("^problem\tbackups\t.*\tmove it away", done.stdout, re.MULTILINE)


def test_the_folder_of_the_backups_is_not_one_of_somebody_else(
    person: Person, database: Path, tmp_path: Path
) -> None:
    person.does("note", "one", "--session", "a")
    (tmp_path / "elsewhere").mkdir()
    folder(database).symlink_to(tmp_path / "elsewhere")
    status, sentence = person.fails("backup")
    assert (status, "not a folder of yours" in sentence) == (1, True)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_there_is_nothing_to_back_up(person: Person, database: Path) -> None:
    status, sentence = person.fails("backup")
    assert status == 1
    assert "does not exist" in sentence
    assert not database.parent.exists()


def test_others_write_while_a_backup_is_made(person: Person, database: Path) -> None:
    with SessionDB(TenetsConfig(database=database)) as db:
        db.create_session("a")
        for _ in range(200):
            db.add_context("a", "note", "x" * 20_000)
        done, written = threading.Event(), 0

        def write() -> None:
            nonlocal written
            while not done.is_set():
                db.add_context("a", "note", "more")
                written += 1

        writer = threading.Thread(target=write)
        writer.start()
        made = Path(person.does("backup").strip())
        done.set()
        writer.join()
    assert written > 0
    assert integrity(made) == "ok"
    with ForeignWriter(made) as foreign:
        assert 200 <= len(foreign.contents()) <= 200 + written


def test_a_damaged_database_is_not_backed_up(person: Person, database: Path) -> None:
    with SessionDB(TenetsConfig(database=database)) as db:
        db.create_session("a")
        for _ in range(200):
            db.add_context("a", "note", "x" * 2000)
    with database.open("r+b") as file:
        file.seek(-40 * 4096, os.SEEK_END)
        file.write(b"\xff" * 4096)
    status, sentence = person.fails("backup")
    assert status == 1
    assert "damaged" in sentence
    assert names(database) == []


@pytest.mark.timings(FIRST_LOOK=0.1, LOOK_INTERVAL=0.2)
@pytest.mark.own_daemon
@pytest.mark.asyncio
async def test_the_daemon_makes_a_backup_every_day_and_keeps_some(
    server_command: list[str], database: Path, person: Person
) -> None:
    person.does("backup", "--keep", "2")
    async with Client.opened(server_command) as client:
        await client.create("a")
        await eventually(lambda: len(automatic(database)) == 1)
        (first,) = automatic(database)
        assert integrity(folder(database) / first) == "ok"
        await client.create("b")
        for days, expected in ((3, 2), (2, 2), (1, 2)):
            for path in sorted(folder(database).glob("*.automatic.db")):
                age_by(path, days)
            before = set(automatic(database))
            await eventually(lambda before=before: set(automatic(database)) - before)
            await eventually(lambda expected=expected: len(automatic(database)) == expected)
            await client.create(f"c{days}")


def age_by(backup: Path, days: int) -> None:
    """Have a backup be made so many days earlier than its name says."""
    stamp, _, rest = backup.name.partition(".")
    made = datetime.strptime(stamp[:18], "%Y-%m-%dT%H%M%SZ").replace(tzinfo=UTC)
    earlier = made - timedelta(days=days)
    backup.rename(backup.with_name(f"{earlier:%Y-%m-%dT%H%M%SZ}.{rest}"))


@pytest.mark.timings(FIRST_LOOK=0.1, LOOK_INTERVAL=0.1)
@pytest.mark.own_daemon
@pytest.mark.asyncio
async def test_nothing_has_changed_since_the_last_backup(
    server_command: list[str], database: Path
) -> None:
    async with Client.opened(server_command) as client:
        await client.create("a")
        await eventually(lambda: automatic(database))
        (path,) = folder(database).glob("*.automatic.db")
        age_by(path, 2)
        log = Path(shared.report(database)["log"])
        await eventually(lambda: "no backup is necessary" in log.read_text())
        assert len(automatic(database)) == 1
        await client.create("b")
        await eventually(lambda: len(automatic(database)) == 2)
        await eventually(lambda: log.read_text().count("made the backup") == 2)


@pytest.mark.timings(FIRST_LOOK=0.1, LOOK_INTERVAL=0.1)
@pytest.mark.own_daemon
@pytest.mark.asyncio
async def test_a_backup_that_fails_is_told_once_and_keeps_nobody_waiting(
    server_command: list[str], database: Path
) -> None:
    database.parent.mkdir()
    folder(database).write_text("not a folder")
    async with Client.opened(server_command) as client:
        await client.create("a")
        shown = await client.until_shown("No backup of your sessions could be made")
        assert shown["type"] == 2  # Warning
        assert "tenets-session doctor" in shown["message"]
        log = Path(shared.report(database)["log"])
        await eventually(lambda: log.read_text().count("no backup could be made") > 2)
        await client.add_note("a", "written all the same")
        assert len(client.shown) == 1


@pytest.mark.timings(FIRST_LOOK=0.1, LOOK_INTERVAL=0.1)
@pytest.mark.own_daemon
@pytest.mark.asyncio
async def test_no_automatic_backups_are_wanted(
    server_command: list[str], database: Path, person: Person
) -> None:
    assert person.does("backup", "--keep", "0") == "0\n"
    async with Client.opened(server_command) as client:
        await client.create("a")
        log = Path(shared.report(database)["log"])
        await eventually(lambda: "no backup is necessary" in log.read_text())
        assert names(database) == []
        assert person.does("backup", "--keep", "1") == "1\n"
        await eventually(lambda: len(automatic(database)) == 1)
