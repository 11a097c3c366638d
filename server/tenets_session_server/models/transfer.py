"""Sessions as a JSON document: what is exported, and can be imported."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from tenets_session_server.models.sessions import Session
from tenets_session_server.models.types import (
    ImportedAuthor,
    LocationText,
    NewestRevision,
    StateText,
    Timestamp,
    TrashId,
    UpdatedAt,
)

FORMAT: Final = "tenets-sessions"
VERSION: Final = 1
OnConflict = Literal["error", "skip", "rename", "overwrite"]
"""What becomes of a session whose name is taken."""


class ExportedEntry(Struct, rename="camel", frozen=True, kw_only=True):
    """A context entry in an exported document."""

    kind: Annotated[str, Meta(description="label given by the client, for example `note`")]
    content: Annotated[str, Meta(description="the whole content")]
    created_at: Timestamp
    updated_at: UpdatedAt | UnsetType = UNSET
    author: Annotated[str | None, Meta(description="who wrote it, or null")] = None
    imported_author: ImportedAuthor | UnsetType = UNSET
    location: LocationText | UnsetType = UNSET
    identity_key: (
        Annotated[str, Meta(description="its `identityKey`; absent if not given")] | UnsetType
    ) = UNSET


class ExportedSession(Struct, rename="camel", frozen=True, kw_only=True):
    """A session in an exported document."""

    name: Annotated[str, Meta(description="unique name")]
    created_at: Timestamp
    metadata: Annotated[Raw, Meta(description="the object that was stored, unchanged")] = Raw(b"{}")
    context: Annotated[list[ExportedEntry], Meta(description="its entries, oldest first")] = []


class ExportedDocument(Struct, rename="camel", frozen=True, kw_only=True):
    """A JSON document of sessions. Members that are not known are ignored."""

    format: Annotated[Literal["tenets-sessions"], Meta(description="what the document is")]
    version: Annotated[Literal[1], Meta(description="version of the format")]
    exported_at: Timestamp
    sessions: Annotated[list[ExportedSession], Meta(description="the sessions")]


class Exported(Struct, rename="camel", frozen=True):
    """Sessions as a text."""

    content: Annotated[str, Meta(description="the document")]


class Imported(Struct, rename="camel", frozen=True):
    """What was imported."""

    imported: Annotated[int, Meta(description="number of sessions")]
    skipped: Annotated[int, Meta(description="number of sessions left out, as the name is taken")]
    renamed: Annotated[int, Meta(description="number of sessions that got another name")]
    entries: Annotated[int, Meta(description="number of context entries")]
    sessions: Annotated[
        list[Session], Meta(description="the imported sessions, at most 1000, without metadata")
    ]
    trash_id: TrashId
    revision: NewestRevision
    state: StateText
