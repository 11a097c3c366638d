"""One round: everybody is started, does every task in turns with the others, and is ended.

What else the machine does meanwhile so hits all alike: turns are short, and their order is another
one each time. After the turn of a server that tells its clients of changes there is some work left
to it; the request before each turn, which does not count, lets that pass.
"""

from __future__ import annotations

import contextlib
import gc
import random
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
"""How many requests are made one after the other before it is the next one's turn."""
LONG_ENOUGH: Final = 0.4
"""Seconds after which a contestant is given no more turns at a task in a round, done or not."""
RUSH: Final = 0.15
"""Seconds that pipelined requests may take one after the other; of those that would take longer
there are fewer."""
FEWEST: Final = 50
BROKEN: Final = (ServerError, OSError, apsw.Error)


@dataclass(frozen=True)
class Counts:
    """How much is done in each round, for each contestant and method."""

    requests: int
    pipelined: int

    def of(self, task: Task) -> int:
        """Return how many round trips; a quarter of them where each waits for the disk."""
        return max(1, self.requests // 4) if task.durable else self.requests

    def pipelined_of(self, task: Task) -> int:
        """Return how many pipelined requests, likewise."""
        return max(1, self.pipelined // 4) if task.durable else self.pipelined


class Race:
    """The contestants that still run; one that breaks is out for the rest of the round."""

    def __init__(self, contestants: list[Contestant], results: Results) -> None:
        self._contestants = contestants
        self._results = results

    def run(self, counts: Counts, *, checked: bool = False) -> None:
        """Run the round; ``checked``: see first whether all give the same answers."""
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
                    self._rush(task, counts.pipelined_of(task), each_takes)
            self._each(lambda contestant: contestant.end(self._results))

    def _each(self, action: Callable[[Contestant], None], task: Task | None = None) -> None:
        taking_part = [
            one for one in self._contestants if task is None or one.labels.intersection(task.labels)
        ]
        for contestant in random.sample(taking_part, len(taking_part)):
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
        for contestant, difference in differences(self._contestants):
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

    def _rush(self, task: Task, count: int, each_takes: dict[Contestant, float]) -> None:
        def rush(contestant: Contestant) -> None:
            most = max(FEWEST, int(RUSH / each_takes[contestant]))
            for label, rate in contestant.rush(task, min(count, most)).items():
                self._results.add(Key(contestant.size, label, contestant.column, RATE), rate)

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
