"""What a shell or an agent waits for: the name for a prompt, names to complete, hooks.

It takes as long as Python's start and SQLite's import: nothing else is imported, no daemon is
asked, and the database is only looked at (:mod:`.sqlite.glance`). A command line that is not one
of these, or has other options, is up to :mod:`.app`.
"""

from __future__ import annotations

import os

from tenets_session_server import locations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

COMPLETE: Final = "--complete-names"
"""What the completions of the shells call us with; the next argument is how the name begins."""
MOST_COMPLETED: Final = 200
"""Names that a shell is offered."""


def run(arguments: Sequence[str]) -> int | None:
    """Run the command; return its exit status, None if the command line is not for this module."""
    folder = database = None
    remaining = iter(arguments)
    for argument in remaining:
        if argument == "-C":
            folder = next(remaining, None)
        elif argument == "--database":
            database = next(remaining, None)
        elif argument == "prompt":
            return None if list(remaining) else prompt(folder, database)
        elif argument == "hook":
            from tenets_session_server.agents import hook

            return hook.run(list(remaining), folder, database)
        elif argument == COMPLETE:
            return complete(database, next(remaining, ""))
        else:
            return None
    return None


def prompt(folder: str | None, database: str | None) -> int:
    """Print the name of the current session, or nothing; a prompt has no place for errors."""
    from tenets_session_server.storage.sqlite import glance

    try:
        if folder is not None:
            os.chdir(folder)
        name = glance.current_name(locations.locate(database)[0], os.getcwd())
    except (glance.UnreadableError, RuntimeError, OSError):
        return 1
    return _print(() if name is None else (_inert(name),))


def complete(database: str | None, prefix: str) -> int:
    """Print the names of sessions that begin so, a line each."""
    from tenets_session_server.storage.sqlite import glance

    try:
        found = glance.names(locations.locate(database)[0], prefix, MOST_COMPLETED)
    except (glance.UnreadableError, RuntimeError, OSError):
        return 1
    # A name that cannot be shown as it is cannot be completed either, nor one that looks like an
    # option.
    return _print([name for name in found if name == _inert(name) and not name.startswith("-")])


def _inert(name: str) -> str:
    if name.isprintable():  # as nearly all are; to import what looks closer takes 3 ms
        return name
    from tenets_session_server.client import text

    return text.line(name)


def _print(lines: Sequence[str]) -> int:
    data = "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")
    try:
        while data:
            data = data[os.write(1, data) :]
    except OSError:  # nobody reads it
        return 1
    return 0
