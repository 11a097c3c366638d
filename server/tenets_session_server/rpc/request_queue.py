"""What one client has sent and waits to be executed, in order, and how much of it there is."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from tenets_session_server.wire.envelope import Message, MessageId, Notification, Request

MANY: Final = 1000
MANY_BYTES: Final = 32 * 1024 * 1024
TOO_MANY_NUMBERS: Final = 8 * MANY


class Inbox:
    """A queue of messages, true where there are some."""

    def __init__(self) -> None:
        self._messages: deque[Message | None] = deque()  # None for what was withdrawn
        self._size = 0  # bytes of params
        self._taken = 0  # messages ever taken: the number of the one that comes next
        # Where requests are, by id: made when the client cancels one, up to that message's number.
        self._numbers: dict[MessageId, deque[int]] = {}
        self._numbered = 0

    def __bool__(self) -> bool:
        return bool(self._messages)

    @property
    def overloaded(self) -> bool:
        """Whether so much waits that no more should be read until some of it has been executed."""
        return len(self._messages) > MANY or self._size > MANY_BYTES

    def put(self, message: Message) -> None:
        """Add a message."""
        self._messages.append(message)
        if isinstance(message, Request | Notification):
            self._size += len(message.params)

    def put_back(self, messages: Iterable[Message]) -> None:
        """Return messages that were taken last, in their order, to be taken again."""
        for message in reversed(tuple(messages)):
            self._messages.appendleft(message)
            self._taken -= 1
            if isinstance(message, Request | Notification):
                self._size += len(message.params)
        # What was withdrawn among them does not come back: the others have new numbers.
        self._numbers.clear()
        self._numbered = self._taken

    @property
    def next(self) -> Message | None:
        """The message that has waited longest, None where there is none."""
        return self._messages[0] if self._messages else None

    def peek(self) -> tuple[Message | None, Message | None]:
        """Return the next two messages; None where there is none, or one that was withdrawn."""
        messages = self._messages
        if len(messages) < 2:
            return self.next, None
        return messages[0], messages[1]

    def take(self) -> Message:
        """Return the message that has waited longest, and forget it; there has to be one."""
        message = self._messages.popleft()
        self._taken += 1
        if self._messages and self._messages[0] is None:
            self._skip_withdrawn()
        assert message is not None  # noqa: S101 - what is withdrawn never comes first
        if isinstance(message, Request | Notification):
            self._size -= len(message.params)
        return message

    def withdraw(self, message_id: MessageId) -> bool:
        """Forget the request of this id; return whether there was one."""
        self._number_all()
        numbers = self._numbers.get(message_id)
        while numbers:
            position = numbers.popleft() - self._taken
            if position >= 0 and isinstance(message := self._messages[position], Request):
                self._messages[position] = None
                self._size -= len(message.params)
                self._skip_withdrawn()
                return True
        return False

    def clear(self) -> None:
        """Forget everything."""
        self._taken += len(self._messages)
        self._messages.clear()
        self._numbers.clear()
        self._size = 0

    def _skip_withdrawn(self) -> None:
        while self._messages and self._messages[0] is None:
            self._messages.popleft()
            self._taken += 1

    def _number_all(self) -> None:
        """Note the numbers of the requests that are new since the last time."""
        if self._numbered <= self._taken or len(self._numbers) > TOO_MANY_NUMBERS:
            self._numbers.clear()  # all that it knew, or most of it, has been taken
            self._numbered = self._taken
        for position in range(self._numbered - self._taken, len(self._messages)):
            message = self._messages[position]
            if isinstance(message, Request):
                self._numbers.setdefault(message.id, deque()).append(self._taken + position)
        self._numbered = self._taken + len(self._messages)
