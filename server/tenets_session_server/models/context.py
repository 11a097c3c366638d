"""Context entries."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from tenets_session_server.models.types import (
    Author,
    ImportedAuthor,
    LocationText,
    NewestRevision,
    NextCursor,
    SessionId,
    StateText,
    Timestamp,
    TrashId,
    UpdatedAt,
)

UInteger = Annotated[int, Meta(ge=0, le=2**31 - 1, description="an integer of 0 or more")]


class Position(Struct, frozen=True):
    """A position in a text document (LSP 3.17): both count from 0."""

    line: UInteger
    character: Annotated[int, Meta(ge=0, le=2**31 - 1, description="a number of UTF-16 units")]


class Range(Struct, frozen=True):
    """A range in a text document (LSP 3.17); its end is exclusive."""

    start: Annotated[Position, Meta(description="a position with line and character")]
    end: Annotated[Position, Meta(description="a position with line and character")]


class Anchor(Struct, frozen=True):
    """What the text at a location was when the entry was made."""

    quote: Annotated[str, Meta(description="the lines of the range, white space collapsed")]
    before: Annotated[
        list[str], Meta(max_length=3, description="an array of the lines before it, at most three")
    ]
    after: Annotated[
        list[str], Meta(max_length=3, description="an array of the lines after it, at most three")
    ]
    occurrences: Annotated[UInteger, Meta(description="how often the quote occurred")]
    rival: (
        Annotated[UInteger, Meta(description="lines around it that fitted best at another place")]
        | UnsetType
    ) = UNSET
    indents: (
        Annotated[
            list[UInteger],
            Meta(
                min_length=2,
                max_length=2,
                description="white space before its first and its last line, in UTF-16 units",
            ),
        ]
        | UnsetType
    ) = UNSET


class Location(Struct, frozen=True):
    """Where an entry belongs."""

    uri: Annotated[str, Meta(description="the URI, or the absolute path, of a file")]
    range: Annotated[Range, Meta(description="an LSP range")] | None = None
    anchor: (
        Annotated[Anchor, Meta(description="an object with quote, before, after, occurrences")]
        | None
    ) = None


class ContextEntry(Struct, rename="camel", frozen=True, kw_only=True):
    """A context entry: a note, code, the result of a tool."""

    id: Annotated[int, Meta(description="never reused")]
    session_id: SessionId
    session_name: Annotated[str | None, Meta(description="null if the session was deleted")]
    kind: Annotated[str, Meta(description="label given by the client, for example `note`")]
    preview: Annotated[
        str, Meta(description="first line that is not blank, at most 200 UTF-16 units")
    ]
    content: (
        Annotated[str, Meta(description="absent if not asked for, or too large for a list")]
        | UnsetType
    ) = UNSET
    size: Annotated[int, Meta(description="UTF-8 bytes of the content")]
    created_at: Timestamp
    updated_at: UpdatedAt | UnsetType = UNSET
    author: Author
    imported_author: ImportedAuthor | UnsetType = UNSET
    location: LocationText | UnsetType = UNSET


class WrittenContext(ContextEntry, rename="camel", frozen=True, kw_only=True):
    """A context entry right after it was changed, without its content."""

    revision: NewestRevision
    state: StateText


class AddedContext(WrittenContext, rename="camel", frozen=True, kw_only=True):
    """A context entry that was appended, without its content."""

    session_created: Annotated[bool, Meta(description="whether this call created the session")]
    duplicate: Annotated[
        bool, Meta(description="whether the entry with this `identityKey` existed before")
    ]


class ContextPiece(ContextEntry, rename="camel", frozen=True, kw_only=True):
    """A context entry with a piece of its content."""

    next_offset: Annotated[
        int | None, Meta(description="where more of the content follows; null at its end")
    ]
    revision: NewestRevision
    state: StateText


class ContextList(Struct, rename="camel", frozen=True):
    """A page of context entries."""

    entries: Annotated[
        list[ContextEntry],
        Meta(description="at most `limit`; fewer if they are large, or few of them match"),
    ]
    next_cursor: NextCursor
    revision: NewestRevision
    state: StateText


class PlacedContext(Struct, frozen=True):
    """Where an entry is now."""

    id: Annotated[int, Meta(description="the entry")]
    range: Annotated[Range, Meta(description="its range in the text as it is now")]
    moved: Annotated[bool, Meta(description="whether that is not the range of its location")]


class LocatedContext(Struct, rename="camel", frozen=True):
    """Where the entries of a file are now."""

    placed: Annotated[list[PlacedContext], Meta(description="those that were found, by line")]
    lost: Annotated[
        list[int], Meta(description="those that were not: nothing says for sure where they are")
    ]
    is_incomplete: Annotated[
        bool, Meta(description="true if there are more entries: only the newest were looked for")
    ]
    revision: NewestRevision
    state: StateText


class RemovedContext(Struct, rename="camel", frozen=True):
    """Whether there was an entry to remove."""

    removed: Annotated[bool, Meta(description="whether there was an entry with this id")]
    trash_id: TrashId = None
