"""Writes our MCP server and our hooks into the configuration of a coding agent, and takes them out.

What else is in a file stays as it is, formatting included.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from tenets_session_server.agents import hook_settings, json_text, toml_text

Json = dict[str, Any]

NAME: Final = hook_settings.PROGRAM
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
        is_crlf = before is not None and 0 < before.count("\r\n") == before.count("\n")
        given = (before or "").replace("\r\n", "\n") if is_crlf else before or ""
        try:
            edited = edit(given, connect)
            if file.suffix.startswith(".json"):
                json_text.load(edited)
        except toml_text.ByHandError as error:
            raise ConfigurationError(f"{file}: {error}") from error
        except (ValueError, KeyError, RecursionError) as error:
            raise ConfigurationError(f"{file}: {error}; mend it first") from error
        after: str | None = edited.replace("\n", "\r\n") if is_crlf else edited
        if edited == given:
            continue
        if not connect and edited.strip() in {"", "{}"} and not file.is_symlink():
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
        # Nobody else reads it before it has its mode: agents keep tokens there.
        number = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(number, "w", encoding="utf-8", newline="") as new:
            new.write(change.after)
        if file.exists():
            unfinished.chmod(file.stat().st_mode & 0o777)
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)


def _read(file: Path) -> str | None:
    try:
        if file.exists() and not file.is_file():
            raise ConfigurationError(f"{file}: expected a file")
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
    servers, base = folder / ".mcp.json", folder / ".claude"
    if scope == "user":
        home = Path.home()
        servers, base = home / ".claude.json", home / ".claude"
        if given := os.environ.get("CLAUDE_CONFIG_DIR", ""):
            servers, base = Path(given, ".claude.json"), Path(given)
        if (base / ".config.json").exists():  # of an early version, which is still read
            servers = base / ".config.json"
    server = {"type": "stdio", **_server(command, switch)}
    yield servers, _json_server("mcpServers", server)
    yield (
        base / "settings.json",
        _json_hooks("claude", command, ("SessionStart", "UserPromptSubmit")),
    )


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
            text = hook_settings.with_hook(text, "cursor", event, given if connect else None)
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


_START: Final = frozenset({"type", "command", "args"})


def _server(command: Command, switch: bool) -> Json:
    return {"command": command.program, "args": command.server(switch=switch)}


def _json_server(member: str, server: Json) -> Edit:
    def edit(text: str, connect: bool) -> str:
        there = _member(text, member)
        if not connect:
            while NAME in _member(text, member):  # doubled members have it twice
                text = json_text.remove(text, [member, NAME])
            return text
        if not isinstance(there.get(NAME), dict):
            return json_text.set_value(text, [member, NAME], server)
        # What the user has added to it stays, and what the user has changed, but how we start.
        for name, one in server.items():
            if name in _START or name not in there[NAME]:
                text = json_text.set_value(text, [member, NAME, name], one)
        return text

    return edit


def _member(text: str, member: str) -> Json:
    found = json_text.load(text).get(member)
    return found if isinstance(found, dict) else {}


def _json_hooks(agent: str, command: Command, events: Sequence[str]) -> Edit:
    given = {"hooks": [{"type": "command", "command": command.hook(agent)}]}

    def edit(text: str, connect: bool) -> str:
        for event in events:
            text = hook_settings.with_hook(text, agent, event, given if connect else None)
        return text

    return edit


def _toml_server(server: Json) -> Edit:
    def edit(text: str, connect: bool) -> str:
        return toml_text.set_server(text, NAME, server if connect else None)

    return edit
