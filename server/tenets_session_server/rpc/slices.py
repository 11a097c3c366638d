"""Work that would take long, done a little at a time, so that nobody else waits for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Generic, TypeVar

from tenets_session_server.errors import DatabaseError

logger = logging.getLogger(__name__)


Result = TypeVar("Result")


class Sliced(Generic[Result]):
    """A result that holds already, and is to be told, and the rest of the work.

    It is work that somebody else will take up if it stays undone, so neither its failure nor a
    cancellation changes the result.
    """

    def __init__(self, result: Result, work: Callable[[], bool]) -> None:
        self.result, self._work = result, work

    async def finish(self) -> None:
        """Do the rest of the work; others have their turn between its pieces."""
        try:
            while self._work():  # noqa: ASYNC110 - no event tells that others have had their turn
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            logger.info("left the rest for later: the client is gone")
        except DatabaseError as error:
            _leave(error)


def after_slices(result: Result, work: Callable[[], bool]) -> Result | Sliced[Result]:
    """Return ``result``, as it is or :class:`Sliced`.

    ``work`` does a little and tells whether there is more.
    """
    try:
        return Sliced(result, work) if work() else result
    except DatabaseError as error:
        _leave(error)
        return result


def _leave(error: DatabaseError) -> None:
    logger.info("left the rest for later: %s", error)
