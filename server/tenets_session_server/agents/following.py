"""Follows what is committed while an agent runs, in a thread of its own.

Nothing ends it: a batch that could not be told comes again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any, Final

from tenets_session_server.agents.calling import RefusedError
from tenets_session_server.client import feed
from tenets_session_server.client.client import CallError, Client, DisconnectedError, start_daemon

logger = logging.getLogger(__name__)

Json = dict[str, Any]

PAUSE: Final = 0.5
"""Seconds before the changes are followed again after that has failed."""


class Follower:
    """Passes on what is committed on a database, batch after batch.

    ``connect`` returns a new client; with ``notifications`` one that wants them. ``tell`` takes a
    batch as :func:`.client.feed.follow` has it.
    """

    def __init__(
        self, database: str, connect: Callable[..., Client], tell: Callable[[Json], None]
    ) -> None:
        self._database, self._connect, self._tell = database, connect, tell

    def start(self) -> None:
        """Follow what is committed from now on."""
        state = None
        with _survived():
            state = self._now()
        threading.Thread(target=self._follow, args=(state,), daemon=True).start()

    def _now(self) -> str:
        with self._connect() as client:
            return str(client.call("changes")["state"])

    def _follow(self, state: str | None) -> None:
        """Pass on what is committed after a state; never returns."""
        while True:
            with _survived():
                state = state or self._now()
                with closing(feed.follow(self._attached, state)) as batches:
                    for batch in batches:
                        self._tell(batch)
                        state = batch["state"]  # not before: else it would not come again
            time.sleep(PAUSE)

    def _attached(self) -> Client:
        """Return a client of the daemon, which is started if need be."""
        client = self._connect(notifications=True)
        if not client.is_attached:
            client.close()
            start_daemon(self._database)
            client = self._connect(notifications=True)
        return client


@contextmanager
def _survived() -> Iterator[None]:
    """Log what goes wrong in a block: without its thread an agent would hear of nothing more."""
    try:
        yield
    except (RefusedError, CallError, DisconnectedError, OSError) as error:
        logger.warning("changes are not followed now: %s", error)
    except Exception:
        logger.exception("changes are not followed now")
