"""One client of the shared process writes: how long until the last of all clients is told?"""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.lean_client import COMMAND, STALLED_AFTER, LeanClient, ServerError, request
from benchmarks.results import SHARED, Results
from benchmarks.shared import Place
from benchmarks.workload import GET_ACTIVE, SET_ACTIVE

TOLD: Final = "last client told of a write"
WROTE: Final = "write with all clients attached"
ASKED: Final = "getActive with all clients attached"
READ_SIZE: Final = 64 * 1024


def measure(place: Place, database: Path, clients: int, writes: int, results: Results) -> None:
    """Measure so many writes with so many clients, one of which makes them.

    Adds three p50 under the size 0, all from the same moments: until the last has been told, until
    the writer has its reply, and a round trip of getActive by the writer.
    """
    with _attached(place, database, clients) as everybody:
        writer = everybody[0]
        names = [
            place.call(writer, "tenets/session.list", {"limit": 2})["sessions"][n]["name"]
            for n in (0, 1)
        ]
        crowd = _Crowd(everybody)
        taken: dict[str, list[int]] = {TOLD: [], WROTE: [], ASKED: []}
        for number in range(-1, writes):  # the first one does not count
            data = request(10_000 + number, SET_ACTIVE, {"name": names[number % 2]})
            told, wrote = crowd.write(data)
            data = request(number + 1, GET_ACTIVE, {})
            begin = time.perf_counter_ns()
            writer.call(data)
            asked = time.perf_counter_ns() - begin
            if number >= 0:
                for what, value in ((TOLD, told), (WROTE, wrote), (ASKED, asked)):
                    taken[what].append(value)
        for what, durations in taken.items():
            results.add_durations(0, what, SHARED, durations)


class _Crowd:
    """Everybody's output, read as it comes; the first client is the one that writes."""

    def __init__(self, clients: list[LeanClient]) -> None:
        self._writer = clients[0]
        self._descriptors = [client.stdout for client in clients]
        self._poll = select.poll()
        for descriptor in self._descriptors:
            self._poll.register(descriptor, select.POLLIN)

    def write(self, data: bytes) -> tuple[int, int]:
        """Return ns until everybody has been told, and until the writer has its reply."""
        waiting = set(self._descriptors)
        replied = 0
        begin = time.perf_counter_ns()
        self._writer.send(data)
        while waiting or not replied:
            ready = self._poll.poll(STALLED_AFTER * 1000)
            if not ready:
                raise ServerError(f"{len(waiting)} clients have not been told")
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
def _attached(place: Place, database: Path, count: int) -> Iterator[list[LeanClient]]:
    clients: list[LeanClient] = []
    try:
        with (database.parent / "clients.log").open("wb") as log:
            for _ in range(count):
                client = LeanClient([COMMAND, "--database", str(database)], log)
                clients.append(client)
                place.call(client, "initialize", {"processId": None, "capabilities": {}})
                client.tell("initialized")
            yield clients
            for client in clients:
                place.leave(client)
    finally:
        for client in clients:
            client.kill()
        place.stop(str(database))
