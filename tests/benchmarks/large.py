"""What a large session costs: deleted, restored, exported and imported.

    python tests/benchmarks/large.py [--entries N] [--rounds N] [--smoke]

* A round trip of `delete` and of `restore` for a session with many entries, beside those for an
  empty one; and what another client of the same daemon notices meanwhile.
* An export and an import by the library, each in a process of its own, beside `.dump` and `.read`
  of the same rows of upstream's two tables by the `sqlite3` program; and the memory of both at a
  tenth of the size.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import apsw

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.lean_client import COMMAND, LeanClient, request
from benchmarks.report import environment
from benchmarks.shared import Place
from support.foreign import NOW, UPSTREAM_SCHEMA
from tenets_session_server.config import TenetsConfig
from tenets_session_server.storage.sqlite.store import SQLiteStore

PREFIX: Final = "tenets/session."
PIECE: Final = 64 * 1024
LARGE, EMPTY = "large", "empty"


def fill(database: Path, entries: int) -> None:
    """Give the session so many entries of 100 bytes."""
    with closing(apsw.Connection(str(database))) as connection:
        connection.execute(
            "WITH n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
            " INSERT INTO session_context (session_id, kind, content, created_at)"
            " SELECT s.id, 'note', printf('%0100d', i), ? FROM sessions AS s, n WHERE s.name = ?",
            (entries, NOW, LARGE),
        )


def trash(folder: Path, entries: int, rounds: int) -> None:
    """Print round trips for both sessions, and what another client notices."""
    with tempfile.TemporaryFile() as log:
        place = Place(folder, log)
        client = place.window("trash.db")
        for name in (LARGE, EMPTY):
            place.call(client, f"{PREFIX}create", {"name": name})
        fill(folder / "trash.db", entries)
        taken: dict[tuple[str, str], list[float]] = {}
        program = [sys.executable, __file__, "--be", "neighbour", str(folder / "trash.db")]
        with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            assert other.stdout is not None
            other.stdout.readline()
            for _ in range(rounds):
                for name in (EMPTY, LARGE):
                    begin = time.perf_counter()
                    deleted = place.call(client, f"{PREFIX}delete", {"name": name})
                    middle = time.perf_counter()
                    place.call(client, f"{PREFIX}restore", {"id": deleted["trashId"]})
                    end = time.perf_counter()
                    taken.setdefault((name, "delete"), []).append((middle - begin) * 1000)
                    taken.setdefault((name, "restore"), []).append((end - middle) * 1000)
            noticed, _ = other.communicate(b"\n")
        place.leave(client)
        place.stop("trash.db")
    for verb in ("delete", "restore"):
        small, large = (statistics.median(taken[name, verb]) for name in (EMPTY, LARGE))
        report(f"{verb}, {entries:,} entries / none, ms", large, small)
    print(f"another client meanwhile, ms: {noticed.decode().strip()}")


def be_neighbour(database: Path) -> None:
    """Ask for the active session until a line comes in; print the round trips."""
    with tempfile.TemporaryFile() as log:
        client = LeanClient([COMMAND, "--database", str(database)], log)
        client.call(request(0, "initialize", {"capabilities": {}}))
        print(flush=True)
        taken = list[float]()
        over = False
        while not over or len(taken) < 2:
            begin = time.perf_counter()
            client.call(request(len(taken), f"{PREFIX}getActive", {}))
            taken.append((time.perf_counter() - begin) * 1000)
            over = _line_waits()
        client.end()
    cuts = statistics.quantiles(taken, n=100)
    print(f"p50 {cuts[49]:.3f}, p99 {cuts[98]:.3f}, longest {max(taken):.1f} of {len(taken):,}")


def _line_waits() -> bool:
    import select

    return bool(select.select([sys.stdin], [], [], 0)[0])


def transfer(folder: Path, entries: int, rounds: int) -> None:
    """Print how long an export and an import take, and the memory of both."""
    sqlite = shutil.which("sqlite3")
    for size in (entries // 10, entries):
        ours, upstream = folder / f"{size}.db", folder / f"upstream {size}.db"
        with closing(SQLiteStore(TenetsConfig(database=ours))) as store:
            store.sessions.create(LARGE)
        fill(ours, size)
        with closing(apsw.Connection(str(upstream))) as connection:
            connection.execute(f"{UPSTREAM_SCHEMA}; PRAGMA journal_mode = WAL")
            connection.execute("ATTACH ? AS ours", (str(ours),))
            for table in ("sessions", "session_context"):
                connection.execute(f"INSERT INTO {table} SELECT * FROM ours.{table}")
    memory: dict[tuple[str, int], int] = {}
    taken: dict[str, list[float]] = {}
    for number in range(rounds):
        for size in (entries // 10, entries):
            exported, target = folder / f"{size}.json", folder / f"{size} {number}.db"
            for verb, paths in (
                ("export", (folder / f"{size}.db", exported)),
                ("import", (exported, target)),
            ):
                command = [sys.executable, __file__, "--be", verb, *map(str, paths)]
                found = subprocess.run(command, capture_output=True, check=True, text=True).stdout
                seconds, kibibytes = found.split()
                memory[verb, size] = max(memory.get((verb, size), 0), int(kibibytes))
                if size == entries:
                    taken.setdefault(verb, []).append(float(seconds))
        if sqlite is not None:
            dump, target = folder / "dump.sql", folder / f"read {number}.db"
            for verb, database, commands in (
                ("export", f"upstream {entries}.db", [f".output '{dump}'", ".dump"]),
                ("import", target.name, ["PRAGMA journal_mode = WAL", f".read '{dump}'"]),
            ):
                begin = time.perf_counter()
                subprocess.run(
                    [sqlite, str(folder / database), *commands],
                    check=True,
                    stdout=subprocess.DEVNULL,
                )
                taken.setdefault(f"sqlite3 {verb}", []).append(time.perf_counter() - begin)
    for verb, theirs in (("export", ".dump"), ("import", ".read")):
        mine = statistics.median(taken[verb])
        if sqlite is None:
            print(f"{verb} of {entries:,} entries: {mine:.2f} s (there is no sqlite3 program)")
        else:
            other = statistics.median(taken[f"sqlite3 {verb}"])
            report(f"{verb} of {entries:,} entries / {theirs}, s", mine, other)
        few, many = memory[verb, entries // 10], memory[verb, entries]
        report(f"{verb}: memory / at a tenth of the size, MiB", many / 1024, few / 1024)


def be_transfer(verb: str, source: Path, target: Path) -> None:
    """Export or import; print the seconds and the largest memory, in KiB."""
    begin = time.perf_counter()
    if verb == "export":
        with (
            closing(SQLiteStore(TenetsConfig(database=source))) as store,
            target.open("wb") as file,
        ):
            for piece in store.exporter.json():
                file.write(piece)
    else:
        with (
            closing(SQLiteStore(TenetsConfig(database=target))) as store,
            source.open("rb") as file,
        ):
            store.importer.run(_pieces(file))
    print(time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def _pieces(file: object) -> Iterator[bytes]:
    while piece := file.read(PIECE):  # type: ignore[attr-defined]
        yield piece


def report(what: str, ours: float, theirs: float) -> None:
    """Print a row."""
    print(f"{what:52}{ours:10.2f}{theirs:10.2f}{ours / theirs:8.2f}", flush=True)


def main() -> int:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    options.add_argument("--entries", type=int, default=100_000)
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--smoke", action="store_true", help="little of everything, once")
    options.add_argument("--be", nargs="+", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.be:
        role, *paths = given.be
        if role == "neighbour":
            be_neighbour(Path(paths[0]))
        else:
            be_transfer(role, Path(paths[0]), Path(paths[1]))
        return 0
    if given.smoke:
        given.entries, given.rounds = 1000, 2
    print(environment(), end="\n\n")
    print(f"{'':52}{'this':>10}{'that':>10}{'ratio':>8}")
    with tempfile.TemporaryDirectory() as folder:
        trash(Path(folder), given.entries, given.rounds * 3)
        transfer(Path(folder), given.entries, given.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
