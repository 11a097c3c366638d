"""Compares two installed versions of the server, each in both modes: ``compare.py --old VENV``.

*new* is the version of the running environment, *old* the one that is installed in another virtual
environment. Both are only talked to as processes, on copies of one database that *old* has created.
First every task is done once, and the answers are compared; those of *new* may have more members.
Each round then starts new processes of both and gives them short turns in alternating order.

The ratio of a row is the median over the rounds of new / old within a round: load that slows both
down cancels out, and a few disturbed rounds do not move the median. The table also has the
quartiles of these ratios: where they are far apart, the row needs more rounds or a quieter machine.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import statistics
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from benchmarks import datasets, fan_out
from benchmarks.bars import Bar, bar_table
from benchmarks.contestants import Contestant, Process, Shared
from benchmarks.lean_client import COMMAND, ServerError
from benchmarks.race import Counts, Order, Race
from benchmarks.results import (
    NEW,
    NEW_SHARED,
    OLD,
    OLD_SHARED,
    P50,
    RATE,
    START,
    Key,
    Results,
)
from benchmarks.shared import Place
from benchmarks.workload import LABELS, METHODS, NUMBERS

MODES: Final = {"direct": (OLD, NEW), "shared": (OLD_SHARED, NEW_SHARED)}
NOTIFIED: Final = "write until both of two clients are notified"
ATTACHED: Final = "attach to initialize reply"
BURST: Final = 100
"""How many pipelined requests a version gets in a turn."""
WRITES: Final = 5
"""How many writes with two clients a version makes in a turn."""
MEAN_LIMIT: Final = 1.05
ROW_LIMIT: Final = 1.10
GET_ACTIVE_LIMIT: Final = 1.12
ABOUT: Final = """
import importlib.metadata, platform, tenets_session_server
names = ("tenets-session-server", "pygls", "msgspec", "apsw")
versions = [f"{name} {importlib.metadata.version(name)}" for name in names]
print(", ".join([f"Python {platform.python_version()}", *versions]), "in")
print("   ", tenets_session_server.__path__[0])
"""


@dataclass(frozen=True)
class Row:
    """What was measured of both versions: one value per round, in µs or ms; less is better."""

    title: str
    label: str
    old: list[float]
    new: list[float]

    @property
    def ratios(self) -> list[float]:
        """new / old in each round."""
        return [new / old for old, new in zip(self.old, self.new, strict=True)]

    @property
    def ratio(self) -> float:
        """The median of the ratios."""
        return statistics.median(self.ratios)

    def line(self, width: int) -> str:
        """Return the row of the table."""
        cells = f"{statistics.median(self.old):10,.1f}{statistics.median(self.new):10,.1f}"
        line = f"{self.title:{width}}{cells}{self.ratio:10.3f}"
        if len(self.ratios) > 1:
            low, _, high = statistics.quantiles(self.ratios, n=4, method="inclusive")
            line += f"{low:10.3f}{high:8.3f}"
        return line


class Versions:
    """Two versions of the server, the databases of a run, and what was measured in each round."""

    def __init__(self, venv: Path, sizes: tuple[int, ...], folder: Path, log: IO[bytes]) -> None:
        self._commands = {OLD: command_of(venv), NEW: COMMAND}
        self._sizes, self._folder = sizes, folder
        self._places = {name: Place(folder, log, one) for name, one in self._commands.items()}
        self._rounds: list[Results] = []
        self.failures: dict[str, None] = {}

    def about(self) -> str:
        """Return what is compared: versions, and where the packages are."""
        found = []
        for name, command in self._commands.items():
            python = Path(command).with_name("python")
            run = subprocess.run([python, "-P", "-c", ABOUT], check=True, capture_output=True)
            found.append(f"{name}: {run.stdout.decode().strip()}")
        return "\n".join(found)

    def prepare(self) -> Iterator[str]:
        """Make all databases; yield what is being done."""
        for size in self._sizes:
            yield f"making a database of {size:,} sessions"
            base = self._folder / f"{size}.db"
            datasets.build(base, size, self._commands[OLD])
            for column in itertools.chain(*MODES.values()):
                datasets.copy(base, self._database(column, size))
                if size == self._main:
                    datasets.copy(base, self._database(column, 0))
            base.unlink()

    def compare_answers(self) -> None:
        """Do every task once with both versions; record a failure where the answers differ."""
        self._races(0, Counts(2, 2), Results(), checked=True)

    def run_round(self, number: int, requests: int, pipelined: int) -> None:
        """Measure everything once with new processes."""
        counts = Counts(requests, pipelined, bursts=max(2, pipelined // BURST))
        results = Results()
        self._races(number, counts, results)
        try:
            self._notifications(number, requests, results)
        except (ServerError, OSError) as error:
            self.failures[f"two clients: {error}"] = None
        self._rounds.append(results)

    def report(self) -> str:
        """Return the table and the summary."""
        sections = {title: rows for title, rows in self._sections() if rows}
        rows = list(itertools.chain(*sections.values()))
        if not rows:
            return "nothing was measured"
        width = max(len(row.title) for row in rows) + 2
        lines = []
        for title, section in sections.items():
            head = f"{title:{width}}{'old p50':>10}{'new p50':>10}{'new/old':>10}{'quartiles':>18}"
            lines += [head, "-" * len(head), *(row.line(width) for row in section), ""]
        mean = math.exp(statistics.fmean(math.log(row.ratio) for row in rows))
        active = [row for row in rows if row.label == "getActive"]
        others = [row for row in rows if row.label != "getActive"]
        bars = [Bar(f"geometric mean of new/old, {len(rows)} rows", mean, MEAN_LIMIT)]
        bars += _worst("worst row", others, ROW_LIMIT)
        bars += _worst("worst row of getActive", active, GET_ACTIVE_LIMIT)
        return "\n".join([*lines, bar_table(bars)])

    def as_json(self) -> list[dict[str, object]]:
        """Return every row with its values in each round."""
        return [
            {"row": f"{title}: {row.title}", "old": row.old, "new": row.new, "ratio": row.ratio}
            for title, rows in self._sections()
            for row in rows
        ]

    @property
    def _main(self) -> int:
        return self._sizes[len(self._sizes) // 2]

    def _database(self, column: str, size: int) -> Path:
        return self._folder / f"{column.replace(' ', '-')}-{size}" / "tenets.db"

    def _pair(self, columns: tuple[str, str], size: int) -> Iterator[Contestant]:
        for column, command in zip(columns, self._commands.values(), strict=True):
            database = self._database(column, size)
            if columns == MODES["shared"]:
                yield Shared(size, METHODS, database, column, command)
            else:
                options = ["--standalone", "--database", str(database)]
                yield Process(column, size, METHODS, database, [command, *options])

    def _races(
        self, number: int, counts: Counts, results: Results, *, checked: bool = False
    ) -> None:
        for size, columns in itertools.product(self._sizes, MODES.values()):
            pair = list(self._pair(columns, size))
            for contestant in pair:
                contestant.number_from(number * NUMBERS)
            Race(pair, results, columns[0], _alternating(number)).run(counts, checked=checked)
        self.failures.update(dict.fromkeys(results.failures))

    def _notifications(self, number: int, count: int, results: Results) -> None:
        """Let one of two clients write; the versions take turns."""
        for mode, columns in MODES.items():
            options = ["--standalone"] if mode == "direct" else []
            versions = list(zip(columns, self._places.values(), strict=True))
            taken: dict[str, list[int]] = {column: [] for column in columns}
            with contextlib.ExitStack() as stack:
                crowds = {}
                for column, place in versions[:: 1 if number % 2 else -1]:
                    crowd = fan_out.crowd(place, self._database(column, 0), 2, *options)
                    crowds[column] = stack.enter_context(crowd)
                    if mode == "shared":
                        key = Key(0, ATTACHED, column, START)
                        results.add(key, crowds[column].last_start)
                for turn in range(max(1, count // 4 // WRITES)):
                    for column in columns[:: 1 if turn % 2 else -1]:
                        crowds[column].write()  # this one does not count
                        taken[column] += [crowds[column].write()[0] for _ in range(WRITES)]
            for column, durations in taken.items():
                results.add_durations(0, NOTIFIED, column, durations)

    def _sections(self) -> Iterator[tuple[str, list[Row]]]:
        for size, (mode, columns) in itertools.product(self._sizes, MODES.items()):
            rows = []
            for label in [one for one in LABELS if one in METHODS]:
                rows += self._row(f"{label}, µs", Key(size, label, "", P50), columns)
                rows += self._row(
                    f"{label} pipelined, µs each", Key(size, label, "", RATE), columns
                )
            rows += self._row(START, Key(size, START, "", START), columns)
            yield f"{size:,} sessions, {mode}", rows
        for mode, columns in MODES.items():
            rows = self._row(f"{NOTIFIED}, µs", Key(0, NOTIFIED, "", P50), columns)
            rows += self._row(f"{ATTACHED}, ms", Key(0, ATTACHED, "", START), columns)
            yield f"two clients, {self._main:,} sessions, {mode}", rows

    def _row(self, title: str, key: Key, columns: tuple[str, str]) -> list[Row]:
        """Return a row of the rounds in which both versions were measured, or none."""
        pairs = []
        for results in self._rounds:
            old, new = (results.median(key.size, key.label, one, key.measure) for one in columns)
            if old is not None and new is not None:
                pairs.append((1e6 / old, 1e6 / new) if key.measure == RATE else (old, new))
        if not pairs:
            return []
        return [Row(title, key.label, [old for old, _ in pairs], [new for _, new in pairs])]


def command_of(venv: Path) -> str:
    """Return the server's command in a virtual environment."""
    return str(venv.absolute() / "bin" / Path(COMMAND).name)


def _alternating(number: int) -> Order:
    """Return old before new and new before old in turns; the round's number says which is first."""
    steps = itertools.cycle((1, -1) if number % 2 else (-1, 1))
    return lambda pair: pair[:: next(steps)]


def _worst(what: str, rows: list[Row], limit: float) -> Iterator[Bar]:
    if rows:
        row = max(rows, key=lambda one: one.ratio)
        above = sum(one.ratio > limit for one in rows)
        yield Bar(what, row.ratio, limit, detail=f"{row.title}; {above} above the bar")
