"""Hooks: a coding agent runs one at its start and before each prompt, and reads what it prints.

At the start that is the current session; before a prompt, what others have changed since this
agent's last look. What an agent has seen is kept in a file for each of its conversations. A hook
stops nobody's work: on trouble it prints nothing, ends with 0, and leaves the reason in a log.

The agent waits for it. So only the standard library is imported where a daemon runs.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
import zlib

from tenets_session_server import locations
from tenets_session_server.agents import digest
from tenets_session_server.client.client import CallError, Client

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Final

    Json = dict[str, Any]

# The agents, and under which name their MCP clients write: what they wrote they know.
AUTHORS: Final = {
    "claude": "claude-code",
    "codex": "codex-mcp-client",
    "gemini": "gemini-cli-mcp-client",
    "cursor": "cursor-vscode",
}
STARTS: Final = frozenset({"SessionStart", "sessionStart"})
"""The events at which a conversation begins; every other one is a prompt."""
MOST: Final = 8000
"""Bytes of the text that an agent is told at once."""
TIMEOUT: Final = 1.0
"""Seconds after which a daemon that does not answer is left alone, or another program's lock."""
PATIENCE: Final = 4.0
"""Seconds after which a hook gives up."""
AGAIN: Final = 0.5
"""Seconds after which it gives up once more, should the first time have been of no effect."""
KEPT_FOR: Final = 30 * 86_400
"""Seconds for which it is kept what a conversation has seen."""
LARGEST_LOG: Final = 256 * 1024


def run(arguments: Sequence[str], folder: str | None, database: str | None) -> int | None:
    """Run a hook; return its exit status, None if the command line is not one of a hook."""
    if len(arguments) != 1 or arguments[0] not in AUTHORS:
        return None
    (agent,) = arguments
    try:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - for good; agents show it
        _give_up_after(PATIENCE)
        _tell(agent, folder, database)
        _give_up_after(0)
    except (Exception, KeyboardInterrupt, GaveUpError) as error:  # noqa: BLE001 - stops nobody
        _give_up_after(0)
        log(f"{agent}: {type(error).__name__}: {error}")
        _close_stdout()
    return 0


class GaveUpError(BaseException):
    """The time is over. No ``Exception``: others would take it for an error of their own."""


def _give_up_after(seconds: float) -> None:
    """Have :class:`GaveUpError` raised after so many seconds, 0: not any more.

    Nothing is raised while C code runs, as SQLite while it waits for a lock. So that has a limit of
    its own.
    """
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, _give_up)
        signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)


def _give_up(_number: int, _frame: object) -> None:
    raise GaveUpError(f"not done after {PATIENCE:g} s")


def _tell(agent: str, folder: str | None, database: str | None) -> None:
    event = json.loads(sys.stdin.buffer.read())
    if not isinstance(event, dict):
        raise TypeError("expected an object on stdin, as the agent sends it")
    name = str(event.get("hook_event_name", ""))
    roots = event.get("workspace_roots") or [None]
    folder = os.path.abspath(folder or event.get("cwd") or roots[0] or ".")
    conversation = str(event.get("session_id") or event.get("conversation_id") or "")
    path, reason = locations.locate(database)
    seen = Seen(f"{agent} {conversation[:100]} {path}")
    if name in STARTS:
        seen.forget_old()
    with Client(path, reason, folder=folder, timeout=TIMEOUT, busy_timeout=TIMEOUT) as client:
        told, now = _told(client, agent, None if name in STARTS else seen.read())
    if told:
        output: Json = {"hookSpecificOutput": {"hookEventName": name, "additionalContext": told}}
        if agent == "cursor":
            output = {"additional_context": told, **({} if name in STARTS else {"continue": True})}
        # Half a surrogate pair, from the event, becomes the escape that it is in JSON.
        data = json.dumps(output, ensure_ascii=False).encode("utf-8", "backslashreplace")
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    seen.write(now)  # last: what could not be written is told again; what the agent drops is not


def _told(client: Client, agent: str, before: Json | None) -> tuple[str, Json]:
    """Return what is told after what was seen before, and what is seen then."""
    changes: list[Json] = []
    state = None
    if before is not None:
        try:
            changes, state = _changes(client, str(before["state"]), AUTHORS[agent])
        except CallError as error:
            if error.kind != "revisionExpired":
                raise
            before = None
    current = client.call("getCurrent", includeMetadata=True)
    session = current["session"]
    session_id = None if session is None else session["id"]
    told = ""
    if before is None:
        told = digest.of_current(client.call, current, MOST)
    elif before["session"] != session_id:
        told = digest.of_current(client.call, current, MOST)
        told = told or "No tenets session is current any more."
    elif session is not None:
        told = digest.of_changes(client.call, changes, session, MOST)
    return told, {"state": state or current["state"], "session": session_id}


def _changes(client: Client, state: str, own: str) -> tuple[list[Json], str]:
    """Return what others have committed after a state, and the state after that."""
    changes: list[Json] = []
    while True:
        page = client.call("changes", sinceState=state, notAuthor=own, limit=1000)
        changes += page["changes"]
        state = page["state"]
        if not page["truncated"]:
            return changes, state


class Seen:
    """What a conversation has seen: a state, and the id of the session that was current."""

    def __init__(self, conversation: str) -> None:
        self._folder = os.path.join(locations.state_directory(), "agents")
        readable = re.sub("[^A-Za-z0-9]", "-", conversation)[:100]
        number = zlib.crc32(conversation.encode("utf-8", "surrogateescape"))
        self._file = os.path.join(self._folder, f"{readable}-{number:08x}.json")

    def read(self) -> Json | None:
        """Return it, None if nothing is known."""
        try:
            with open(self._file, encoding="utf-8") as file:
                found = json.load(file)
        except (OSError, ValueError):
            return None
        is_whole = isinstance(found, dict) and {"state", "session"} <= found.keys()
        return found if is_whole else None

    def write(self, seen: Json) -> None:
        """Keep it; another hook of the conversation may do so at the same time."""
        os.makedirs(self._folder, mode=0o700, exist_ok=True)
        unfinished = f"{self._file}.{os.getpid()}"
        with open(unfinished, "w", encoding="utf-8") as file:
            json.dump(seen, file)
        os.replace(unfinished, self._file)

    def forget_old(self) -> None:
        """Remove what other conversations have seen, if that is long ago."""
        try:
            for entry in os.scandir(self._folder):
                if entry.stat().st_mtime < time.time() - KEPT_FOR:
                    os.unlink(entry.path)
        except OSError:  # there is nothing yet, or another hook removes it
            pass


def log(line: str) -> None:
    """Add a line to the log of the hooks; a large one becomes ``hooks.log.1``."""
    try:
        folder = os.path.join(locations.state_directory(), "log")
        os.makedirs(folder, mode=0o700, exist_ok=True)
        file = os.path.join(folder, "hooks.log")
        if os.path.exists(file) and os.path.getsize(file) > LARGEST_LOG:
            os.replace(file, f"{file}.1")
        with open(file, "a", encoding="utf-8", errors="backslashreplace") as log:
            log.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {line!r}\n")
    except (OSError, RuntimeError):
        pass


def _close_stdout() -> None:
    """Have Python not complain at its end that nobody reads."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
