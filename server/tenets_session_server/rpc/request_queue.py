"""The messages of one client that wait to be executed, in the order they arrived."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from tenets_session_server.wire.messages import Message, MessageId, Notification, Request

MAXIMUM_MESSAGES: Final = 1000
MAXIMUM_BYTES: Final = 32 * 1024 * 1024
"""With more than either, no more is read from the client."""


class RequestQueue:
    """A queue of messages; ``waiting`` are those that wait, for reading only."""

    def __init__(self) -> None:
        self.waiting: deque[Message] = deque()
        self._size = 0  # bytes that the messages have, not counting numbers and headers

    @property
    def overloaded(self) -> bool:
        """Whether so much waits that no more should be read until some of it has been executed."""
        return len(self.waiting) > MAXIMUM_MESSAGES or self._size > MAXIMUM_BYTES

    @property
    def next(self) -> Message | None:
        """The message that has waited longest, None where there is none."""
        return self.waiting[0] if self.waiting else None

    @property
    def second(self) -> Message | None:
        """The message after :attr:`next`; None where there is none."""
        return self.waiting[1] if len(self.waiting) > 1 else None

    def append(self, message: Message) -> None:
        """Add a message."""
        self.waiting.append(message)
        self._size += _size(message)

    def put_back(self, messages: Iterable[Message]) -> None:
        """Return messages that were taken last, in their order, to be taken again."""
        for message in reversed(tuple(messages)):
            self.waiting.appendleft(message)
            self._size += _size(message)

    def take(self) -> Message:
        """Remove and return the message that has waited longest; there has to be one."""
        message = self.waiting.popleft()
        self._size -= _size(message)
        return message

    def withdraw(self, message_id: MessageId) -> bool:
        """Remove the first request of this id; return whether there was one."""
        for index, message in enumerate(self.waiting):
            if isinstance(message, Request) and message.id == message_id:
                del self.waiting[index]
                self._size -= _size(message)
                return True
        return False

    def clear(self) -> None:
        """Remove everything."""
        self.waiting.clear()
        self._size = 0


def _size(message: Message) -> int:
    if type(message) is Request:  # nearly always; faster than isinstance
        message_id = message.id
        size = len(message.params) + len(message.method)
        return size + len(message_id) if type(message_id) is str else size
    return len(message.params) + len(message.method) if isinstance(message, Notification) else 0
