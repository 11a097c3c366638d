"""A session's metadata: the UTF-8 text of one JSON object.

It is never decoded further than its top level and never re-encoded below it, so whatever a client
stored (keys such as ``""`` or ``"jsonrpc"``, integers of any length, ``1.50``) comes back exactly.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tenets_session_server.errors import InvalidArgumentError, LimitExceededError

MAXIMUM_BYTES: Final = 1024 * 1024
UNREADABLE_KEY: Final = "unreadable_metadata"
"""Where the text of metadata that is no JSON object is kept once a session is updated."""

EMPTY: Final = b"{}"
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_any_json: Final = msgspec.json.Decoder(msgspec.Raw)
_encoder: Final = msgspec.json.Encoder()


def encode(value: Mapping[str, Any] | None) -> bytes:
    """Return the text of a Python mapping, as the seed's callers pass it.

    Raises :class:`InvalidArgumentError` where it is not JSON (NaN and infinities included: no other
    program could read them back).
    """
    try:
        text = json.dumps(dict(value or {}), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError("metadata", f"a JSON object ({error})") from error
    return normalise(text.encode("utf-8"))


def normalise(text: bytes, member: str = "metadata") -> bytes:
    """Check that ``text`` is a JSON object that every reader of the file can read; return it.

    A key given twice at the top level keeps its last value: SQLite would see the first one, Python
    the last. Raises :class:`InvalidArgumentError` or :class:`LimitExceededError`.
    """
    try:
        members = _members.decode(text)
        json.loads(text)  # the seed's reader; it refuses integers of more than 4,300 digits
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise InvalidArgumentError(member, f"a JSON object ({error})") from error
    stored = _encoder.encode(members)
    _check_size(stored)
    return stored


def merge(stored: bytes | None, updates: bytes, *, limited: bool = True) -> bytes:
    """Return ``stored`` with the members of ``updates`` put over its own (a shallow merge).

    ``updates`` has been through :func:`normalise`. Stored text that is no JSON object is kept as a
    string under :data:`UNREADABLE_KEY`: it is not ours to throw away. Raises
    :class:`LimitExceededError` where the result has grown too large, unless not ``limited``.
    """
    members = _stored_members(stored)
    members.update(_members.decode(updates))
    merged = _encoder.encode(members)
    # Metadata that is over the limit already (another program's) may still be made smaller.
    if limited and len(merged) > len(stored or b""):
        _check_size(merged)
    return merged


def readable(stored: bytes | None) -> bytes:
    """Return ``stored`` where it is a JSON object, else the nearest to it that is one.

    NULL and empty text are ``{}`` as in the seed. What the seed's ``json.loads`` accepts but JSON
    does not (NaN, infinities) becomes null, an unpaired surrogate becomes ``?``, and what is no
    object becomes ``{}``.
    """
    if stored is None:
        return EMPTY
    if stored.startswith(b"{") and stored.isascii():  # nearly all that there is
        try:
            _any_json.decode(stored)  # half the time, as it makes nothing of it
        except msgspec.MsgspecError:
            pass
        else:
            return stored
    try:
        _members.decode(stored)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        found = _lenient(stored)
        return EMPTY if found is None else found
    # Strings deep in the text are only checked here, as the decoder skips over them.
    return stored if stored.isascii() or _is_utf8(stored) else EMPTY


def _stored_members(stored: bytes | None) -> dict[str, msgspec.Raw]:
    text = readable(stored)
    if text == EMPTY and stored is not None and stored.strip() not in {b"", EMPTY, b"null"}:
        kept = json.dumps(stored.decode("utf-8", errors="replace"))
        return {UNREADABLE_KEY: msgspec.Raw(kept.encode("ascii"))}
    return _members.decode(text)


def _lenient(stored: bytes) -> bytes | None:
    try:
        value = json.loads(stored, parse_constant=lambda _: None)
        if not isinstance(value, dict):
            return None
        # Unpaired surrogates, which the seed can store, have no UTF-8: they become "?".
        text = json.dumps(value, allow_nan=False, ensure_ascii=False).encode("utf-8", "replace")
        _members.decode(text)
    except (ValueError, RecursionError, msgspec.MsgspecError):
        return None
    return text


def _check_size(text: bytes) -> None:
    if len(text) > MAXIMUM_BYTES:
        raise LimitExceededError("metadata (bytes of JSON)", MAXIMUM_BYTES)


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
