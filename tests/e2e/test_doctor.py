"""``tenets-session doctor``: what it finds, what it says to do, and what it mends itself."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from support import shared
from support.client import Client
from support.foreign import ForeignWriter
from support.people import Person, an_editor, on_terminal
from tenets_session_server.config import TenetsConfig
from tenets_session_server.storage.session_db import SessionDB

CHECKS = [
    *("engine", "other places", "file system", "links and mounts", "permissions", "database"),
    *("integrity", "search index", "triggers and indexes", "clock", "write-ahead log", "backups"),
    *("disk space", "daemon", "sockets", "command", "tenets"),
]


@pytest.fixture
def person(database: Path, tmp_path: Path) -> Person:
    found = Person(database, tmp_path / "app")
    found.does("note", "one", "--session", "a")
    found.does("backup")
    return found


def finding(person: Person, name: str, *options: str) -> dict[str, Any]:
    """Return what the doctor says about one thing."""
    done = person.run("doctor", "--json", *options)
    found = json.loads(done.stdout)
    assert done.returncode == (1 if found["problems"] else 0)
    (one,) = [one for one in found["findings"] if one["name"] == name]
    assert isinstance(one, dict)
    return one


def test_all_is_well(person: Person) -> None:
    lines = person.does("doctor").splitlines()
    assert [line.split("\t")[1] for line in lines] == CHECKS
    assert {line.split("\t")[0] for line in lines} <= {"ok", "note"}
    with an_editor(person):
        assert "serves" in finding(person, "daemon")["says"]
        assert finding(person, "database")["status"] == "ok"
    with on_terminal(person, "doctor", columns=200) as terminal:
        status, shown = terminal.end()
    assert status == 0
    assert "Nothing needs doing." in shown
    shared.stop(person.database)


def test_before_the_first_session(database: Path, tmp_path: Path) -> None:
    person = Person(database, tmp_path / "app")
    assert "does not exist yet" in person.does("doctor")
    assert not database.parent.exists()


def test_a_file_that_was_deleted(person: Person, database: Path) -> None:
    database.unlink()
    one = finding(person, "database")
    assert (one["status"], "recover" in one["todo"]) == ("problem", True)


def test_a_file_of_the_public_package_alone(database: Path, tmp_path: Path) -> None:
    """It is sound, and needs nothing; its cache is in the same file, and often nothing else is."""
    database.parent.mkdir()
    with ForeignWriter(database) as foreign:
        foreign.execute("CREATE TABLE cache (key TEXT PRIMARY KEY, value BLOB)")
        foreign.execute("INSERT INTO cache VALUES ('a', x'00')")
    before = database.read_bytes()
    person = Person(database, tmp_path / "app")
    assert finding(person, "triggers and indexes")["status"] == "ok"
    assert finding(person, "database")["status"] == "ok"
    assert person.run("doctor").returncode == 0
    assert database.read_bytes() == before
    person.does("note", "one", "--session", "a")
    assert finding(person, "triggers and indexes")["says"] == "all are there"


def test_what_is_missing_in_the_file_is_put_back(person: Person, database: Path) -> None:
    with ForeignWriter(database) as foreign:
        foreign.execute("DROP TRIGGER session_server_make_room_update")
    one = finding(person, "triggers and indexes")
    assert one["status"] == "problem"
    assert "session_server_make_room_update" in one["says"]
    assert finding(person, "triggers and indexes")["status"] == "problem", "to look mends nothing"
    assert finding(person, "triggers and indexes", "--fix")["fixed"] == "they were put back"
    assert finding(person, "triggers and indexes")["status"] == "ok"


def test_indexes_that_are_missing_are_made_anew(person: Person, database: Path) -> None:
    with ForeignWriter(database) as foreign:
        foreign.execute("DROP INDEX session_server_context_by_session")
    one = finding(person, "triggers and indexes")
    assert (one["status"], "context_by_session" in one["says"]) == ("problem", True)
    assert finding(person, "triggers and indexes", "--fix")["fixed"] is not None
    assert finding(person, "triggers and indexes")["status"] == "ok"


def test_a_damaged_search_index_is_made_anew(person: Person, database: Path) -> None:
    assert person.does("search", "one")
    with ForeignWriter(database) as foreign:
        foreign.execute("UPDATE session_server_search_data SET block = zeroblob(50) WHERE id > 10")
    one = finding(person, "search index")
    assert one["status"] == "problem"
    assert "notes are not affected" in one["says"]
    assert finding(person, "integrity")["status"] == "ok"
    assert finding(person, "search index", "--fix")["fixed"] == "it was made anew"
    assert finding(person, "search index")["status"] == "ok"
    assert person.does("search", "one")


def test_permissions_and_links(person: Person, database: Path) -> None:
    database.chmod(0o644)
    assert finding(person, "permissions")["status"] == "note"
    assert finding(person, "permissions", "--fix")["fixed"] is not None
    assert database.stat().st_mode & 0o777 == 0o600
    other = database.with_name("other.db")
    os.link(database, other)
    one = finding(person, "links and mounts")
    assert one["status"] == "problem"
    assert "2 names" in one["says"]
    assert "copy the file" in one["todo"]
    other.unlink()
    assert finding(person, "links and mounts")["status"] == "ok"


def test_sessions_in_another_place(person: Person) -> None:
    default = person.home / ".tenets" / "cache" / "tenets.db"
    default.parent.mkdir(parents=True)
    with SessionDB(TenetsConfig(database=default)) as db:
        db.create_session("somewhere else")
    one = finding(person, "other places")
    assert one["status"] == "note"
    assert str(default) in one["says"]


def test_a_clock_that_is_behind(person: Person, database: Path) -> None:
    with ForeignWriter(database) as foreign:
        foreign.execute("UPDATE session_context SET created_at = '2999-01-01T00:00:00+00:00'")
    assert "2999" in finding(person, "clock")["says"]


@pytest.mark.own_daemon
@pytest.mark.asyncio
async def test_a_daemon_that_does_not_answer(server_command: list[str], person: Person) -> None:
    async with Client.opened(server_command) as client:
        process = await client.served_by()
        os.kill(process, signal.SIGSTOP)
        try:
            one = finding(person, "daemon")
        finally:
            os.kill(process, signal.SIGCONT)
        assert one["status"] == "problem"
        assert str(process) in one["says"]
        assert "tenets-session-server stop" in one["todo"]
        assert finding(person, "daemon")["status"] == "ok"


def test_a_daemon_whose_socket_is_gone(person: Person, database: Path) -> None:
    with an_editor(person):
        process = shared.report(database)["pid"]
        os.kill(process, signal.SIGSTOP)  # else it makes its socket again
        shared.socket_of(database).unlink()
        one = finding(person, "daemon")
        os.kill(process, signal.SIGCONT)
    assert one["status"] == "problem"
    assert f"process {process} cannot be reached" in one["says"]


def test_sockets_of_killed_daemons(person: Person, database: Path) -> None:
    with an_editor(person):
        os.kill(shared.report(database)["pid"], signal.SIGKILL)
    path = shared.socket_of(database)
    assert path.exists()
    one = finding(person, "sockets")
    assert one["status"] == "note"
    assert finding(person, "sockets", "--fix")["fixed"] == "they were removed"
    assert not path.exists()


def test_what_a_killed_backup_has_left(person: Person, database: Path) -> None:
    left = Path(f"{database}.backups", "2026-11-27T101500Z.manual.db.999999999.unfinished")
    left.write_bytes(b"half")
    assert "unfinished" not in person.does("doctor"), "another container's may be at work"
    os.utime(left, (1e9, 1e9))
    done = person.does("doctor", "--fix")
    assert "unfinished" in done
    assert not left.exists()


def test_the_public_package_and_its_sqlite(person: Person, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    script = programs / "tenets"
    script.write_text(f"#!{sys.executable}\n")
    script.chmod(0o755)
    package = tmp_path / "package" / "tenets-0.13.3.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: tenets\nVersion: 0.13.3\n")
    person.environment["PATH"] = f"{programs}{os.pathsep}{person.environment['PATH']}"
    person.environment["PYTHONPATH"] = str(package.parent)
    one = finding(person, "tenets")
    assert "version 0.13.3, with SQLite 3." in one["says"]


def test_another_versions_command_on_the_path(person: Person, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    script = programs / "tenets-session-server"
    script.write_text("#!/bin/sh\necho tenets-session-server 0.0.1\n")
    script.chmod(0o755)
    person.environment["PATH"] = f"{programs}{os.pathsep}{person.environment['PATH']}"
    one = finding(person, "command")
    assert (one["status"], "0.0.1" in one["says"]) == ("note", True)
