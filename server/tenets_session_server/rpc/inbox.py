"""What one client has sent and waits to be executed, in order, and how much of it there is."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from tenets_session_server.rpc.envelope import Message, MessageId, Notification, Request

MANY: Final = 1000
MANY_BYTES: Final = 32 * 1024 * 1024


class Inbox:
    """A queue of messages."""

    def __init__(self) -> None:
        self._messages: OrderedDict[int, Message] = OrderedDict()  # by when they came
        self._requests: dict[MessageId, list[int]] = {}
        self._count = 0
        self._size = 0  # bytes of params

    def __len__(self) -> int:
        return len(self._messages)

    @property
    def overloaded(self) -> bool:
        """Whether so much waits that no more should be read until some of it has been executed."""
        return len(self._messages) > MANY or self._size > MANY_BYTES

    def put(self, message: Message) -> None:
        """Add a message."""
        self._count += 1
        self._messages[self._count] = message
        self._size += _size(message)
        if isinstance(message, Request):
            self._requests.setdefault(message.id, []).append(self._count)

    def take(self) -> Message:
        """Return the message that has waited longest, and forget it."""
        number, message = self._messages.popitem(last=False)
        self._forget(number, message)
        return message

    def withdraw(self, message_id: MessageId) -> bool:
        """Forget the request of this id; return whether there was one."""
        waiting = self._requests.get(message_id)
        if not waiting:
            return False
        number = waiting[0]
        self._forget(number, self._messages.pop(number))
        return True

    def clear(self) -> None:
        """Forget everything."""
        self._messages.clear()
        self._requests.clear()
        self._size = 0

    def _forget(self, number: int, message: Message) -> None:
        self._size -= _size(message)
        if isinstance(message, Request):
            waiting = self._requests[message.id]
            waiting.remove(number)  # the first one, unless ids are used twice
            if not waiting:
                del self._requests[message.id]


def _size(message: Message) -> int:
    return len(message.params) if isinstance(message, Request | Notification) else 0
