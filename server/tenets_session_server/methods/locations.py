"""The param ``location``: where an entry belongs."""

from __future__ import annotations

from typing import Final

from msgspec import Raw

from tenets_session_server.errors import (
    InvalidArgumentError,
    InvalidParamsError,
    LimitExceededError,
)
from tenets_session_server.methods.method import CallContext
from tenets_session_server.methods.params import ParamsDecoder
from tenets_session_server.models import context as models
from tenets_session_server.storage.context_locations import Location

_decode: Final = ParamsDecoder(models.Location).decode


def read(call: CallContext, given: Raw) -> Location | None:
    """Return a location to store: as it was given, and with an anchor where the text is known."""
    if not given:
        return None
    try:
        found = _decode(given)
    except InvalidParamsError as error:
        raise InvalidParamsError(f"location.{error}") from None
    if found.anchor is not None:
        return Location(bytes(given), found.uri, "client")
    stored = Location(bytes(given), found.uri)
    if found.range is None:
        return stored
    try:
        text = call.text(found.uri)
    except (InvalidArgumentError, LimitExceededError):  # the store says it of a bad URI
        return stored
    return stored if text is None else stored.anchored(found.range, text)
