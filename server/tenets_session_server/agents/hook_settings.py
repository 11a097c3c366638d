"""Puts our hook into the hooks of an agent's settings, and takes it out.

An entry is ours if its command line starts our program, with nothing else beside it. What has a
program of the user's in it is the user's, and is never touched.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any, Final

from tenets_session_server.agents import json_text

Json = dict[str, Any]

PROGRAM: Final = "tenets-session"
_QUOTES: Final = "'\""
_FLAGS: Final = frozenset({"--no-pager"})
"""Our options that have no value; all others before the verb have one."""
_ASSIGNMENTS: Final = re.compile(r"(?:[A-Za-z_]\w*=[^\s'\"\\;|&<>()]*\s+)*")
# What people add that starts no program: "|| true", "; exit 0", "2>/dev/null", "2>&1".
_NO_PROGRAM: Final = re.compile(
    r"(?: (?:\|\||;) (?:true|:|exit 0)| (?:[12] )?(?:>>?|&>) /dev/null| [12] >& [12])*(?: ;)?"
)


def with_hook(text: str, agent: str, event: str, given: Json | None) -> str:
    """Return the text with this hook and no other one of ours; None: with none of ours.

    One of ours that is there stays where it is, in its group and with the user's matcher.
    """
    kept = 0 if given is None else 1
    # Each removal moves what comes behind it: so the text is read again.
    while len(paths := list(_ours(_entries(text, event), agent))) > kept:
        before = text
        text = json_text.remove(text, ["hooks", event, *_removed(text, event, paths[-1])])
        if text == before:  # a name is there twice
            raise ValueError(f"hooks.{event}: our hook cannot be taken out")
    if given is None:
        return text
    if not paths:
        return json_text.append(text, ["hooks", event], given)
    path: list[str | int] = ["hooks", event, *paths[0], "command"]
    return json_text.set_value(text, path, _renewed(_at(text, path), agent, _command_of(given)))


def is_ours(command: str, agent: str) -> bool:
    """Tell whether a command line of a shell runs our hook for an agent, and nothing else."""
    start = _ASSIGNMENTS.match(command)
    words = _words(command[start.end() :] if start else command)
    if not words or _base_name(words[0]) != PROGRAM:
        return False
    at = 1
    while at < len(words) and words[at].startswith("-"):
        at += 1 if words[at] in _FLAGS or "=" in words[at] else 2
    rest = "".join(f" {word}" for word in words[at + 2 :])
    return words[at : at + 2] == ["hook", agent] and _NO_PROGRAM.fullmatch(rest) is not None


def _words(command: str) -> list[str]:
    """Return the words of a command line, operators by themselves; none if it has no end."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        return list(lexer)
    except ValueError:  # a quotation without its end
        return []


def _base_name(program: str) -> str:
    return re.split(r"[/\\]", program)[-1].lower().removesuffix(".exe")


def _renewed(command: str, agent: str, ours: str) -> str:
    """Return our command line with what the user has put before and behind the one there."""
    start = _ASSIGNMENTS.match(command)
    before = start[0] if start else ""
    return f"{before}{ours}{command.rpartition(agent)[2].lstrip(_QUOTES)}"


def _entries(text: str, event: str) -> list[Any]:
    found: Any = json_text.load(text)
    for member, kind in (("hooks", dict), (event, list)):
        found = found.get(member, kind())
        if not isinstance(found, kind):
            raise ValueError(f"{member}: expected {'an object' if kind is dict else 'an array'}")  # noqa: TRY004
    entries: list[Any] = found
    return entries


def _ours(entries: list[Any], agent: str) -> Iterator[list[str | int]]:
    """Yield the paths of our commands in the hooks of an event: themselves, or in groups."""
    for number, entry in enumerate(entries):
        inner = entry.get("hooks") if isinstance(entry, dict) else None
        if not isinstance(inner, list):
            if _has_ours(entry, agent):
                yield [number]
            continue
        for place, one in enumerate(inner):
            if _has_ours(one, agent):
                yield [number, "hooks", place]


def _has_ours(entry: Any, agent: str) -> bool:
    command = entry.get("command") if isinstance(entry, dict) else None
    return isinstance(command, str) and is_ours(command, agent)


def _removed(text: str, event: str, path: list[str | int]) -> list[str | int]:
    """Return what goes with a command of ours: its group, if it is alone in it."""
    group = _entries(text, event)[int(path[0])]
    return path[:1] if len(path) == 1 or len(group["hooks"]) == 1 else path


def _at(text: str, path: list[str | int]) -> str:
    found: Any = json_text.load(text)
    for key in path:
        found = found[key]
    return str(found)


def _command_of(given: Json) -> str:
    found = given if "command" in given else given["hooks"][0]
    return str(found["command"])
