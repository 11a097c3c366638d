"""What was measured, as a table of medians and ratios, and what the numbers depend on."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import statistics
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import apsw

PIPE, BARE, STOCK, OURS, STORE = COLUMNS = ("pipe", "bare", "stock", "ours", "store")
SERVERS: Final = (BARE, STOCK, OURS)

START = "start to initialize reply, ms"
RSS_START = "RSS after initialize, MiB"
RSS_END = "RSS after the pipelines, MiB"
ROWS: Final = (
    START,
    "echo p50, µs",
    "echo p99, µs",
    "getActive p50, µs",
    "getActive p99, µs",
    "setActive p50, µs",
    "addContext p50, µs",
    "echo pipelined, requests/s",
    "getActive pipelined, requests/s",
    RSS_START,
    RSS_END,
)


@dataclass
class Results:
    """One value per row, column and round, and what went wrong."""

    values: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    pipelines: dict[str, int] = field(default_factory=dict)

    def add(self, row: str, column: str, value: float) -> None:
        """Record the value of one round."""
        self.values.setdefault((row, column), []).append(value)

    def median(self, row: str, column: str) -> float | None:
        """Return the median over the rounds, None where there is no value."""
        values = self.values.get((row, column))
        return statistics.median(values) if values else None


def table(results: Results) -> str:
    """Return the medians, and each row's ratios."""
    width = max(map(len, ROWS))
    lines = [f"{'median over the rounds':{width}}"]
    lines[0] += "".join(f"{column:>10}" for column in COLUMNS)
    lines[0] += "".join(f"{title:>12}" for title in ("ours/bare", "ours/stock", "ours/store"))
    lines.append("-" * len(lines[0]))
    for row in ROWS:
        cells = {column: results.median(row, column) for column in COLUMNS}
        line = f"{row:{width}}" + "".join(f"{_number(cells[column]):>10}" for column in COLUMNS)
        for above, below in ((OURS, BARE), (OURS, STOCK), (OURS, STORE)):
            line += f"{_ratio(cells[above], cells[below]):>12}"
        lines.append(line.rstrip())
    return "\n".join(lines)


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}"


def _ratio(above: float | None, below: float | None) -> str:
    return f"{above / below:.3g}" if above is not None and below else "-"


def environment() -> str:
    """Return what the numbers depend on."""
    libraries = ("pygls", "lsprotocol", "cattrs", "msgspec", "apsw", "tenets-session-server")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in libraries)
    load = f", load {os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else ""
    usable = f" ({len(os.sched_getaffinity(0))} used)" if hasattr(os, "sched_getaffinity") else ""
    return (
        f"{platform.system()} {platform.release()} {platform.machine()}, "
        f"{os.cpu_count()} CPUs{usable}, {_processor()}{load}\n"
        f"{platform.python_implementation()} {platform.python_version()}, "
        f"SQLite {apsw.sqlite_lib_version()}\n{versions}"
    )


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"
