"""Two editors' worth of clients share sessions; prints what each of them sees.

    python client_examples/python/share_session.py [--database FILE]

Each client starts ``tenets-session-server``, as two editor windows do, and one process serves
both. Without ``--database`` the database is a ``tenets.db`` in a temporary folder, gone afterwards,
and so is that process.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from datetime import datetime
from pathlib import Path

from tenets_session_client import COMMAND, Session, SessionClient, SessionError


async def share(database: Path, *options: str) -> None:
    """Let two clients work on the sessions of one database; ``options`` are for the server."""
    command = (*COMMAND, *options)
    async with (
        SessionClient(command, database=database) as left,
        SessionClient(command, database=database) as right,
    ):
        print(f"Two clients on {left.capability['database']}")
        for warning in {*left.capability["warnings"], *right.capability["warnings"]}:
            print(f"  warning: {warning}")

        task = f"refactor {datetime.now():%H:%M:%S}"  # noqa: DTZ005 - a name to read
        urgent = task.replace("refactor", "hotfix")
        switched = listening(right, task)
        await left.create(task, {"branch": "tidy"}, active=True)
        show("left", f"creates and activates {task!r}", await left.get_active())
        show("right", "is told at once, without asking", await switched)

        await right.add_context(task, "note", "the parser is the slow part")
        await right.update_metadata(task, {"reviewer": "Ada"})
        show("right", "adds a note and a reviewer", await right.get(task))

        switched = listening(left, urgent)
        await right.create(urgent)
        await right.set_active(urgent)
        show("right", f"switches to {urgent!r}", await right.get_active())
        show("left", "is told at once, without asking", await switched)

        try:
            await left.create(urgent)
        except SessionError as error:
            print(f"{'left':>6} cannot create {urgent!r} again: {error} ({error.kind})")

        print("  both list:")
        async for session in left.list(includeContextCount=True):
            print(f"         {describe(session)}")
        seen = [[session async for session in client.list()] for client in (left, right)]
        print(f"  the same in both: {'yes' if seen[0] == seen[1] else 'NO'}")


def listening(client: SessionClient, name: str) -> asyncio.Task[Session]:
    """Wait, from now on, until a client is told that a session has become the active one."""

    changes = client.changes()

    async def listen() -> Session:
        async for told in changes:
            if told["active"] and told["active"]["name"] == name:
                return told["active"]
        raise ConnectionError("the server has ended")

    return asyncio.create_task(listen())


def show(who: str, does: str, session: Session | None) -> None:
    """Print what a client does, and the session that it sees then."""
    print(f"{who:>6} {does}")
    print(f"         sees {describe(session) if session else 'no session'}")


def describe(session: Session) -> str:
    """Return a session in one line."""
    text = f"{'*' if session['active'] else ' '} {session['name']}"
    if "contextCount" in session:
        text += f", {session['contextCount']} context entries"
    own = {
        key: value
        for key, value in session["metadata"].items()
        if key not in {"active", "updated_at", "resumed_at", "ended_at"}
    }
    return f"{text}, {own}" if own else text


def main() -> None:
    """Read the command line and run it all."""
    options = argparse.ArgumentParser(description="Two clients share one set of sessions.")
    options.add_argument("--database", type=Path, metavar="FILE")
    database: Path | None = options.parse_args().database
    if database is not None:
        asyncio.run(share(database))
        return
    with tempfile.TemporaryDirectory(prefix="tenets-") as folder:
        asyncio.run(share(Path(folder) / "tenets.db", "--idle-timeout", "0"))


if __name__ == "__main__":
    main()
