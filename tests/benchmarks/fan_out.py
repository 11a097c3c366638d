"""One client writes: how long until the last of all clients is notified?"""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.lean_client import STALLED_AFTER, LeanClient, ServerError, request
from benchmarks.results import SHARED, Results
from benchmarks.shared import Place
from benchmarks.workload import GET_ACTIVE, SET_ACTIVE

NOTIFIED: Final = "last client notified of a write"
WROTE: Final = "write with all clients attached"
ASKED: Final = "getActive with all clients attached"
READ_SIZE: Final = 64 * 1024


def measure(place: Place, database: Path, clients: int, writes: int, results: Results) -> None:
    """Measure so many writes with so many clients, one of which makes them.

    Adds three p50 under the size 0: until the last client has its notification, until the writer
    has its reply, and a round trip of getActive by the writer right after each write.
    """
    with crowd(place, database, clients) as attached:
        taken: dict[str, list[int]] = {NOTIFIED: [], WROTE: [], ASKED: []}
        for number in range(-1, writes):  # the first one does not count
            notified, wrote = attached.write()
            data = request(number + 1, GET_ACTIVE, {})
            begin = time.perf_counter_ns()
            attached.writer.call(data)
            asked = time.perf_counter_ns() - begin
            if number >= 0:
                for what, value in ((NOTIFIED, notified), (WROTE, wrote), (ASKED, asked)):
                    taken[what].append(value)
        for what, durations in taken.items():
            results.add_durations(0, what, SHARED, durations)


class Crowd:
    """The clients of one database; the first one writes."""

    last_start: float
    """Milliseconds from the start of the last client to its reply to initialize."""

    def __init__(self, place: Place, clients: list[LeanClient], last_start: float) -> None:
        self.writer, self.last_start = clients[0], last_start
        sessions = place.call(self.writer, "tenets/session.list", {"limit": 2})["sessions"]
        self._names = [session["name"] for session in sessions]
        self._writes = 0
        self._descriptors = [client.stdout for client in clients]
        self._poll = select.poll()
        for descriptor in self._descriptors:
            self._poll.register(descriptor, select.POLLIN)

    def write(self, pause: float = 0.0) -> tuple[int, int]:
        """Switch the active session, after so many seconds.

        Returns ns until every client, the writer included, has its notification, and until the
        writer has its reply.
        """
        time.sleep(pause)
        self._writes += 1
        params = {"name": self._names[self._writes % 2]}
        data = request(10_000 + self._writes, SET_ACTIVE, params)
        waiting = set(self._descriptors)
        replied = 0
        begin = time.perf_counter_ns()
        self.writer.send(data)
        while waiting or not replied:
            ready = self._poll.poll(STALLED_AFTER * 1000)
            if not ready:
                raise ServerError(f"{len(waiting)} clients have not been notified")
            for descriptor, _ in ready:
                output = os.read(descriptor, READ_SIZE)
                if b'"result"' in output:
                    replied = time.perf_counter_ns() - begin
                if b"didChange" in output:
                    waiting.discard(descriptor)
                elif not output:
                    raise ServerError("a client's output has ended")
        return time.perf_counter_ns() - begin, replied


@contextlib.contextmanager
def crowd(place: Place, database: Path, count: int, *options: str) -> Iterator[Crowd]:
    """Start clients, with the same options of the command; end them and the daemon."""
    clients: list[LeanClient] = []
    try:
        with (database.parent / "clients.log").open("wb") as log:
            for _ in range(count):
                command = [place.command, "--database", str(database), *options]
                client = LeanClient(command, log)
                clients.append(client)
                place.call(client, "initialize", {"processId": None, "capabilities": {}})
                taken = (time.perf_counter_ns() - client.started_at) / 1e6
                client.tell("initialized")
            yield Crowd(place, clients, taken)
            for client in clients:
                place.leave(client)
    finally:
        for client in clients:
            client.kill()
        if "--standalone" not in options:
            place.stop(str(database))
