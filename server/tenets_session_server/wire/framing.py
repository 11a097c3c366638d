"""LSP base protocol framing: a stream of bytes becomes message bodies (LSP 3.17, "Base Protocol").

Accepted beyond the specification, because clients send it and it is not ambiguous: header names in
any case, any or no blanks after the colon, bare line feeds, blank lines before a header. Where the
start of the next message is uncertain, the stream cannot be used any more, and the connection has
to end (:attr:`FrameDecoder.error`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

MAXIMUM_MESSAGE: Final = 16 * 1024 * 1024
MAXIMUM_HEADER: Final = 8 * 1024
MAXIMUM_SKIPPED: Final = 1024 * 1024 * 1024
"""A larger length is an error in the stream, not a message to skip."""
KEPT_OF_REJECTED: Final = 4096

# What every known client sends; other headers take the slow path.
_match_usual_header: Final = re.compile(rb"Content-Length: (\d{1,8})\r\n\r\n").match
_BLANK_LINES: Final = re.compile(rb"[\r\n]*")
_HEADER_END: Final = re.compile(rb"\n\r?\n")
_FIELD: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*:[ \t]*(.*?)[ \t]*")
_NOT_A_NAME: Final = re.compile(rb"[^!#$%&'*+.^_`|~0-9A-Za-z\-\r\n \t]")
_CHARSET: Final = re.compile(rb"charset\s*=\s*\"?([^\s;\"]+)", re.IGNORECASE)


class _FramingError(Exception):
    """The stream cannot be split into messages any more; the message says what was found."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A message that was framed well but not read: too large, or in another encoding.

    ``head`` and ``tail`` are its first and last bytes, enough to find the request's id in.
    """

    reason: str
    head: bytes
    tail: bytes


class FrameDecoder:
    """Splits a stream; keeps no more than one unfinished message in memory.

    ``error`` says why the stream cannot be split any more, None while it can.
    """

    def __init__(self) -> None:
        self.error: str | None = None
        self._buffer = bytearray()  # of the header or body that is incomplete
        self._length: int | None = None  # of the body, once its header is complete
        self._charset = b""
        self._skip = 0  # bytes of an oversized body that are still to come
        self._head = self._tail = b""

    def feed(self, data: bytes) -> list[bytes | Rejected]:
        """Take bytes that have arrived; return the bodies that are complete now.

        Bodies that were complete before an error are returned. After an error there are no more.
        """
        found: list[bytes | Rejected] = []
        if self.error is not None:
            return found
        if not self._in_message:
            data = self._read_usual(data, found)
        try:
            while data:
                self._buffer += data
                data = self._read_on(found)
        except _FramingError as error:
            self.error = str(error)
            self._buffer.clear()
        return found

    def unfinished(self) -> str | None:
        """Return what is incomplete if the stream ends here, None between messages."""
        if self._skip:
            return f"an oversized message, {self._skip} bytes before its end"
        if self._length is not None:
            return f"a message of {self._length} bytes after {len(self._buffer)} of them"
        return "a header" if self._buffer.strip() else None

    @property
    def _in_message(self) -> bool:
        return bool(self._buffer) or self._length is not None or self._skip > 0

    @staticmethod
    def _read_usual(data: bytes, found: list[bytes | Rejected]) -> bytes:
        """Take bodies that are complete and have the usual header; return what follows."""
        size, position = len(data), 0
        while position < size and (usual := _match_usual_header(data, position)):
            start = usual.end()
            end = start + int(usual[1])
            if end > size or end - start > MAXIMUM_MESSAGE:
                break
            found.append(data[start:end])
            position = end
        return data[position:]

    def _read_on(self, found: list[bytes | Rejected]) -> bytes:
        """Take one message from the buffer, if it is complete; return what follows it."""
        if self._length is None and not self._skip and not self._read_header():
            return b""
        if self._skip:
            if not self._skip_body(found):
                return b""
        elif self._length is not None:
            if len(self._buffer) < self._length:
                return b""
            with memoryview(self._buffer) as view:
                body = bytes(view[: self._length])
            del self._buffer[: self._length]
            found.append(self._checked(body))
        self._length = None
        rest = bytes(self._buffer)
        self._buffer.clear()
        return self._read_usual(rest, found)

    def _checked(self, body: bytes) -> bytes | Rejected:
        """Return a body, or what is kept of one that is not UTF-8 by its header."""
        charset, self._charset = self._charset, b""
        if charset in {b"", b"utf-8", b"utf8"}:
            return body
        reason = f"charset {charset.decode('ascii', 'replace')} is not supported: send UTF-8"
        return Rejected(reason, body[:KEPT_OF_REJECTED], body[-KEPT_OF_REJECTED:])

    def _read_header(self) -> bool:
        """Take a header from the buffer; return whether it was complete."""
        blank = _BLANK_LINES.match(self._buffer)
        del self._buffer[: blank.end() if blank else 0]
        end = _HEADER_END.search(self._buffer, 0, MAXIMUM_HEADER)
        if end is None:
            self._check_incomplete_header()
            return False
        declared: int | None = None
        for line in bytes(self._buffer[: end.start()]).split(b"\n"):
            name, value = _field(line)
            if name == b"content-length":
                if not value.isdigit() or len(value) > 20:
                    message = f"Content-Length: expected a number of bytes, got {value[:60]!r}"
                    raise _FramingError(message)
                if declared not in {None, int(value)}:
                    raise _FramingError("two different Content-Length headers")
                declared = int(value)
            elif name == b"content-type" and (charset := _CHARSET.search(value)):
                self._charset = charset[1].lower()
        if declared is None:
            raise _FramingError("a header without Content-Length")
        if declared > MAXIMUM_SKIPPED:
            raise _FramingError(f"Content-Length: {declared} is beyond any message")
        del self._buffer[: end.end()]
        if declared > MAXIMUM_MESSAGE:
            self._skip, self._head, self._tail = declared, b"", b""
        else:
            self._length = declared
        return True

    def _check_incomplete_header(self) -> None:
        """Raise where more bytes cannot make a header of what is in the buffer."""
        *lines, last = bytes(self._buffer[:MAXIMUM_HEADER]).split(b"\n")
        for line in lines:
            _field(line)
        if _NOT_A_NAME.search(last.partition(b":")[0]):
            raise _FramingError(f"expected a header line, found {last[:60]!r}")
        if len(self._buffer) > MAXIMUM_HEADER:
            raise _FramingError(f"a header of more than {MAXIMUM_HEADER} bytes")

    def _skip_body(self, found: list[bytes | Rejected]) -> bool:
        """Take bytes of an oversized body from the buffer; return whether it ended."""
        part = bytes(self._buffer[: self._skip])
        del self._buffer[: self._skip]
        self._skip -= len(part)
        self._head += part[: KEPT_OF_REJECTED - len(self._head)]
        self._tail = (self._tail + part[-KEPT_OF_REJECTED:])[-KEPT_OF_REJECTED:]
        if self._skip:
            return False
        reason = f"a message may have at most {MAXIMUM_MESSAGE} bytes"
        found.append(Rejected(reason, self._head, self._tail))
        self._charset = b""
        return True


def _field(line: bytes) -> tuple[bytes, bytes]:
    field = _FIELD.fullmatch(line.rstrip(b"\r"))
    if field is None:
        raise _FramingError(f"expected a header line, found {line[:60]!r}")
    return field[1].lower(), field[2]
