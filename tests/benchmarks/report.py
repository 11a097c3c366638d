"""What was measured, as a table of medians and ratios, and what the numbers depend on."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Final

import apsw

from benchmarks.datasets import ENTRIES_PER_SESSION
from benchmarks.results import (
    BARE,
    COLUMNS,
    MEASURES,
    OURS,
    PROCESS,
    PUBLIC,
    STOCK,
    STORE,
    Results,
)
from benchmarks.workload import LABELS

RATIOS: Final = ((OURS, BARE), (OURS, STOCK), (OURS, STORE), (PUBLIC, OURS))


def table(results: Results, sizes: tuple[int, ...]) -> str:
    """Return the medians over the rounds, and each row's ratios, size after size."""
    columns = [one for one in COLUMNS if any(key.column == one for key in results.values)]
    width = max(len(f"{label} {measure}") for label in LABELS for measure in MEASURES) + 2
    lines: list[str] = []
    for size in sizes:
        head = f"{f'{size:,} sessions, {size * ENTRIES_PER_SESSION:,} entries':{width}}"
        head += "".join(f"{column:>10}" for column in columns)
        head += "".join(f"{f'{above}/{below}':>13}" for above, below in RATIOS)
        lines += ["", head, "-" * len(head)]
        rows = [(label, measure) for label in LABELS for measure in MEASURES]
        rows += [(measure, measure) for measure in PROCESS]
        for label, measure in rows:
            cells = {one: results.median(size, label, one, measure) for one in columns}
            if all(cell is None for cell in cells.values()):
                continue
            title = label if label == measure else f"{label} {measure}"
            line = f"{title:{width}}"
            line += "".join(f"{_number(cells[column]):>10}" for column in columns)
            for above, below in RATIOS:
                line += f"{_ratio(cells.get(above), cells.get(below)):>13}"
            lines.append(line.rstrip())
    return "\n".join(lines[1:])


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


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
