"""Two clients share sessions, as two editor windows do. Prints what each of them sees.

    python client_examples/python/share_session.py [--database FILE]

Each client starts ``tenets-session-server``, and one daemon serves both. Without ``--database`` the
database is a ``tenets.db`` in a temporary folder. The folder and the daemon are gone afterwards.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from datetime import datetime
from pathlib import Path

from tenets_session_client import COMMAND, Session, SessionClient, SessionError


async def share(database: Path, *options: str) -> None:
    """Let two clients use the sessions of one database; ``options`` go to the server."""
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
        show("right", "is notified of the switch", await switched)

        for text in ("the parser is the slow part", "the cache is not", "ask Ada"):
            note = await right.add_context(task, "note", text)
        await right.update_metadata(task, {"reviewer": "Ada"})
        show("right", "adds three notes and a reviewer", await right.get(task))
        await left.update_context(note["id"], "Ada says: measure it")
        notes = [entry["content"] async for entry in left.context(task)]
        print("  left changes the last note, and reads them")
        for text in notes:
            print(f"         sees {text!r}")

        (hit,) = await right.search("slow pars")
        print(f" right searches for 'slow pars'\n         sees {hit['snippet']!r}")
        await right.remove_context(note["id"])
        await left.undo()
        count = len([entry async for entry in right.context(task)])
        print(
            f" right removes the last note, and left undoes that\n         sees {count} notes again"
        )

        switched = listening(left, urgent)
        await right.create(urgent)
        await right.set_active(urgent)
        show("right", f"switches to {urgent!r}", await right.get_active())
        show("left", "is notified of the switch", await switched)

        bound = await left.bind(task, database.parent)
        show("left", f"ties the folder {database.parent} to {task!r}", bound["session"])
        show("left", "has the same active session as before", await left.get_active())

        try:
            await left.create(urgent)
        except SessionError as error:
            print(f"{'left':>6} cannot create {urgent!r} again: {error} ({error.kind})")

        print("  both list these sessions:")
        async for session in left.list(include_context_count=True):
            print(f"         {describe(session)}")
        seen = [[session async for session in client.list()] for client in (left, right)]
        print(f"  the same in both: {'yes' if seen[0] == seen[1] else 'NO'}")


def listening(client: SessionClient, name: str) -> asyncio.Task[Session]:
    """Return a task that ends when a client is notified that this session is the active one."""
    changes = client.changes()

    async def listen() -> Session:
        async for batch in changes:
            if batch["active"] and batch["active"]["name"] == name:
                return batch["active"]
        raise ConnectionError("the server has ended")

    return asyncio.create_task(listen())


def show(client: str, does: str, session: Session | None) -> None:
    """Print what happens at a client, and the session that it sees then."""
    print(f"{client:>6} {does}")
    print(f"         sees {describe(session) if session else 'no session'}")


def describe(session: Session) -> str:
    """Return one line for a session, without the metadata that the server itself keeps."""
    text = f"{'*' if session['active'] else ' '} {session['name']}"
    if "contextCount" in session:
        text += f", notes: {session['contextCount']}"
    own = {
        key: value
        for key, value in session["metadata"].items()
        if key not in {"active", "updated_at", "resumed_at", "ended_at"}
    }
    return f"{text}, {own}" if own else text


def main() -> None:
    """Parse the command line and run the example."""
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
