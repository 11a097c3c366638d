"""Does the server grow with what it has done? Its RSS after few and after many requests."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.datasets import name
from benchmarks.lean_client import LeanClient, request
from benchmarks.results import OURS, Key, Results
from benchmarks.workload import CONTENT

FEW: Final = 1_000
AFTER_FEW: Final = "RSS after few requests"
AFTER_MANY: Final = "RSS after many requests"
MIB: Final = "MiB"
AT_ONCE: Final = 10_000
EACH: Final = 20
"""One request in so many is a write, or asks how much there is."""


def measure(database: Path, size: int, many: int, results: Results) -> None:
    """Send one process 1,000 requests, then more until there were ``many`` of all kinds."""
    command = [sys.executable, "-m", "tenets_session_server", "--standalone"]
    with (database.parent / "soak.log").open("wb") as log:
        client = LeanClient([*command, "--database", str(database)], log)
        try:
            client.call(request(0, "initialize", {"processId": None, "capabilities": {}}))
            client.tell("initialized")
            requests = _requests(size)
            client.pipeline(list(itertools.islice(requests, FEW)))
            results.add(Key(0, AFTER_FEW, OURS, MIB), client.resident_mib())
            for begun in range(FEW, many, AT_ONCE):
                client.pipeline(list(itertools.islice(requests, min(AT_ONCE, many - begun))))
            results.add(Key(0, AFTER_MANY, OURS, MIB), client.resident_mib())
            client.call(request(0, "shutdown", {}))
            client.tell("exit")
            client.end()
        finally:
            client.kill()


def _requests(size: int) -> Iterator[bytes]:
    reads = itertools.cycle(
        [
            *(("getActive", {}), ("list", {"limit": 10})),
            *[("get", {"name": name(number, size)}) for number in range(min(size, 16))],
        ]
    )
    others = itertools.cycle(
        [
            ("addContext", {"sessionName": name(0, size), "kind": "note", "content": CONTENT}),
            ("setActive", {"name": name(1, size)}),
            ("updateMetadata", {"name": name(0, size), "updates": {"note": "another one"}}),
            ("setActive", {"name": name(2, size)}),
            ("stats", {}),
        ]
    )
    for number in itertools.count(1):
        verb, params = next(others) if number % EACH == 0 else next(reads)
        yield request(number, f"tenets/session.{verb}", params)
