"""Notices a lock that this process cannot get rid of.

If the system fails to release a lock (ENOLCK, or EINTR on some file systems), SQLite goes on
believing that the connection has it, and is busy for ever. Only closing the file helps.
"""

from __future__ import annotations

import time
from typing import Final

from tenets_session_server.storage.file_identity import FileIdentity

STUCK_AFTER: Final = 1.0
"""Seconds of being busy after which it is checked whether another process has a lock at all."""
GAP: Final = 10.0
"""Seconds after which a busy database counts as busy anew; one call may wait for five."""


class StuckLockCheck:
    """How long one database has been busy."""

    def __init__(self, identity: FileIdentity) -> None:
        self._identity = identity
        self._since = self._last = 0.0

    def busy(self) -> bool:
        """Record that the database is busy; return whether it is so without another's lock."""
        now = time.monotonic()
        if now - self._last > GAP:
            self._since = now
        self._last = now
        if now - self._since <= STUCK_AFTER or self._identity.locked_by_others():
            return False
        self._since = now
        return True
