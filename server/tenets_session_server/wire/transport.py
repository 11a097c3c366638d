"""What a reader and a writer of bytes are to their users, and how much they take on."""

from __future__ import annotations

from typing import Final, Protocol

READ_SIZE: Final = 64 * 1024
CONGESTED_BYTES: Final = 1024 * 1024
"""With this much unsent, no more requests of the client are executed until it reads on."""
OVERFLOW_BYTES: Final = 64 * 1024 * 1024
"""With this much unsent, the client is given up."""

DRAINED_BYTES: Final = 16 * 1024 * 1024
"""How much is still read of what a client had sent before it was gone."""


class Reader(Protocol):
    """Calls ``on_data`` with what arrives, and ``on_data(b"")`` once at the end."""

    @property
    def closed(self) -> bool:
        """Whether nothing more will come."""

    def pause(self) -> None:
        """Stop calling until :meth:`resume`; the operating system holds the sender back."""

    def resume(self) -> None:
        """Go on after :meth:`pause`."""

    def drain(self) -> None:
        """Call with what has arrived already, though paused, a piece in each turn; then end."""

    def hung_up(self) -> bool:
        """Tell whether the other end is closed and nobody would notice, because of the pause."""

    def close(self) -> None:
        """Stop for good. The descriptor stays open."""


class OnLost(Protocol):
    """Called once, when nothing more can be sent."""

    def __call__(self, reason: str, *, dropped: bool) -> None:
        """Take note of the reason; ``dropped`` tells that the client has not read for too long."""


class Writer(Protocol):
    """Sends what it is given, in order; never blocks the caller."""

    def write(self, data: bytes) -> None:
        """Queue ``data``; :meth:`flush` sends it."""

    def flush(self) -> None:
        """Send what can be sent now, and the rest when the client reads."""

    @property
    def unsent(self) -> int:
        """Bytes that the client has not taken yet."""

    @property
    def congested(self) -> bool:
        """Whether so much is unsent that the client should be made to wait."""

    def hung_up(self) -> bool:
        """Tell whether the other end of the pipe is closed, without writing to it."""

    def close(self) -> None:
        """Stop for good, dropping what is unsent. The descriptor stays open."""


class Unsent:
    """Counts for a :class:`Writer` the bytes that the client has not taken yet."""

    _unsent = 0

    @property
    def unsent(self) -> int:
        """See :class:`Writer`."""
        return self._unsent

    @property
    def congested(self) -> bool:
        """See :class:`Writer`."""
        return self._unsent > CONGESTED_BYTES

    def _overflows_with(self, data: bytes) -> bool:
        """Count a message; tell whether the client has to be given up.

        One large message alone is no reason: the client may be about to read it.
        """
        self._unsent += len(data)
        return self._unsent > OVERFLOW_BYTES and self._unsent > len(data)
