"""Calls methods for an agent: what goes wrong becomes a sentence that it is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from tenets_session_server import masking
from tenets_session_server.agents import digest
from tenets_session_server.client import text
from tenets_session_server.client.client import CallError, Client, DisconnectedError

Found = TypeVar("Found")

_NAMES: Final = "session_list names the sessions"
_HINTS: Final = {
    "sessionNotFound": _NAMES,
    "revisionExpired": "call session_context without since",
    "outcomeUnknown": "look whether it is there",
}


class RefusedError(Exception):
    """An agent does not get what it asked for; the message says why, and what to do."""

    @property
    def said(self) -> str:
        """The message as the agent is told it: it may have a text of others in it."""
        return text.block(masking.masked(str(self)))


def answered(connect: Callable[[], Client], read: Callable[[digest.Call], Found]) -> Found:
    """Return what a function reads or writes on a new client; raises :class:`RefusedError`."""
    try:
        with connect() as client:
            return read(client.call)
    except CallError as error:
        hint = _HINTS.get(error.kind)
        raise RefusedError(f"{error}; {hint}" if hint else str(error)) from error
    except DisconnectedError as error:
        raise RefusedError(
            "the daemon ended before it answered: look whether what you wrote is there, then try"
            " again"
        ) from error


def no_session(name: str) -> RefusedError:
    """Return the error for a session that there is not."""
    return RefusedError(f"no session is named {name!r}; {_NAMES}")
