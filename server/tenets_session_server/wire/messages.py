"""Message bodies become requests, notifications and responses; messages become bytes.

JSON-RPC 2.0 sections 4 and 5, as LSP 3.17 narrows them (ids are integers or strings, no batches). A
body is decoded once, by msgspec. ``params`` stay JSON text until the method's own type decodes
them. A body that is not a valid message becomes :class:`Invalid`, with its id where that can be
read.
"""

from __future__ import annotations

import json
import re
from itertools import accumulate
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, Raw, UnsetType

from tenets_session_server.wire.framing import FrameDecoder, Rejected

MAXIMUM_NESTING: Final = 64

MessageId = int | str


class Request(msgspec.Struct, frozen=True, gc=False):
    """Expects one reply. ``params`` is JSON text, empty where there was none."""

    jsonrpc: Literal["2.0"]
    id: MessageId
    method: str
    params: Raw = Raw(b"")


class Notification(msgspec.Struct, frozen=True, gc=False):
    """Expects no reply. ``params`` is JSON text, empty where there was none."""

    method: str
    params: Raw


class Response(msgspec.Struct, frozen=True):
    """The client's reply to a request of ours; ``error`` is None where it succeeded.

    Its id is "", which none of our requests has, where it is unusable.
    """

    id: MessageId
    result: Any
    error: dict[str, Any] | None


InvalidReason = Literal["parseError", "invalidRequest", "invalidParams"]
"""Names of the errors of JSON-RPC 2.0, section 5.1."""


class Invalid(msgspec.Struct, frozen=True):
    """A body that is not a valid message; ``id`` is None where it cannot be read.

    ``method`` is that of a message of which only the params cannot be decoded.
    """

    id: MessageId | None
    reason: InvalidReason
    message: str
    method: str | None = None


Message = Request | Notification | Response | Invalid


class Reply(msgspec.Struct, frozen=True, gc=False):
    """A response that succeeded, to the client."""

    id: MessageId
    result: Any
    jsonrpc: str = "2.0"


class ErrorReply(msgspec.Struct, frozen=True, gc=False):
    """A response that failed, to the client; ``id`` is None where the request's cannot be read."""

    id: MessageId | None
    error: Any
    jsonrpc: str = "2.0"


class OutgoingNotification(msgspec.Struct, frozen=True, gc=False):
    """A notification to the client."""

    method: str
    params: Any
    jsonrpc: str = "2.0"


class MessageDecoder:
    """A stream of bytes becomes messages.

    ``error`` says why the stream cannot be used any more, None while it can. ``unfinished()`` says
    what is incomplete if the stream ends now.
    """

    def __init__(self) -> None:
        self._frames = FrameDecoder()
        self.error: str | None = None
        self.unfinished = self._frames.unfinished

    def feed(self, data: bytes) -> list[Message]:
        """Take bytes that have arrived; return the messages that are complete now.

        An error of the stream is the last message, an :class:`Invalid` without an id.
        """
        if self.error is not None:
            return []
        messages = [decode(frame) for frame in self._frames.feed(data)]
        self.error = self._frames.error
        if self.error is not None:
            messages.append(Invalid(None, "parseError", f"framing: {self.error}"))
        return messages


def encode(message: Any) -> bytes:
    """Return a message, of one of the types here or of plain JSON values, with its header.

    Raises what msgspec raises where it is not JSON.
    """
    body = _encode(message)
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


class _Envelope(msgspec.Struct):
    jsonrpc: str = ""
    id: int | str | UnsetType = UNSET
    method: str | UnsetType = UNSET
    params: Raw = Raw(b"")
    result: Any = UNSET
    error: dict[str, Any] | None = None


# Most messages are requests as they should be, and decoded in one step by the first of the two.
_encode: Final = msgspec.json.Encoder().encode
_decode_request: Final = msgspec.json.Decoder(Request).decode
_decode: Final = msgspec.json.Decoder(_Envelope).decode

_SCALAR: Final = rb'(?:"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null)'
_ID: Final = rb'"id"\s*:\s*(-?\d+|"(?:[^"\\]|\\.)*")\s*'
_ID_AT_START: Final = re.compile(
    rb'\s*\{\s*(?:"(?!id")[^"\\]*"\s*:\s*' + _SCALAR + rb"\s*,\s*)*" + _ID + rb"[,}]"
)
_ID_AT_END: Final = re.compile(_ID + rb'(?:,\s*"[^"\\]*"\s*:\s*' + _SCALAR + rb"\s*)*\}\s*\Z")
# Possessive: no position is tried twice, and none is remembered, however the text goes on. A string
# without an end goes to the end of the text.
_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_STEPS: Final = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_STEPS_AT_ONCE: Final = 4096
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))


def decode(frame: bytes | Rejected) -> Message:
    """Return the message in a frame. Never raises."""
    if isinstance(frame, Rejected):
        return Invalid(find_id(frame.head, frame.tail), "invalidRequest", frame.reason)
    # Counting is a hundred times cheaper than measuring the depth, and enough for most messages.
    # A short one has no room for so many and what closes them.
    if (
        len(frame) > 2 * MAXIMUM_NESTING
        and frame.count(b"[") + frame.count(b"{") > MAXIMUM_NESTING
        and is_too_deep(frame)
    ):
        message = f"JSON nested deeper than {MAXIMUM_NESTING} levels"
        return Invalid(find_id(frame, frame), "invalidRequest", message)
    if not frame.isascii():
        try:
            frame.decode("utf-8")
        except UnicodeDecodeError as error:
            message = f"the message is not UTF-8 (byte {error.start})"
            return Invalid(find_id(frame, frame), "parseError", message)
    try:
        return _decode_request(frame)
    except msgspec.DecodeError:
        return _read_other(frame)


def _read_other(frame: bytes) -> Message:
    try:
        envelope = _decode(frame)
    except msgspec.DecodeError as error:  # ValidationError is one of them
        return _explain(frame, error)
    if envelope.jsonrpc != "2.0":
        message_id = None if envelope.id is UNSET else envelope.id
        return Invalid(message_id, "invalidRequest", 'jsonrpc: expected "2.0"')
    if envelope.method is not UNSET:
        if envelope.id is UNSET:
            return Notification(envelope.method, envelope.params)
        return Request("2.0", envelope.id, envelope.method, envelope.params)
    answered = envelope.result is not UNSET or envelope.error is not None
    if envelope.id is not UNSET and answered:
        result = None if envelope.result is UNSET else envelope.result
        return Response(envelope.id, result, envelope.error)
    message_id = None if envelope.id is UNSET else envelope.id
    return Invalid(message_id, "invalidRequest", "method: expected a string")


def is_too_deep(text: bytes) -> bool:
    """Tell whether JSON nests deeper than the limit, in one pass.

    With strings gone each bracket is a step up or down, as a signed byte, and the sums of the steps
    are the levels. Malformed JSON may be called either.
    """
    brackets = _STRING.sub(b"", text) if b'"' in text else text
    steps = memoryview(brackets.translate(_STEPS, _NOT_BRACKETS)).cast("b")
    level = 0
    for start in range(0, len(steps), _STEPS_AT_ONCE):
        levels = tuple(accumulate(steps[start : start + _STEPS_AT_ONCE], initial=level))
        if max(levels) > MAXIMUM_NESTING:
            return True
        level = levels[-1]
    return False


def find_id(head: bytes, tail: bytes) -> MessageId | None:
    """Return the id of a request that cannot be decoded, where it is not amid its params."""
    found = _ID_AT_START.match(head[:4096]) or _ID_AT_END.search(tail[-4096:])
    if found is None:
        return None
    try:
        message_id: MessageId = json.loads(found[1])
    except ValueError:
        return None
    return message_id if _is_id(message_id) else None  # half a surrogate pair has no UTF-8


def _explain(frame: bytes, error: msgspec.DecodeError) -> Message:
    """Find out why the envelope did not decode; slow, and only reached by faulty clients."""
    try:
        # Given bytes, json would also guess UTF-16 and accept a byte order mark.
        value = json.loads(frame.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return Invalid(None, "parseError", f"expected JSON: {error}")
    if isinstance(value, list):
        message = "expected one message: the Language Server Protocol has no batches"
        return Invalid(None, "invalidRequest", message)
    if not isinstance(value, dict):
        return Invalid(None, "invalidRequest", "expected a JSON object")
    if "method" not in value and ("result" in value or "error" in value):
        return Response("", None, None)  # answering a faulty response could go on for ever
    message_id = value.get("id")
    if not _is_id(message_id):
        if "id" in value:
            return Invalid(None, "invalidRequest", "id: expected an integer or a string")
        message_id = None
    if isinstance(error, msgspec.ValidationError):
        return Invalid(message_id, "invalidRequest", str(error))
    # JSON's grammar allows half of a surrogate pair as an escape; UTF-8, and so SQLite, does not.
    message = "params: expected text without unpaired surrogates such as \\ud800"
    method = value.get("method")
    return Invalid(
        message_id, "invalidParams", message, method if isinstance(method, str) else None
    )


def _is_id(value: object) -> bool:
    if isinstance(value, str):
        return not any("\ud800" <= character <= "\udfff" for character in value)
    return isinstance(value, int) and not isinstance(value, bool)


def _refuse_constant(name: str) -> None:
    raise ValueError(name)
