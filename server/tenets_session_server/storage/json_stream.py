"""Reads a large JSON document in pieces: objects and arrays as deep as is asked for, then values.

The standard library and msgspec read documents whole. This reader holds about one value, and knows
the line of what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from tenets_session_server.errors import ImportInvalidError

LARGEST_VALUE: Final = 64 * 1024 * 1024
"""Bytes of one value that is read whole."""

DEEPEST: Final = 60
"""Levels of arrays and objects in a value."""
MOST_PARTS: Final = 200_000
"""Strings and brackets of a value that has others in it, which take 0.1 s."""

_BLANK: Final = re.compile(rb"[ \t\r\n]*")
# Possessive, as Python would remember each escape to go back to.
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_PARTS: Final = re.compile(_STRING.pattern + rb'|["\[\]{}]', re.DOTALL)
# Most objects have no others in them; one match of these takes a fifth of the time.
_FLAT: Final = re.compile(
    rb'\{[^"{}\[\]]*+(?:' + _STRING.pattern + rb'[^"{}\[\]]*+)*+\}', re.DOTALL
)
_SCALAR: Final = re.compile(rb"[^ \t\r\n,\]}]+")
_OPENING, _CLOSING = b"[{", b"]}"


class JsonStream:
    """The document whose UTF-8 bytes the ``chunks`` are, read once, from its start to its end.

    Every method raises :class:`ImportInvalidError`, with the ``path`` that the caller has set last.
    """

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._data = b""
        self._position = 0
        self._lines = 1  # that of the first byte of the data
        self.path = ""
        if self._next() == b"\xef":  # of a byte order mark, which some editors write
            self._position += len(b"\xef\xbb\xbf")

    def members(self) -> Iterator[str]:
        """Yield the name of each member of an object, whose value has to be read then."""
        for _ in self._items(b"{", b"}", "an object"):
            name = str(self.decoded(self._string()))
            if self._next() != b":":
                raise self.invalid("expected a colon after the name of a member")
            self._position += 1
            yield name

    def items(self) -> Iterator[int]:
        """Yield the index of each item of an array, which has to be read then."""
        return self._items(b"[", b"]", "an array")

    def value(self, most: int = LARGEST_VALUE) -> bytes:
        """Return the text of the next value, whatever it is, of at most so many bytes."""
        text = self._value()
        if len(text) > most:
            raise self.invalid(f"expected a value of at most {most} bytes")
        return text

    def decoded(self, text: bytes) -> object:
        """Return the value of a text that was read."""
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError as error:
            raise self.invalid(f"expected valid JSON ({error})") from None

    def _value(self) -> bytes:
        first = self._next()
        if first == b'"':
            return self._string()
        if first in _OPENING and first:
            return self._nested()
        while True:
            found = _SCALAR.match(self._data, self._position)
            if found is None:
                raise self.invalid(f"expected a value{self._at_end()}")
            if found.end() < len(self._data) or not self._more():
                self._position = found.end()
                return found[0]

    def end(self) -> None:
        """Check that nothing follows."""
        if self._next():
            raise self.invalid("expected nothing behind the document")

    def invalid(self, reason: str, *, back: int = 0) -> ImportInvalidError:
        """Return the error for what is wrong here, or ``back`` bytes before, in the last value."""
        line = self._lines + self._data.count(b"\n", 0, self._position - back)
        return ImportInvalidError(reason, self.path, line)

    def _items(self, opening: bytes, closing: bytes, expected: str) -> Iterator[int]:
        if self._next() != opening:
            raise self.invalid(f"expected {expected}{self._at_end()}")
        self._position += 1
        index = 0
        if self._next() == closing:
            self._position += 1
            return
        while True:
            self._next()
            yield index
            index += 1
            following = self._next()
            self._position += 1
            if following == closing:
                return
            if following != b",":
                self._position -= 1
                raise self.invalid(f"expected a comma, or the end of {expected}{self._at_end()}")

    def _at_end(self) -> str:
        return "" if self._next() else ", not the end of the document"

    def _next(self) -> bytes:
        """Return the next byte that is not blank, and stay in front of it; nothing at the end."""
        while True:
            found = _BLANK.match(self._data, self._position)
            self._position = self._position if found is None else found.end()
            if self._position < len(self._data) or not self._more():
                return self._data[self._position : self._position + 1]

    def _string(self) -> bytes:
        if self._next() != b'"':
            raise self.invalid("expected a string")
        while (found := _STRING.match(self._data, self._position)) is None:
            self._require_more()
        self._position = found.end()
        return found[0]

    def _nested(self) -> bytes:
        """Return the text of an object or array; each part of it is looked at once."""
        if (flat := _FLAT.match(self._data, self._position)) is not None:
            self._position = flat.end()
            return flat[0]
        depth, scanned, parts = 0, self._position, 0
        while True:
            for part in _PARTS.finditer(self._data, scanned):
                parts += 1
                if depth > DEEPEST or parts > MOST_PARTS:
                    raise self.invalid(
                        f"expected a value of at most {DEEPEST} levels and {MOST_PARTS:,} parts"
                    )
                if part[0] == b'"':  # the beginning of a string
                    scanned = part.start()
                    break
                if part[0] in _OPENING:
                    depth += 1
                elif part[0] in _CLOSING:
                    depth -= 1
                scanned = part.end()
                if depth == 0:
                    text = self._data[self._position : scanned]
                    self._position = scanned
                    return text
            scanned -= self._require_more()

    def _require_more(self) -> int:
        """Read on; return by how much what is kept has moved to the front."""
        dropped = self._position
        if len(self._data) - dropped > LARGEST_VALUE:
            raise self.invalid(f"one value is larger than {LARGEST_VALUE} bytes")
        if not self._more():
            raise self.invalid("expected the end of a value, not the end of the document")
        return dropped

    def _more(self) -> bool:
        """Read at least as much as is kept, which is looked at again; False at the end."""
        kept = len(self._data) - self._position
        size = 0
        read: list[bytes] = []
        for chunk in self._chunks:
            read.append(chunk)
            size += len(chunk)
            if size > kept:
                break
        if not size:
            return False
        self._lines += self._data.count(b"\n", 0, self._position)
        self._data = self._data[self._position :] + b"".join(read)
        self._position = 0
        return True
