"""What the values of an imported document have to be, and the errors for those that are not."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from typing import Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from tenets_session_server.errors import (
    ImportInvalidError,
    InvalidArgumentError,
    LimitExceededError,
    TenetsSessionError,
)
from tenets_session_server.storage import timestamps, uris
from tenets_session_server.storage.context_locations import Location
from tenets_session_server.storage.json_stream import JsonStream
from tenets_session_server.storage.names import LONGEST_KEY


class ReadEntry(Struct, rename="camel", frozen=True, kw_only=True):
    """An entry as it is read: what ``ExportedEntry`` is when it is written."""

    kind: str
    content: str
    created_at: str
    updated_at: str | None = None
    author: str | None = None
    imported_author: str | None = None
    location: Raw | UnsetType = UNSET
    identity_key: str | None = None


_decode_entry: Final = msgspec.json.Decoder(ReadEntry).decode
_PATH: Final = re.compile(r" - at `\$(.+)`\Z")


Place = tuple[str | None, str | None, str | None]
"""The columns of a location: its JSON, and the keys of its URI."""


def read_entry(stream: JsonStream, text: bytes) -> tuple[ReadEntry, str, str | None, Place]:
    """Return an entry, its times and its place; raises :class:`ImportInvalidError`."""
    try:
        entry = _decode_entry(text)
        created_at = time(entry.created_at, "createdAt")
        updated_at = None if entry.updated_at is None else time(entry.updated_at, "updatedAt")
        if entry.identity_key is not None and not 0 < len(entry.identity_key) <= LONGEST_KEY:
            raise InvalidArgumentError("identityKey", f"1 to {LONGEST_KEY} characters")
        place: Place = (None, None, None)
        if entry.location is not UNSET and bytes(entry.location) != b"null":
            place = _place(entry.location)
    except (msgspec.MsgspecError, TenetsSessionError) as error:
        raise located(stream, error, text) from None
    return entry, created_at, updated_at, place


def _place(given: Raw) -> Place:
    try:
        location = Location.checked(given)
    except msgspec.MsgspecError as error:
        raise _WrongLocationError(str(error)) from None
    return (location.text.decode("utf-8"), *_places(location.uri))


@lru_cache(maxsize=1024)  # many entries of a document are in the same files
def _places(uri: str) -> tuple[str, str]:
    place = uris.parse(uri, "location.uri")
    return place.key, uris.resolved(place).key


def string(member: str, text: bytes) -> str:
    """Return a member that is a string; raises :class:`InvalidArgumentError`."""
    try:
        return msgspec.json.decode(text, type=str)
    except msgspec.MsgspecError:
        raise InvalidArgumentError(member, "a string") from None


def time(text: str, member: str) -> str:
    """Return a member that is a time, as it is stored; raises :class:`InvalidArgumentError`."""
    if timestamps.readable(text) == text:
        return text
    with suppress(ValueError):  # "Z", or nanoseconds
        found = datetime.fromisoformat(text)
        if "T" in text and found.tzinfo is not None:
            return found.isoformat()
    raise InvalidArgumentError(member, "a time of RFC 3339, with an offset")


class _WrongLocationError(msgspec.MsgspecError):
    """A location is not one; the path in the message is that in the location."""


def located(
    stream: JsonStream, error: TenetsSessionError | msgspec.MsgspecError, text: bytes
) -> ImportInvalidError:
    """Return the error for what is wrong in the value that was read last, whose ``text`` it is."""
    reason, member = str(error), ""
    if isinstance(error, InvalidArgumentError):
        member, _, reason = reason.partition(": ")
    elif found := _PATH.search(reason):
        member, reason = found[1].removeprefix("."), reason[: found.start()]
    if isinstance(error, _WrongLocationError):
        member = f"location.{member}".rstrip(".")
    if isinstance(error, LimitExceededError) and reason.startswith("location"):
        member = "location"
    if member and not stream.path.endswith(f".{member}"):
        stream.path = f"{stream.path}.{member}"
    at = 0
    for name in re.findall(r"[A-Za-z]+", member):
        at = max(at, text.find(f'"{name}"'.encode(), at))
    return stream.invalid(reason.replace("`", ""), back=len(text) - at)
