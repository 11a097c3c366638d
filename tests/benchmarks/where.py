"""Where each microsecond of a request goes: the steps of one round trip, in our server's process.

    python tests/benchmarks/where.py [--requests N] [--smoke]

The server is started with a clock in front of and behind some of its functions. For every request
of a client that sends one after the other, the time between two such marks is what the step between
them took; printed are the medians. The marks themselves cost: what they add together is the
difference between the two round trips that are printed, with and without them. All on one CPU where
the system allows it, as in compare.py.
"""

from __future__ import annotations

import argparse
import atexit
import json
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.lean_client import LeanClient, request
from benchmarks.report import environment
from tenets_session_server.cli import server as cli
from tenets_session_server.config import TenetsConfig
from tenets_session_server.rpc.calls import Calls
from tenets_session_server.rpc.client import Client
from tenets_session_server.storage.session_db import SessionDB
from tenets_session_server.storage.sqlite.context import Context
from tenets_session_server.storage.sqlite.database import Database
from tenets_session_server.storage.sqlite.transaction import Transaction
from tenets_session_server.wire.framing import FrameDecoder
from tenets_session_server.wire.transport import PolledReader

CALLS: Final = {
    "getActive": {},
    "addContext": {"sessionName": "session-1", "kind": "note", "content": "x" * 200},
}
MARKED: Final[tuple[tuple[Any, str, str], ...]] = (
    (PolledReader, "_readable", "turn"),
    (os, "read", "read(2)"),
    (FrameDecoder, "feed", "framing"),
    (Calls, "method", "call"),
    (Context, "add", "store"),
    (Transaction, "__enter__", "begin"),
    (Database, "run", "statement"),
    (Transaction, "_commit", "commit"),
    (Client, "reply", "encode"),
    (os, "write", "write(2)"),
)
STEPS: Final = {
    "client>turn": "the client's write(2), waking the server, epoll_wait(2), the event loop",
    "turn>read(2)": "the reader",
    "read(2)>/read(2)": "read(2)",
    "/read(2)>framing": "to framing",
    "framing>/framing": "framing: one body cut off",
    "/framing>call": "message decoded, order, lifecycle, which method",
    "call>statement": "params decoded, the handler",
    "call>store": "params decoded and validated, the handler",
    "store>begin": "to the transaction",
    "begin>/begin": "is the file still there? (2 statx(2)), BEGIN IMMEDIATE",
    "statement>/statement": "SQL",
    "/statement>statement": "the time, as text",
    "/begin>statement": "to the first statement",
    "/statement>commit": "to the commit",
    "commit>/commit": "COMMIT with its fdatasync(2); is the file still there? (statx(2))",
    "/commit>/store": "schedule the publishing",
    "/store>/call": "the result as a message",
    "/call>encode": "to the reply",
    "encode>/encode": "the reply encoded, framed, queued",
    "/encode>write(2)": "the writer",
    "write(2)>client": "write(2), waking the client, which reads it",
}


def serve_with_marks(output: str) -> None:
    """Be the server; write the marks down at the end."""
    marks: list[tuple[int, str]] = []
    clock = time.perf_counter_ns

    def mark(function: Callable[..., Any], name: str) -> Callable[..., Any]:
        def marked(*args: Any, **kwargs: Any) -> Any:
            marks.append((clock(), name))
            try:
                return function(*args, **kwargs)
            finally:
                marks.append((clock(), f"/{name}"))

        return marked

    for cls, attribute, name in MARKED:
        setattr(cls, attribute, mark(getattr(cls, attribute), name))
    atexit.register(lambda: Path(output).write_text(json.dumps(marks), encoding="ascii"))
    sys.exit(cli.main())


def round_trips(
    folder: Path, method: str, count: int, output: Path | None
) -> list[tuple[int, int]]:
    """Return when each request was sent and answered, in ns."""
    database = folder / "tenets.db"
    program = ["-m", "tenets_session_server"] if output is None else [__file__, "--be", str(output)]
    options = ["--standalone", "--database", str(database)]
    times = []
    with (folder / "log").open("ab") as log:
        client = LeanClient([sys.executable, *program, *options], log)
        client.call(request(1, "initialize", {"processId": None, "capabilities": {}}))
        for number in range(count):
            data = request(number + 2, f"tenets/session.{method}", CALLS[method])
            begin = time.perf_counter_ns()
            client.call(data)
            times.append((begin, time.perf_counter_ns()))
        client.call(request(0, "shutdown", None))
        client.tell("exit")
        client.end()
    return times


def steps_of(times: list[tuple[int, int]], marks: list[tuple[int, str]]) -> list[tuple[str, float]]:
    """Return the steps of the most usual round trip, in order, each with its median in µs."""
    cycles: list[list[tuple[int, str]]] = []
    position = 0
    for begin, end in times[len(times) // 4 :]:
        while position < len(marks) and marks[position][0] < begin:
            position += 1
        inside = []
        while position < len(marks) and marks[position][0] < end:
            inside.append(marks[position])
            position += 1
        # From the last turn on: one before it may still have been telling of changes.
        turns = [index for index, (_, name) in enumerate(inside) if name == "turn"]
        written = [index for index, (_, name) in enumerate(inside) if name == "write(2)"]
        if turns and written and written[-1] > turns[-1]:
            kept = inside[turns[-1] : written[-1] + 1]
            cycles.append([(begin, "client"), *kept, (end, "client")])
    usual, _ = Counter(tuple(name for _, name in one) for one in cycles).most_common(1)[0]
    alike = [one for one in cycles if tuple(name for _, name in one) == usual]
    found = []
    for index in range(1, len(usual)):
        median = statistics.median(one[index][0] - one[index - 1][0] for one in alike) / 1000
        found.append((f"{usual[index - 1]}>{usual[index]}", median))
    return found


def median_of(times: list[tuple[int, int]]) -> float:
    """Return the median round trip in µs."""
    return statistics.median(end - begin for begin, end in times) / 1000


def main() -> int:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    options.add_argument("--requests", type=int, default=4000)
    options.add_argument("--smoke", action="store_true", help="little of everything, once")
    given = options.parse_args()
    count = 40 if given.smoke else given.requests
    if sys.platform == "linux":
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    print(environment())
    for method in CALLS:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            with SessionDB(TenetsConfig(database=folder / "tenets.db")) as session_db:
                for number in range(10):
                    session_db.create_session(f"session-{number}", {"number": number})
                session_db.set_active("session-3", True)
            plain = round_trips(folder, method, count, None)
            output = folder / "marks.json"
            times = round_trips(folder, method, count, output)
            marks = json.loads(output.read_text(encoding="ascii"))
        print(f"\n{method}: {median_of(plain):.1f} µs, {median_of(times):.1f} with marks")
        for step, taken in steps_of(times, [(when, what) for when, what in marks]):
            print(f"{taken:8.1f}  {STEPS.get(step) or step}")
    return 0


if __name__ == "__main__":
    if "--be" in sys.argv:
        marks_go_to = sys.argv.pop(sys.argv.index("--be") + 1)
        sys.argv.remove("--be")
        serve_with_marks(marks_go_to)
    sys.exit(main())
