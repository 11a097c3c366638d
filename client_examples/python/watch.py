"""Prints what anybody changes in the sessions, as it comes. End it with Ctrl-C.

    python client_examples/python/watch.py [--database FILE]

Without ``--database`` it watches the user's own sessions. Try it beside an editor, or beside
``tenets session create`` in another terminal: every commit shows up, whoever makes it.
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
        say(f"watching {sessions.capability['database']}; {active_line(shown)}")
        async for told in changes:
            for change in told["changes"]:
                say(f"{change['revision']:>6}  {describe(change)}")
            if told.get("incomplete"):
                say(f"{told['revision']:>6}  and more that is not told: look at everything anew")
            name = told["active"]["name"] if told["active"] else None
            if name != shown:
                shown = name
                say(f"        {active_line(name)}")
    say("the server has ended")
    return 1


def describe(change: Change) -> str:
    """Return a change in a few words."""
    entry = f" (entry {change['contextId']})" if "contextId" in change else ""
    return f"{change['type']:<14} {change['sessionName']}{entry}"


def active_line(name: str | None) -> str:
    """Return what is active, in words."""
    return "no session is active" if name is None else f"the active session is {name}"


def say(line: str) -> None:
    """Print at once, also into a pipe."""
    print(line, flush=True)


def main() -> int:
    """Read the command line and run it; return the exit status."""
    options = argparse.ArgumentParser(description="Print changes of sessions as they come.")
    options.add_argument("--database", type=Path, metavar="FILE")
    with contextlib.suppress(KeyboardInterrupt):
        return asyncio.run(watch(options.parse_args().database))
    return 0


if __name__ == "__main__":
    sys.exit(main())
