"""What was deleted, and what is brought back."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from tenets_session_server.models.sessions import Session
from tenets_session_server.models.types import (
    NewestRevision,
    NextCursor,
    StateText,
    Timestamp,
    TrashId,
)

ItemType = Literal["sessions", "context"]


class TrashItem(Struct, rename="camel", frozen=True):
    """What one request has removed."""

    id: Annotated[int, Meta(description="never reused")]
    type: Annotated[
        ItemType, Meta(description="`sessions`, or `context`: entries without their session")
    ]
    sessions: Annotated[int, Meta(description="number of sessions")]
    entries: Annotated[int, Meta(description="number of context entries")]
    names: Annotated[
        list[str],
        Meta(description="names of the sessions, at most 10; of `context`, its session's"),
    ]
    size: Annotated[int, Meta(description="bytes of contents, names and metadata")]
    deleted_at: Timestamp
    expires_at: Annotated[str, Meta(description="when it is removed for good, RFC 3339")]
    author: Annotated[str | None, Meta(description="who deleted it; null if nobody said")]


class TrashList(Struct, rename="camel", frozen=True):
    """A page of the trash, newest first."""

    items: Annotated[list[TrashItem], Meta(description="at most `limit`")]
    next_cursor: NextCursor
    revision: NewestRevision
    state: StateText


class Restored(Struct, rename="camel", frozen=True):
    """What was brought back."""

    sessions: Annotated[
        list[Session], Meta(description="the sessions, at most 1000, inactive; none of `context`")
    ]
    session_count: Annotated[int, Meta(description="number of sessions")]
    entries: Annotated[int, Meta(description="number of context entries")]
    trash_id: TrashId
    revision: NewestRevision
    state: StateText


class Emptied(Struct, rename="camel", frozen=True):
    """How much of the trash was removed for good."""

    removed: Annotated[int, Meta(description="number of items")]
