"""Compares two installed versions of the server, each in both modes: ``compare.py --old VENV``.

*new* is the version of the running environment, *old* the one that is installed in another virtual
environment. Both run as processes, on copies of one database that *old* has created. First every
task runs once, and the answers are compared; those of *new* may have more members. Each round then
starts new processes of both and gives them short turns in alternating order.

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
from benchmarks.lean_client import COMMAND
from benchmarks.race import BROKEN, Counts, Order, Race
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
from benchmarks.workload import GET_CURRENT, LABELS, NUMBERS
from benchmarks.workload import METHODS as ALL_METHODS

METHODS: Final = ALL_METHODS - {GET_CURRENT}
"""Those that the last version has as well."""
MODES: Final = {"direct": (OLD, NEW), "shared": (OLD_SHARED, NEW_SHARED)}
BURST_OVER: Final = 0.06
"""Seconds after which a commit of another process is notified at once, and not joined to others."""
NOTIFIED: Final = "write until both of two clients are notified"
ATTACHED: Final = "attach to initialize reply"
BURST: Final = 100
"""How many pipelined requests a version gets in a turn."""
WRITES: Final = 5
"""How many writes with two clients a version makes in a turn."""
MEAN_LIMIT: Final = 1.05
ROW_LIMIT: Final = 1.15
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

    section: str
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

    @property
    def limit(self) -> float:
        """The ratio that the row should not exceed."""
        return GET_ACTIVE_LIMIT if self.label == "getActive" else ROW_LIMIT

    def line(self, width: int) -> str:
        """Return the row of the table."""
        cells = f"{statistics.median(self.old):10,.1f}{statistics.median(self.new):10,.1f}"
        line = f"{self.title:{width}}{cells}{self.ratio:10.3f}"
        if len(self.ratios) > 1:
            low, _, high = statistics.quantiles(self.ratios, n=4, method="inclusive")
            line += f"{low:10.3f}{high:8.3f}"
        return f"{line}  > {self.limit}" if self.ratio > self.limit else line


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
        except BROKEN as error:
            self.failures[f"two clients: {error}"] = None
        self._rounds.append(results)

    def report(self) -> str:
        """Return the table and the summary."""
        rows = list(self._rows())
        if not rows:
            return "nothing was measured"
        width = max(len(row.title) for row in rows) + 2
        lines = []
        for section, its_rows in itertools.groupby(rows, lambda row: row.section):
            head = (
                f"{section:{width}}{'old p50':>10}{'new p50':>10}{'new/old':>10}{'quartiles':>18}"
            )
            lines += [head, "-" * len(head), *(row.line(width) for row in its_rows), ""]
        mean = math.exp(statistics.fmean(math.log(row.ratio) for row in rows))
        bars = [Bar(f"geometric mean of new/old, {len(rows)} rows", mean, MEAN_LIMIT)]
        for what, limit in (("row", ROW_LIMIT), ("getActive", GET_ACTIVE_LIMIT)):
            held = [row for row in rows if row.limit == limit]
            worst = max(held, key=lambda row: row.ratio)
            above = sum(row.ratio > limit for row in held)
            detail = f"{worst.title}, {worst.section}; {above} of {len(held)} above the bar"
            bars.append(Bar(f"worst {what}", worst.ratio, limit, detail=detail))
        return "\n".join([*lines, bar_table(bars)])

    def as_json(self) -> list[dict[str, object]]:
        """Return every row with its values in each round."""
        return [
            {"section": row.section, "row": row.title, "old": row.old, "new": row.new}
            for row in self._rows()
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
            pause = BURST_OVER if mode == "direct" else 0.0
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
                        taken[column] += [crowds[column].write(pause)[0] for _ in range(WRITES)]
            for column, durations in taken.items():
                results.add_durations(0, NOTIFIED, column, durations)

    def _rows(self) -> Iterator[Row]:
        for size, (mode, columns) in itertools.product(self._sizes, MODES.items()):
            section = f"{size:,} sessions, {mode}"
            for label in [one for one in LABELS if one in METHODS]:
                for measure, title in ((P50, ", µs"), (RATE, " pipelined, µs each")):
                    key = Key(size, label, "", measure)
                    yield from self._row(section, f"{label}{title}", key, columns)
            yield from self._row(section, START, Key(size, START, "", START), columns)
        for mode, columns in MODES.items():
            section = f"two clients, {self._main:,} sessions, {mode}"
            for label, measure, unit in ((NOTIFIED, P50, "µs"), (ATTACHED, START, "ms")):
                key = Key(0, label, "", measure)
                yield from self._row(section, f"{label}, {unit}", key, columns)

    def _row(self, section: str, title: str, key: Key, columns: tuple[str, str]) -> Iterator[Row]:
        """Yield a row of the rounds in which both versions were measured, if there are any."""
        pairs = []
        for results in self._rounds:
            old, new = (results.median(key.size, key.label, one, key.measure) for one in columns)
            if old is not None and new is not None:
                pairs.append((1e6 / old, 1e6 / new) if key.measure == RATE else (old, new))
        if pairs:
            old_values, new_values = [old for old, _ in pairs], [new for _, new in pairs]
            yield Row(section, title, key.label, old_values, new_values)


def command_of(venv: Path) -> str:
    """Return the server's command in a virtual environment."""
    return str(venv.absolute() / "bin" / Path(COMMAND).name)


def _alternating(number: int) -> Order:
    """Return old before new and new before old in turns; the round's number says which is first."""
    steps = itertools.cycle((1, -1) if number % 2 else (-1, 1))
    return lambda pair: pair[:: next(steps)]
