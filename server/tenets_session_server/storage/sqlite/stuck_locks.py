"""Notices a lock that this process cannot get rid of.

If the system fails to release a lock (ENOLCK, or EINTR on some file systems), SQLite goes on
believing that the connection has it, and is busy for ever. Only closing the file helps.
"""

from __future__ import annotations

import time
from typing import Final

from tenets_session_server.storage.sqlite.file_identity import FileIdentity

STUCK_AFTER: Final = 1.0
"""Seconds of being busy after which it is checked whether another process has a lock at all."""


class StuckLockCheck:
    """For how long no transaction of one database could begin."""

    def __init__(self, identity: FileIdentity) -> None:
        self._identity = identity
        self._since: float | None = None

    def free(self) -> None:
        """Record that a transaction has begun."""
        self._since = None

    def busy(self) -> bool:
        """Record that none could begin; return whether that lasts without another's lock."""
        now = time.monotonic()
        if self._since is None:
            self._since = now
        if now - self._since <= STUCK_AFTER or self._identity.locked_by_others():
            return False
        self._since = None
        return True
