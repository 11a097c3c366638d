"""The values that pass from storage to its callers, as they are on the wire.

A client gets them encoded as they are here (members in camelCase), so a value is made once, from
its row. The descriptions are those of the reference in PROTOCOL.md. No behaviour but conversions,
no I/O.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Raw, Struct, UnsetType, to_builtins
from msgspec.structs import replace

SessionId = Annotated[int, Meta(description="the session's `id`")]
EntryId = Annotated[int, Meta(description="`id` of the entry; only for changes of context")]
Revision = Annotated[int, Meta(description="number of the change; numbers only increase")]
NewestRevision = Annotated[int, Meta(description="number of the newest committed change")]
StateText = Annotated[
    str, Meta(description="opaque name of that revision in this history of the database")
]
Timestamp = Annotated[str, Meta(description="RFC 3339 with offset, microseconds kept")]
NextCursor = Annotated[
    str | None, Meta(description="cursor of the next page; null on the last page")
]
ChangeType = Literal[
    "created",
    "updated",
    "renamed",
    "deleted",
    "activated",
    "deactivated",
    "contextAdded",
    "contextRemoved",
]


@dataclass
class SessionRecord:
    """A session as ``tenets.storage.session_db.SessionRecord`` has it.

    ``created_at`` is timezone-aware; ``metadata`` is the decoded JSON object.
    """

    id: int
    name: str
    created_at: datetime
    metadata: dict[str, Any]


class State(Struct, frozen=True):
    """A revision of one history of a database; ``str()`` is its form on the wire.

    Equal states mean that nothing was committed in between. A restored backup or a replaced file
    has another ``token`` at the same revision.
    """

    revision: int
    token: int

    @classmethod
    def parse(cls, text: str) -> State:
        """Return the state of its text; raises ValueError if that is no state's text."""
        revision, _, token = text.partition(".")
        return cls(int(revision), int(token, 16))

    def __str__(self) -> str:
        return f"{self.revision}.{self.token:x}"


class Session(Struct, rename="camel", frozen=True):
    """A named work session."""

    id: Annotated[int, Meta(description="never reused")]
    name: Annotated[str, Meta(description="unique name")]
    created_at: Timestamp
    active: Annotated[bool, Meta(description="true for at most one session")]
    # Raw: the text that was stored, so that no number, key or string changes on its way.
    metadata: Annotated[Raw, Meta(description="the object that was stored, unchanged")] | UnsetType
    context_count: (
        Annotated[int, Meta(description="number of its entries; only if asked for")] | UnsetType
    ) = UNSET

    def to_record(self) -> SessionRecord:
        """Return the form that the ``tenets`` package has, with date and metadata decoded."""
        return SessionRecord(
            id=self.id,
            name=self.name,
            created_at=datetime.fromisoformat(self.created_at),
            metadata={} if self.metadata is UNSET else _decoded(bytes(self.metadata)),
        )


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
    author: Annotated[
        str | None, Meta(description="who wrote it; null if another program did, or nobody said")
    ]


class AddedContext(ContextEntry, rename="camel", frozen=True, kw_only=True):
    """A context entry that was appended, without its content."""

    session_created: Annotated[bool, Meta(description="whether this call created the session")]
    revision: NewestRevision
    state: StateText


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


class Deleted(Struct, frozen=True):
    """Whether there was something to delete."""

    deleted: Annotated[bool, Meta(description="whether a session of this name existed")]


class DeletedCount(Struct, frozen=True):
    """How many sessions were deleted."""

    deleted: Annotated[int, Meta(description="number of sessions deleted")]


class Change(Struct, rename="camel", frozen=True):
    """One committed change, by any program."""

    revision: Revision
    type: Annotated[ChangeType, Meta(description="see the table below")]
    session_id: Annotated[int, Meta(description="`id` of the session it happened to")]
    session_name: Annotated[str, Meta(description="its name right after the change")]
    context_id: EntryId | UnsetType = UNSET


class ChangeList(Struct, rename="camel", frozen=True):
    """Some of the changes that were committed."""

    changes: Annotated[list[Change], Meta(description="in order, at most `limit`")]
    revision: Annotated[int, Meta(description="that of the last change here: where to go on from")]
    state: StateText
    truncated: Annotated[bool, Meta(description="whether there are more: ask again from `state`")]


class ChangeBatch(Struct, rename="camel", frozen=True, omit_defaults=True):
    """What was committed after some revision, up to one moment: params of ``didChange``."""

    revision: Annotated[
        int, Meta(description="revision of the newest change; larger in each message")
    ]
    state: StateText
    changes: Annotated[list[Change], Meta(description="what was committed, in order")]
    active: Annotated[Session | None, Meta(description="the active session at that revision")]
    incomplete: Annotated[
        bool, Meta(description="true if changes are missing: fetch the sessions again")
    ] = False

    def without_metadata(self) -> ChangeBatch:
        """Return the same batch with the active session's metadata left out."""
        active = None if self.active is None else replace(self.active, metadata=UNSET)
        return replace(self, active=active)

    def after(self, revision: int) -> ChangeBatch:
        """Return the same batch without the changes up to ``revision``."""
        later = [change for change in self.changes if change.revision > revision]
        return replace(self, changes=later)


class Totals(Struct, rename="camel", frozen=True):
    """How much there is at one moment; file sizes are in bytes, and read separately."""

    sessions: Annotated[int, Meta(description="number of sessions")]
    context_entries: Annotated[
        int,
        Meta(
            description="number of context entries; those of a deleted session count until removed"
        ),
    ]
    revision: NewestRevision
    state: StateText
    database: Annotated[str, Meta(description="absolute path of the file")]
    database_bytes: Annotated[int, Meta(description="size of the file")]
    log_bytes: Annotated[int, Meta(description="size of its write-ahead log")]
    engine: Annotated[str, Meta(description='what reads and writes it, as "SQLite 3.51.3"')]


class AttachedClient(Struct, rename="camel", frozen=True):
    """An editor that is being served."""

    name: Annotated[str | None, Meta(description="`clientInfo.name`, or null")]
    version: Annotated[str | None, Meta(description="`clientInfo.version`, or null")]
    process_id: Annotated[int | None, Meta(description="`processId` of `initialize`, or null")]
    pid: Annotated[int, Meta(description="process id of the command that the client started")]
    connected_at: Annotated[str, Meta(description="when it connected, RFC 3339")]
    you: Annotated[bool, Meta(description="true for the client that sent this request")] = False

    def plain(self) -> dict[str, Any]:
        """Return the same as plain values, by the names on the wire."""
        return to_builtins(self)  # type: ignore[no-any-return]
