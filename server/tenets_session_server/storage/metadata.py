"""A session's metadata: the UTF-8 text of one JSON object.

Only its top level is decoded and encoded, so what a client stored below (keys such as ``""`` or
``"jsonrpc"``, integers of any length, ``1.50``) comes back exactly.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tenets_session_server.errors import InvalidArgumentError, LimitExceededError

MAXIMUM_BYTES: Final = 1024 * 1024
UNREADABLE_KEY: Final = "unreadable_metadata"
"""The key that keeps stored text that is no JSON object, once the session is updated."""

EMPTY: Final = b"{}"
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_any_json: Final = msgspec.json.Decoder(msgspec.Raw)
_encoder: Final = msgspec.json.Encoder()


def encode(value: Mapping[str, Any] | None) -> bytes:
    """Return the text of a Python mapping, which upstream's callers pass.

    Raises :class:`InvalidArgumentError` if it is not JSON. NaN and infinities are not: other
    programs could not read them.
    """
    try:
        text = json.dumps(dict(value or {}), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError("metadata", f"a JSON object ({error})") from error
    return normalise(text.encode("utf-8"))


def normalise(text: bytes, member: str = "metadata") -> bytes:
    """Check that ``text`` is a JSON object that every reader of the file can read; return it.

    Of a key given twice at the top level the last value stays: SQLite would read the first, Python
    the last. Raises :class:`InvalidArgumentError` or :class:`LimitExceededError`.
    """
    try:
        members = _members.decode(text)
        json.loads(text)  # upstream's reader refuses integers of more than 4,300 digits
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise InvalidArgumentError(member, f"a JSON object ({error})") from error
    stored = _encoder.encode(members)
    _check_size(stored)
    return stored


def merge(stored: bytes | None, updates: bytes, *, limited: bool = True) -> bytes:
    """Return ``stored``, with its top-level members replaced by those of ``updates``.

    ``updates`` is a result of :func:`normalise`. Stored text that is no JSON object is kept as a
    string under :data:`UNREADABLE_KEY`, since it belongs to another program. Raises
    :class:`LimitExceededError` if ``limited`` and the result has grown too large.
    """
    members = _stored_members(stored)
    members.update(_members.decode(updates))
    merged = _encoder.encode(members)
    # Another program's metadata may be over the limit; it can still be made smaller.
    if limited and len(merged) > len(stored or b""):
        _check_size(merged)
    return merged


def readable(stored: bytes | None) -> bytes:
    """Return ``stored`` if it is a JSON object, else the nearest JSON object.

    NULL and empty text are ``{}``, as upstream. What upstream's ``json.loads`` accepts but JSON
    does not (NaN, infinities) becomes null, an unpaired surrogate becomes ``?``, and anything that
    is no object becomes ``{}``.
    """
    if stored is None:
        return EMPTY
    if stored.startswith(b"{") and stored.isascii():  # nearly always
        try:
            _any_json.decode(stored)  # takes half the time, as it builds no objects
        except msgspec.MsgspecError:
            pass
        else:
            return stored
    try:
        _members.decode(stored)
        stored.decode("utf-8")  # the decoder skips nested strings without checking them
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _as_python_reads(stored)
    return stored


def _stored_members(stored: bytes | None) -> dict[str, msgspec.Raw]:
    text = readable(stored)
    if text == EMPTY and stored is not None and stored.strip() not in {b"", EMPTY, b"null"}:
        kept = json.dumps(stored.decode("utf-8", errors="replace"))
        return {UNREADABLE_KEY: msgspec.Raw(kept.encode("ascii"))}
    return _members.decode(text)


def _as_python_reads(stored: bytes) -> bytes:
    try:
        value = json.loads(stored, parse_constant=lambda _: None)
        if not isinstance(value, dict):
            return EMPTY
        # Upstream can store unpaired surrogates, which have no UTF-8.
        text = json.dumps(value, allow_nan=False, ensure_ascii=False).encode("utf-8", "replace")
        _members.decode(text)
    except (ValueError, RecursionError, msgspec.MsgspecError):
        return EMPTY
    return text


def _check_size(text: bytes) -> None:
    if len(text) > MAXIMUM_BYTES:
        raise LimitExceededError("metadata (bytes of JSON)", MAXIMUM_BYTES)
