"""What a further window costs: attached to the daemon, or with a process of its own.

    python tests/benchmarks/shared.py [--rounds N] [--requests N] [--windows N ...] [--smoke]

Three tables, all in one run:

* **start**: from starting the command to the reply to ``initialize``, beside a Python that does
  nothing (``python -c pass``, start to end) and a minimal pygls server; in each round every one
  once, in random order;
* **memory**: resident sets, added up, of as many windows as named, in both modes;
* **latency**: the same requests in both modes, all processes on one CPU where the system allows it.

Nothing fails for being slow.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.lean_client import COMMAND, LeanClient, request
from benchmarks.report import environment

HERE: Final = Path(__file__).resolve().parent
NOTHING, ATTACH, FIRST, DIRECT, HELLO = STARTS = (
    "python -c pass",
    "attach",
    "first (starts the daemon)",
    "direct (--standalone)",
    "pygls hello world",
)


class Place:
    """A folder for one run: databases, sockets, logs. ``command`` starts the server."""

    def __init__(self, folder: Path, log: IO[bytes], command: str = COMMAND) -> None:
        self.folder, self.log, self.command = folder, log, command
        self._ids = itertools.count(1)
        runtime = folder / "run"
        runtime.mkdir(mode=0o700, exist_ok=True)
        os.environ["XDG_RUNTIME_DIR"] = str(runtime)
        os.environ["XDG_STATE_HOME"] = str(folder / "state")
        # As in a user's environment: with byte code, and with the modules that are installed.
        for name in [one for one in os.environ if one.startswith("PYTHON")]:
            del os.environ[name]

    def window(self, database: str, *options: str) -> LeanClient:
        """Start the command on a database, and initialize it."""
        command = [self.command, "--database", str(self.folder / database), *options]
        return self._initialized(LeanClient(command, self.log))

    def hello(self) -> LeanClient:
        """Start a minimal pygls server, and initialize it."""
        command = [sys.executable, str(HERE / "hello_server.py")]
        return self._initialized(LeanClient(command, self.log))

    def call(self, client: LeanClient, method: str, params: object = None) -> Any:
        """Return a result."""
        return json.loads(client.call(request(next(self._ids), method, params or {})))["result"]

    def leave(self, client: LeanClient) -> None:
        """Shut down and exit."""
        self.call(client, "shutdown")
        client.tell("exit")
        client.end()

    def stop(self, database: str) -> None:
        """End the daemon of a database."""
        command = [self.command, "stop", "--database", str(self.folder / database)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def _initialized(self, client: LeanClient) -> LeanClient:
        quiet = {"notifications": False}
        params = {"processId": None, "capabilities": {}, "initializationOptions": quiet}
        self.call(client, "initialize", params)
        return client


def start_of(place: Place, what: str) -> float:
    """Return how many ms one start takes."""
    begin = time.perf_counter_ns()
    if what == NOTHING:
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        return (time.perf_counter_ns() - begin) / 1e6
    match what:
        case "attach":
            client = place.window("attach.db")
        case "pygls hello world":
            client = place.hello()
        case _ if what == FIRST:
            client = place.window("first.db")
        case _:
            client = place.window("direct.db", "--standalone")
    taken = (time.perf_counter_ns() - begin) / 1e6
    place.leave(client)
    if what == FIRST:
        place.stop("first.db")
    return taken


def measure_starts(place: Place, rounds: int) -> dict[str, list[float]]:
    """Return ms for each kind of start."""
    for what in (ATTACH, FIRST, DIRECT, HELLO):  # files and byte code in the cache
        start_of(place, what)
    there = place.window("attach.db")
    found: dict[str, list[float]] = {what: [] for what in STARTS}
    for _ in range(rounds):
        for what in random.sample(STARTS, len(STARTS)):
            found[what].append(start_of(place, what))
    place.leave(there)
    place.stop("attach.db")
    return found


def report_starts(found: dict[str, list[float]]) -> None:
    """Print medians and ratios."""
    medians = {what: statistics.median(values) for what, values in found.items()}
    print(
        f"{'start to initialize reply':36}{'median ms':>10}{'fastest':>10}{'slowest':>10}"
        f"{'/ pass':>9}{'/ attach':>9}"
    )
    for what in STARTS:
        values = found[what]
        print(
            f"{what:36}{medians[what]:10.1f}{min(values):10.1f}{max(values):10.1f}"
            f"{medians[what] / medians[NOTHING]:9.2f}{medians[what] / medians[ATTACH]:9.2f}"
        )


def resident_mib(pid: int) -> float:
    """Return a process' resident set."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = re.search(r"VmRSS:\s*(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1024


def measure_memory(place: Place, counts: list[int]) -> None:
    """Print resident sets for numbers of windows."""
    print(
        f"{'windows':>8}{'one command':>13}{'the process':>13}{'shared, all':>13}"
        f"{'direct, all':>13}{'direct/shared':>15}   MiB"
    )
    totals = []
    for count in counts:
        shared = [place.window("memory.db") for _ in range(count)]
        process = resident_mib(place.call(shared[0], "tenets/session.stats")["pid"])
        command = statistics.median(resident_mib(client.pid) for client in shared)
        together = process + sum(resident_mib(client.pid) for client in shared)
        for client in shared:
            place.leave(client)
        place.stop("memory.db")
        direct = [place.window("memory.db", "--standalone") for _ in range(count)]
        apart = sum(resident_mib(client.pid) for client in direct)
        for client in direct:
            place.leave(client)
        totals.append((count, together, apart))
        print(
            f"{count:8}{command:13.1f}{process:13.1f}{together:13.1f}{apart:13.1f}"
            f"{apart / together:15.2f}"
        )
    (few, shared_few, direct_few), (many, shared_many, direct_many) = totals[0], totals[-1]
    if many > few:
        more = many - few
        print(
            f"each further window: {(shared_many - shared_few) / more:.1f} MiB shared, "
            f"{(direct_many - direct_few) / more:.1f} MiB direct"
        )


@contextlib.contextmanager
def one_cpu() -> Iterator[None]:
    """Keep this process, and what it starts, on one CPU."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def measure_latency(place: Place, count: int) -> None:
    """Print round trips in both modes, which take turns."""
    durations: dict[tuple[str, str], list[int]] = {}
    with one_cpu():
        clients = {
            "shared": place.window("latency.db"),
            "direct": place.window("latency.db", "--standalone"),
        }
        place.call(clients["shared"], "tenets/session.create", {"name": "a", "active": True})
        for batch in range(20):
            for mode in random.sample([*clients], 2):
                for method, params in (
                    ("getActive", {}),
                    ("addContext", {"sessionName": "a", "kind": "note", "content": "x" * 200}),
                ):
                    taken = time_all(clients[mode], method, params, max(1, count // 20), batch)
                    durations.setdefault((method, mode), []).extend(taken)
        for client in clients.values():
            place.leave(client)
    place.stop("latency.db")
    print(
        f"{'round trip, us':16}{'shared p50':>12}{'p99':>9}{'direct p50':>12}{'p99':>9}"
        f"{'shared/direct p50':>19}"
    )
    for method in ("getActive", "addContext"):
        cells = [
            statistics.quantiles(durations[method, mode], n=100) for mode in ("shared", "direct")
        ]
        (shared, shared_late), (direct, direct_late) = ((c[49] / 1e3, c[98] / 1e3) for c in cells)
        print(
            f"{method:16}{shared:12.1f}{shared_late:9.1f}{direct:12.1f}{direct_late:9.1f}"
            f"{shared / direct:19.2f}"
        )


def time_all(client: LeanClient, method: str, params: object, count: int, batch: int) -> list[int]:
    """Return how many ns each of some requests takes."""
    taken = []
    for number in range(count):
        data = request(1_000_000 + batch * count + number, f"tenets/session.{method}", params)
        begin = time.perf_counter_ns()
        client.call(data)
        taken.append(time.perf_counter_ns() - begin)
    return taken


def main() -> int:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    options.add_argument("--rounds", type=int, default=15)
    options.add_argument("--requests", type=int, default=4000)
    options.add_argument("--windows", type=int, nargs="+", default=[1, 10, 50])
    options.add_argument("--smoke", action="store_true", help="little of everything, once")
    given = options.parse_args()
    if given.smoke:
        given.rounds, given.requests, given.windows = 1, 40, [1, 3]
    print(environment(), end="\n\n")
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as log:
        place = Place(Path(folder), log)
        report_starts(measure_starts(place, given.rounds))
        print()
        measure_memory(place, given.windows)
        print()
        measure_latency(place, given.requests)
    return 0


if __name__ == "__main__":
    sys.exit(main())
