"""Cursors of keyset pages: where a page ended, as an opaque string.

A cursor holds the sort key of the last row, not its number, so pages neither skip nor repeat rows
while others write, and the row may be deleted. It also holds a checksum of the list that it belongs
to: the position in one list means nothing in another.
"""

from __future__ import annotations

import base64
import zlib
from typing import Annotated, Final

import msgspec

from tenets_session_server.errors import InvalidArgumentError

_SQLiteInteger = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class Position(msgspec.Struct, array_like=True, frozen=True):
    """The sort key of a row and the row's id.

    Text is bytes here too (``is_text``), since another program's may not be UTF-8.
    """

    key: bytes | _SQLiteInteger | float
    is_text: bool
    id: _SQLiteInteger


_decoder: Final = msgspec.msgpack.Decoder(tuple[Position, int])


def scope(method: str, *parameters: str | float | bool | None) -> int:
    """Return the checksum of a list: its method, and each parameter that changes what is in it.

    Parameters that only decide how much of a row or how many rows a page has are left out.
    """
    return zlib.crc32(repr((method, parameters)).encode())


def dump(position: Position, scope: int) -> str:
    """Return the cursor of a position in the list of this scope."""
    return base64.urlsafe_b64encode(msgspec.msgpack.encode((position, scope))).decode("ascii")


def load(cursor: str, scope: int) -> Position:
    """Return the position of a cursor.

    Raises :class:`InvalidArgumentError` if it is no cursor, or that of a list of another scope.
    """
    try:
        wire = base64.b64decode(cursor.encode("ascii"), b"-_", validate=True)
        position, its_scope = _decoder.decode(wire)
    except (ValueError, msgspec.MsgspecError):
        pass
    else:
        if its_scope == scope:
            return position
    raise InvalidArgumentError(
        "cursor", "a nextCursor of the same list: same method, order and filter"
    )
