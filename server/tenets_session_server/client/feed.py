"""What is committed, batch after batch: told by a daemon, else by the database itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Any, Final

from tenets_session_server.client.client import CallError, Client, DisconnectedError

Json = dict[str, Any]

POLL: Final = 0.1
"""Seconds between looks at the database where no daemon tells of changes."""
LOOKS: Final = 20
"""Looks after which a daemon is looked for again."""


def follow(connect: Callable[[], Client], state: str | None = None) -> Generator[Json]:
    """Yield what is committed after a state, None: after now. It never ends.

    ``connect`` returns a new client that wants notifications. A batch has ``changes``,
    ``revision`` and ``state``; ``incomplete`` is true if changes are missing. No change comes
    twice, and none is left out when a daemon ends or another one starts.
    """
    while True:
        with connect() as client:
            try:
                if state is None:
                    state = client.call("changes")["state"]
                told = 0
                for batch in _batches(client, state):
                    state = batch["state"]
                    # What was committed while we caught up comes as a message as well.
                    later = [one for one in batch["changes"] if one["revision"] > told]
                    if later or batch.get("incomplete"):
                        told = batch["revision"]
                        yield {**batch, "changes": later}
            except DisconnectedError:
                continue  # another daemon, or the database


def _batches(client: Client, state: str) -> Generator[Json]:
    """Yield what is committed after a state, until the daemon ends, or one should be looked for."""
    state = yield from _missed(client, state)
    if client.is_attached:
        for message in client.messages():
            incomplete = message.get("incomplete", False)
            yield _batch(message["changes"], message, incomplete=incomplete)
        return
    for _ in range(LOOKS):
        time.sleep(POLL)
        state = yield from _missed(client, state)


def _missed(client: Client, state: str) -> Generator[Json, None, str]:
    """Yield the changes after a state, in pages; return the state after them."""
    while True:
        try:
            page = client.call("changes", sinceState=state, limit=1000)
        except CallError as error:
            if error.kind != "revisionExpired":
                raise
            yield _batch([], error.data, incomplete=True)
            return str(error.data["state"])
        if page["changes"]:
            yield _batch(page["changes"], page)
        state = page["state"]
        if not page["truncated"]:
            return state


def _batch(changes: list[Json], at: Json, *, incomplete: bool = False) -> Json:
    batch: Json = {"changes": changes, "revision": at["revision"], "state": at["state"]}
    return {**batch, "incomplete": True} if incomplete else batch
