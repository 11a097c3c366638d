"""Writes our MCP server and our hooks into the configuration of a coding agent, and takes them out.

What else is in a file stays as it is, formatting included.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from tenets_session_server.agents import json_text

Json = dict[str, Any]

NAME: Final = "tenets-session"
"""Our name in lists of MCP servers; the public package is "tenets" there."""


class Change(NamedTuple):
    """A file, its text before, None without one, and its text afterwards, None to remove it."""

    file: Path
    before: str | None
    after: str | None


class ConfigurationError(Exception):
    """A file of an agent cannot be edited; the message says why."""


class Command(NamedTuple):
    """How an agent starts us: a program, and arguments that come before the verb."""

    program: str
    arguments: tuple[str, ...]

    def server(self, *, switch: bool) -> list[str]:
        """Return the arguments of the MCP server."""
        return [*self.arguments, "mcp", *(["--allow-switch"] if switch else [])]

    def hook(self, agent: str) -> str:
        """Return the command line of a hook, for a shell."""
        return shlex.join([self.program, *self.arguments, "hook", agent])


def changes(
    agent: str, scope: str, folder: Path, command: Command, *, switch: bool, connect: bool
) -> Iterator[Change]:
    """Yield the files that have to change for an agent to use us, or not any more.

    ``folder`` is the project. Raises :class:`ConfigurationError`.
    """
    for file, edit in _EDITS[agent](scope, folder, command, switch):
        before = _read(file)
        is_crlf = "\r\n" in (before or "")
        try:
            edited = edit((before or "").replace("\r\n", "\n"), connect)
        except (ValueError, KeyError) as error:
            raise ConfigurationError(f"{file}: {error}; mend it first") from error
        after: str | None = edited.replace("\n", "\r\n") if is_crlf else edited
        if before is None and not edited:
            continue  # there is nothing to take out
        if not connect and edited.strip() in {"", "{}"}:
            after = None
        if after != before:
            yield Change(file, before, after)


def write(change: Change) -> None:
    """Make a change. The file is there whole at each moment. Raises OSError."""
    file = change.file.resolve()
    if change.after is None:
        file.unlink(missing_ok=True)
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with unfinished.open("x", encoding="utf-8", newline="") as new:
            new.write(change.after)
        if file.exists():
            unfinished.chmod(file.stat().st_mode & 0o777)
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)


def _read(file: Path) -> str | None:
    try:
        with file.open(encoding="utf-8", newline="") as found:
            return found.read()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file}: {error}") from error


# -- where the agents look, and what they expect ------------------------------------------------

Edit = Callable[[str, bool], str]
Edits = Iterator[tuple[Path, Edit]]


def _claude(scope: str, folder: Path, command: Command, switch: bool) -> Edits:
    home = Path.home()
    servers = home / ".claude.json" if scope == "user" else folder / ".mcp.json"
    settings = (home if scope == "user" else folder) / ".claude" / "settings.json"
    server = {"type": "stdio", **_server(command, switch)}
    yield servers, _json_server("mcpServers", server)
    yield settings, _json_hooks("claude", command, ("SessionStart", "UserPromptSubmit"))


def _codex(scope: str, folder: Path, command: Command, switch: bool) -> Edits:
    home = os.environ.get("CODEX_HOME", "")
    base = folder / ".codex"
    if scope == "user":
        base = Path(home) if home else Path.home() / ".codex"
    yield base / "config.toml", _toml_server(_server(command, switch))
    yield base / "hooks.json", _json_hooks("codex", command, ("SessionStart", "UserPromptSubmit"))


def _gemini(scope: str, folder: Path, command: Command, switch: bool) -> Edits:
    settings = (Path.home() if scope == "user" else folder) / ".gemini" / "settings.json"
    edits = (
        _json_server("mcpServers", _server(command, switch)),
        _json_hooks("gemini", command, ("SessionStart", "BeforeAgent")),
    )

    def both(text: str, connect: bool) -> str:
        for edit in edits:
            text = edit(text, connect)
        return text

    yield settings, both


def _cursor(scope: str, folder: Path, command: Command, switch: bool) -> Edits:
    base = (Path.home() if scope == "user" else folder) / ".cursor"
    yield base / "mcp.json", _json_server("mcpServers", _server(command, switch))
    given = {"command": command.hook("cursor")}

    def hooks(text: str, connect: bool) -> str:
        if connect and "version" not in json_text.load(text):
            text = json_text.set_value(text, ["version"], 1)
        for event in ("sessionStart", "beforeSubmitPrompt"):
            text = _with_hook(text, "cursor", event, given if connect else None)
        is_ours = not connect and json_text.load(text) == {"version": 1}
        return json_text.remove(text, ["version"]) if is_ours else text

    yield base / "hooks.json", hooks


def _vscode(scope: str, folder: Path, command: Command, switch: bool) -> Edits:
    base = folder / ".vscode" if scope == "project" else _settings_folder() / "Code" / "User"
    server = {"type": "stdio", **_server(command, switch)}
    yield base / "mcp.json", _json_server("servers", server)


def _opencode(scope: str, folder: Path, command: Command, switch: bool) -> Edits:
    base = folder
    if scope == "user":
        base = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "opencode"
    existing = [one for one in ("opencode.jsonc", "opencode.json") if (base / one).exists()]
    server = {
        "type": "local",
        "command": [command.program, *command.server(switch=switch)],
        "enabled": True,
    }
    yield base / (existing or ["opencode.json"])[0], _json_server("mcp", server)


_EDITS: Final = {
    "claude": _claude,
    "codex": _codex,
    "gemini": _gemini,
    "cursor": _cursor,
    "vscode": _vscode,
    "opencode": _opencode,
}
AGENTS: Final = tuple(_EDITS)


def _settings_folder() -> Path:
    """Return where VS Code's folder is (its documentation, "Settings file locations")."""
    if sys.platform == "win32":
        return Path(os.environ["APPDATA"])
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")


def _server(command: Command, switch: bool) -> Json:
    return {"command": command.program, "args": command.server(switch=switch)}


def _json_server(member: str, server: Json) -> Edit:
    def edit(text: str, connect: bool) -> str:
        if connect:
            return json_text.set_value(text, [member, NAME], server)
        return json_text.remove(text, [member, NAME])

    return edit


def _json_hooks(agent: str, command: Command, events: Sequence[str]) -> Edit:
    given = {"hooks": [{"type": "command", "command": command.hook(agent)}]}

    def edit(text: str, connect: bool) -> str:
        for event in events:
            text = _with_hook(text, agent, event, given if connect else None)
        return text

    return edit


def _with_hook(text: str, agent: str, event: str, given: Json | None) -> str:
    """Return the text with this hook and no other one of ours; None: with none of ours."""
    found: Any = json_text.load(text)
    for member, kind in (("hooks", dict), (event, list)):
        found = found.get(member, kind())
        if not isinstance(found, kind):
            raise ValueError(f"{member}: expected {'an object' if kind is dict else 'an array'}")  # noqa: TRY004
    ours = [number for number, one in enumerate(found) if _is_ours(one, agent)]
    if given is not None and [found[number] for number in ours] == [given]:
        return text
    for number in reversed(ours):
        text = json_text.remove(text, ["hooks", event, number])
    if given is None:
        return text
    return json_text.append(text, ["hooks", event], given)


def _is_ours(entry: Any, agent: str) -> bool:
    commands = [entry, *(entry.get("hooks") or ())] if isinstance(entry, dict) else []
    return any(
        str(one.get("command", "")).endswith(f" hook {agent}") and NAME in one["command"]
        for one in commands
        if isinstance(one, dict)
    )


def _toml_server(server: Json) -> Edit:
    """Our table stands at the end of the file, so nothing else is touched."""
    lines = [f"{name} = {json.dumps(one, ensure_ascii=False)}\n" for name, one in server.items()]
    block = "".join([f"[mcp_servers.{NAME}]\n", *lines])

    def edit(text: str, connect: bool) -> str:
        expected = tomllib.loads(text)
        servers = expected.get("mcp_servers", {})
        if connect and servers.get(NAME) == server:
            return text
        servers.pop(NAME, None)
        after = _OUR_TABLES.sub("", text)
        if connect:
            expected["mcp_servers"] = {**servers, NAME: server}
            if after:
                after += "\n" if after.endswith("\n") else "\n\n"
            after += block
        elif not servers:
            expected.pop("mcp_servers", None)
        if _without_empty(tomllib.loads(after)) != _without_empty(expected):
            do = "add it, or take it out," if connect else "take it out"
            raise ValueError(f"mcp_servers.{NAME} is written in another way here: {do} by hand")
        return after

    return edit


def _without_empty(document: Json) -> Json:
    return {name: one for name, one in document.items() if (name, one) != ("mcp_servers", {})}


_OUR_TABLES: Final = re.compile(
    rf"(?:^|(?<=\n))\n?\[mcp_servers\.\"?{NAME}\"?(?:\.[^\]\n]+)?\][^\n]*(?:\n|\Z)"
    r"(?:[ \t]*[^\s\[#][^\n]*(?:\n|\Z))*"
)
"""Our table, and tables in it: a header, its lines, and a blank line before."""
