"""What a run of ``tenets-session`` costs, beside Python alone, ``tenets session`` and ``sqlite3``.

    python tests/benchmarks/people.py [--rounds N] [--entries N] [--public TENETS] [--smoke]

All runs are in a pipe, one of each in every round, by turns; shown are medians and ratios.

* **verbs**, and hooks of agents: with a daemon running and without one, beside ``python -c pass``.
  ``--public`` is the ``tenets`` command of the public package, in an environment of its own (``pip
  install tenets``): then its verbs that do the same are measured on the same database.
* **many**: ``list``, ``show``, ``search``, ``prompt`` and a completion with 100,000 sessions and
  ten entries each, beside ten sessions.
* **export and import** of so many entries, beside the same calls of the library in a process of
  their own, and beside ``sqlite3``'s ``.dump`` and ``.read``, where that is installed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

import apsw

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.report import environment
from support import shared
from support.people import COMMAND, Person, an_editor

NOW: Final = "2026-01-01T00:00:00.123456+00:00"
PASS: Final = (sys.executable, "-c", "pass")
LIBRARY: Final = """import sys
from pathlib import Path
from tenets_session_server.config import TenetsConfig
from tenets_session_server.storage.sqlite.store import SQLiteStore
store = SQLiteStore(TenetsConfig(database=Path(sys.argv[1])))
store.database.open()
if sys.argv[2] == "export":
    for piece in store.exporter.json():
        sys.stdout.buffer.write(piece)
else:
    store.importer.run(iter(lambda: sys.stdin.buffer.read(262144), b""))
store.close()
"""


def measured(
    person: Person,
    commands: Mapping[str, Sequence[str]],
    rounds: int,
    before: Callable[[str], object] = lambda _title: None,
    given: Mapping[str, str] | None = None,
) -> dict[str, float]:
    """Return the median of each command's time in milliseconds; they run by turns.

    ``given`` is what some of them read.
    """
    times: dict[str, list[float]] = {title: [] for title in commands}
    for _ in range(rounds):
        for title, command in commands.items():
            before(title)
            begin = time.perf_counter_ns()
            done = subprocess.run(
                command,
                env=person.environment,
                cwd=person.folder,
                input=(given or {}).get(title, "").encode(),
                capture_output=True,
                check=False,
            )
            times[title].append((time.perf_counter_ns() - begin) / 1e6)
            if done.returncode:
                raise RuntimeError(f"{title}: {done.stderr.decode()}")
    return {title: statistics.median(values) for title, values in times.items()}


def print_rows(rows: dict[str, float], beside: str) -> None:
    """Print times, and how they compare with one of them."""
    for title, value in rows.items():
        print(f"  {title:44}{value:10.1f} ms{value / rows[beside]:9.2f} x {beside}", flush=True)


def fill(database: Path, sessions: int, entries: int) -> None:
    """Add sessions with so many entries each, as another program."""
    with closing(apsw.Connection(str(database))) as foreign, foreign:
        foreign.executemany(
            "INSERT INTO sessions (name, created_at, metadata) VALUES (?, ?, '{}')",
            ((f"session {number}", NOW) for number in range(sessions)),
        )
        foreign.executemany(
            "INSERT INTO session_context (session_id, kind, content, created_at)"
            " SELECT id, 'note', ?, ? FROM sessions WHERE name = ?",
            (
                (
                    f"note {entry} of {number}: " + "some words of a note " * 4,
                    NOW,
                    f"session {number}",
                )
                for number in range(sessions)
                for entry in range(entries)
            ),
        )


def print_verbs(folder: Path, rounds: int, public: str | None) -> None:
    """Print what the usual verbs cost."""
    person = Person(folder / "verbs" / "tenets.db", folder / "app")
    person.environment["TENETS_CACHE_DIRECTORY"] = str(folder / "verbs")
    fill_small(person)
    verbs: dict[str, Sequence[str]] = {"pass": PASS}
    verbs |= {
        title: person.command(*arguments)
        for title, arguments in {
            "prompt": ("prompt",),
            "list": ("list",),
            "note": ("note", "a", "note"),
            "switch": ("switch", "session 3"),
            "status": (),
            "search": ("search", "words"),
            "hook at the start": ("hook", "claude"),
            "hook before a prompt": ("hook", "claude"),
        }.items()
    }
    given = {
        "hook at the start": '{"session_id": "1", "hook_event_name": "SessionStart"}',
        "hook before a prompt": '{"session_id": "1", "hook_event_name": "UserPromptSubmit"}',
    }
    with an_editor(person):
        print("\nwith a daemon")
        print_rows(measured(person, verbs, rounds, given=given), "pass")
    shared.stop(person.database)
    print("\nwithout a daemon")
    print_rows(measured(person, verbs, max(1, rounds // 2), given=given), "pass")
    if public is None:
        return
    print("\nbeside the public package, with a daemon")
    (person.folder / "note.txt").write_text("a note")
    for title, ours, theirs in (
        ("list", ("list",), ("list",)),
        ("note", ("note", "a note"), ("add", "session 3", "note", "note.txt")),
        ("switch", ("switch", "session 3"), ("resume", "session 3")),
    ):
        with an_editor(person):
            commands = {
                f"{title}, tenets-session": person.command(*ours),
                f"{title}, tenets": (public, "session", *theirs),
            }
            print_rows(measured(person, commands, max(1, rounds // 4)), f"{title}, tenets-session")
    shared.stop(person.database)


def fill_small(person: Person) -> None:
    """Create ten sessions with notes; one is active."""
    person.does("create", "first", "--switch")
    fill(person.database, 10, 10)


def print_many(folder: Path, rounds: int, sessions: int) -> None:
    """Print what many sessions change."""
    few = Person(folder / "few" / "tenets.db", folder / "app")
    many = Person(folder / "many" / "tenets.db", folder / "app")
    fill_small(few)
    many.does("create", "first", "--switch")
    fill(many.database, sessions, 10)
    many.does("search", "anything")  # the index is brought up to date once
    print(f"\n{sessions:,} sessions, {sessions * 10:,} entries, beside ten sessions; a daemon runs")
    with an_editor(few), an_editor(many):
        for title, arguments in {
            "prompt": ("prompt",),
            "a completion": ("--complete-names", "session 1"),
            "list --limit 50": ("list", "--limit", "50"),
            "show": ("show", "session 7"),
            "search": ("search", "note 3 of 7"),
            "note": ("note", "a note"),
        }.items():
            commands = {"ten": few.command(*arguments), "many": many.command(*arguments)}
            found = measured(few, commands, rounds)
            ratio = found["many"] / found["ten"]
            print(f"  {title:44}{found['many']:10.1f} ms{ratio:9.2f} x ten", flush=True)
    shared.stop(few.database)
    shared.stop(many.database)


def print_transfer(folder: Path, rounds: int, entries: int) -> None:
    """Print what exporting and importing cost beside the library, and sqlite3."""
    person = Person(folder / "transfer" / "tenets.db", folder / "app")
    person.does("create", "first")
    fill(person.database, max(1, entries // 100), 100)
    document, dump = folder / "document.json", folder / "dump.sql"
    target = folder / "target" / "tenets.db"

    def emptied(_title: str) -> None:
        shutil.rmtree(target.parent, ignore_errors=True)
        target.parent.mkdir()

    python, database = sys.executable, str(person.database)
    command = f"'{COMMAND}' --database"
    exports = {
        "the library": f"{python} -c '{LIBRARY}' {database} export > {document}",
        "export": f"{command} {database} export > {document}",
    }
    imports = {
        "the library": f"{python} -c '{LIBRARY}' {target} import < {document}",
        "import": f"{command} {target} import < {document}",
    }
    if shutil.which("sqlite3"):
        tables = '".dump sessions" ".dump session_context"'
        exports["sqlite3 .dump"] = f"sqlite3 {database} {tables} > {dump}"
        imports["sqlite3 .read"] = f'sqlite3 {target} ".read {dump}"'
    for what, shells in (("export", exports), ("import", imports)):
        print(f"\n{what} of {entries:,} entries")
        commands = {title: ("sh", "-c", shell) for title, shell in shells.items()}
        print_rows(measured(person, commands, rounds, emptied), "the library")


def main() -> int:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    options.add_argument("--rounds", type=int, default=20)
    options.add_argument("--sessions", type=int, default=100_000)
    options.add_argument("--entries", type=int, default=100_000)
    options.add_argument("--public", metavar="TENETS", help="the command of the public package")
    options.add_argument("--smoke", action="store_true", help="little of everything, once")
    given = options.parse_args()
    if given.smoke:
        given.rounds, given.sessions, given.entries = 1, 100, 200
    print(environment())
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as name:
        os.environ["XDG_RUNTIME_DIR"] = name
        folder = Path(name)
        print_verbs(folder, given.rounds, given.public)
        print_many(folder, max(1, given.rounds // 4), given.sessions)
        print_transfer(folder, max(1, given.rounds // 6), given.entries)
    return 0


if __name__ == "__main__":
    sys.exit(main())
