"""The messages of one client that wait to be executed, in the order they arrived."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from typing import Final

from tenets_session_server.wire.messages import Message, MessageId, Notification, Request

MAXIMUM_MESSAGES: Final = 1000
MAXIMUM_BYTES: Final = 32 * 1024 * 1024
"""With more than either, no more is read from the client."""
_WITH_PARAMS: Final = (Request, Notification)  # which isinstance is faster with


class RequestQueue:
    """A queue of messages, true where there are some."""

    def __init__(self) -> None:
        self._messages: deque[Message] = deque()
        self._size = 0  # bytes of params
        # How many requests wait, by id, and how many of the first of them were withdrawn. Made by
        # the first cancellation: most clients never cancel.
        self._waiting: Counter[MessageId] | None = None
        self._withdrawn: Counter[MessageId] = Counter()

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
        message = self._messages.popleft()
        if isinstance(message, _WITH_PARAMS):
            self._size -= len(message.params)
        if self._waiting is not None:
            if isinstance(message, Request):
                _subtract(self._waiting, message.id)
            self._remove_withdrawn(self._waiting)
        return message

    def withdraw(self, message_id: MessageId) -> bool:
        """Remove the first request of this id; return whether there was one."""
        if self._waiting is None:
            self._waiting = Counter(one.id for one in self._messages if isinstance(one, Request))
        if self._waiting[message_id] <= self._withdrawn[message_id]:
            return False
        self._withdrawn[message_id] += 1
        self._remove_withdrawn(self._waiting)
        return True

    def clear(self) -> None:
        """Remove everything."""
        self._messages.clear()
        self._size = 0
        self._waiting = None
        self._withdrawn.clear()

    def _count(self, message: Message) -> None:
        if isinstance(message, _WITH_PARAMS):
            self._size += len(message.params)
        if self._waiting is not None and isinstance(message, Request):
            self._waiting[message.id] += 1

    def _remove_withdrawn(self, waiting: Counter[MessageId]) -> None:
        """Remove withdrawn requests from the front, so that the next message is one to execute."""
        while self._messages:
            first = self._messages[0]
            if not isinstance(first, Request) or not self._withdrawn[first.id]:
                return
            self._messages.popleft()
            self._size -= len(first.params)
            _subtract(waiting, first.id)
            _subtract(self._withdrawn, first.id)
        self._waiting = None


def _subtract(counts: Counter[MessageId], message_id: MessageId) -> None:
    counts[message_id] -= 1
    if not counts[message_id]:
        del counts[message_id]
