"""Edits Codex's list of MCP servers as text: our table is added at the end of the file.

What is not edited keeps its every byte. The result is read again, so a file that is written in
another way is refused, and stays as it is.
"""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any, Final

Json = dict[str, Any]


class ByHandError(ValueError):
    """The text is right, but the user has to change it; the message says how."""


def set_server(text: str, name: str, server: Json | None) -> str:
    """Return the text with a table ``mcp_servers.<name>``; None: without it. Raises ValueError."""
    expected = tomllib.loads(text)
    servers = expected.pop("mcp_servers", {})
    if not isinstance(servers, dict):
        raise ValueError("mcp_servers: expected a table")  # noqa: TRY004 - the text is wrong
    before = servers.pop(name, None)
    if before == server or (server is not None and _has(before, server)):
        return text
    if server is not None and isinstance(before, dict):
        other = {key: one for key, one in server.items() if before.get(key) != one}
        after = _with_values(text, name, other)  # what the user has added stays
        servers[name] = {**before, **server}
        if not _is(after, expected, servers):
            raise ByHandError(
                f"mcp_servers.{name} is written in a way that is not edited: write"
                f" {_lines(server).strip()!r} there by hand"
            )
        return after
    after = _tables(name).sub("", text)
    if server is not None:
        gap = "" if not after else "\n" if after.endswith("\n") else "\n\n"
        after = f"{after}{gap}[mcp_servers.{name}]\n{_lines(server)}"
        servers[name] = server
    if not _is(after, expected, servers):
        do = "take it out" if server is None else "add it"
        raise ByHandError(f"mcp_servers is written in a way that is not edited: {do} by hand")
    return after


def _has(before: Any, server: Json) -> bool:
    return isinstance(before, dict) and before.items() >= server.items()


def _lines(server: Json) -> str:
    return "".join(f"{_line(key, one)}\n" for key, one in server.items())


def _line(key: str, value: Any) -> str:
    return f"{key} = {json.dumps(value, ensure_ascii=False)}"


def _with_values(text: str, name: str, server: Json) -> str:
    """Return the text with other values in our table: in the lines that give them, or new ones."""

    def edited(table: re.Match[str]) -> str:
        found = table[0]
        for key, one in server.items():
            line = _line(key, one).replace("\\", r"\\")
            found, count = re.subn(
                rf"(?m)^[ \t]*{key}[ \t]*={_VALUE}(?P<rest>[ \t]*(?:#[^\n]*)?)$",
                rf"{line}\g<rest>",
                found,
                count=1,
            )
            if not count:
                found = re.sub(r"\][^\n]*(?:\n|\Z)", rf"\g<0>{line}\n", found, count=1)
        return found

    return _tables(name).sub(edited, text, count=1)


_STRING: Final = r"""(?:"(?:[^"\\\n]|\\.)*"|'[^'\n]*')"""
# A string, or an array of strings, which may be written in several lines.
_VALUE: Final = rf"\s*(?:{_STRING}|\[(?:[^\]\"'#]|{_STRING}|#[^\n]*)*\])"


def _tables(name: str) -> re.Pattern[str]:
    """Return what fits our table and tables in it, with their lines and a blank one before."""
    return re.compile(
        rf"(?:^|(?<=\n))\n?\[mcp_servers\.\"?{re.escape(name)}\"?(?:\.[^\]\n]+)?\][^\n]*(?:\n|\Z)"
        r"(?:(?:[ \t]*(?:#[^\n]*)?\n)*[ \t]*[^\s\[#][^\n]*(?:\n|\Z))*"
    )


def _is(text: str, others: Json, servers: Json) -> bool:
    """Tell whether a text has these servers, and these other members."""
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    there = found.pop("mcp_servers", {})
    return _comparable([found, there]) == _comparable([others, servers])


def _comparable(value: Any) -> str:
    """Return a text that is the same for equal values, and for those with NaN."""
    return json.dumps(value, sort_keys=True, default=repr)
