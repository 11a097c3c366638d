"""How long until every client knows what another program has committed, and what waiting costs.

    python tests/benchmarks/live.py [--commits N] [--clients N ...] [--idle SECONDS] [--smoke]

Each client has a server process of its own; this program commits to the file with plain SQL, at
random moments, and reads all of the servers' output. Beside the latency stands that of a round
trip, and beside idle CPU that of a Python that only sleeps, measured in the same run.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import select
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

import apsw

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.lean_client import frame, request
from benchmarks.report import environment

GIVE_UP: Final = 30.0
"""Seconds within which a client has to be notified, otherwise the run fails."""


class Watcher:
    """A server process, and its output as it comes."""

    def __init__(self, database: Path, log: IO[bytes]) -> None:
        command = [sys.executable, "-m", "tenets_session_server", "--standalone"]
        command += ["--database", str(database)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, bufsize=0
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._stdin, self.stdout = self.process.stdin, self.process.stdout
        self._unread = b""

    def send(self, data: bytes) -> None:
        """Write all of it."""
        self._stdin.write(data)

    def messages(self) -> list[dict[str, object]]:
        """Return what has arrived whole; waits until there is something."""
        self._unread += os.read(self.stdout.fileno(), 1 << 16)
        found = []
        while b"\r\n\r\n" in self._unread:
            header, _, rest = self._unread.partition(b"\r\n\r\n")
            length = int(header.split(b":")[1])
            if len(rest) < length:
                break
            found.append(json.loads(rest[:length]))
            self._unread = rest[length:]
        return found

    def cpu_seconds(self) -> float:
        """Return the CPU time that the process has used."""
        return cpu_seconds(self.process.pid)


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process, user and system (proc_pid_stat(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def watchers(database: Path, count: int) -> Iterator[list[Watcher]]:
    """Start that many servers, ready to be notified."""
    with tempfile.TemporaryFile() as log:
        started: list[Watcher] = []
        try:
            for _ in range(count):
                started.append(Watcher(database, log))
                started[-1].send(request(0, "initialize", {"capabilities": {}}))
                while not started[-1].messages():
                    pass
                started[-1].send(frame({"method": "initialized", "params": {}}))
            yield started
        finally:
            for watcher in started:
                watcher.process.kill()
                watcher.process.wait()


def foreign_latencies(database: Path, clients: list[Watcher], commits: int) -> list[float]:
    """Return the milliseconds from each commit to each client's notification."""
    writer = apsw.Connection(str(database))
    writer.set_busy_timeout(10_000)
    poll = select.poll()
    by_fd = {client.stdout.fileno(): client for client in clients}
    for fd in by_fd:
        poll.register(fd, select.POLLIN)
    found = []
    for number in range(commits):
        time.sleep(random.uniform(0.03, 0.12))
        writer.execute(
            "UPDATE sessions SET metadata = ? WHERE id = 1", (json.dumps({"n": number}),)
        )
        committed = time.perf_counter()
        waiting = set(by_fd)
        while waiting:
            ready = poll.poll(GIVE_UP * 1000)
            now = time.perf_counter()
            if not ready:
                raise SystemExit(f"{len(waiting)} clients were not notified within {GIVE_UP} s")
            for fd, _ in ready:
                if by_fd[fd].messages():
                    found.append((now - committed) * 1000)
                    waiting.discard(fd)
    writer.close()
    return found


def round_trips(client: Watcher, count: int) -> list[float]:
    """Return the milliseconds of as many ``getActive``, for comparison."""
    found = []
    for number in range(count):
        start = time.perf_counter()
        client.send(request(number, "tenets/session.getActive", {}))
        while not client.messages():
            pass
        found.append((time.perf_counter() - start) * 1000)
    return found


def quantiles(values: list[float]) -> str:
    """Return p50, p90, p99 and the largest."""
    ordered = sorted(values)
    parts = [ordered[min(len(ordered) - 1, int(len(ordered) * part))] for part in (0.5, 0.9, 0.99)]
    return "  ".join(f"{value:8.2f}" for value in [*parts, ordered[-1]])


def idle_share(clients: list[Watcher], seconds: float) -> tuple[float, float]:
    """Return the share of one core, in per cent, that a server and a sleeping Python use."""
    sleeper = subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({seconds + 10})"])
    time.sleep(1)  # lets the sleeper get there, and the servers empty the write-ahead log
    before = [client.cpu_seconds() for client in clients] + [cpu_seconds(sleeper.pid)]
    time.sleep(seconds)
    after = [client.cpu_seconds() for client in clients] + [cpu_seconds(sleeper.pid)]
    sleeper.kill()
    sleeper.wait()
    *servers, sleeping = [
        (end - start) / seconds * 100 for start, end in zip(before, after, strict=True)
    ]
    return statistics.mean(servers), sleeping


def main() -> int:
    """Run it; return the exit status."""
    options = argparse.ArgumentParser(description="Latency of foreign commits, and idle CPU.")
    options.add_argument("--commits", type=int, default=300)
    options.add_argument("--clients", type=int, nargs="+", default=[1, 20])
    options.add_argument("--idle", type=float, default=20.0, metavar="SECONDS")
    options.add_argument("--smoke", action="store_true", help="tiny counts: does it still work?")
    given = options.parse_args()
    if given.smoke:
        given.commits, given.clients, given.idle = 3, [1, 2], 1.0
    print(environment(), end="\n\n")
    print(f"{'milliseconds':34}{'p50':>8}  {'p90':>8}  {'p99':>8}  {'largest':>8}")
    for count in given.clients:
        with tempfile.TemporaryDirectory() as folder:
            database = Path(folder) / "tenets.db"
            with watchers(database, count) as clients:
                clients[0].send(request(1, "tenets/session.create", {"name": "a"}))
                for client in clients:  # each is notified, and the first one gets its reply
                    client.messages()
                time.sleep(0.2)
                trips = round_trips(clients[-1], max(given.commits, 20))
                print(f"{f'getActive round trip, {count} servers':34}{quantiles(trips)}")
                latencies = foreign_latencies(database, clients, given.commits)
                print(f"{f'foreign commit to {count} clients':34}{quantiles(latencies)}")
                share, sleeping = idle_share(clients, given.idle)
                print(f"idle: {share:.2f} % of a core for each server, {sleeping:.2f} % a sleeper")
    return 0


if __name__ == "__main__":
    sys.exit(main())
