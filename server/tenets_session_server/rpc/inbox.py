"""What one client has sent and waits to be executed, in order, and how much of it there is."""

from __future__ import annotations

from collections import deque
from typing import Final

from tenets_session_server.rpc.envelope import Message, MessageId, Notification, Request

MANY: Final = 1000
MANY_BYTES: Final = 32 * 1024 * 1024


class Inbox:
    """A queue of messages."""

    def __init__(self) -> None:
        self._messages: deque[Message] = deque()
        self._size = 0  # bytes of params

    def __len__(self) -> int:
        return len(self._messages)

    @property
    def overloaded(self) -> bool:
        """Whether so much waits that no more should be read until some of it has been executed."""
        return len(self._messages) > MANY or self._size > MANY_BYTES

    def put(self, message: Message) -> None:
        """Add a message."""
        self._messages.append(message)
        self._size += _size(message)

    def take(self) -> Message:
        """Return the message that has waited longest, and forget it."""
        message = self._messages.popleft()
        self._size -= _size(message)
        return message

    def withdraw(self, message_id: MessageId) -> bool:
        """Forget the request of this id; return whether there was one."""
        for message in self._messages:
            if isinstance(message, Request) and message.id == message_id:
                self._messages.remove(message)
                self._size -= _size(message)
                return True
        return False

    def clear(self) -> None:
        """Forget everything."""
        self._messages.clear()
        self._size = 0


def _size(message: Message) -> int:
    return len(message.params) if isinstance(message, Request | Notification) else 0
