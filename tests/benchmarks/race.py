"""One round: all contestants start, do every task in turns, and end.

Turns are short and their order changes each time, so that other load on the machine affects all
contestants alike. After its turn a server may still have notifications to send; the first request
of a turn, which does not count, absorbs that.
"""

from __future__ import annotations

import contextlib
import gc
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import apsw

from benchmarks.answers import differences
from benchmarks.contestants import Contestant, Durations, Process
from benchmarks.lean_client import ServerError
from benchmarks.results import BARE, OURS, RATE, Key, Results
from benchmarks.workload import PREPARED, TASKS, Task

TURN: Final = 20
"""How many requests a contestant gets, one after the other, in a turn."""
LONG_ENOUGH: Final = 0.4
"""Seconds after which a contestant gets no more turns at a task in a round."""
RUSH: Final = 0.15
"""Seconds that the pipelined requests would take one after the other, at most."""
BURSTS_SECONDS: Final = 0.2
"""Seconds after which no more bursts of a task are sent in a round."""
FEWEST: Final = 50
BROKEN: Final = (ServerError, OSError, subprocess.SubprocessError, apsw.Error)


@dataclass(frozen=True)
class Counts:
    """Requests in each round, for each contestant and method.

    With several ``bursts``, the contestants take turns at sending equal parts of the ``pipelined``
    requests. Each burst gives a rate, so that one during other load on the machine does not matter.
    """

    requests: int
    pipelined: int
    bursts: int = 1

    def of(self, task: Task) -> int:
        """Return how many round trips; a quarter of them where each waits for the disk."""
        return max(1, self.requests // 4) if task.durable else self.requests

    def pipelined_of(self, task: Task) -> int:
        """Return how many requests in each burst; a quarter of a single one likewise."""
        if self.bursts > 1:
            return max(1, self.pipelined // self.bursts)
        return max(1, self.pipelined // 4) if task.durable else self.pipelined


Order = Callable[[list[Contestant]], list[Contestant]]


def shuffled(contestants: list[Contestant]) -> list[Contestant]:
    """Return the contestants in random order."""
    return random.sample(contestants, len(contestants))


class Race:
    """The contestants that still run; one that breaks is out for the rest of the round.

    ``reference`` is the column whose answers are right, ``order`` returns the order of each turn.
    """

    def __init__(
        self,
        contestants: list[Contestant],
        results: Results,
        reference: str = BARE,
        order: Order = shuffled,
    ) -> None:
        self._contestants = contestants
        self._results = results
        self._reference, self._order = reference, order

    def run(self, counts: Counts, *, checked: bool = False) -> None:
        """Run the round; ``checked``: first compare the answers of all contestants."""
        with contextlib.ExitStack() as stack:
            for contestant in self._contestants:
                stack.callback(contestant.kill)
            self._each(lambda contestant: contestant.start(self._results))
            self._prepare_pages()
            if checked:
                self._check_answers()
            with _collector_off():
                for task in TASKS:
                    each_takes = self._take_turns(task, counts.of(task))
                    self._rush(task, counts, each_takes)
            self._each(lambda contestant: contestant.end(self._results))

    def _each(self, action: Callable[[Contestant], None], task: Task | None = None) -> None:
        taking_part = [
            one for one in self._contestants if task is None or one.labels.intersection(task.labels)
        ]
        for contestant in self._order(taking_part):
            try:
                action(contestant)
            except BROKEN as error:
                self._out(contestant, str(error))

    def _out(self, contestant: Contestant, reason: str) -> None:
        if contestant not in self._contestants:
            return
        self._contestants = [one for one in self._contestants if one is not contestant]
        contestant.kill()
        self._results.failures.append(
            f"{contestant.column} with {contestant.size:,} sessions is out: {reason}\n"
            f"{contestant.log_tail()}"
        )

    def _prepare_pages(self) -> None:
        """Give each bare loop the bytes that our server sends with as many sessions."""
        servers = [one for one in self._contestants if isinstance(one, Process)]
        ours = {one.size: one for one in servers if one.column == OURS and "list 100" in one.labels}
        for bare in [one for one in servers if PREPARED in one.labels and one.column == BARE]:
            try:
                bare.prepare_page(ours[bare.size].page())
            except BROKEN as error:
                self._out(bare, str(error))

    def _check_answers(self) -> None:
        for contestant, difference in differences(self._contestants, self._reference):
            self._out(contestant, difference)

    def _take_turns(self, task: Task, count: int) -> dict[Contestant, float]:
        """Return how many seconds a request took each of them."""
        taken: dict[Contestant, Durations] = {}

        def turn(contestant: Contestant) -> None:
            so_far = taken.setdefault(contestant, {})
            done = sum(map(len, so_far.values()))
            if done and (contestant.patient or _seconds(so_far) > LONG_ENOUGH):
                return
            many = count if contestant.patient else this_time
            for label, durations in contestant.take_turn(task, many).items():
                so_far.setdefault(label, []).extend(durations)

        for begun in range(0, count, TURN):
            this_time = min(TURN, count - begun)
            self._each(turn, task)
        for contestant, durations in taken.items():
            for label, values in durations.items():
                self._results.add_durations(contestant.size, label, contestant.column, values)
        return {
            contestant: _seconds(durations) / sum(map(len, durations.values()))
            for contestant, durations in taken.items()
            if durations
        }

    def _rush(self, task: Task, counts: Counts, each_takes: dict[Contestant, float]) -> None:
        count = counts.pipelined_of(task)

        def rush(contestant: Contestant) -> None:
            most = count
            if counts.bursts == 1:
                most = min(count, max(FEWEST, int(RUSH / each_takes[contestant])))
            for label, rate in contestant.rush(task, most).items():
                self._results.add(Key(contestant.size, label, contestant.column, RATE), rate)

        end = time.monotonic() + BURSTS_SECONDS
        for number in range(counts.bursts):
            if number == 0 or time.monotonic() < end:
                self._each(rush, task)


def _seconds(durations: Durations) -> float:
    return sum(map(sum, durations.values())) / 1e9


@contextlib.contextmanager
def _collector_off() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
