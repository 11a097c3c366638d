"""What a reader and a writer of bytes are, and how much they buffer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final, Protocol

READ_SIZE: Final = 64 * 1024
CONGESTED_BYTES: Final = 1024 * 1024
"""With more than this unsent, no more requests of the client are executed until it reads on."""
OVERFLOW_BYTES: Final = 64 * 1024 * 1024
"""With more than this unsent, the connection is dropped."""
DRAINED_BYTES: Final = 16 * 1024 * 1024
"""How much is still read of what a client had sent before it ended."""


class Reader(Protocol):
    """Calls back with what arrives."""

    closed: bool
    """Whether nothing more will come."""

    def pause(self) -> None:
        """Stop calling until :meth:`resume`; the operating system holds the sender back."""

    def resume(self) -> None:
        """Go on after :meth:`pause`."""

    def drain(self) -> None:
        """Call with what has arrived already, though paused, a piece in each turn; then end."""

    def hung_up(self) -> bool:
        """Tell whether the other end is closed and the pause hides it."""

    def close(self) -> None:
        """Stop for good. The descriptor stays open."""


class OnLost(Protocol):
    """Called once, when nothing more can be sent."""

    def __call__(self, reason: str, *, dropped: bool) -> None:
        """``dropped``: the client has not read for too long."""


class Writer(ABC):
    """Sends what it is given, in order; never blocks the caller.

    ``unsent`` is the number of bytes that the client has not taken yet.
    """

    _on_lost: OnLost
    _closed = False
    unsent = 0

    @property
    def congested(self) -> bool:
        """Whether so much is unsent that the client should be made to wait."""
        return self.unsent > CONGESTED_BYTES

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Queue ``data``; :meth:`flush` sends it."""

    @abstractmethod
    def flush(self) -> None:
        """Send what can be sent now, and the rest when the client reads."""

    @abstractmethod
    def hung_up(self) -> bool:
        """Tell whether the other end of the pipe is closed, without writing to it."""

    @abstractmethod
    def close(self) -> None:
        """Stop for good, and drop what is unsent. The descriptor stays open."""

    def _count(self, data: bytes) -> None:
        """Count a message that was queued; drop the connection where too much is unsent.

        One large message alone is no reason: the client may be about to read it.
        """
        self.unsent += len(data)
        if OVERFLOW_BYTES < self.unsent != len(data):
            self._lose(f"the client has left {self.unsent} bytes unread", dropped=True)

    def _lose(self, reason: str, *, dropped: bool = False) -> None:
        if not self._closed:
            self.close()
            self._on_lost(reason, dropped=dropped)
