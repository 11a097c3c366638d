"""A session's metadata: the UTF-8 text of one JSON object.

Only its top level is decoded and encoded, so what a client stored below (keys such as ``""`` or
``"jsonrpc"``, integers of any length, ``1.50``) comes back exactly.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec

from tenets_session_server.errors import InvalidArgumentError, LimitExceededError

MAXIMUM_BYTES: Final = 1024 * 1024
PINNED: Final = "pinned_files"
"""The key of upstream's metadata for the paths of a session's files."""
UNREADABLE_KEY: Final = "unreadable_metadata"
"""The key that keeps stored text that is no JSON object, once the session is updated."""

EMPTY: Final = b"{}"
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_any_json: Final = msgspec.json.Decoder(msgspec.Raw)
_encoder: Final = msgspec.json.Encoder()
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},]', re.DOTALL)
_MEMBER: Final = re.compile(r'\s*("(?:[^"\\]|\\.)*")\s*:\s*(.*?)\s*', re.DOTALL)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


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
    if len(text) > MAXIMUM_BYTES:  # then reading it may take a second
        _check_size(text.translate(None, b" \t\r\n"))
    try:
        stored = _encoder.encode(_members.decode(text))
        # Upstream's reader refuses integers of more than 4,300 digits.
        json.loads(stored.decode("utf-8"))
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise InvalidArgumentError(member, f"a JSON object ({error})") from error
    _check_size(stored)
    return stored


def merge(
    stored: bytes | None,
    updates: bytes,
    *,
    limited: bool = True,
    remove: Collection[str] = (),
) -> bytes:
    """Return ``stored``, with its top-level members replaced by those of ``updates``.

    Then those in ``remove`` go. ``updates`` is a result of :func:`normalise`. All other members
    stay as they are stored, also what is not JSON (NaN, say), since it belongs to another program.
    Stored text that is no object is kept as a string under :data:`UNREADABLE_KEY`. Raises
    :class:`LimitExceededError` if ``limited`` and the result has grown too large.
    """
    return _merged(stored, _members.decode(updates), limited=limited, remove=remove)


def _merged(
    stored: bytes | None,
    changed: dict[str, msgspec.Raw],
    *,
    limited: bool = True,
    remove: Collection[str] = (),
) -> bytes:
    if _is_json_object(stored):
        members = {**_members.decode(stored or EMPTY), **changed}
        for name in remove:
            members.pop(name, None)
        merged = _encoder.encode(members)
    else:
        text = (stored or b"").decode("utf-8", "replace")
        parts = _split(text)
        if parts is None:
            parts = {UNREADABLE_KEY: json.dumps(text)} if text.strip() not in {"", "null"} else {}
        parts |= {name: bytes(value).decode("utf-8") for name, value in changed.items()}
        for name in remove:
            parts.pop(name, None)
        # As Python writes it: the triggers look for members in broken JSON in that form.
        joined = ", ".join(f"{json.dumps(name)}: {value}" for name, value in parts.items())
        merged = f"{{{joined}}}".encode("utf-8", "replace")
    # Another program's metadata may be over the limit; it can still be made smaller.
    if limited and len(merged) > len(stored or b""):
        _check_size(merged)
    return merged


def member(stored: bytes | None, name: str) -> object:
    """Return the value of one top-level member, None if it has none, or none that is readable."""
    text = (_split((stored or b"").decode("utf-8", "replace")) or {}).get(name)
    try:
        return None if text is None else json.loads(text)
    except (ValueError, RecursionError):
        return None


def with_member(stored: bytes | None, name: str, value: object) -> bytes:
    """Return ``stored`` with another value of one top-level member.

    All others stay as they are stored. Raises :class:`LimitExceededError` if that is too large.
    """
    # As upstream writes it: what has no UTF-8 (of a path) is an escape, which msgspec refuses.
    return _merged(stored, {name: msgspec.Raw(json.dumps(value).encode("ascii"))})


def readable(stored: bytes | None) -> bytes:
    """Return ``stored`` if it is a JSON object, else the nearest JSON object. Never raises.

    NULL and empty text are ``{}``, as upstream. In a member that is not JSON, NaN and infinities
    become null, and unpaired surrogates U+FFFD. A member that cannot be read at all (it may be
    nested too deep) becomes null. Text that is no object becomes ``{}``.
    """
    if _is_json_object(stored):
        return stored or EMPTY
    members = _split((stored or b"").decode("utf-8", "replace")) or {}
    read = {_without_surrogates(name): _readable_value(text) for name, text in members.items()}
    return _encoder.encode(read)


def _is_json_object(stored: bytes | None) -> bool:
    if not stored:
        return stored is None
    try:
        if stored.startswith(b"{") and stored.isascii():  # nearly always
            _any_json.decode(stored)  # takes half the time, as it builds no objects
        else:
            _members.decode(stored)
            stored.decode("utf-8")  # the decoder skips nested strings without checking them
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _split(text: str) -> dict[str, str] | None:
    """Return the members of an object, each as its text; None for what is no object.

    Only brackets, commas and strings are looked at, and nothing is nested: any depth will do.
    """
    inside = text.strip(" \t\r\n")
    if not (inside.startswith("{") and inside.endswith("}")):
        return None
    start, level = 1, 0
    parts: list[str] = []
    for token in _TOKEN.finditer(inside, 1, len(inside) - 1):
        if token[0] in "[{":
            level += 1
        elif token[0] in "]}":
            level -= 1
        elif token[0] == "," and level == 0:
            parts.append(inside[start : token.start()])
            start = token.end()
    parts.append(inside[start:-1])
    members: dict[str, str] = {}
    for part in parts if inside[1:-1].strip() else ():
        found = _MEMBER.fullmatch(part)
        if found is None:
            return None
        try:
            members[json.loads(found[1])] = found[2]
        except ValueError:
            return None
    return members


def _readable_value(text: str) -> msgspec.Raw:
    try:
        value = json.loads(text, parse_constant=lambda _: None)
        # Upstream can store unpaired surrogates, which have no UTF-8.
        found = _without_surrogates(json.dumps(value, allow_nan=False, ensure_ascii=False))
        return _any_json.decode(found)
    except (ValueError, RecursionError, msgspec.MsgspecError):
        return msgspec.Raw(b"null")


def _without_surrogates(text: str) -> str:
    return _SURROGATE.sub("\ufffd", text)


def _check_size(text: bytes) -> None:
    if len(text) > MAXIMUM_BYTES:
        raise LimitExceededError("metadata (bytes of JSON)", MAXIMUM_BYTES)
