"""What a process inherits that limits it: resource limits (getrlimit(2)) and its priority.

The daemon inherits them from the editor that is first. It raises its soft limits. An editor that
may use more than the daemon even so is served by a process of its own.
"""

from __future__ import annotations

import os
import resource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

DESCRIPTORS: Final = 65536
"""How many may be open, where the system allows it: each client needs up to eight."""

# What the daemon can make use of; None is without an end.
_WANTED: Final = {
    "CPU": None,
    "FSIZE": None,
    "DATA": None,
    "AS": None,
    "NOFILE": DESCRIPTORS,
}
_WORDS: Final = {
    "CPU": "less processor time",
    "FSIZE": "smaller files only",
    "DATA": "less memory",
    "AS": "less memory",
    "NOFILE": "fewer open files",
    "nice": "a lower priority",
}


def own() -> str:
    """Return this process' hard limits and its niceness, as one word for each."""
    words = [f"{name}={_hard(name)}" for name in _WANTED]
    return " ".join([*words, f"nice={os.getpriority(os.PRIO_PROCESS, 0)}"])


def less_than(theirs: str) -> str | None:
    """Return in which way this process is limited more than one with :func:`own` so; else None."""
    mine = dict(word.split("=") for word in own().split())
    for word in theirs.split():
        name, _, value = word.partition("=")
        if name == "nice":
            less = int(mine[name]) > int(value)
        elif name in _WANTED:
            less = _usable(name, int(mine[name])) < _usable(name, int(value))
        else:
            continue
        if less:
            return _WORDS[name]
    return None


def raise_soft() -> None:
    """Raise the soft limits to the hard ones, as far as that is of use."""
    for name, wanted in _WANTED.items():
        number = getattr(resource, f"RLIMIT_{name}")
        soft, hard = resource.getrlimit(number)
        new = hard if wanted is None or 0 <= hard < wanted else wanted
        if soft != resource.RLIM_INFINITY and (new == resource.RLIM_INFINITY or soft < new):
            try:
                resource.setrlimit(number, (new, hard))
            except (OSError, ValueError):
                pass


def _hard(name: str) -> int:
    return resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))[1]


def _usable(name: str, limit: int) -> float:
    wanted = _WANTED[name]
    usable = float("inf") if limit == resource.RLIM_INFINITY else limit
    return usable if wanted is None else min(usable, wanted)
