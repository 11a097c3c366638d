"""What a search has found."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from tenets_session_server.models.context import ContextEntry
from tenets_session_server.models.types import NewestRevision, SessionId, StateText


class FoundSession(Struct, rename="camel", frozen=True):
    """The session that a hit belongs to."""

    id: SessionId
    name: Annotated[str | None, Meta(description="null if the session was deleted")]


class SearchHit(Struct, rename="camel", frozen=True):
    """An entry, or the name of a session, that a query has found."""

    session: Annotated[FoundSession, Meta(description="the session it belongs to")]
    entry: Annotated[
        ContextEntry | None,
        Meta(description="the entry, without `content`; null: the name of the session matches"),
    ]
    snippet: Annotated[
        str, Meta(description="about 160 characters around the best place, white space collapsed")
    ]
    matches: Annotated[
        list[list[int]],
        Meta(description="what to mark in it: `[start, end]` in UTF-16 units, in order"),
    ]
    score: Annotated[
        float, Meta(description="the higher, the better; means nothing outside its reply")
    ]


class SearchResult(Struct, rename="camel", frozen=True):
    """What a query has found."""

    hits: Annotated[list[SearchHit], Meta(description="the best first, at most `limit`")]
    is_incomplete: Annotated[
        bool, Meta(description="true if there is more, or the index is behind")
    ]
    revision: NewestRevision
    state: StateText
