"""Puts our hook among those that an agent has for an event, and takes it out."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tenets_session_server.agents import json_text

Json = dict[str, Any]

PROGRAM: Final = "tenets-session"


def with_hook(text: str, agent: str, event: str, command: str | None, group: Json) -> str:
    """Return the text with a hook that runs a command, and no other one of ours.

    It is a ``group``, if there is none yet. Without a command, the text is without any of ours.
    """
    while len(ours := list(_ours(groups := _hooks(text, event), agent))) > (command is not None):
        number, *rest = ours[0]
        is_whole = not rest or len(groups[number]["hooks"]) == 1
        shorter = json_text.remove(text, ["hooks", event, number, *([] if is_whole else rest)])
        if shorter == text:
            raise ValueError(f"hooks.{event}: the hook of tenets-session cannot be taken out")
        text = shorter
    if command is None:
        return text
    if not ours:
        return json_text.append(text, ["hooks", event], group)
    (path,) = ours  # in its group, with the user's matcher
    if _entry(groups, path)["command"].startswith(command):
        return text  # with what the user has added behind it
    return json_text.set_value(text, ["hooks", event, *path, "command"], command)


def _hooks(text: str, event: str) -> list[Any]:
    """Return the hooks of an event. Raises ValueError."""
    found: Any = json_text.load(text)
    for member, kind in (("hooks", dict), (event, list)):
        found = found.get(member, kind())
        if not isinstance(found, kind):
            raise ValueError(f"{member}: expected {'an object' if kind is dict else 'an array'}")  # noqa: TRY004
    return found  # type: ignore[no-any-return]


def _ours(groups: list[Any], agent: str) -> Iterator[list[Any]]:
    """Yield the paths of our commands in the hooks of an event: themselves, or in groups."""
    for number, entry in enumerate(groups):
        if _is_ours(entry, agent):
            yield [number]
        inner = entry.get("hooks") if isinstance(entry, dict) else None
        for place, one in enumerate(inner if isinstance(inner, list) else ()):
            if _is_ours(one, agent):
                yield [number, "hooks", place]


def _is_ours(entry: Any, agent: str) -> bool:
    """Tell whether a hook runs our program, as it is called by any path and with any options."""
    command = entry.get("command") if isinstance(entry, dict) else None
    try:
        words = shlex.split(command) if isinstance(command, str) else []
    except ValueError:  # a quotation without an end
        return False
    program = next((word for word in words if "=" not in word), "")  # behind variables
    return Path(program).name == PROGRAM and ("hook", agent) in itertools.pairwise(words)


def _entry(groups: list[Any], path: list[Any]) -> Json:
    found: Any = groups
    for key in path:
        found = found[key]
    return found  # type: ignore[no-any-return]
