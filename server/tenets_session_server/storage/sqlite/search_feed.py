"""Feeds the search index when nobody waits: on the event loop, in steps of a few milliseconds.

It begins a moment after a commit by anyone, and waits longer while clients go on writing, but not
for ever: the change log keeps the newest changes only, and what falls out of it has to be scanned
for. If a step fails, clients are not affected; it is repeated later.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from tenets_session_server.errors import (
    DamagedIndexError,
    DatabaseBusyError,
    DatabaseError,
    DatabaseReadOnlyError,
)
from tenets_session_server.storage.sqlite.search_index import SearchIndex

logger = logging.getLogger(__name__)

STEP: Final = 0.003
"""Seconds that one step takes, and then its commit."""
QUIET: Final = 0.1
"""Seconds without a commit until the index is fed."""
LONGEST_WAIT: Final = 2.0
"""Seconds until it is fed although commits go on."""
LARGEST_BACKLOG: Final = 4000
"""Changes with which it is fed at once; the log keeps 10,000."""
MOST_UNMERGED: Final = 16
"""Steps after which what they have written is merged although there is more to index. To merge more
at once takes longer, and a search looks into each part that is not merged."""
RETRY_AFTER: Final = 0.25
"""Seconds until feeding goes on if the database was busy."""


class SearchFeed:
    """Feeds one index, from :meth:`start` to :meth:`stop`; ``on_step`` is called after a commit."""

    def __init__(self, index: SearchIndex, on_step: Callable[[], None]) -> None:
        self._index, self._on_step = index, on_step
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._last_commit = self._waiting_since = 0.0
        self._unmerged = 0  # how many steps have written what is not merged yet

    @property
    def is_pending(self) -> bool:
        """Whether something may be left to do."""
        return self._timer is not None

    def start(self) -> None:
        """Begin, with what was committed while no server ran."""
        self._loop = asyncio.get_running_loop()
        self.commit_seen()

    def stop(self) -> None:
        """Stop; what remains is for the next process, or for the next search."""
        if self._timer is not None:
            self._timer.cancel()
        self._loop = self._timer = None

    def commit_seen(self) -> None:
        """Feed the index soon."""
        if self._loop is None:
            return
        self._last_commit = self._loop.time()
        self._unmerged = max(1, self._unmerged)  # a search may have written as well
        if self._timer is None:
            self._waiting_since = self._last_commit
            self._timer = self._loop.call_later(QUIET, self._step)

    def _step(self) -> None:
        """Take one step, and let the loop run before the next one."""
        self._timer = None
        if self._loop is None:
            return
        try:
            delay = self._next()
        except DatabaseBusyError:
            delay = RETRY_AFTER
        except DatabaseReadOnlyError:
            delay = None
        except DamagedIndexError as error:
            logger.warning("%s: it is made anew", error)
            delay = self._make_anew()
        except DatabaseError as error:  # the next commit tries again
            logger.info("bringing the search index up to date is postponed: %s", error)
            delay = None
        except Exception:  # a row that nobody has thought of must not end it for ever
            logger.exception("bringing the search index up to date failed")
            delay = None
        if delay is not None:
            self._timer = self._loop.call_later(delay, self._step)

    def _make_anew(self) -> float | None:
        try:
            self._index.make_anew()
        except DatabaseError as error:
            logger.warning("the search index cannot be made anew: %s", error)
            return None
        return 0.0

    def _next(self) -> float | None:
        """Do what is to be done now; return the seconds until more is, None if nothing is."""
        assert self._loop is not None  # noqa: S101 - a step is taken while it runs
        now = self._loop.time()
        backlog = self._index.backlog()
        busy = now - self._last_commit < QUIET
        if busy and backlog < LARGEST_BACKLOG and now - self._waiting_since < LONGEST_WAIT:
            return QUIET
        pause = 0.0 if not busy or backlog > LARGEST_BACKLOG else STEP
        if self._unmerged > (MOST_UNMERGED if backlog else 0):
            self._unmerged = self._unmerged if self._index.merge() else 0
        elif backlog:
            self._index.feed(STEP)
            self._unmerged += 1
            self._on_step()
            if busy and self._index.backlog() < LARGEST_BACKLOG:
                self._waiting_since = now
        elif not self._index.repair(STEP):
            return None
        return pause
