"""Cursors of keyset pages: where a page ended, as an opaque string.

A cursor holds the sort key of the last row, not its number, so pages neither skip nor repeat rows
while others write, and deleting the row it names does no harm.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Annotated, Final, Literal

import msgspec

from tenets_session_server.errors import InvalidArgumentError

KeyType = Literal["text", "blob", "integer", "real"]


@dataclass(frozen=True, slots=True)
class Position:
    """The sort key of a row: its ``created_at`` with the type SQLite has for it, and its id.

    Text is bytes here too, since another program's may not be UTF-8.
    """

    key_type: KeyType
    key: bytes | int | float
    id: int


class _Wire(msgspec.Struct, array_like=True):
    key_type: KeyType
    key: str
    id: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


_decoder: Final = msgspec.json.Decoder(_Wire)


def dump(position: Position) -> str:
    """Return the cursor of a position."""
    key = position.key
    text = key.hex() if isinstance(key, bytes | float) else str(key)
    wire = msgspec.json.encode(_Wire(position.key_type, text, position.id))
    return base64.urlsafe_b64encode(wire).decode("ascii")


def load(cursor: str) -> Position:
    """Return the position of a cursor; raises :class:`InvalidArgumentError` for another string."""
    try:
        wire = _decoder.decode(base64.b64decode(cursor.encode("ascii"), b"-_", validate=True))
        key: bytes | int | float
        match wire.key_type:
            case "text" | "blob":
                key = bytes.fromhex(wire.key)
            case "integer":
                key = int(wire.key)
                key.to_bytes(8, signed=True)  # OverflowError for what SQLite cannot hold
            case "real":
                key = float.fromhex(wire.key)
    except (ValueError, OverflowError, msgspec.MsgspecError):
        raise InvalidArgumentError("cursor", "a nextCursor of an earlier page") from None
    return Position(wire.key_type, key, wire.id)
