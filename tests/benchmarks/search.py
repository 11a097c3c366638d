"""What a search costs, and what the index costs: beside FTS5 in process, and beside no index.

    python tests/benchmarks/search.py [--entries N] [--notes N] [--smoke]

* Rare words, and a word that a fifth of all entries have: a round trip to the server for the ten
  best, beside the same FTS5 query, with the same entries read, in this process on the same file.
* addContext, pipelined, with the index and without one (the server has then no feed). "until
  indexed" is until the last note is in the index; the notes are followed by nothing.
* The size of the database after these notes, beside a file with upstream's two tables alone.
* What another client notices while a large file is indexed.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import IO, Any, Final

import apsw

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.lean_client import LeanClient, request
from benchmarks.report import environment
from benchmarks.shared import one_cpu
from support.foreign import UPSTREAM_SCHEMA
from tenets_session_server.cli import server as cli
from tenets_session_server.storage.sqlite.search_feed import SearchFeed

SEARCH: Final = "tenets/session.search"
RARE, COMMON = 100, 5  # every so manieth entry has a word of this kind
ROUNDS: Final = 200
SIZE: Final = 100  # bytes of an entry
NOW: Final = "2026-01-01T00:00:00.123456+00:00"
INSERT: Final = """INSERT INTO session_context (session_id, kind, content, created_at)
    VALUES (?, 'note', ?, ?)"""
IN_PROCESS: Final = """SELECT found.rowid, found.weight, c.kind, c.content, c.created_at, s.name
    FROM (SELECT rowid, bm25(session_server_search, 1.0, 1.0, 0.0) AS weight
        FROM session_server_search
        WHERE session_server_search MATCH ? ORDER BY rowid DESC LIMIT 2001) AS found
    JOIN session_context AS c ON c.id = found.rowid JOIN sessions AS s ON s.id = c.session_id
    ORDER BY found.weight LIMIT 10"""
SYLLABLES: Final = [a + b for a in "bdfgklmnprstvz" for b in ("a", "en", "il", "or", "u")]


def words() -> list[str]:
    """Return 4,900 words."""
    return [first + second for first in SYLLABLES for second in SYLLABLES]


def content(number: int, known: list[str], chosen: random.Random) -> str:
    """Return the text of an entry, of :data:`SIZE` bytes."""
    marks = f"rare{number // RARE % 1000} " if number % RARE == 0 else ""
    marks += "common " if number % COMMON == 0 else ""
    return (marks + " ".join(chosen.choices(known, k=24)))[:SIZE]


def started(database: Path, log: IO[bytes], *, indexing: bool = True) -> LeanClient:
    """Return a client of a new server in direct mode."""
    program = ["-m", "tenets_session_server"] if indexing else [__file__, "--be"]
    client = LeanClient(
        [sys.executable, *program, "--standalone", "--database", str(database)], log
    )
    client.call(request(0, "initialize", {"capabilities": {}}))
    return client


def ended(client: LeanClient) -> None:
    """End a client and its server."""
    client.call(request(1, "shutdown", None))
    client.tell("exit")
    client.end()


def fill(database: Path, entries: int) -> None:
    """Add entries, a hundred to a session, as another program."""
    known, chosen = words(), random.Random(1)
    with closing(apsw.Connection(str(database))) as foreign:
        foreign.execute("PRAGMA synchronous = OFF")
        with foreign:
            foreign.executemany(
                "INSERT INTO sessions (name, created_at, metadata) VALUES (?, ?, '{}')",
                ((f"session {number}", NOW) for number in range(entries // 100)),
            )
        with foreign:
            foreign.executemany(
                INSERT,
                ((n // 100 + 1, content(n, known, chosen), NOW) for n in range(entries)),
            )


def indexed(database: Path) -> bool:
    """Tell whether the index is up to date."""
    with closing(apsw.Connection(str(database))) as foreign:
        foreign.set_busy_timeout(5000)
        behind = foreign.execute(
            "SELECT EXISTS (SELECT 1 FROM session_server_search_scans) OR (SELECT"
            " state NOT LIKE (SELECT max(revision) FROM session_server_changes) || '.%'"
            " FROM session_server_search_state)"
        ).get
    return not behind


def milliseconds(call: Callable[[], Any]) -> float:
    """Return how long a call takes."""
    begin = time.perf_counter_ns()
    call()
    return (time.perf_counter_ns() - begin) / 1e6


def report(title: str, ours: float, other: float, bar: str) -> None:
    """Print a row."""
    ratio = f"{ours / other:8.2f}" if other else f"{'-':>8}"
    print(f"{title:44}{ours:12,.2f}{other:12,.2f}{ratio}   {bar}", flush=True)


def searches(database: Path, client: LeanClient, title: str, queries: list[str], bar: str) -> None:
    """Search by turns in the server and in this process."""
    ours, theirs = list[float](), list[float]()
    with closing(apsw.Connection(str(database))) as foreign:
        for number, query in enumerate(queries):
            data = request(number + 10, SEARCH, {"query": query, "limit": 10})
            ours.append(milliseconds(lambda data=data: client.call(data)))  # type: ignore[misc]
            match = (f'{{text parts}} : ("{query.strip()}")',)
            theirs.append(
                milliseconds(lambda match=match: foreign.execute(IN_PROCESS, match).fetchall())  # type: ignore[misc]
            )
    report(title, statistics.median(ours), statistics.median(theirs), bar)


def print_searches(client: LeanClient, database: Path, entries: int) -> None:
    """Print what searches for rare and for common words cost."""
    print(f"\n{'':44}{'ours':>12}{'beside':>12}{'ratio':>8}   bar")
    rare = [f"rare{number % 1000} " for number in range(ROUNDS)]
    title = f"rare words, {entries:,} entries, p50 ms"
    searches(database, client, title, rare, "1.5 x + 0.2 ms")
    common = ["common "] * (ROUNDS // 10)
    searches(database, client, f"a word of {entries // COMMON:,}, p50 ms", common, "20 ms")


def index_beside_another(client: LeanClient, database: Path) -> None:
    """Print what a client notices while everything is indexed, and how long that takes."""
    begin = time.monotonic()
    trips = list[float]()
    get = request(2, "tenets/session.getActive", {})
    checked = begin
    while True:
        trips.append(milliseconds(lambda: client.call(get)))
        if time.monotonic() > checked + 0.2:
            if indexed(database):
                break
            checked = time.monotonic()
    cuts = statistics.quantiles(trips, n=100)
    taken = time.monotonic() - begin
    print(
        f"getActive while it is indexed ({taken:.1f} s): p50 {cuts[49]:.2f} ms,"
        f" p99 {cuts[98]:.2f} ms, longest {max(trips):.1f} ms",
        flush=True,
    )


def write(folder: Path, log: IO[bytes], notes: int, *, indexing: bool) -> tuple[float, float, Path]:
    """Add notes; return how many a second until the last reply and until indexed, and the file."""
    database = folder / f"notes-{indexing}-{time.monotonic_ns()}" / "tenets.db"
    database.parent.mkdir()
    client = started(database, log, indexing=indexing)
    known, chosen = words(), random.Random(2)
    requests = [
        request(
            number + 10,
            "tenets/session.addContext",
            {"sessionName": "notes", "kind": "note", "content": content(number, known, chosen)},
        )
        for number in range(notes)
    ]
    begin = time.perf_counter()
    client.pipeline(requests)
    replied = time.perf_counter() - begin
    while indexing and not indexed(database):
        time.sleep(0.01)
    done = time.perf_counter() - begin
    ended(client)
    return notes / replied, notes / done, database


def upstreams_size(folder: Path, database: Path) -> int:
    """Return the size of a file with the same rows in upstream's two tables alone."""
    alone = folder / "upstream.db"
    with closing(apsw.Connection(str(alone))) as foreign:
        foreign.execute(UPSTREAM_SCHEMA)
        foreign.execute("ATTACH ? AS ours", (str(database),))
        foreign.execute("INSERT INTO sessions SELECT * FROM ours.sessions")
        foreign.execute("INSERT INTO session_context SELECT * FROM ours.session_context")
    return alone.stat().st_size


def main() -> int:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    options.add_argument("--entries", type=int, default=1_000_000)
    options.add_argument("--notes", type=int, default=100_000)
    options.add_argument("--smoke", action="store_true", help="little of everything, once")
    given = options.parse_args()
    if given.smoke:
        given.entries, given.notes = 2000, 500
    print(environment(), end="\n\n")
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryFile() as log:
        folder = Path(name)
        database = folder / "tenets.db"
        ended(started(database, log))
        fill(database, given.entries)
        client = started(database, log)
        index_beside_another(client, database)
        ended(client)
        with one_cpu():
            client = started(database, log)
            print_searches(client, database, given.entries)
            ended(client)
        rates = list[tuple[float, float, float]]()
        for _ in range(1 if given.smoke else 3):
            without, _, _ = write(folder, log, given.notes, indexing=False)
            replied, done, written = write(folder, log, given.notes, indexing=True)
            rates.append((replied, done, without))
        replied, done, without = (statistics.median(column) for column in zip(*rates, strict=True))
        report("addContext/s, until the last reply", replied, without, "0.7 x")
        report("addContext/s, until indexed", done, without, "0.7 x")
        upstream = upstreams_size(folder, written)
        size = written.stat().st_size
        report(f"bytes an entry of {SIZE}", size / given.notes, upstream / given.notes, "3 x")
    return 0


def serve_without_index() -> int:
    """Be a server whose index nobody feeds."""
    setattr(SearchFeed, "start", lambda _feed: None)  # noqa: B010 - mypy knows its type
    return cli.main()


if __name__ == "__main__":
    if "--be" in sys.argv:
        sys.argv.remove("--be")
        sys.exit(serve_without_index())
    sys.exit(main())
