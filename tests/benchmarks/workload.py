"""The requests that every contestant gets: each method as a task that restores the database.

A :class:`Task` makes the steps of one turn. The requests of a step with a label are measured; a
step without one sets up or cleans up. ``deleteAll`` is left out, as its cost depends on what there
is to delete.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from benchmarks.datasets import ENTRIES_PER_SESSION, METADATA, PREFIX, name

GET_ACTIVE: Final = "tenets/session.getActive"
SET_ACTIVE: Final = "tenets/session.setActive"
GET_CURRENT: Final = "getCurrent"
FOLDER: Final = "/work/project"
ECHO: Final = "echo"
PREPARED: Final = "page as bytes"
"""The bytes of our reply to ``list 100``, sent by the bare loop, which had them beforehand."""
PREPARED_METHOD: Final = "prepared"
ECHO_PARAMS: Final = {"text": "the quick brown fox", "number": 42}
CONTENT: Final = "x" * 200
UNKNOWN: Final = "unknown"
"""A param that no method has, and that all ignore."""
SCRATCH: Final = "scratch"
"""The session whose entries are measured; it is there during a turn only."""

Call = tuple[str, dict[str, Any]]
"""A method without its prefix, and its params."""


@dataclass
class Step:
    """Requests, one after the other; ``label`` is what they are measured as, if they are."""

    label: str | None
    calls: list[Call]


@dataclass
class Situation:
    """A contestant's database: ``size`` sessions, and the revision its changes are counted from."""

    size: int
    revision: Callable[[], int]
    numbers: Iterator[int] = field(default_factory=itertools.count)


@dataclass(frozen=True)
class Task:
    """What is measured together; ``durable`` where every request waits for the disk."""

    labels: tuple[str, ...]
    steps: Callable[[Situation, int], list[Step]]
    durable: bool = False


def _reading(label: str, verb: str, **params: Any) -> Task:
    return Task((label,), lambda _, count: [Step(label, [(verb, params)] * count)])


def _reading_cold(label: str, verb: str) -> Task:
    """Ask the same with another unknown param each time, so that no cached reply matches."""

    def steps(situation: Situation, count: int) -> list[Step]:
        numbers = itertools.islice(situation.numbers, count)
        return [Step(label, [(verb, {UNKNOWN: number}) for number in numbers])]

    return Task((label,), steps)


def _get(situation: Situation, count: int) -> list[Step]:
    # A stride that is prime to every size: all sessions have their turn, in no order.
    numbers = [next(situation.numbers) * 7919 % situation.size for _ in range(count)]
    return [Step("get", [("get", {"name": name(one, situation.size)}) for one in numbers])]


def _changes(situation: Situation, count: int) -> list[Step]:
    params = {"since": max(0, situation.revision() - 10), "limit": 10}
    return [Step("changes", [("changes", params)] * count)]


def _create_and_delete(situation: Situation, count: int) -> list[Step]:
    names = [f"new-{next(situation.numbers)}" for _ in range(count)]
    return [
        Step("create", [("create", {"name": one, "metadata": METADATA}) for one in names]),
        Step("delete", [("delete", {"name": one}) for one in names]),
    ]


def _set_active(situation: Situation, count: int) -> list[Step]:
    turns = [name(next(situation.numbers) % 2, situation.size) for _ in range(count)]
    return [Step("setActive", [("setActive", {"name": one}) for one in turns])]


def _update_metadata(situation: Situation, count: int) -> list[Step]:
    calls = []
    for number in itertools.islice(situation.numbers, count):
        session = name(number % situation.size, situation.size)
        calls.append(("updateMetadata", {"name": session, "updates": {"note": f"no. {number}"}}))
    return [Step("updateMetadata", calls)]


def _add_context(_situation: Situation, count: int) -> list[Step]:
    entry = {"sessionName": SCRATCH, "kind": "note", "content": CONTENT}
    return [
        Step(None, [("create", {"name": SCRATCH, "metadata": {}})]),
        Step("addContext", [("addContext", entry)] * count),
        Step(None, [("delete", {"name": SCRATCH})]),
    ]


def _get_context(situation: Situation, count: int) -> list[Step]:
    entries = situation.size * ENTRIES_PER_SESSION
    ids = [number * 7919 % entries + 1 for number in range(count)]
    return [Step("getContext", [("getContext", {"id": one}) for one in ids])]


def _get_current(situation: Situation, count: int) -> list[Step]:
    binding = {"name": name(1, situation.size), "folder": FOLDER}
    return [
        Step(None, [("bind", binding)]),
        Step(GET_CURRENT, [(GET_CURRENT, {"folder": f"{FOLDER}/src/app"})] * count),
        Step(None, [("bind", {"folder": FOLDER})]),
    ]


TASKS: Final = (
    _reading(ECHO, ECHO, **ECHO_PARAMS),
    _reading("getActive", "getActive"),
    _reading_cold("getActive cold", "getActive"),
    Task(("get",), _get),
    _reading("list 10", "list", limit=10),
    _reading("list 100", "list"),
    _reading_cold("list 100 cold", "list"),
    _reading(PREPARED, PREPARED_METHOD),
    _reading("list by prefix", "list", namePrefix=PREFIX, limit=10),
    _reading("list active", "list", active=True),
    Task(("changes",), _changes),
    _reading("stats", "stats"),
    _reading("listContext 100", "listContext"),
    Task(("getContext",), _get_context),
    Task((GET_CURRENT,), _get_current),
    Task(("create", "delete"), _create_and_delete, durable=True),
    Task(("setActive",), _set_active, durable=True),
    Task(("updateMetadata",), _update_metadata, durable=True),
    Task(("addContext",), _add_context, durable=True),
)
LABELS: Final = tuple(label for task in TASKS for label in task.labels)
METHODS: Final = frozenset(LABELS) - {ECHO, PREPARED}
"""What the product itself has."""
NUMBERS: Final = 1_000_000
"""More than a round uses. Each round starts at another multiple: every write changes something."""
GROWING: Final = ("list 100", "list 100 cold")
"""What has more to do in a larger database: ten sessions do not fill a page."""
