"""All contestants have to give the same answers, otherwise the times mean nothing.

All start with copies of one database and get the same requests, so ids and revisions are the same.
Timestamps of now and states are left out. A cursor is opaque: only whether there is one counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from benchmarks.contestants import Contestant
from benchmarks.results import PIPE, PUBLIC
from benchmarks.workload import ECHO, ECHO_PARAMS, TASKS

CHANGING: Final = frozenset({"updated_at", "resumed_at", "ended_at", "state"})
"""Members that come from the clock, or are random."""
DATED: Final = frozenset({"create", "addContext"})
"""Methods whose answer has a ``createdAt`` of now."""
WRITES_OF_PUBLIC: Final = frozenset({"setActive", "updateMetadata"})
"""Where the public class only says that there was such a session."""
COUNTS: Final = ("sessions", "contextEntries", "revision")


def differences(contestants: Iterable[Contestant], reference: str) -> list[tuple[Contestant, str]]:
    """Do every task once; return the contestants whose answers differ from the reference's.

    ``reference`` is the column that the others are compared with. Answers may have members that the
    reference does not have.
    """
    found: list[tuple[Contestant, str]] = []
    expected: dict[tuple[int, str], Any] = {}
    for contestant in sorted(contestants, key=lambda one: one.column != reference):
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
                given = _known_members(given, wanted)
                if given != wanted:
                    found.append((contestant, f"{label} answers {given}, not {wanted}"))
    return found


def _comparable(label: str, answer: Any) -> Any:
    if label == "stats":
        return {member: answer[member] for member in COUNTS}
    return _without_clock(answer, dated=label in DATED)


def _without_clock(value: Any, *, dated: bool) -> Any:
    if isinstance(value, dict):
        if "nextCursor" in value:
            value = {**value, "nextCursor": value["nextCursor"] is not None}
        left_out = CHANGING | {"createdAt"} if dated else CHANGING
        return {
            key: _without_clock(member, dated=dated)
            for key, member in value.items()
            if key not in left_out
        }
    return [_without_clock(one, dated=dated) for one in value] if isinstance(value, list) else value


def _known_members(answer: Any, wanted: Any) -> Any:
    """Return an answer without the members that the wanted one does not have."""
    if isinstance(answer, dict) and isinstance(wanted, dict):
        return {
            key: _known_members(member, wanted[key])
            for key, member in answer.items()
            if key in wanted
        }
    if isinstance(answer, list) and isinstance(wanted, list) and len(answer) == len(wanted):
        return [_known_members(*pair) for pair in zip(answer, wanted, strict=True)]
    return answer


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
