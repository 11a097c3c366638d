"""Processes that start at one moment: after a crash, in place of a lost file, and to recover it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import pytest

from support import damage
from support.foreign import ForeignWriter
from support.people import Person
from support.pipes import DEADLINE
from tenets_session_server.config import TenetsConfig
from tenets_session_server.storage.session_db import SessionDB

TOGETHER = 6
"""Processes that start at one moment."""
WRITER = """
import os, signal, sys
from tenets_session_server.config import TenetsConfig
from tenets_session_server.storage.session_db import SessionDB
database, name, notes, how = sys.argv[1:]
sys.stdin.read()
db = SessionDB(TenetsConfig(database=database))
for number in range(int(notes)):
    db.add_context("s", "note", f"{name} {number}")
    print(f"{name} {number}", flush=True)
if how == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
db.close()
"""


@pytest.fixture
def person(database: Path, tmp_path: Path) -> Person:
    return Person(database, tmp_path / "app")


def starting(
    stack: ExitStack, commands: Iterable[list[str]], environment: dict[str, str] | None = None
) -> list[subprocess.Popen[str]]:
    """Start the commands, which wait until their input ends where they read it."""
    return [
        stack.enter_context(
            subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=environment,
            )
        )
        for command in commands
    ]


def outcomes(processes: list[subprocess.Popen[str]]) -> list[tuple[int, str, str]]:
    """End their inputs; return the exit status, the output and the errors of each process."""
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
    return [
        (process.returncode, *texts)
        for process, texts in ((one, one.communicate(timeout=DEADLINE)) for one in processes)
    ]


def write_together(database: Path, name: str, notes: int, ends: Iterable[str]) -> list[str]:
    """Have a process for each of the ends; return the notes that were acknowledged."""
    commands = [
        [sys.executable, "-c", WRITER, str(database), f"{name}{number}", str(notes), end]
        for number, end in enumerate(ends)
    ]
    written = list[str]()
    with ExitStack() as stack:
        for command, (status, out, errors) in zip(
            commands, outcomes(starting(stack, commands)), strict=True
        ):
            assert status == (-signal.SIGKILL if command[-1] == "killed" else 0), errors
            written += out.splitlines()
    assert len(written) == len(commands) * notes
    return written


def contents(database: Path) -> list[str]:
    with ForeignWriter(database) as foreign:
        assert foreign.integrity() == "ok"
        return foreign.contents()


def test_after_a_crash_nothing_is_lost_nor_called_damaged(database: Path) -> None:
    """Some of them see the log that was left, while others already write to it."""
    written = list[str]()
    for turn in range(4):
        ends = ["killed", *("killed" if (turn + one) % 2 else "closed" for one in range(5))]
        written += write_together(database, f"{turn}.", 10, ends)
        written += write_together(database, f"{turn} alone ", 10, ["killed"])
        assert damage.log_of(database).stat().st_size
    assert sorted(contents(database)) == sorted(written)
    assert not database.with_name(f"{database.name}-evidence").exists()


def test_a_lost_file_is_begun_anew_by_all_of_them(database: Path, person: Person) -> None:
    person.does("note", "before", "--session", "s")
    person.does("backup")
    for turn in range(5):
        for file in database.parent.glob(f"{database.name}*"):
            if file.is_file():
                file.unlink()
        written = write_together(database, f"{turn}.", 5, ["closed"] * TOGETHER)
        assert sorted(contents(database)) == sorted(written)


def test_a_program_that_just_writes_to_a_new_file_is_waited_for(database: Path) -> None:
    """SQLite itself does not wait for it where the journal mode is to be changed."""
    with ForeignWriter.on_new_file(database) as foreign:
        foreign.execute("BEGIN IMMEDIATE")
        end = threading.Timer(0.3, foreign.execute, ["COMMIT"])
        end.start()
        with SessionDB(TenetsConfig(database=database)) as db:
            db.add_context("s", "note", "after")
        end.join()
    assert contents(database) == ["after"]


@pytest.fixture
def backup(database: Path, person: Person) -> str:
    """Return the name of a backup; the database is damaged by now."""
    with SessionDB(TenetsConfig(database=database)) as db:
        for number in range(200):
            db.add_context("s", "note", f"{number} " + "word " * 100)
    found = Path(person.does("backup").strip()).name
    damage.schema(database)
    return found


def test_one_recovers_and_the_others_are_told_so(
    database: Path, person: Person, backup: str
) -> None:
    command = person.command("recover", "--json", "--from", backup, "--yes")
    with ExitStack() as stack:
        ended = outcomes(starting(stack, [command] * TOGETHER, person.environment))
    recovered = [json.loads(out) for status, out, _ in ended if status == 0]
    assert any(Path(one["kept"]).name.endswith(".damaged.db") for one in recovered)
    for status, out, errors in ended:
        assert status == 0 or (status, out) == (1, ""), errors
        assert status == 0 or re.search("run it again|nothing to do", errors), errors
    person.does("note", "after", "--session", "s")
    assert len(contents(database)) == 201


def test_a_note_that_follows_a_recovery_is_not_replaced_by_another_one(
    database: Path, person: Person, backup: str
) -> None:
    """Who has looked at the damaged file does not replace the one that is there by now."""
    recover = person.command("recover", "--from", backup, "--yes")
    script = f'"$@" >/dev/null 2>&1; "{recover[0]}" --database "{database}" note "after $$" -s s'
    with ExitStack() as stack:
        processes = starting(
            stack, [["sh", "-c", script, "sh", *recover]] * TOGETHER, person.environment
        )
        ended = outcomes(processes)
    for process, (status, _, errors) in zip(processes, ended, strict=True):
        if status == 0:
            assert f"after {process.pid}" in everything(database), errors


def everything(database: Path) -> set[str]:
    """Return the notes of the database, and of what recoveries have kept of it."""
    found = set(contents(database))
    for kept in Path(f"{database}.backups").glob("*.replaced.db"):
        found |= set(contents(kept))
    return found
