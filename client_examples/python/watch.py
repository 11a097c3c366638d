"""Prints every change of the sessions as it is committed. End it with Ctrl-C.

    python client_examples/python/watch.py [--database FILE]

Without ``--database`` it watches the user's own sessions. Try it beside an editor, or beside
``tenets session create`` in another terminal: it prints the commits of every program.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from pathlib import Path

from tenets_session_client import Change, SessionClient


async def watch(database: Path | None) -> int:
    """Print changes until the server ends; return the exit status."""
    async with SessionClient(database=database) as sessions:
        for warning in sessions.capability["warnings"]:
            say(f"warning: {warning}")
        changes = sessions.changes()
        active = await sessions.get_active()
        shown = active["name"] if active else None
        say(f"watching {sessions.capability['database']}; {active_sentence(shown)}")
        async for batch in changes:
            for change in batch["changes"]:
                say(change_line(change))
            if batch.get("incomplete"):
                say(f"{batch['revision']:>6}  some changes are missing; fetch the sessions again")
            name = batch["active"]["name"] if batch["active"] else None
            if name != shown:
                shown = name
                say(active_line(name))
    say("the server has ended")
    return 1


def change_line(change: Change) -> str:
    """Return one line for a change: its revision, its type, and what it is about."""
    about = change["sessionName"] or "no session"
    if "folder" in change:
        about = f"{change['folder']} to {about}"
    if "contextId" in change:
        about += f" (entry {change['contextId']})"
    if change["author"] is not None:
        about += f", by {change['author']}"
    return f"{change['revision']:>6}  {change['type']:<14} {about}"


def active_line(name: str | None) -> str:
    """Return one line for the active session that a notification names."""
    return f"        {active_sentence(name)}"


def active_sentence(name: str | None) -> str:
    """Return a sentence that names the active session."""
    return "no session is active" if name is None else f"the active session is {name}"


def say(line: str) -> None:
    """Print a line and flush it, as a pipe is buffered."""
    print(line, flush=True)


def main() -> int:
    """Parse the command line and watch; return the exit status."""
    options = argparse.ArgumentParser(
        description="Print changes of the sessions as they are committed."
    )
    options.add_argument("--database", type=Path, metavar="FILE")
    with contextlib.suppress(KeyboardInterrupt):
        return asyncio.run(watch(options.parse_args().database))
    return 0


if __name__ == "__main__":
    sys.exit(main())
