"""One client: what it said of itself, and what it is sent.

Every message is encoded by msgspec and queued whole; :meth:`Client.flush` sends what is queued. An
unexpected error is sent as a reference only. The log has the rest under that reference.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from tenets_session_server import logs
from tenets_session_server.errors import DatabaseError
from tenets_session_server.models.changes import State
from tenets_session_server.models.totals import AttachedClient
from tenets_session_server.rpc import error_codes
from tenets_session_server.rpc.error_codes import ErrorObject
from tenets_session_server.wire.messages import (
    ErrorReply,
    MessageId,
    OutgoingNotification,
    Reply,
    encode,
)
from tenets_session_server.wire.transport import Writer

if TYPE_CHECKING:
    from tenets_session_server.methods.method import OpenDocument

logger = logging.getLogger(__name__)

ERROR: Final = 1
WARNING: Final = 2
INFO: Final = 3
"""Types of ``window/showMessage`` (LSP 3.17, MessageType)."""


class Client:
    """The client of one connection.

    Until ``writer`` is set nothing is sent. ``last_sent`` belongs to the publisher.
    ``command_pid`` is the process id of the command that the editor started. ``document`` returns
    an open document, ``on_changes`` is called when something was committed, and ``on_invalid`` when
    a message was refused that might have been about a document.
    """

    def __init__(self, command_pid: int) -> None:
        self.writer: Writer | None = None
        self.last_sent = State(0, 0)
        self.wants_changes = self.wants_metadata = True
        self.name: str | None = None
        self.version: str | None = None
        self.process_id: int | None = None
        self.author: str | None = None
        self.folders: tuple[str, ...] = ()
        self.document: Callable[[str], OpenDocument | None] = lambda _uri: None
        self.on_changes: Callable[[], None] | None = None
        self.on_invalid: Callable[[], None] | None = None
        self._command_pid, self._connected_at = command_pid, datetime.now(UTC)
        self._log_context = logs.CLIENT.get()

    def describe(self, *, you: bool = False) -> AttachedClient:
        """Return who it is; ``you``: it is the one that asks."""
        return AttachedClient(
            name=self.name,
            version=self.version,
            process_id=self.process_id,
            pid=self._command_pid,
            connected_at=self._connected_at.isoformat(),
            you=you,
        )

    @property
    def congested(self) -> bool:
        """Whether the client leaves so much unread that it should be made to wait."""
        return self.writer is not None and self.writer.congested

    def flush(self) -> None:
        """Send what is queued."""
        if self.writer is not None:
            self.writer.flush()

    def queue(self, message: bytes) -> None:
        """Queue an encoded message."""
        if self.writer is not None:
            self.writer.write(message)

    def reply(self, message_id: MessageId, result: Any) -> None:
        """Queue the reply to a request that succeeded."""
        try:
            message = encode(Reply(message_id, result))
        except Exception as error:  # noqa: BLE001 - a result that is no JSON is a bug of ours
            self.reply_error(message_id, _bug(f"the result of request {message_id!r}", error))
            return
        if self.writer is not None:
            self.writer.write(message)

    def reply_error(self, message_id: MessageId | None, error: ErrorObject) -> None:
        """Queue the reply to a request that failed; None as the id if it cannot be read."""
        try:
            message = encode(ErrorReply(message_id, error))
        except Exception as bug:  # noqa: BLE001 - every request gets its reply
            message = encode(ErrorReply(message_id, _bug("an error", bug)))
        self.queue(message)

    def reply_failure(self, message_id: MessageId, method: str, error: BaseException) -> None:
        """Queue the reply to a request whose execution raised ``error``."""
        self.reply_error(message_id, explain(method, error))

    def send(self, message: bytes) -> None:
        """Send an encoded message at once, from another client's turn or from none."""
        with logs.client_context(self._log_context):
            self.queue(message)
            self.flush()

    def show(self, kind: int, message: str) -> None:
        """Show the user a message (``window/showMessage``); ``kind`` is :data:`ERROR` or so."""
        params = {"type": kind, "message": message}
        self.send(encode(OutgoingNotification("window/showMessage", params)))

    def show_soon(self, kind: int, message: str) -> None:
        """Show the user a message after what is being executed."""
        asyncio.get_running_loop().call_soon(self.show, kind, message)


def explain(method: str, error: BaseException) -> ErrorObject:
    """Return what a client gets for ``error``, and log what the log should have of it."""
    known = error_codes.from_exception(error)
    if known is None:
        return _bug(method, error)
    if isinstance(error, DatabaseError):  # the trouble is with the file, not with the request
        logger.warning("%s failed: %s", method, error)
    return known


def _bug(what: str, error: BaseException) -> ErrorObject:
    reference = secrets.token_hex(4)
    logger.error("internal error %s in %s", reference, what, exc_info=error)
    message = f"internal error; the server's log has it under {reference}"
    return ErrorObject(error_codes.INTERNAL_ERROR, message)
