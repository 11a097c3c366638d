"""What editors notice of a backup: the daemon's own, of a large database, while four of them write.

    python tests/benchmarks/backup.py [--megabytes N] [--rate N] [--rounds N] [--smoke]

Four windows add notes, ``--rate`` a second each. The daemon makes its first backup ten seconds
after its start, and looks each minute whether one is due. Latencies while one is copied and checked
stand beside those of the time between them, in one run.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Final

import apsw

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.lean_client import LeanClient, request
from benchmarks.report import environment
from benchmarks.shared import Place
from tenets_session_server.config import TenetsConfig
from tenets_session_server.storage.session_db import SessionDB

WINDOWS: Final = 4
ENTRY: Final = 4000
"""Bytes of an entry that is there already."""
POLL: Final = 0.1
"""Seconds between two looks at the backups; it is the same while there is none."""
PAUSE: Final = 8.0
"""Seconds after the last backup; before it there are more, as the daemon looks each minute."""
WARM_UP: Final = 2.0
"""Seconds after the start that do not count."""
NOTE: Final = "what a person has noted, in one sentence or two of a usual length. "
Sample = tuple[float, float]
"""When a request was sent, and how long its reply took: seconds."""


def fill(database: Path, megabytes: int) -> None:
    """Create a database of about that size."""
    with SessionDB(TenetsConfig(database=database)) as db:
        db.create_session("notes")
    with closing(apsw.Connection(str(database))) as connection:
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO session_context (session_id, kind, content, created_at)"
            " VALUES (1, 'note', ?, '2026-01-01T00:00:00+00:00')",
            ((os.urandom(ENTRY // 2).hex(),) for _ in range(megabytes * 1_000_000 // ENTRY)),
        )
        connection.execute("COMMIT")


def write(client: LeanClient, rate: float, samples: list[Sample], end: threading.Event) -> None:
    """Add notes at a rate until the end."""
    note = {"sessionName": "notes", "kind": "note", "content": NOTE}
    due = time.monotonic()
    while not end.is_set():
        begin = time.perf_counter()
        client.call(request(1, "tenets/session.addContext", note))
        samples.append((begin, time.perf_counter() - begin))
        due = max(due + 1 / rate, time.monotonic())
        end.wait(due - time.monotonic())


def watch(folder: Path, rounds: int) -> list[tuple[float, float]]:
    """Return when each backup was begun and complete; remove it, so that another one is due."""
    found = list[tuple[float, float]]()
    while len(found) < rounds:
        while not any(folder.glob("*.unfinished")):
            time.sleep(POLL)
        begin = time.perf_counter()
        while any(folder.glob("*.unfinished")):
            time.sleep(POLL)
        found.append((begin, time.perf_counter()))
        (made,) = folder.glob("*.automatic.db")
        print(f"backup of {made.stat().st_size / 1e6:,.0f} MB in {found[-1][1] - begin:.1f} s")
        made.unlink()
    time.sleep(PAUSE)
    return found


def describe(what: str, latencies: list[float]) -> tuple[float, float]:
    """Print the latencies; return their p50 and p99, in milliseconds."""
    cuts = statistics.quantiles(latencies, n=100)
    p50, p99 = cuts[49] * 1000, cuts[98] * 1000
    longest = max(latencies) * 1000
    print(
        f"{what:10} {len(latencies):7} notes  p50 {p50:6.2f}  p99 {p99:6.2f}  longest {longest:.1f}"
    )
    return p50, p99


def main() -> int:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    options.add_argument("--megabytes", type=int, default=1000)
    options.add_argument("--rate", type=float, default=20.0, help="notes a second of each window")
    options.add_argument("--rounds", type=int, default=3, help="backups")
    options.add_argument("--smoke", action="store_true", help="one backup of a small database")
    given = options.parse_args()
    if given.smoke:
        given.megabytes, given.rounds = 10, 1
    print(environment(), end="\n\n")
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryFile() as log:
        place = Place(Path(name), log)
        database = place.folder / "tenets.db"
        fill(database, given.megabytes)
        samples, end = list[Sample](), threading.Event()
        windows = [place.window("tenets.db") for _ in range(WINDOWS)]
        threads = [
            threading.Thread(target=write, args=(window, given.rate, samples, end))
            for window in windows
        ]
        started = time.perf_counter()
        for thread in threads:
            thread.start()
        backups = watch(Path(f"{database}.backups"), given.rounds)
        end.set()
        for thread in threads:
            thread.join()
        for window in windows:
            window.end()
    print()
    during = [took for at, took in samples if any(b - POLL <= at <= e for b, e in backups)]
    without = [
        took
        for at, took in samples
        if at > started + WARM_UP and not any(b - 1 <= at <= e + 1 for b, e in backups)
    ]
    p50, p99 = describe("without", without)
    p50_during, p99_during = describe("during it", during)
    print(f"ratio                     p50 {p50_during / p50:6.2f}  p99 {p99_during / p99:6.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
