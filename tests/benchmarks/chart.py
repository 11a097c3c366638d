"""Draws what compare.py has measured, as one PNG. Needs matplotlib (the extra ``bench``)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.bars import Measured
from benchmarks.results import (
    BARE,
    CODEX,
    OPENCODE,
    OURS,
    P50,
    PUBLIC,
    RATE,
    SQL,
    STOCK,
)
from benchmarks.workload import LABELS, PREPARED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAMES: Final = {
    BARE: "bare loop",
    OURS: "this server",
    STOCK: "stock pygls",
    PUBLIC: "tenets package,\nin process",
    SQL: "SQL alone,\nin process",
    CODEX: "codex app-server",
    OPENCODE: "opencode serve",
}
COLOURS: Final = {
    BARE: "#7f7f7f",
    OURS: "#d62728",
    STOCK: "#1f77b4",
    PUBLIC: "#8c6d31",
    SQL: "#2ca02c",
    CODEX: "#9467bd",
    OPENCODE: "#e377c2",
}
RUSHED: Final = ("getActive", "get", "list 10", "list 100", "setActive", "addContext")
"""The methods whose pipelined rate is drawn."""


def missing() -> str | None:
    """Return why nothing can be drawn, or None."""
    try:
        import matplotlib  # noqa: F401 - it takes a second, so not before it is needed
    except ImportError as error:
        return f"{error}; install the extra `bench`"
    return None


def draw(measured: Measured, path: Path, machine: str) -> None:
    """Write the chart: all p50, p50 by number of sessions, pipelined rates. ``machine`` is told."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    figure = plt.figure(figsize=(12, 7.8), dpi=110)
    grid = figure.add_gridspec(2, 2, width_ratios=(1.1, 1), hspace=0.5, wspace=0.28)
    figure.subplots_adjust(left=0.105, right=0.895, top=0.81, bottom=0.055)
    figure.suptitle(
        "tenets-session-server beside others in one run", x=0.02, ha="left", size=14, weight="bold"
    )
    figure.text(0.02, 0.945, machine, size=8, color="#555555", va="top")
    labels = [label for label in LABELS if label not in {PREPARED, "echo"}]
    sessions = f"{measured.main:,} sessions"
    left = figure.add_subplot(grid[:, 0])
    _dots(left, measured, labels, P50, (BARE, OURS, STOCK, PUBLIC))
    _title(left, f"Round trip, p50, µs, {sessions}", "further left is faster")
    _lines(figure.add_subplot(grid[0, 1]), measured)
    right = figure.add_subplot(grid[1, 1])
    _dots(right, measured, list(RUSHED), RATE, (BARE, OURS, STOCK, SQL))
    _title(right, f"Pipelined, requests/s, {sessions}", "further right is faster")
    figure.savefig(path)
    plt.close(figure)


def _dots(
    axes: Axes, measured: Measured, labels: list[str], measure: str, columns: tuple[str, ...]
) -> None:
    """Draw a row for each label and a dot for each column; the columns' names stand on top."""
    axes.set_xscale("log")
    first: dict[str, float] = {}
    for row, label in enumerate(labels):
        found = {
            column: value
            for column in columns
            if (value := measured.results.median(measured.main, label, column, measure))
        }
        if found:
            axes.plot([min(found.values()), max(found.values())], [row, row], color="#dddddd", lw=1)
        for column, value in found.items():
            axes.plot(value, row, "o", color=COLOURS[column], ms=7, zorder=3)
            if row == 0:
                first[column] = value
        if OURS in found:
            axes.annotate(
                _short(found[OURS]),
                *((found[OURS], row), (0, -8.5)),
                textcoords="offset points",
                ha="center",
                va="top",
                size=7,
                color=COLOURS[OURS],
            )
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.3, -1.9 if len(labels) > 8 else -1.5)
    axes.xaxis.set_major_formatter(_plain)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color="#eeeeee")
    axes.set_axisbelow(True)
    low, high = (math.log10(edge) for edge in axes.get_xlim())
    places = spread([math.log10(value) for value in first.values()], (high - low) * 0.19)
    for (column, value), place in zip(first.items(), places, strict=True):
        axes.annotate(
            NAMES[column],
            *((value, -0.16), (10**place, -0.72)),
            ha="center",
            va="bottom",
            size=8.5,
            color=COLOURS[column],
            arrowprops={"arrowstyle": "-", "color": COLOURS[column], "lw": 0.7},
            annotation_clip=False,
        )


def _lines(axes: Axes, measured: Measured) -> None:
    """Draw p50 of getActive by number of sessions; the names stand at the ends."""
    axes.set_xscale("log")
    axes.set_yscale("log")
    sizes = sorted({*measured.sizes, measured.public_size})
    ends: list[tuple[str, float, float]] = []
    for column in (BARE, OURS, STOCK, PUBLIC, CODEX, OPENCODE):
        found = {
            size: value
            for size in sizes
            if (value := measured.results.median(size, "getActive", column))
        }
        if not found:
            continue
        axes.plot([*found], [*found.values()], "o-", color=COLOURS[column], ms=5, lw=1.6)
        last = max(found)
        ends.append((column, last, found[last]))
    alone = [end for end in ends if end[1] < sizes[-1]]
    ended = [end for end in ends if end[1] == sizes[-1]]
    axes.set_xlim(sizes[0] / (120 if alone else 1.5), sizes[-1] * 1.5)
    _title(axes, "Round trip of getActive, p50, µs", "by number of sessions")
    low, high = (math.log10(edge) for edge in axes.get_ylim())
    for column, size, value in alone:
        axes.annotate(
            f"{NAMES[column]},\nnearest operation",
            *((size, value), (-8, 0)),
            textcoords="offset points",
            ha="right",
            va="center",
            size=8.5,
            color=COLOURS[column],
        )
    places = spread([math.log10(value) for _, _, value in ended], (high - low) * 0.11)
    for (column, size, value), where in zip(ended, places, strict=True):
        axes.annotate(
            NAMES[column],
            *((size, value), (size * 2.1, 10**where)),
            va="center",
            size=8.5,
            color=COLOURS[column],
            arrowprops={"arrowstyle": "-", "color": COLOURS[column], "lw": 0.7},
            annotation_clip=False,
        )
    axes.grid(color="#eeeeee")
    axes.set_axisbelow(True)
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.yaxis.set_major_formatter(_plain)
    axes.minorticks_off()


def _title(axes: Axes, title: str, more: str) -> None:
    axes.set_title(f"{title}", loc="left", size=10.5, weight="bold", pad=18)
    axes.annotate(
        more,
        *((0, 1), (0, 6)),
        xycoords="axes fraction",
        textcoords="offset points",
        size=8.5,
        color="#555555",
    )


def _plain(value: float, _position: float) -> str:
    return f"{value:,.0f}"


def _short(value: float) -> str:
    return f"{value / 1000:.3g}k" if value >= 10_000 else f"{value:,.0f}"


def spread(values: list[float], gap: float) -> list[float]:
    """Return places near to the values, in their order, that are at least ``gap`` apart."""
    order = sorted(range(len(values)), key=values.__getitem__)
    groups: list[list[int]] = []
    centres: list[float] = []
    for index in order:
        groups.append([index])
        centres.append(values[index])
        # Groups that would overlap become one, around the middle of what is in it.
        while len(groups) > 1:
            reach = (len(groups[-2]) + len(groups[-1])) / 2 * gap
            if centres[-1] - centres[-2] >= reach:
                break
            merged = groups.pop(-2) + groups.pop()
            groups.append(merged)
            centres[-2:] = [sum(values[one] for one in merged) / len(merged)]
    places = [0.0] * len(values)
    for group, centre in zip(groups, centres, strict=True):
        for number, index in enumerate(group):
            places[index] = centre + (number - (len(group) - 1) / 2) * gap
    return places
