"""What one client of a daemon feels of another one that gives it a lot to do.

    python tests/benchmarks/neighbour.py [--entries N] [--smoke]

The neighbour is a process of its own: it sends its requests without waiting for replies, for as
long as it takes. Meanwhile a client asks for the active session, one request after the other.
Printed are its round trips alone and beside each kind of work, p50, p99 and the longest, in ms.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.lean_client import COMMAND, LeanClient, request
from benchmarks.report import environment
from benchmarks.shared import Place

GET_ACTIVE: Final = "tenets/session.getActive"
ALONE_SECONDS: Final = 3.0
NOTE: Final = "x" * 100
LARGE: Final = "x" * 1_000_000


def requests(work: str, entries: int) -> list[bytes]:
    """Return what the neighbour sends."""
    note = {"sessionName": "neighbour", "kind": "note"}
    large = {"name": "neighbour", "updates": {"t": LARGE[:900_000]}}
    calls: dict[str, tuple[int, str, object]] = {
        "notes": (entries, "addContext", {**note, "content": NOTE}),
        "delete": (1, "delete", {"name": "neighbour"}),
        "large notes": (20, "addContext", {**note, "content": LARGE * 10}),
        "large metadata": (1, "updateMetadata", large),
        "lists": (max(1, entries // 100), "list", {"limit": 1000, "includeContextCount": True}),
    }
    count, verb, params = calls[work]
    return [request(number, f"tenets/session.{verb}", params) for number in range(1, count + 1)]


WORK: Final = ("notes", "lists", "large metadata", "lists", "delete", "large notes", "delete")


def be_neighbour(database: Path, work: str, entries: int) -> None:
    """Do some work as a client of the process that serves ``database``."""
    with tempfile.TemporaryFile() as log:
        client = LeanClient([COMMAND, "--database", str(database)], log)
        client.call(request(0, "initialize", {"capabilities": {}}))
        client.pipeline(requests(work, entries))
        client.end()


def round_trips(client: LeanClient, until: Callable[[], bool]) -> list[float]:
    """Return ms for each of one request after the other."""
    taken: list[float] = []
    while not until() or len(taken) < 2:
        begin = time.perf_counter_ns()
        client.call(request(len(taken), GET_ACTIVE, {}))
        taken.append((time.perf_counter_ns() - begin) / 1e6)
    return taken


def report(title: str, taken: list[float], seconds: float) -> None:
    """Print a row."""
    cuts = statistics.quantiles(taken, n=100)
    print(
        f"{title:40}{len(taken):9,}{seconds:8.1f}{cuts[49]:9.3f}{cuts[98]:9.3f}{max(taken):9.2f}",
        flush=True,
    )


def main() -> int:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    options.add_argument("--entries", type=int, default=100_000)
    options.add_argument("--smoke", action="store_true", help="little of everything, once")
    options.add_argument("--be", nargs=2, metavar=("WORK", "DATABASE"), help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.be:
        be_neighbour(Path(given.be[1]), given.be[0], given.entries)
        return 0
    if given.smoke:
        given.entries = 500
    print(environment(), end="\n\n")
    print(f"{'ms':40}{'requests':>9}{'s':>8}{'p50':>9}{'p99':>9}{'longest':>9}")
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as log:
        place = Place(Path(folder), log)
        client = place.window("neighbour.db")
        place.call(client, "tenets/session.create", {"name": "active", "active": True})
        over = time.monotonic() + (0.1 if given.smoke else ALONE_SECONDS)
        report("alone", round_trips(client, lambda: time.monotonic() > over), ALONE_SECONDS)
        for work in WORK:
            begin = time.monotonic()
            database = place.folder / "neighbour.db"
            command = [sys.executable, __file__, "--entries", str(given.entries)]
            beside = subprocess.Popen([*command, "--be", work, str(database)])
            taken = round_trips(client, lambda process=beside: process.poll() is not None)  # type: ignore[misc]
            report(
                f"beside {len(requests(work, given.entries)):,} x {work}",
                taken,
                time.monotonic() - begin,
            )
            if beside.returncode:
                return 1
        place.leave(client)
        place.stop("neighbour.db")
    return 0


if __name__ == "__main__":
    sys.exit(main())
