"""Edits Codex's list of MCP servers as text: our table stands at the end of the file.

What is not edited keeps its every byte. The result is read again, so a file that is written in
another way is refused, and stays as it is.
"""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

Json = dict[str, Any]


def set_server(text: str, name: str, server: Json | None) -> str:
    """Return the text with a table ``mcp_servers.<name>``; None: without it. Raises ValueError."""
    expected = tomllib.loads(text)
    servers = expected.pop("mcp_servers", {})
    if not isinstance(servers, dict):
        raise ValueError("mcp_servers: expected a table")  # noqa: TRY004 - the text is wrong
    before = servers.pop(name, None)
    if before == server:
        return text
    if server is not None and before is not None and before.keys() > server.keys():
        raise ValueError(f"mcp_servers.{name} has more than we know: change it by hand")
    after = _tables(name).sub("", text)
    if server is not None:
        lines = [f"{key} = {json.dumps(one, ensure_ascii=False)}\n" for key, one in server.items()]
        gap = "" if not after else "\n" if after.endswith("\n") else "\n\n"
        after = "".join([after, gap, f"[mcp_servers.{name}]\n", *lines])
        servers[name] = server
    if not _is(after, expected, servers):
        do = "take it out" if server is None else "add it"
        raise ValueError(f"mcp_servers is written in a way that is not edited: {do} by hand")
    return after


def _tables(name: str) -> re.Pattern[str]:
    """Return what fits our table and tables in it, with their lines and a blank one before."""
    return re.compile(
        rf"(?:^|(?<=\n))\n?\[mcp_servers\.\"?{re.escape(name)}\"?(?:\.[^\]\n]+)?\][^\n]*(?:\n|\Z)"
        r"(?:[ \t]*[^\s\[#][^\n]*(?:\n|\Z))*"
    )


def _is(text: str, others: Json, servers: Json) -> bool:
    """Tell whether a text has these servers, and these other members."""
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    there = found.pop("mcp_servers", {})
    return repr((found, there)) == repr((others, servers))  # nan is nan
