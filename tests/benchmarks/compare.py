"""Compares our server with a bare loop, a stock pygls server and the public package, in one run.

    python tests/benchmarks/compare.py [--smoke] [--chart FILE] [--json FILE] [--tenets PATH]
    python tests/benchmarks/compare.py --old VENV [--smoke] [--json FILE]

With ``--old`` it compares the installed version with the one in another virtual environment, and
nothing else; see versions.py.

All contestants do the same tasks in turns (workload.py): each method, one request after the other
(p50, p99) and pipelined (requests/s). A cell is the median over the rounds. Each round starts new
processes, because the memory layout of a process can make it slower for as long as it lives. Being
slow is no failure: the exit status is 1 only where a contestant breaks (ends, gets stuck, answers
wrongly). The answers of all contestants are compared before anything is measured.

The columns:

* **pipe**: a process that sends back what it receives (``cat``): the cost of the client and of the
  operating system's pipes, which every other process has as well;
* **bare**: bare_server.py, the floor: a blocking loop on msgspec and apsw, and nothing else. Its
  ``page as bytes`` are the bytes of our ``list 100``, which it gets in advance;
* **stock**: stock_server.py, an unmodified pygls ``LanguageServer``;
* **ours**: ``tenets-session-server --standalone``; its ``echo``, which the product does not have,
  is answered by our_echo_server.py;
* **shared**: ``tenets-session-server`` as an editor starts it, attached to the daemon;
* **store**: ``SessionStore`` called in this process, with no protocol at all;
* **sql**: the bare loop's SQL called in this process: what SQLite and the disk take;
* **public**: ``SessionDB`` of the ``tenets`` package, called in a process of its own, with its own
  database. It has no pages: a page is cut from the list of everything.

* **codex**, **opencode**: the nearest equivalents in ``codex app-server`` and ``opencode serve``,
  with the smallest number of sessions; see other_server.py.

Writes wait for the disk (``synchronous=FULL``). The public package does not ask for that, but it
closes its connection after each call, which waits as well. Calls in process cannot be pipelined:
there it is one call after the other. ``deleteAll`` is left out, as its cost depends on what there
is to delete.

A ratio is one column divided by the other, also where more is better (requests/s). The second table
has the bars that the server is held to, and whether this run met them.

Client and servers share one CPU where the system allows it: in a round trip only one of them has
work, and waking a process on another CPU can take longer than most of these round trips.
``--any-cpu`` leaves the choice to the system.
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

from benchmarks import chart, fan_out, other_server, public_package, soak, versions
from benchmarks.bars import Measured, bar_table
from benchmarks.lean_client import ServerError
from benchmarks.race import Counts, Race
from benchmarks.report import environment, table
from benchmarks.results import Results
from benchmarks.shared import Place


def arguments() -> argparse.Namespace:
    """Read the command line."""
    options = argparse.ArgumentParser(
        description="Compares the server with others, or with another version of itself."
    )
    add = options.add_argument
    add("--old", type=Path, metavar="VENV", help="compare with the version in that environment")
    add("--rounds", type=int, help="(default: 5, with --old: 15)")
    add(
        "--requests",
        type=int,
        default=400,
        help="round trips per method, contestant and round; a quarter of it for durable writes "
        "(default: %(default)s)",
    )
    add(
        "--pipelined",
        type=int,
        help="pipelined requests likewise (default: 5 times --requests, with --old: 3 times)",
    )
    sizes = "(default: 10 1000 100000, with --old: 10 1000)"
    add("--sizes", type=int, nargs="+", metavar="SESSIONS", help=sizes)
    add("--clients", type=int, default=50, help="clients to notify (default: %(default)s)")
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
    if given.old and not Path(versions.command_of(given.old)).exists():
        options.error(f"no server is installed in {given.old}")
    if given.smoke:
        given.rounds, given.requests, given.pipelined = 1, 20, 100
        given.sizes, given.clients, given.soak = [10] if given.old else [10, 200], 10, 3_000
    given.rounds = given.rounds or (15 if given.old else 5)
    given.pipelined = given.pipelined or given.requests * (3 if given.old else 5)
    given.sizes = given.sizes or ([10, 1_000] if given.old else [10, 1_000, 100_000])
    given.sizes = tuple(sorted(set(given.sizes)))
    return given


def progress(message: str) -> None:
    """Print to stderr; stdout is for the results."""
    print(message, file=sys.stderr, flush=True)


def run(given: argparse.Namespace, folder: Path, results: Results) -> Measured:
    """Measure all columns."""
    # Imported here, because it imports modules of the package: --old only uses processes.
    from benchmarks.lineup import Lineup

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
            version = other_server.version(program.absolute(), folder / name)
            results.versions.append(version if name in version else f"{name} {version}")
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
    counts = Counts(given.requests, given.pipelined)
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
                results.failures.append(f"notifying {given.clients} clients: {error}")
        progress(f"{given.soak:,} requests to one process")
        try:
            soak.measure(lineup.database("soak", lineup.main), lineup.main, given.soak, results)
        except ServerError as error:
            results.failures.append(f"{given.soak:,} requests: {error}")
    return Measured(results, lineup.sizes, lineup.main, lineup.public_size)


def compare_columns(given: argparse.Namespace, folder: Path) -> tuple[str, object, list[str]]:
    """Return what to print, what to write as JSON, and what went wrong."""
    results = Results()
    no_chart = chart.missing() if given.chart or given.smoke else None
    if no_chart is not None:
        results.notes.append(f"no chart: {no_chart}")
    machine = environment()
    progress(machine)
    measured = run(given, folder, results)
    machine = ", ".join([machine, *results.versions])
    if (given.chart or given.smoke) and no_chart is None:
        chart.draw(measured, given.chart or folder / "chart.png", machine)
    printed = "\n".join(
        [
            machine,
            f"medians of {given.rounds} rounds\n",
            f"{table(results, given.sizes)}\n",
            bar_table(list(measured.bars())),
            *results.notes,
        ]
    )
    return printed, results.as_json(), results.failures


def compare_versions(given: argparse.Namespace, folder: Path) -> tuple[str, object, list[str]]:
    """Return the same of two versions."""
    with tempfile.TemporaryFile() as log:
        both = versions.Versions(given.old, given.sizes, folder, log)
        about = f"{environment()}\n{both.about()}\nmedians of {given.rounds} rounds\n"
        progress(about)
        for step in both.prepare():
            progress(step)
        progress("a first round: are all answers the same?")
        both.compare_answers()
        for number in range(1, given.rounds + 1):
            progress(f"round {number} of {given.rounds}")
            both.run_round(number, given.requests, given.pipelined)
    return f"{about}\n{both.report()}", both.as_json(), list(both.failures)


def main() -> int:
    """Run the comparison and print the tables; return the exit status."""
    given = arguments()
    # So that the processes end with this one, and their databases are removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if not given.any_cpu and sys.platform == "linux":
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory(prefix="compare-") as folder:
        compare = compare_versions if given.old else compare_columns
        printed, as_json, failures = compare(given, Path(folder))
    print(printed)
    if given.output:
        given.output.write_text(f"{printed}\n", encoding="utf-8")
    if given.json:
        given.json.write_text(json.dumps(as_json, indent=1), encoding="utf-8")
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
