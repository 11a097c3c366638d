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
    """A queue of messages, true where there are some. Every operation takes constant time."""

    def __init__(self) -> None:
        self._messages: deque[Message] = deque()
        self._size = 0  # bytes of params
        # By id: how many requests wait, and how many of the first of them were withdrawn.
        self._waiting: dict[MessageId, int] = {}
        self._withdrawn: dict[MessageId, int] = {}

    def __bool__(self) -> bool:
        return bool(self._messages)

    @property
    def overloaded(self) -> bool:
        """Whether so much waits that no more should be read until some of it has been executed."""
        return len(self._messages) > MAXIMUM_MESSAGES or self._size > MAXIMUM_BYTES

    @property
    def next(self) -> Message | None:
        """The message that has waited longest, None where there is none."""
        return self._messages[0] if self._messages else None

    @property
    def second(self) -> Message | None:
        """The message after :attr:`next`, perhaps a withdrawn one; None where there is none."""
        return self._messages[1] if len(self._messages) > 1 else None

    def append(self, message: Message) -> None:
        """Add a message."""
        self._messages.append(message)
        self._count(message)

    def put_back(self, messages: Iterable[Message]) -> None:
        """Return messages that were taken last, in their order, to be taken again."""
        for message in reversed(tuple(messages)):
            self._messages.appendleft(message)
            self._count(message)

    def take(self) -> Message:
        """Remove and return the message that has waited longest; there has to be one."""
        message = self._remove_first()
        if self._withdrawn:
            self._remove_withdrawn()
        return message

    def withdraw(self, message_id: MessageId) -> bool:
        """Remove the first request of this id; return whether there was one."""
        withdrawn = self._withdrawn.get(message_id, 0)
        if self._waiting.get(message_id, 0) <= withdrawn:
            return False
        self._withdrawn[message_id] = withdrawn + 1
        self._remove_withdrawn()
        return True

    def clear(self) -> None:
        """Remove everything."""
        self._messages.clear()
        self._waiting.clear()
        self._withdrawn.clear()
        self._size = 0

    def _count(self, message: Message) -> None:
        if isinstance(message, Request):
            self._size += len(message.params)
            self._waiting[message.id] = self._waiting.get(message.id, 0) + 1
        elif isinstance(message, Notification):
            self._size += len(message.params)

    def _remove_first(self) -> Message:
        message = self._messages.popleft()
        if isinstance(message, Request):
            self._size -= len(message.params)
            self._subtract(self._waiting, message.id)
        elif isinstance(message, Notification):
            self._size -= len(message.params)
        return message

    def _remove_withdrawn(self) -> None:
        """Remove withdrawn requests from the front, so that the next message is one to execute."""
        while self._messages:
            first = self._messages[0]
            if not isinstance(first, Request) or first.id not in self._withdrawn:
                break
            self._remove_first()
            self._subtract(self._withdrawn, first.id)

    @staticmethod
    def _subtract(counts: dict[MessageId, int], message_id: MessageId) -> None:
        left = counts[message_id] - 1
        if left:
            counts[message_id] = left
        else:
            del counts[message_id]
