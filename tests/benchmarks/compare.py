"""Compares our server with a stock pygls one and with a bare loop: speed, start-up and memory.

    python tests/benchmarks/compare.py [--rounds N] [--requests N] [--pipelined N] [--smoke]

All contestants are measured in one run, one after the other for every row of the table and in
another order in every round, so that whatever else the machine does hits all alike. A cell is the
median over the rounds. Nothing fails for being slow: the exit status is 1 only where a contestant
breaks (ends, gets stuck, answers wrongly).

The columns:

* **pipe**: a process that sends back what it is sent (``cat``): what the client and the operating
  system's pipes cost by themselves, and so what every other column contains;
* **bare**: bare_server.py, the floor: a blocking loop on msgspec and apsw, and nothing else;
* **stock**: stock_server.py, a pygls ``LanguageServer`` as it comes;
* **ours**: ``python -m tenets_session_server``; its ``echo``, which the product does not have, is
  answered by our_echo_server.py;
* **store**: ``SessionStore`` called in this process, with no protocol at all.

A ratio is one column divided by the other, also where more is better (requests/s).

Client and servers share one CPU where the system allows it: in a round trip only one of them has
work, and waking a process on another CPU takes longer than most of what is measured here, now and
then. ``--any-cpu`` leaves that to the system.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.contestants import (
    ACTIVE,
    ECHO,
    METADATA,
    Contestant,
    open_store,
    prepare,
)
from benchmarks.lean_client import ServerError
from benchmarks.report import (
    BARE,
    COLUMNS,
    OURS,
    PIPE,
    RSS_END,
    SERVERS,
    STOCK,
    STORE,
    Results,
    environment,
    table,
)
from tenets_session_server.storage.session_db import SessionDB

WARM_UP: Final = 50
GET_ACTIVE: Final = "tenets/session.getActive"
ECHO_PARAMS: Final = {"text": "the quick brown fox", "number": 42}
CONTENT: Final = "x" * 200


@dataclass
class Counts:
    """How much is done in each round, for each contestant and row."""

    requests: int
    pipelined: int

    @property
    def writes(self) -> int:
        """How many durable writes, each of which waits for the disk."""
        return max(1, self.requests // 4)


def quantile(values: list[int], part: float) -> float:
    """Return a quantile of durations in ns, in µs."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] / 1000


def time_each(call: Callable[[Any], object], arguments: list[Any]) -> list[int]:
    """Return how many ns each call took."""
    clock = time.perf_counter_ns
    durations = []
    for argument in arguments:
        begin = clock()
        call(argument)
        durations.append(clock() - begin)
    return durations


def measure_round_trips(
    results: Results, method: str, params: object, count: int, contestant: Contestant
) -> None:
    """Measure one request at a time: p50 and p99."""
    client = contestant.client(method)
    for _ in range(min(WARM_UP, count)):
        client.call(contestant.request(method, params))
    requests = [contestant.request(method, params) for _ in range(count)]
    durations = time_each(client.call, requests)
    name = method.rpartition(".")[2]
    results.add(f"{name} p50, µs", contestant.column, quantile(durations, 0.5))
    results.add(f"{name} p99, µs", contestant.column, quantile(durations, 0.99))


def measure_pipeline(
    results: Results, method: str, params: object, count: int, contestant: Contestant
) -> None:
    """Measure requests that do not wait for each other's replies; check that all come, in order."""
    requests = [contestant.request(method, params) for _ in range(count)]
    begin = time.perf_counter_ns()
    replies = contestant.client(method).pipeline(requests)
    elapsed = time.perf_counter_ns() - begin
    sent = [json.loads(one.partition(b"\r\n\r\n")[2])["id"] for one in requests]
    if [json.loads(reply)["id"] for reply in replies] != sent:
        raise ServerError("pipelined replies are not those asked for")
    name = method.rpartition(".")[2]
    results.add(f"{name} pipelined, requests/s", contestant.column, count / elapsed * 1e9)
    results.pipelines[contestant.column] = results.pipelines.get(contestant.column, 0) + 1


def measure_writes(results: Results, store: SessionDB, count: int, ours: Contestant) -> None:
    """Measure durable writes, ours and the store's in turn so that both meet the same disk."""
    names = [f"session-{number % 2}" for number in range(count)]
    activate, add = "tenets/session.setActive", "tenets/session.addContext"
    call, sessions = ours.rest.call, store.sessions

    requests = [ours.request(activate, {"name": name}) for name in names]
    through_protocol, direct = _in_turn(call, requests, sessions.set_active, names)
    results.add("setActive p50, µs", OURS, through_protocol)
    results.add("setActive p50, µs", STORE, direct)

    requests = [
        ours.request(add, {"sessionName": name, "kind": "note", "content": CONTENT})
        for name in names
    ]
    through_protocol, direct = _in_turn(
        call, requests, lambda name: sessions.add_context(name, "note", CONTENT), names
    )
    results.add("addContext p50, µs", OURS, through_protocol)
    results.add("addContext p50, µs", STORE, direct)


def _in_turn(
    call: Callable[[bytes], object],
    requests: list[bytes],
    direct: Callable[[str], object],
    names: list[str],
) -> tuple[float, float]:
    ours: list[int] = []
    store: list[int] = []
    for one, name in zip(requests, names, strict=True):
        ours += time_each(call, [one])
        store += time_each(direct, [name])
    return quantile(ours, 0.5), quantile(store, 0.5)


def check_answers(contestant: Contestant) -> None:
    """Raise unless a server gives the answers that all have to give."""
    if contestant.column == PIPE:
        return
    echoed = json.loads(contestant.echo.call(contestant.request(ECHO, ECHO_PARAMS)))
    if echoed["result"] != ECHO_PARAMS:
        raise ServerError(f"echo answered {echoed}")
    found = json.loads(contestant.rest.call(contestant.request(GET_ACTIVE, {})))["result"]
    given = {key: found[key] for key in ("name", "active")}
    kept = {key: found["metadata"][key] for key in METADATA}
    if given != {"name": ACTIVE, "active": True} or kept != METADATA:
        raise ServerError(f"getActive answered {found}")


def run_round(number: int, counts: Counts, results: Results) -> None:
    """Start every contestant and measure every row."""
    columns = [PIPE, *SERVERS]
    shift = number % len(columns)
    columns = columns[shift:] + columns[:shift]
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="compare-")))
        for name in (BARE, STOCK, OURS, "echo", STORE):
            prepare(folder / f"{name}.db")
        store = stack.enter_context(open_store(folder / f"{STORE}.db"))
        contestants = [Contestant(column, folder) for column in columns]
        for contestant in contestants:
            stack.callback(contestant.kill)
        race = Race(contestants, results)
        race.each(lambda contestant: contestant.start(results))
        race.each(check_answers)
        with _collector_off():
            _run_rows(race, store, counts, results)
        race.each(Contestant.end)


@dataclass
class Race:
    """The contestants that still run; one that breaks is out for the rest of the round."""

    contestants: list[Contestant]
    results: Results

    def each(self, action: Callable[[Contestant], None], columns: Sequence[str] = COLUMNS) -> None:
        """Have ``action`` done for one after the other."""
        for contestant in [one for one in self.contestants if one.column in columns]:
            try:
                action(contestant)
            except (ServerError, OSError) as error:
                self.contestants = [one for one in self.contestants if one is not contestant]
                contestant.kill()
                self.results.failures.append(
                    f"{contestant.column} is out: {error}\n{contestant.log_tail()}"
                )


def _run_rows(race: Race, store: SessionDB, counts: Counts, results: Results) -> None:
    questions: tuple[tuple[str, object], ...] = ((ECHO, ECHO_PARAMS), (GET_ACTIVE, {}))
    for method, params in questions:
        race.each(partial(measure_round_trips, results, method, params, counts.requests))
    direct = time_each(lambda _: store.sessions.get_active(), [None] * counts.requests)
    results.add("getActive p50, µs", STORE, quantile(direct, 0.5))
    results.add("getActive p99, µs", STORE, quantile(direct, 0.99))
    for method, params in questions:
        race.each(partial(measure_pipeline, results, method, params, counts.pipelined))
    race.each(lambda one: results.add(RSS_END, one.column, one.rest.resident_mib()), SERVERS)
    race.each(partial(measure_writes, results, store, counts.writes), [OURS])


@contextlib.contextmanager
def _collector_off() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def arguments() -> argparse.Namespace:
    """Read the command line."""
    options = argparse.ArgumentParser(
        description="Compares the server with a stock pygls one and with a bare loop."
    )
    options.add_argument("--rounds", type=int, default=5, help="(default: %(default)s)")
    options.add_argument(
        "--requests",
        type=int,
        default=1000,
        help="round trips per row, contestant and round; a quarter of it for durable writes "
        "(default: %(default)s)",
    )
    options.add_argument(
        "--pipelined", type=int, help="pipelined requests likewise (default: ten times --requests)"
    )
    options.add_argument(
        "--smoke", action="store_true", help="tiny counts: does everything still work?"
    )
    options.add_argument("--any-cpu", action="store_true", help="do not keep all to one CPU")
    return options.parse_args()


def main() -> int:
    """Run the comparison and print the table; return the exit status."""
    options = arguments()
    rounds = 1 if options.smoke else max(1, options.rounds)
    requests = 20 if options.smoke else max(1, options.requests)
    counts = Counts(requests, options.pipelined or requests * 10)
    if not options.any_cpu and sys.platform == "linux":
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    print(environment())
    print(
        f"{rounds} rounds of {counts.requests} round trips, {counts.writes} durable writes and "
        f"{counts.pipelined} pipelined requests\n",
        flush=True,
    )
    run_round(0, Counts(1, 1), Results())  # compiles modules, fills the file cache
    results = Results()
    for number in range(rounds):
        run_round(number, counts, results)
    print(table(results))
    print()
    for column in SERVERS:
        done = results.pipelines.get(column, 0)
        print(f"{column}: {done} of {2 * rounds} pipelined runs answered completely and in order")
    for failure in results.failures:
        print(failure, file=sys.stderr)
    return 1 if results.failures else 0


if __name__ == "__main__":
    sys.exit(main())
