"""Everybody has to give the same answers, or the times mean nothing.

All begin with copies of one database and are asked the same, so ids and revisions are the same as
well; what the clock has put into an answer is left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from benchmarks.contestants import Contestant
from benchmarks.results import BARE, PIPE, PUBLIC
from benchmarks.workload import ECHO, ECHO_PARAMS, TASKS

FROM_THE_CLOCK: Final = frozenset({"updated_at", "resumed_at", "ended_at"})
DATED: Final = frozenset({"create", "addContext"})
"""Methods whose answer has a ``createdAt`` of now."""
WRITES_OF_PUBLIC: Final = frozenset({"setActive", "updateMetadata"})
"""Where the public class only says that there was such a session."""
COUNTS: Final = ("sessions", "contextEntries", "revision")


def differences(contestants: Iterable[Contestant]) -> list[tuple[Contestant, str]]:
    """Ask everybody everything once; return who answers something else than the bare loop."""
    found: list[tuple[Contestant, str]] = []
    expected: dict[tuple[int, str], Any] = {}
    # The bare loop first: it is the measure.
    for contestant in sorted(contestants, key=lambda one: one.column != BARE):
        if contestant.column == PIPE:
            continue
        for task in TASKS:
            if contestant.labels.isdisjoint(task.labels):
                continue
            for label, answer in contestant.answers(task).items():
                given = _comparable(label, answer)
                key = (contestant.size, label)
                wanted = ECHO_PARAMS if label == ECHO else expected.setdefault(key, given)
                if contestant.column == PUBLIC:
                    wanted = True if label in WRITES_OF_PUBLIC else _as_public(wanted)
                if given != wanted:
                    found.append((contestant, f"{label} answers {given}, not {wanted}"))
    return found


def _comparable(label: str, answer: Any) -> Any:
    if label == "stats":
        return {member: answer[member] for member in COUNTS}
    return _without_clock(answer, dated=label in DATED)


def _without_clock(value: Any, *, dated: bool) -> Any:
    if isinstance(value, dict):
        left_out = FROM_THE_CLOCK | {"createdAt"} if dated else FROM_THE_CLOCK
        return {
            key: _without_clock(member, dated=dated)
            for key, member in value.items()
            if key not in left_out
        }
    return [_without_clock(one, dated=dated) for one in value] if isinstance(value, list) else value


def _as_public(answer: Any) -> Any:
    """Return what the public class has of an answer; see ``plain`` in public_child.py."""
    match answer:
        case {"sessions": sessions}:
            return [_as_public(one) for one in sessions]
        case {"metadata": metadata, "name": name}:
            return {"name": name, "metadata": metadata}
        case {"deleted": deleted}:
            return deleted
        case {"sessionCreated": _}:
            return None
        case _:
            return answer
