"""What one client is sent: replies, errors, and what pygls itself has to say.

Every message is encoded by msgspec and queued whole. What was not expected to go wrong is told with
a reference only; the log has the rest under it.
"""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING, Any

import msgspec

from tenets_session_server.errors import DatabaseError
from tenets_session_server.methods.messages import ErrorReply, Notification, Reply
from tenets_session_server.rpc import error_codes
from tenets_session_server.rpc.error_codes import ErrorObject
from tenets_session_server.wire.envelope import MessageId

if TYPE_CHECKING:
    from tenets_session_server.wire import Writer

logger = logging.getLogger(__name__)


class Outgoing:
    """The way out to one client; until ``writer`` is set, nothing is sent."""

    def __init__(self) -> None:
        self.writer: Writer | None = None
        self._encode = msgspec.json.Encoder().encode

    @property
    def congested(self) -> bool:
        """Whether the client leaves so much unread that it should be made to wait."""
        return self.writer is not None and self.writer.congested

    def flush(self) -> None:
        """Send what has been queued."""
        if self.writer is not None:
            self.writer.flush()

    def result(self, message_id: MessageId, result: Any) -> None:
        """Queue the reply to a request that succeeded."""
        try:
            body = self._encode(Reply(message_id, result))
        except Exception as error:  # noqa: BLE001 - a result that is no JSON is a bug of ours
            self.error(message_id, _bug(f"the result of request {message_id!r}", error))
            return
        if self.writer is not None:
            self.writer.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))

    def error(self, message_id: MessageId | None, error: ErrorObject) -> None:
        """Queue the reply to a request that failed; no id where it cannot be read."""
        self._queue(self._encode(ErrorReply(message_id, error)))

    def failure(self, message_id: MessageId, method: str, error: BaseException) -> None:
        """Queue the reply to a request whose execution raised ``error``, and log what matters."""
        told = error_codes.from_exception(error)
        if told is None:
            told = _bug(method, error)
        elif isinstance(error, DatabaseError):
            logger.warning("%s failed: %s", method, error)  # of the file, not of what was sent
        self.error(message_id, told)

    def message(self, message: Any) -> None:
        """Queue a notification or a request to the client, given as plain JSON values."""
        self._queue(self._encode(message))

    def encoded(self, body: bytes) -> None:
        """Queue a message that has been encoded already."""
        self._queue(body)

    def _queue(self, body: bytes) -> None:
        if self.writer is not None:
            # One piece for both: a message is never split by another one.
            self.writer.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))


def notification(method: str, params: Any) -> bytes:
    """Return an encoded notification, for :meth:`Outgoing.encoded` of any number of clients."""
    return msgspec.json.encode(Notification(method, params))


def log_failure(what: str, error: BaseException) -> None:
    """Log that a notification's execution raised ``error``: there is nobody else to tell."""
    told = error_codes.from_exception(error)
    if told is None:
        _bug(what, error)
    elif isinstance(error, DatabaseError):
        logger.warning("the notification %s failed: %s", what, error)
    else:
        logger.warning("the notification %s failed with %d", what, told.code)


def _bug(what: str, error: BaseException) -> ErrorObject:
    """Log a bug; return the little that a client is told, with the words to find it by."""
    reference = secrets.token_hex(4)
    logger.error("internal error %s in %s", reference, what, exc_info=error)
    message = f"internal error; the server's log has it under {reference}"
    return ErrorObject(error_codes.INTERNAL_ERROR, message)
