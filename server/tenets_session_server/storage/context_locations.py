"""Where entries belong, and where they are now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, Self

import msgspec
from msgspec import UNSET, Raw, Struct

from tenets_session_server.errors import LimitExceededError
from tenets_session_server.models import context as models
from tenets_session_server.models.context import ContextList, LocatedContext, PlacedContext, Range
from tenets_session_server.storage import uris
from tenets_session_server.storage.anchors import Text
from tenets_session_server.storage.context_listing import ContextListing
from tenets_session_server.storage.lines import split
from tenets_session_server.storage.steps import Steps

_decode_location: Final = msgspec.json.Decoder(models.Location).decode
_decode_members: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_encode: Final = msgspec.json.Encoder().encode
MOST_LOCATED: Final = 1000
"""Entries of one file that are looked for."""
LARGEST_LOCATION: Final = 64 * 1024
"""Bytes of JSON: twenty lines, and three before and after, are a few kibibytes."""
LARGEST_TEXT: Final = 1024 * 1024
"""Characters of a text in which notes are looked for."""
MOST_LINES: Final = 100_000
"""Lines of such a text: splitting it into them takes 10 ms."""


class Location(Struct, frozen=True):
    """Where an entry belongs: the JSON text as it was given, and its ``uri``.

    ``anchored_by``: who has added its anchor.
    """

    text: bytes
    uri: str
    anchored_by: Literal["client", "server", "nobody"] = "nobody"

    @classmethod
    def checked(cls, text: Raw) -> Self:
        """Return a location that is one; raises msgspec's errors, and those of :meth:`check`."""
        found = cls(bytes(text), _decode_location(text).uri)
        found.check()
        return found

    def anchored(self, range_: Range, text: str) -> Location:
        """Return the same with the anchor that its range has in a text, if it has one there.

        The rest of the JSON text stays as it is.
        """
        try:
            anchor = Text(checked_lines(text)).anchor(range_)
        except LimitExceededError:
            return self
        if anchor is None:
            return self
        members = _decode_members(self.text)
        if "anchor" in members:  # null
            added = _encode({**members, "anchor": anchor})
        else:
            added = self.text.rstrip()[:-1] + b',"anchor":' + _encode(anchor) + b"}"
        found = Location(added, self.uri, anchored_by="server")
        # Lines of control characters take six bytes each; without an anchor it is still a place.
        return found if len(found.text) <= LARGEST_LOCATION else self

    def check(self) -> None:
        """Raise :class:`LimitExceededError` if it is too large."""
        if len(self.text) > LARGEST_LOCATION:
            raise LimitExceededError("location (bytes of JSON)", LARGEST_LOCATION)

    def columns(self) -> dict[str, str]:
        """Return what is stored.

        Raises :class:`InvalidArgumentError` if ``uri`` is no URI, and :class:`LimitExceededError`.
        """
        self.check()
        place = uris.parse(self.uri, "location.uri")
        return {
            "location": self.text.decode("utf-8"),
            "place": place.key,
            "resolved": uris.resolved(place).key,
        }


def location_of(entry: models.ContextEntry) -> models.Location | None:
    """Return where an entry belongs, None if it has no location, or one that is none."""
    if entry.location is UNSET:
        return None
    try:
        return _decode_location(entry.location)
    except msgspec.MsgspecError:  # another program's
        return None


def checked_lines(text: str) -> list[str]:
    """Return the lines of a text; raises :class:`LimitExceededError` if it is too large."""
    if len(text) > LARGEST_TEXT:
        raise LimitExceededError("text (characters)", LARGEST_TEXT)
    if max(text.count("\n"), text.count("\r")) >= MOST_LINES:
        raise LimitExceededError("text (lines)", MOST_LINES)
    return split(text)


def located_in(
    uri: str, session_name: str | None = None, session_id: int | None = None
) -> ContextListing:
    """Return the list of the entries of a file; only of a session, if its name or id is given."""
    return ContextListing(session_name, session_id, uri=uri, order="newest", include_content=False)


def locate(read: Callable[[], ContextList], text: str | None) -> Steps[LocatedContext]:
    """Return where the entries of a file are in its ``text``, None where there is none.

    ``read`` returns at most :data:`MOST_LOCATED` entries of :func:`located_in`. Entries without a
    range belong to the file as a whole, and are left out. Raises :class:`LimitExceededError`.
    """
    there = None
    if text is not None:
        there = yield from Text.indexed(checked_lines(text))
    page = read()
    placed: list[PlacedContext] = []
    lost: list[int] = []
    for entry in page.entries:
        location = location_of(entry)
        if location is None or location.range is None:
            continue
        found = None
        if there is not None and location.anchor is not None:
            found = there.locate(location.range, location.anchor)
            yield 0.0
        if found is None:
            lost.append(entry.id)
        else:
            placed.append(PlacedContext(entry.id, found, moved=found != location.range))
    placed.sort(key=lambda one: (one.range.start.line, one.id))
    return LocatedContext(
        placed, sorted(lost), page.next_cursor is not None, page.revision, page.state
    )
