"""What was measured: one value for each round, and medians of them."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import Final

PIPE, BARE, STOCK, OURS, SHARED, STORE, SQL, PUBLIC, CODEX, OPENCODE = COLUMNS = (
    *("pipe", "bare", "stock", "ours", "shared", "store", "sql", "public", "codex", "opencode"),
)
OLD, NEW, OLD_SHARED, NEW_SHARED = ("old", "new", "old shared", "new shared")
"""Two versions of the server, in both modes; see versions.py."""
NEW_COLUMNS: Final = frozenset({NEW, NEW_SHARED})
P50, P99, RATE = MEASURES = ("p50, µs", "p99, µs", "pipelined, requests/s")
START, RSS_START, RSS_END = PROCESS = (
    "start to initialize reply, ms",
    "RSS after initialize, MiB",
    "RSS after all that, MiB",
)
FEW: Final = 100
"""Of fewer durations than this the 99th percentile says nothing."""


@dataclass(frozen=True)
class Key:
    """What a value is of: ``size`` sessions, what was asked, by whom, and in which unit."""

    size: int
    label: str
    column: str
    measure: str


@dataclass
class Results:
    """One value per key and round, what went wrong and what is missing, and others' versions."""

    values: dict[Key, list[float]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)

    def add(self, key: Key, value: float) -> None:
        """Record the value of one round."""
        self.values.setdefault(key, []).append(value)

    def add_durations(self, size: int, label: str, column: str, durations: list[int]) -> None:
        """Record the quantiles of one round's durations, given in ns."""
        if not durations:
            return
        self.add(Key(size, label, column, P50), statistics.median(durations) / 1000)
        if len(durations) >= FEW:
            late = statistics.quantiles(durations, n=100)[98]
            self.add(Key(size, label, column, P99), late / 1000)

    def median(self, size: int, label: str, column: str, measure: str = P50) -> float | None:
        """Return the median over the rounds, None where there is no value."""
        values = self.values.get(Key(size, label, column, measure))
        return statistics.median(values) if values else None

    def as_json(self) -> list[dict[str, object]]:
        """Return the medians, each with what it is of."""
        return [
            {
                "sessions": key.size,
                "method": key.label,
                "column": key.column,
                "measure": key.measure,
                "median": statistics.median(values),
                "rounds": len(values),
            }
            for key, values in self.values.items()
        ]
