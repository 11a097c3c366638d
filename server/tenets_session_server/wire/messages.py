"""Message bodies become requests, notifications and responses; messages become bytes.

JSON-RPC 2.0 sections 4 and 5, as LSP 3.17 narrows them (ids are integers or strings, no batches). A
body is decoded once, by msgspec. ``params`` stay JSON text until the method's own type decodes
them, and need not be valid JSON before. A body that is not a valid message becomes
:class:`Invalid`, with its id where that can be read.
"""

from __future__ import annotations

import json
import re
from itertools import accumulate
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, Raw, UnsetType
from msgspec.structs import replace

from tenets_session_server.wire.framing import FrameDecoder, Rejected

MAXIMUM_NESTING: Final = 64
EXPLAINED: Final = 256 * 1024
"""Bytes; a larger body that cannot be decoded is not parsed once more, which would take long."""
COPIED: Final = 64 * 1024
"""Bytes; from a larger body the params are copied if they are the smaller part of it."""

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

    ``result`` is JSON text. Its id is "", which none of our requests has, where it is unusable.
    """

    id: MessageId
    result: Raw
    error: dict[str, Any] | None


InvalidReason = Literal["parseError", "invalidRequest"]
"""Names of the errors of JSON-RPC 2.0, section 5.1."""


class Invalid(msgspec.Struct, frozen=True):
    """A body that is not a valid message; ``id`` is None where it cannot be read."""

    id: MessageId | None
    reason: InvalidReason
    message: str


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
    result: Raw | UnsetType = UNSET
    error: dict[str, Any] | None = None


_NULL: Final = Raw(b"null")
# Answering a faulty response could go on for ever.
_FAULTY_RESPONSE: Final = Response("", _NULL, None)
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
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
# Possessive: no position is tried twice. A string without an end goes to the end of the text.
_STRING: Final = re.compile(rb'"[^"]*+"?')
_STEPS: Final = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_STEPS_AT_ONCE: Final = 4096
_NO_STRUCTURE: Final = bytes(set(range(256)) - set(b'[]{}"'))


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
        request = _decode_request(frame)
    except msgspec.DecodeError:
        return _read_other(frame)
    if len(frame) > COPIED and 2 * len(request.params) < len(frame):
        # They would keep the whole body in memory while they wait, though few bytes count.
        return replace(request, params=Raw(bytes(request.params)))
    return request


def _read_other(frame: bytes) -> Message:
    try:
        envelope = _decode(frame)
    except msgspec.DecodeError as error:  # ValidationError is one of them
        return _explain(frame, error)
    message_id = None if envelope.id is UNSET else envelope.id
    if envelope.method is UNSET and (envelope.result is not UNSET or envelope.error is not None):
        if message_id is None or envelope.jsonrpc != "2.0":
            return _FAULTY_RESPONSE
        result = _NULL if envelope.result is UNSET else envelope.result
        return Response(message_id, result, envelope.error)
    if envelope.jsonrpc != "2.0":
        return Invalid(message_id, "invalidRequest", 'jsonrpc: expected "2.0"')
    if envelope.method is UNSET:
        return Invalid(message_id, "invalidRequest", "method: expected a string")
    return _call(message_id, envelope.method, envelope.params)


def _call(message_id: MessageId | None, method: str, params: Raw) -> Request | Notification:
    if message_id is None:
        return Notification(method, params)
    return Request("2.0", message_id, method, params)


def is_too_deep(text: bytes) -> bool:
    """Tell whether JSON nests deeper than the limit, in one pass.

    With strings gone each bracket is a step up or down, as a signed byte, and the sums of the steps
    are the levels. Malformed JSON may be called either.
    """
    if b"\\" in text:
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    brackets = text.translate(None, _NO_STRUCTURE)
    if b'"' in brackets:
        # Most strings are empty now. Of two neighbours it makes one, which is as good.
        brackets = _STRING.sub(b"", brackets.replace(b'""', b""))
    steps = memoryview(brackets.translate(_STEPS)).cast("b")
    level = 0
    for start in range(0, len(steps), _STEPS_AT_ONCE):
        levels = tuple(accumulate(steps[start : start + _STEPS_AT_ONCE], initial=level))
        if max(levels) > MAXIMUM_NESTING:
            return True
        level = levels[-1]
    return False


def find_id(head: bytes, tail: bytes) -> MessageId | None:
    """Return the id of a request that cannot be decoded, where it is not amid its params."""
    end = tail[-4096:]
    last = max(0, end.rfind(b'"id"'))  # only there, as each attempt may read on to the end
    found = _ID_AT_START.match(head[:4096]) or _ID_AT_END.match(end, last)
    if found is None:
        return None
    try:
        message_id: MessageId = json.loads(found[1])
    except ValueError:
        return None
    return message_id if _is_id(message_id) else None  # half a surrogate pair has no UTF-8


def _explain(frame: bytes, error: msgspec.DecodeError) -> Message:
    """Find out why the envelope did not decode; slow, and only reached by faulty clients."""
    well_formed = isinstance(error, msgspec.ValidationError)
    if len(frame) > EXPLAINED:
        reason: InvalidReason = "invalidRequest" if well_formed else "parseError"
        return Invalid(find_id(frame, b""), reason, f"expected JSON-RPC: {error}")
    try:
        # Given bytes, json would also guess UTF-16 and accept a byte order mark.
        value = json.loads(frame.decode("utf-8"))
    except (ValueError, RecursionError):
        return Invalid(None, "parseError", f"expected JSON: {error}")
    if isinstance(value, list):
        message = "expected one message: the Language Server Protocol has no batches"
        return Invalid(None, "invalidRequest", message)
    if not isinstance(value, dict):
        return Invalid(None, "invalidRequest", "expected a JSON object")
    if "method" not in value and ("result" in value or "error" in value):
        return _FAULTY_RESPONSE
    message_id = value.get("id")
    if not _is_id(message_id):
        if "id" in value:
            return Invalid(None, "invalidRequest", "id: expected an integer or a string")
        message_id = None
    if well_formed:
        return Invalid(message_id, "invalidRequest", str(error))
    if value.get("jsonrpc") != "2.0":
        return Invalid(message_id, "invalidRequest", 'jsonrpc: expected "2.0"')
    method = value.get("method")
    if not isinstance(method, str) or _SURROGATE.search(method):
        return Invalid(message_id, "invalidRequest", "method: expected a string")
    # What is no JSON is in the params: NaN and infinities, which Python's json writes, or half of a
    # surrogate pair, which JSON's grammar allows as an escape. Whoever decodes them refuses it.
    params = json.dumps(value["params"]).encode("ascii") if "params" in value else b""
    return _call(message_id, method, Raw(params))


def _is_id(value: object) -> bool:
    if isinstance(value, str):
        return _SURROGATE.search(value) is None
    return isinstance(value, int) and not isinstance(value, bool)
