"""What the server promises of its speed, and what this run has measured of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks import fan_out, soak
from benchmarks.results import (
    BARE,
    OURS,
    P50,
    PUBLIC,
    RATE,
    SHARED,
    SQL,
    STOCK,
    Results,
)
from benchmarks.workload import ECHO, GROWING, LABELS, PREPARED


@dataclass(frozen=True)
class Bar:
    """A ratio and what it is held against; ``at_least``: more is better."""

    what: str
    measured: float | None
    bar: float
    at_least: bool = False
    detail: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the bar is met; None where it was not measured."""
        if self.measured is None:
            return None
        return self.measured >= self.bar if self.at_least else self.measured <= self.bar


@dataclass(frozen=True)
class Measured:
    """The medians of a run, by size."""

    results: Results
    sizes: tuple[int, ...]
    main: int
    public_size: int

    def p50(self, label: str, column: str, size: int | None = None) -> float | None:
        """Return a p50 in µs."""
        return self.results.median(self.main if size is None else size, label, column)

    def rate(self, label: str, column: str) -> float | None:
        """Return pipelined requests/s; in process: calls/s, one after the other."""
        return self.results.median(self.main, label, column, RATE)

    def bars(self) -> Iterator[Bar]:
        """Yield all bars."""
        ours = self.p50("getActive", OURS)
        bare = self.p50("getActive", BARE)
        cold = over(self.p50("getActive cold", OURS), self.p50("getActive cold", BARE))
        detail = "" if cold is None else f"{cold:.2f} without the cache"
        yield Bar("getActive round trip / bare loop", over(ours, bare), 1.5, detail=detail)
        stock = over(self.p50("getActive", STOCK), ours)
        yield Bar("getActive: stock pygls / ours", stock, 8, at_least=True)
        faster = over(self.rate("getActive", OURS), self.rate("getActive", STOCK))
        yield Bar("getActive pipelined: ours / stock pygls", faster, 25, at_least=True)
        yield from self._durable()
        for label in ("getActive", "setActive"):
            public = self.p50(label, PUBLIC, self.public_size)
            what = f"{label}, {self.public_size:,} sessions: public class in process / ours"
            ratio = over(public, self.p50(label, OURS, self.public_size))
            yield Bar(what, ratio, 100, at_least=True)
        for label in ("listContext 100", "getContext", "getCurrent"):
            ratio = over(self.p50(label, OURS), self.p50(label, BARE))
            yield Bar(f"{label} round trip / bare loop with the same SQL", ratio, 2)
        yield self._growth()
        for label, what in (("list 100", "page of 100"), ("list 100 cold", "the same, cold")):
            page = over(self.p50(label, OURS), self.p50(PREPARED, BARE))
            yield Bar(f"{what} / bare loop sending the same bytes", page, 3)
        yield from self._notified()
        few = self.results.median(0, soak.AFTER_FEW, OURS, soak.MIB)
        many = self.results.median(0, soak.AFTER_MANY, OURS, soak.MIB)
        what = "RSS after many requests / after 1,000"
        detail = "" if few is None or many is None else f"{few:.1f} and {many:.1f} MiB"
        yield Bar(what, over(many, few), 1.2, detail=detail)

    def _durable(self) -> Iterator[Bar]:
        commit = self.p50("addContext", SQL)
        bare = self.p50(ECHO, BARE)
        floor = None if bare is None or commit is None else bare + commit
        what = "addContext round trip / (bare loop + commit in process)"
        detail = "" if floor is None else f"echo {bare:,.0f} + commit {commit:,.0f} µs"
        yield Bar(what, over(self.p50("addContext", OURS), floor), 1.5, detail=detail)
        what = "addContext pipelined: ours / one commit each in process"
        ratio = over(self.rate("addContext", OURS), self.rate("addContext", SQL))
        yield Bar(what, ratio, 5, at_least=True)

    def _growth(self) -> Bar:
        small, large = self.sizes[0], self.sizes[-1]
        found = []
        for label in LABELS:
            ratio = over(self.p50(label, OURS, large), self.p50(label, OURS, small))
            if label not in GROWING and ratio is not None:
                found.append((ratio, label))
        what = f"p50 of the worst method, {large:,} sessions / {small:,}"
        if not found:
            return Bar(what, None, 1.5)
        found.sort(reverse=True)
        detail = ", ".join(f"{label} {ratio:.2f}" for ratio, label in found[:3])
        return Bar(what, found[0][0], 1.5, detail=detail)

    def _notified(self) -> Iterator[Bar]:
        notified, wrote, asked = (
            self.results.median(0, what, SHARED, P50)
            for what in (fan_out.NOTIFIED, fan_out.WROTE, fan_out.ASKED)
        )
        write = over(notified, wrote)
        detail = "" if write is None else f"{write:.1f} round trips of the write itself"
        yield Bar(
            "a write, until the last client is notified / getActive",
            over(notified, asked),
            25,
            detail=detail,
        )


def over(above: float | None, below: float | None) -> float | None:
    """Return a ratio, None where a part of it was not measured."""
    return above / below if above is not None and below else None


def bar_table(bars: list[Bar]) -> str:
    """Return the bars as a table."""
    width = max(len(bar.what) for bar in bars)
    lines = [f"{'what':{width}}{'measured':>10}{'bar':>10}   met"]
    lines.append("-" * len(lines[0]))
    words = {True: "yes", False: "NO", None: "-"}
    for bar in bars:
        measured = "-" if bar.measured is None else f"{bar.measured:,.2f}"
        limit = f"{'>=' if bar.at_least else '<='} {bar.bar:g}"
        line = f"{bar.what:{width}}{measured:>10}{limit:>10}   {words[bar.met]:5}{bar.detail}"
        lines.append(line.rstrip())
    return "\n".join(lines)
