"""Sessions, and what a folder shows of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from msgspec import UNSET, Meta, Raw, Struct, UnsetType
from msgspec.structs import replace

from tenets_session_server.models.types import (
    NewestRevision,
    NextCursor,
    StateText,
    Timestamp,
    TrashId,
)

Order = Literal["newest", "oldest", "recent"]
"""Of a list of sessions: by their creation, or by their last change."""


@dataclass
class SessionRecord:
    """A session as ``tenets.storage.session_db.SessionRecord`` has it.

    ``created_at`` is timezone-aware; ``metadata`` is the decoded JSON object.
    """

    id: int
    name: str
    created_at: datetime
    metadata: dict[str, Any]


class Session(Struct, rename="camel", frozen=True):
    """A named work session."""

    id: Annotated[int, Meta(description="never reused")]
    name: Annotated[str, Meta(description="unique name")]
    created_at: Timestamp
    active: Annotated[bool, Meta(description="true for at most one session")]
    # Raw: the text that was stored, so that no number, key or string changes on its way.
    metadata: (
        Annotated[Raw, Meta(description="the object that was stored, unchanged, unless left out")]
        | UnsetType
    )
    context_count: (
        Annotated[int, Meta(description="number of its entries; only if asked for")] | UnsetType
    ) = UNSET

    def without_metadata(self) -> Self:
        """Return the same session with its metadata left out."""
        return replace(self, metadata=UNSET)

    def to_record(self) -> SessionRecord:
        """Return the form that the ``tenets`` package has, with date and metadata decoded."""
        return SessionRecord(
            id=self.id,
            name=self.name,
            created_at=datetime.fromisoformat(self.created_at),
            metadata={} if self.metadata is UNSET else _decoded(bytes(self.metadata)),
        )


class SessionResult(Session, rename="camel", frozen=True, kw_only=True):
    """A session, and the state that it was read in, or written to."""

    revision: NewestRevision
    state: StateText


class CreatedSession(SessionResult, rename="camel", frozen=True, kw_only=True):
    """A session that exists now."""

    created: Annotated[bool, Meta(description="false if it existed before")]


class ReplacedSession(SessionResult, rename="camel", frozen=True, kw_only=True):
    """A session that has taken the place of something."""

    trash_id: TrashId = None


def _decoded(metadata: bytes) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(metadata)
    except RecursionError:  # msgspec takes a few levels more than json
        return {}
    return found


class SessionList(Struct, rename="camel", frozen=True):
    """A page of sessions."""

    sessions: Annotated[
        list[Session],
        Meta(description="at most `limit`; fewer if their metadata is very large"),
    ]
    next_cursor: NextCursor
    revision: NewestRevision
    state: StateText


class Deleted(Struct, rename="camel", frozen=True):
    """Whether there was something to delete."""

    deleted: Annotated[bool, Meta(description="whether there was such a session")]
    trash_id: TrashId = None


class DeletedCount(Struct, rename="camel", frozen=True):
    """How many sessions were deleted."""

    deleted: Annotated[int, Meta(description="number of sessions deleted")]
    trash_id: TrashId = None


class Current(Struct, rename="camel", frozen=True):
    """The session that one folder shows."""

    folder: Annotated[str | None, Meta(description="the folder that was asked for, or null")]
    session: Annotated[Session | None, Meta(description="its session, or null if there is none")]
    binding: Annotated[
        str | None,
        Meta(description="the bound folder that decides; null: it is the active session"),
    ]

    def without_metadata(self) -> Self:
        """Return the same with the session's metadata left out."""
        session = self.session
        return replace(self, session=None if session is None else session.without_metadata())


class CurrentResult(Current, rename="camel", frozen=True, kw_only=True):
    """The session that one folder shows, and the state that it was read in."""

    revision: NewestRevision
    state: StateText


class Binding(Struct, rename="camel", frozen=True):
    """A folder that shows the session of one name."""

    folder: Annotated[str, Meta(description="the folder, as it was first given")]
    name: Annotated[str, Meta(description="the name of the session that it shows")]
    session: Annotated[
        Session | None, Meta(description="that session; null while there is none of that name")
    ]


class BindingList(Struct, rename="camel", frozen=True):
    """All bindings, in the order of their folders."""

    bindings: Annotated[list[Binding], Meta(description="all of them, sorted by `folder`")]
    revision: NewestRevision
    state: StateText
