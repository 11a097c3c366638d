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

KEPT_OF_OVERSIZED: Final = 4096

# What every known client sends; other forms take the slow path below.
_match_usual_header: Final = re.compile(rb"Content-Length: (\d{1,8})\r\n\r\n").match
_HEADER_LINE: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*:[ \t]*(.*?)[ \t]*")
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
        self._buffer = bytearray()
        self._length: int | None = None  # of the body that is awaited
        self._charset = b""
        self._header_size = 0  # of the header lines read so far
        self._declared: int | None = None  # Content-Length, in a header that is not finished
        self._skip = 0  # bytes of an oversized body that are still to come
        self.error: str | None = None
        self._at_rest = True  # nothing is unfinished, and there was no error
        self._head = b""
        self._tail = b""

    def feed(self, data: bytes) -> list[bytes | Rejected]:
        """Take bytes that have arrived; return the bodies that are complete now.

        Bodies that were complete before an error are returned. After an error there are no more.
        """
        found: list[bytes | Rejected] = []
        if self.error is not None:
            return found
        if not self._at_rest:
            data = self._read_on(data, found, only_unfinished=True)
        if self._at_rest:
            data = self._read_usual(data, found)
        if data:
            self._read_on(data, found)
        return found

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

    def _read_on(
        self, data: bytes, found: list[bytes | Rejected], *, only_unfinished: bool = False
    ) -> bytes:
        """Take bytes in any form; return those that may be left to :meth:`_read_usual`."""
        self._buffer += data
        self._at_rest = False
        position = 0
        try:
            while position < len(self._buffer) or self._length == 0:
                step = self._step(position, found)
                if step is None:
                    break
                position = step
                if only_unfinished and self._between_messages:
                    break
        except _FramingError as error:
            self.error = str(error)
            self._buffer.clear()
            return b""
        del self._buffer[:position]
        left = b""
        if only_unfinished and self._between_messages:
            left = bytes(self._buffer)
            self._buffer.clear()
        self._at_rest = self._between_messages and not self._buffer
        return left

    @property
    def _between_messages(self) -> bool:
        return self._length is None and not (self._header_size or self._skip)

    def unfinished(self) -> str | None:
        """Return what is incomplete if the stream ends here, None between messages."""
        if self._length is not None:
            return f"a message of {self._length} bytes after {len(self._buffer)} of them"
        if self._skip:
            return f"an oversized message, {self._skip} bytes before its end"
        if self._buffer.strip() or self._header_size:
            return "a header"
        return None

    def _step(self, position: int, found: list[bytes | Rejected]) -> int | None:
        """Consume one header, header line or body; return the new position, None to wait."""
        buffer = self._buffer
        if self._skip:
            return self._skip_body(position, found)
        if self._length is None:
            usual = _match_usual_header(buffer, position) if not self._header_size else None
            if usual is None:
                return self._header_line(position)
            self._begin_body(int(usual[1]))
            return usual.end()
        end = position + self._length
        if len(buffer) < end:
            return None
        with memoryview(buffer) as view:
            body = bytes(view[position:end])
        if self._charset not in {b"", b"utf-8", b"utf8"}:
            name = self._charset.decode("ascii", "replace")
            kept = KEPT_OF_OVERSIZED
            found.append(
                Rejected(f"charset {name} is not supported: send UTF-8", body[:kept], body[-kept:])
            )
        else:
            found.append(body)
        self._length, self._charset = None, b""
        return end

    def _header_line(self, position: int) -> int | None:
        end = self._buffer.find(b"\n", position)
        line = bytes(self._buffer[position : end if end >= 0 else len(self._buffer)])
        self._check_header_size(len(line))
        if end < 0:
            # Text that cannot become a header line is an error now: its end may never come.
            if _NOT_A_NAME.search(line.partition(b":")[0]):
                raise _FramingError(f"expected a header line, found {line[:60]!r}")
            return None
        line = line.rstrip(b"\r")
        if line:
            self._header_size += len(line) + 1
            self._header_field(line)
        elif self._header_size:
            if self._declared is None:
                raise _FramingError("a header without Content-Length")
            self._begin_body(self._declared)
        return end + 1

    def _header_field(self, line: bytes) -> None:
        field = _HEADER_LINE.fullmatch(line)
        if field is None:
            raise _FramingError(f"expected a header line, found {line[:60]!r}")
        name, value = field[1].lower(), field[2]
        if name == b"content-length":
            if not value.isdigit() or len(value) > 20:
                raise _FramingError(
                    f"Content-Length: expected a number of bytes, got {value[:60]!r}"
                )
            if self._declared not in {None, int(value)}:
                raise _FramingError("two different Content-Length headers")
            self._declared = int(value)
        elif name == b"content-type" and (charset := _CHARSET.search(value)):
            self._charset = charset[1].lower()

    def _check_header_size(self, more: int) -> None:
        if self._header_size + more > MAXIMUM_HEADER:
            raise _FramingError(f"a header of more than {MAXIMUM_HEADER} bytes")

    def _begin_body(self, length: int) -> None:
        self._header_size, self._declared = 0, None
        if length > MAXIMUM_SKIPPED:
            raise _FramingError(f"Content-Length: {length} is beyond any message")
        if length > MAXIMUM_MESSAGE:
            self._skip, self._head, self._tail = length, b"", b""
        else:
            self._length = length

    def _skip_body(self, position: int, found: list[bytes | Rejected]) -> int:
        part = bytes(self._buffer[position : position + self._skip])
        self._skip -= len(part)
        if len(self._head) < KEPT_OF_OVERSIZED:
            self._head += part[: KEPT_OF_OVERSIZED - len(self._head)]
        self._tail = (self._tail + part[-KEPT_OF_OVERSIZED:])[-KEPT_OF_OVERSIZED:]
        if not self._skip:
            reason = f"a message may have at most {MAXIMUM_MESSAGE} bytes"
            found.append(Rejected(reason, self._head, self._tail))
            self._head = self._tail = b""
            self._charset = b""
        return position + len(part)
