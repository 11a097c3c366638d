"""Compares our server with a bare loop, a stock pygls server and the public package, in one run.

    python tests/benchmarks/compare.py [--smoke] [--chart FILE] [--json FILE] [--tenets PATH]

Everybody does the same in turns (workload.py): each method, one request after the other (p50, p99)
and pipelined (requests/s). A cell is the median over the rounds, in each of which all processes are
new: where the system happens to put one in memory makes some of them slower for as long as they
live. Nothing fails for being slow: the exit status is 1 only where a contestant breaks (ends, gets
stuck, answers wrongly), and before anything is measured it is checked that all give the same
answers.

The columns:

* **pipe**: a process that sends back what it is sent (``cat``): what the client and the operating
  system's pipes cost by themselves, and so what every other process contains;
* **bare**: bare_server.py, the floor: a blocking loop on msgspec and apsw, and nothing else. Its
  ``page as bytes`` are those of our ``list 100``, which it had beforehand;
* **stock**: stock_server.py, a pygls ``LanguageServer`` as it comes;
* **ours**: ``tenets-session-server --standalone``; its ``echo``, which the product does not have,
  is answered by our_echo_server.py;
* **shared**: ``tenets-session-server`` as an editor starts it, attached to the shared process;
* **store**: ``SessionStore`` called in this process, with no protocol at all;
* **sql**: the bare loop's SQL called in this process: what SQLite and the disk take;
* **public**: ``SessionDB`` of the ``tenets`` package, called in a process of its own, with its own
  database. It has no pages: a page is cut from the list of everything.

* **codex**, **opencode**: ``codex app-server`` and ``opencode serve`` doing what is nearest, with
  as many sessions as is least; see other_server.py.

Writes wait for the disk (``synchronous=FULL``). The public package does not ask for that, but it
closes its connection after each call, which waits as well. What is called in process cannot be
pipelined: there it is one call after the other. ``deleteAll`` is left out, as its work is whatever
there is to delete.

A ratio is one column divided by the other, also where more is better (requests/s). The second table
has the bars that the server is held to, and whether this run met them.

Client and servers share one CPU where the system allows it: in a round trip only one of them has
work, and waking a process on another CPU takes longer than most of what is measured here, now and
then. ``--any-cpu`` leaves that to the system.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import chart, fan_out, other_server, public_package, soak
from benchmarks.bars import Measured, bar_table
from benchmarks.lean_client import ServerError
from benchmarks.lineup import Lineup
from benchmarks.race import Counts, Race
from benchmarks.report import environment, table
from benchmarks.results import Results
from benchmarks.shared import Place


def arguments() -> argparse.Namespace:
    """Read the command line."""
    options = argparse.ArgumentParser(
        description="Compares the server with a bare loop, a stock pygls one, and the public class."
    )
    add = options.add_argument
    add("--rounds", type=int, default=5, help="(default: %(default)s)")
    add(
        "--requests",
        type=int,
        default=400,
        help="round trips per method, contestant and round; a quarter of it for durable writes "
        "(default: %(default)s)",
    )
    add("--pipelined", type=int, help="pipelined requests likewise (default: 5 times --requests)")
    add("--sizes", type=int, nargs="+", default=[10, 1_000, 100_000], metavar="SESSIONS")
    add("--clients", type=int, default=50, help="who is told of a write (default: %(default)s)")
    add("--soak", type=int, default=1_000_000, help="requests for the RSS (default: %(default)s)")
    add("--smoke", action="store_true", help="tiny counts and sizes: does everything still work?")
    add("--any-cpu", action="store_true", help="do not keep all to one CPU")
    add("--chart", type=Path, metavar="FILE", help="draw the PNG there (needs the extra `bench`)")
    add("--output", type=Path, metavar="FILE", help="write what is printed there as well")
    add("--json", type=Path, metavar="FILE", help="write the medians there")
    add("--tenets", type=Path, metavar="PATH", help="a folder with the public package in it")
    add("--codex", type=Path, metavar="PATH", help="the codex program, for a column")
    add("--opencode", type=Path, metavar="PATH", help="the opencode program, likewise")
    given = options.parse_args()
    if given.smoke:
        given.rounds, given.requests, given.pipelined = 1, 20, 100
        given.sizes, given.clients, given.soak = [10, 200], 10, 3_000
    given.sizes = tuple(sorted(set(given.sizes)))
    return given


def progress(message: str) -> None:
    """Tell whoever waits; stdout is for the results."""
    print(message, file=sys.stderr, flush=True)


def run(given: argparse.Namespace, folder: Path, results: Results) -> Measured:
    """Measure everything."""
    tenets = given.tenets
    if tenets is None:
        tenets = folder / "tenets"
        reason = public_package.install(tenets)
        if reason is not None:
            results.notes.append(f"no column public: {reason}")
            tenets = None
    if tenets is not None:
        results.versions.append(public_package.version(tenets))
    for name in ("codex", "opencode"):
        if program := getattr(given, name):
            told = other_server.version(program.absolute(), folder / name)
            results.versions.append(told if name in told else f"{name} {told}")
    lineup = Lineup(
        folder=folder,
        sizes=given.sizes,
        public_size=given.sizes[-1] if given.smoke else 10_000,
        tenets=tenets,
        seconds=0.02 if given.smoke else 0.25,
        codex=given.codex and given.codex.absolute(),
        opencode=given.opencode and given.opencode.absolute(),
    )
    for step in lineup.prepare():
        progress(step)
    counts = Counts(given.requests, given.pipelined or given.requests * 5)
    with tempfile.TemporaryFile() as log:
        place = Place(folder, log)
        progress("a first round: are all answers the same?")
        rehearsal = Results()
        Race(lineup.contestants(0), rehearsal).run(Counts(2, 2), checked=True)
        results.failures += rehearsal.failures
        for number in range(given.rounds):
            progress(f"round {number + 1} of {given.rounds}")
            Race(lineup.contestants(number + 1), results).run(counts)
            try:
                database = lineup.database("fan-out", lineup.main)
                writes = max(5, given.requests // 4)
                fan_out.measure(place, database, given.clients, writes, results)
            except ServerError as error:
                results.failures.append(f"telling {given.clients} clients: {error}")
        progress(f"{given.soak:,} requests to one process")
        try:
            soak.measure(lineup.database("soak", lineup.main), lineup.main, given.soak, results)
        except ServerError as error:
            results.failures.append(f"{given.soak:,} requests: {error}")
    return Measured(results, lineup.sizes, lineup.main, lineup.public_size)


def main() -> int:
    """Run the comparison and print the tables; return the exit status."""
    given = arguments()
    # So that the processes end with this one, and their databases are removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if not given.any_cpu and sys.platform == "linux":
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    results = Results()
    no_chart = chart.missing() if given.chart or given.smoke else None
    if no_chart is not None:
        results.notes.append(f"no chart: {no_chart}")
    machine = environment()
    progress(machine)
    with tempfile.TemporaryDirectory(prefix="compare-") as folder:
        measured = run(given, Path(folder), results)
        machine = ", ".join([machine, *results.versions])
        if (given.chart or given.smoke) and no_chart is None:
            chart.draw(measured, given.chart or Path(folder) / "chart.png", machine)
    printed = "\n".join(
        [
            machine,
            f"medians of {given.rounds} rounds\n",
            f"{table(results, given.sizes)}\n",
            bar_table(list(measured.bars())),
            *results.notes,
        ]
    )
    print(printed)
    if given.output:
        given.output.write_text(f"{printed}\n", encoding="utf-8")
    if given.json:
        given.json.write_text(json.dumps(results.as_json(), indent=1), encoding="utf-8")
    for failure in results.failures:
        print(failure, file=sys.stderr)
    return 1 if results.failures else 0


if __name__ == "__main__":
    sys.exit(main())
