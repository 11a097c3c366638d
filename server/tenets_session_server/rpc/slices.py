"""Work that would take long, done a little at a time, so that nobody else waits for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from tenets_session_server.errors import DatabaseError

logger = logging.getLogger(__name__)

Result = TypeVar("Result")


def after_slices(result: Result, work: Callable[[], bool]) -> Result | Coroutine[Any, Any, Result]:
    """Return ``result`` once ``work`` has nothing left to do: at once, or an awaitable of it.

    ``work`` does a little and tells whether there is more. It is work that somebody else will take
    up if it stays undone, so neither its failure nor a cancellation changes the result.
    """
    try:
        if not work():
            return result
    except DatabaseError as error:
        _leave(error)
        return result
    return _slice_by_slice(result, work)


async def _slice_by_slice(result: Result, work: Callable[[], bool]) -> Result:
    try:
        while work():  # noqa: ASYNC110 - no event tells that others have had their turn
            await asyncio.sleep(0)
    except asyncio.CancelledError:
        logger.info("left the rest for later: the request was cancelled")
    except DatabaseError as error:
        _leave(error)
    return result


def _leave(error: DatabaseError) -> None:
    logger.info("left the rest for later: %s", error)
