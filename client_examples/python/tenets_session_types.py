"""The protocol's types and methods, for ``tenets_session_client.py``.

Generated; do not edit it. In the project it is renewed by ``python tests/docs/clients.py --write``.
A ``TypedDict`` is a plain ``dict``; the names of its members are those on the wire.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final, Literal, NotRequired, TypedDict

ErrorKind = Literal[
    "conflict",
    "contextNotFound",
    "databaseBusy",
    "databaseCorrupt",
    "databaseFull",
    "databaseReadOnly",
    "databaseUnavailable",
    "importInvalid",
    "limitExceeded",
    "outcomeUnknown",
    "revisionExpired",
    "sessionExists",
    "sessionNotFound",
    "trashNotFound",
]
"""The kinds of :class:`SessionError`."""

READS: Final = frozenset(
    {
        "tenets/session.get",
        "tenets/session.list",
        "tenets/session.getActive",
        "tenets/session.listContext",
        "tenets/session.getContext",
        "tenets/session.locate",
        "tenets/session.search",
        "tenets/session.getCurrent",
        "tenets/session.listBindings",
        "tenets/session.listTrash",
        "tenets/session.export",
        "tenets/session.stats",
        "tenets/session.changes",
    }
)
"""The methods that change nothing, so that they can be sent again."""


class AddContextParams(TypedDict):
    """Params of ``addContext``."""

    kind: str
    """1 to 64 characters, no control or bidirectional characters, not blank."""
    content: str
    """A string."""
    sessionName: NotRequired[str | None]
    """The name of a session."""
    sessionId: NotRequired[int | None]
    """The id of a session."""
    folder: NotRequired[str | None]
    """A URI or an absolute path."""
    location: NotRequired[Location | None]
    identityKey: NotRequired[str | None]
    """A string of 1 to 128 characters."""
    replace: NotRequired[bool | None]
    """True or false (default: false)"""


class AddedContext(TypedDict):
    """A context entry that was appended, without its content."""

    id: int
    """Never reused."""
    sessionId: int
    """The session's ``id``."""
    sessionName: str | None
    """Null if the session was deleted."""
    kind: str
    """Label given by the client, for example ``note``."""
    preview: str
    """First line that is not blank, at most 200 UTF-16 units."""
    size: int
    """UTF-8 bytes of the content."""
    createdAt: str
    """RFC 3339 with offset, microseconds kept."""
    author: str | None
    """Who wrote it; null if another program did, or nobody said."""
    revision: int
    """Number of the newest committed change."""
    state: str
    """Opaque name of that revision in this history of the database."""
    sessionCreated: bool
    """Whether this call created the session."""
    duplicate: bool
    """Whether the entry with this ``identityKey`` existed before."""
    content: NotRequired[str]
    """Absent if not asked for, or too large for a list."""
    updatedAt: NotRequired[str]
    """When a client last changed it; absent if none has."""
    importedAuthor: NotRequired[str]
    """Who wrote it where it was imported from; else absent."""
    location: NotRequired[dict[str, Any]]
    """Where it belongs, as a ``Location``; absent if not given."""


class Anchor(TypedDict):
    """What the text at a location was when the entry was made."""

    quote: str
    """The lines of the range, white space collapsed."""
    before: list[str]
    """An array of the lines before it, at most three."""
    after: list[str]
    """An array of the lines after it, at most three."""
    occurrences: int
    """How often the quote occurred."""
    rival: NotRequired[int]
    """Lines around it that fitted best at another place."""
    indents: NotRequired[list[int]]
    """White space before its first and its last line, in UTF-16 units."""


class AttachedClient(TypedDict):
    """An editor that is being served."""

    name: str | None
    """``clientInfo.name``, or null."""
    version: str | None
    """``clientInfo.version``, or null."""
    processId: int | None
    """``processId`` of ``initialize``, or null."""
    pid: int
    """Process id of the command that the client started."""
    connectedAt: str
    """When it connected, RFC 3339."""
    you: NotRequired[bool]
    """True for the client that sent this request (default: false)"""


class BindParams(TypedDict):
    """Params of ``bind``."""

    name: NotRequired[str | None]
    """The name of a session."""
    sessionId: NotRequired[int | None]
    """The id of a session."""
    folder: NotRequired[str | None]
    """A URI or an absolute path."""


class Binding(TypedDict):
    """A folder that shows the session of one name."""

    folder: str
    """The folder, as it was first given."""
    name: str
    """The name of the session that it shows."""
    session: Session | None
    """That session; null while there is none of that name."""


class BindingList(TypedDict):
    """All bindings, in the order of their folders."""

    bindings: list[Binding]
    """All of them, sorted by ``folder``."""
    revision: int
    """Number of the newest committed change."""
    state: str
    """Opaque name of that revision in this history of the database."""


class Capability(TypedDict):
    """``capabilities.experimental.tenetsSession`` of the ``initialize`` result."""

    protocolVersion: int
    """1; another number means an incompatible protocol."""
    methods: list[str]
    """The ``tenets/session.*`` methods there are."""
    revision: int
    """Number of the newest committed change, or 0."""
    state: str | None
    """The state at that revision; null if the file cannot be read."""
    author: str | None
    """The label under which this client writes entries."""
    folders: list[str]
    """The folders whose session this client shows."""
    limits: dict[str, int]
    """What is larger is refused; see Limits."""
    database: str
    """Absolute path of the file."""
    databaseReason: str | None
    """Why it is that file, for example "named by --database"."""
    warnings: list[str]
    """Sentences to show to the user."""


class Change(TypedDict):
    """One committed change, by any program."""

    revision: int
    """Number of the change; numbers only increase."""
    type: Literal[
        "activated",
        "bound",
        "contextAdded",
        "contextRemoved",
        "contextUpdated",
        "created",
        "deactivated",
        "deleted",
        "renamed",
        "reset",
        "restored",
        "updated",
    ]
    """See the table below."""
    sessionId: int | None
    """``id`` of the session it happened to; null: a folder without a session."""
    sessionName: str | None
    """Its name right after the change; null if an entry's session is gone."""
    author: str | None
    """Who made it; null if another program did, or nobody said."""
    contextId: NotRequired[int]
    """``id`` of the entry; only for changes of context."""
    folder: NotRequired[str]
    """The folder, only for ``bound``."""
    contextKept: NotRequired[bool]
    """True if a session was deleted, but not its context."""


class ChangeBatch(TypedDict):
    """What was committed after some revision, up to one moment: params of ``didChange``."""

    revision: int
    """Revision of the newest change; larger in each message."""
    state: str
    """Opaque name of that revision in this history of the database."""
    changes: list[Change]
    """What was committed, in order."""
    active: Session | None
    """The active session at that revision."""
    currents: NotRequired[list[Current] | None]
    """One for each folder of the client; absent if no binding concerns any."""
    incomplete: NotRequired[bool]
    """True if changes are missing: fetch the sessions again (default: false)"""


class ChangeList(TypedDict):
    """Some of the changes that were committed."""

    changes: list[Change]
    """In order, at most ``limit``."""
    revision: int
    """That of the last change here: where to go on from."""
    state: str
    """Opaque name of that revision in this history of the database."""
    truncated: bool
    """Whether there are more: ask again from ``state``."""


class ChangesParams(TypedDict):
    """Params of ``changes``."""

    sinceState: NotRequired[str | None]
    """A state that the server has sent."""
    since: NotRequired[int | None]
    """A revision, 0 or more."""
    sessionName: NotRequired[str | None]
    """The name of a session."""
    sessionId: NotRequired[int | None]
    """The id of a session."""
    notAuthor: NotRequired[str | None]
    """The author whose changes are left out."""
    limit: NotRequired[int | None]
    """An integer from 1 to 1000 (default: 100)"""


class ContextEntry(TypedDict):
    """A context entry: a note, code, the result of a tool."""

    id: int
    """Never reused."""
    sessionId: int
    """The session's ``id``."""
    sessionName: str | None
    """Null if the session was deleted."""
    kind: str
    """Label given by the client, for example ``note``."""
    preview: str
    """First line that is not blank, at most 200 UTF-16 units."""
    size: int
    """UTF-8 bytes of the content."""
    createdAt: str
    """RFC 3339 with offset, microseconds kept."""
    author: str | None
    """Who wrote it; null if another program did, or nobody said."""
    content: NotRequired[str]
    """Absent if not asked for, or too large for a list."""
    updatedAt: NotRequired[str]
    """When a client last changed it; absent if none has."""
    importedAuthor: NotRequired[str]
    """Who wrote it where it was imported from; else absent."""
    location: NotRequired[dict[str, Any]]
    """Where it belongs, as a ``Location``; absent if not given."""


class ContextList(TypedDict):
    """A page of context entries."""

    entries: list[ContextEntry]
    """At most ``limit``; fewer if they are large, or few of them match."""
    nextCursor: str | None
    """Cursor of the next page; null on the last page."""
    revision: int
    """Number of the newest committed change."""
    state: str
    """Opaque name of that revision in this history of the database."""


class ContextPiece(TypedDict):
    """A context entry with a piece of its content."""

    id: int
    """Never reused."""
    sessionId: int
    """The session's ``id``."""
    sessionName: str | None
    """Null if the session was deleted."""
    kind: str
    """Label given by the client, for example ``note``."""
    preview: str
    """First line that is not blank, at most 200 UTF-16 units."""
    size: int
    """UTF-8 bytes of the content."""
    createdAt: str
    """RFC 3339 with offset, microseconds kept."""
    author: str | None
    """Who wrote it; null if another program did, or nobody said."""
    nextOffset: int | None
    """Where more of the content follows; null at its end."""
    revision: int
    """Number of the newest committed change."""
    state: str
    """Opaque name of that revision in this history of the database."""
    content: NotRequired[str]
    """Absent if not asked for, or too large for a list."""
    updatedAt: NotRequired[str]
    """When a client last changed it; absent if none has."""
    importedAuthor: NotRequired[str]
    """Who wrote it where it was imported from; else absent."""
    location: NotRequired[dict[str, Any]]
    """Where it belongs, as a ``Location``; absent if not given."""


class CopyParams(TypedDict):
    """Params of ``copy``."""

    newName: str
    """1 to 255 characters, no control or bidirectional characters, not blank."""
    name: NotRequired[str | None]
    """The name of a session."""
    sessionId: NotRequired[int | None]
    """The id of a session."""
    overwrite: NotRequired[bool | None]
    """True or false (default: false)"""
    includeContext: NotRequired[bool | None]
    """True or false (default: true)"""
    active: NotRequired[bool | None]
    """True or false (default: false)"""
    ifState: NotRequired[str | None]
    """A state that the server has sent."""


class CreateParams(TypedDict):
    """Params of ``create``."""

    name: str
    """1 to 255 characters, no control or bidirectional characters, not blank."""
    metadata: NotRequired[dict[str, Any] | None]
    """An object (default: {})"""
    active: NotRequired[bool | None]
    """True or false (default: false)"""
    ifExists: NotRequired[Literal["error", "return"] | None]
    """"error" or "return" (default: "error")"""


class CreatedSession(TypedDict):
    """A session that exists now."""

    id: int
    """Never reused."""
    name: str
    """Unique name."""
    createdAt: str
    """RFC 3339 with offset, microseconds kept."""
    active: bool
    """True for at most one session."""
    revision: int
    """Number of the newest committed change."""
    state: str
    """Opaque name of that revision in this history of the database."""
    created: bool
    """False if it existed before."""
    metadata: NotRequired[dict[str, Any]]
    """The object that was stored, unchanged, unless left out."""
    contextCount: NotRequired[int]
    """Number of its entries; only if asked for."""


class Current(TypedDict):
    """The session that one folder shows."""

    folder: str | None
    """The folder that was asked for, or null."""
    session: Session | None
    """Its session, or null if there is none."""
    binding: str | None
    """The bound folder that decides; null: it is the active session."""


class CurrentResult(TypedDict):
    """The session that one folder shows, and the state that it was read in."""

    folder: str | None
    """The folder that was asked for, or null."""
    session: Session | None
    """Its session, or null if there is none."""
    binding: str | None
    """The bound folder that decides; null: it is the active session."""
    revision: int
    """Number of the newest committed change."""
    state: str
    """Opaque name of that revision in this history of the database."""


class DeleteAllParams(TypedDict):
    """Params of ``deleteAll``."""

    purgeContext: NotRequired[bool | None]
    """True or false (default: true)"""


class DeleteParams(TypedDict):
    """Params of ``delete``."""

    name: NotRequired[str | None]
    """The name of a session."""
    sessionId: NotRequired[int | None]
    """The id of a session."""
    purgeContext: NotRequired[bool | None]
    """True or false (default: true)"""
    ifState: NotRequired[str | None]
    """A state that the server has sent."""


class Deleted(TypedDict):
    """Whether there was something to delete."""

    deleted: bool
    """Whether there was such a session."""
    trashId: NotRequired[int | None]
    """What ``restore`` brings it back with; null if nothing was kept."""


class DeletedCount(TypedDict):
    """How many sessions were deleted."""

    deleted: int
    """Number of sessions deleted."""
    trashId: NotRequired[int | None]
    """What ``restore`` brings it back with; null if nothing was kept."""


class EditorFeatureOptions(TypedDict):
    """``initializationOptions.editorFeatures``; ``true`` is an object without members."""

    codeAction: NotRequired[bool]
    """True or false (default: true)"""
    workspaceSymbol: NotRequired[bool]
    """True or false (default: true)"""
    hover: NotRequired[bool]
    """True or false (default: true)"""
    annotations: NotRequired[str]
    """"off", "lens" or "hint" (default: "off")"""


class Emptied(TypedDict):
    """How much of the trash was removed for good."""

    removed: int
    """Number of items."""


class EmptyTrashParams(TypedDict):
    """Params of ``emptyTrash``."""

    id: NotRequired[int | None]
    """The id of an item of the trash."""


class ExportParams(TypedDict):
    """Params of ``export``."""

    names: NotRequired[list[str] | None]
    """At most 1000 names."""
    sessionIds: NotRequired[list[int] | None]
    """At most 1000 ids."""
    format: NotRequired[Literal["json", "markdown"] | None]
    """"json" or "markdown" (default: "json")"""
    raw: NotRequired[bool | None]
    """True or false (default: false)"""


class Exported(TypedDict):
    """Sessions as a text."""

    content: str
    """The document."""


class ExportedDocument(TypedDict):
    """A JSON document of sessions. Members that are not known are ignored."""

    format: Literal["tenets-sessions"]
    """What the document is."""
    version: Literal[1]
    """Version of the format."""
    exportedAt: str
    """RFC 3339 with offset, microseconds kept."""
    sessions: list[ExportedSession]
    """The sessions."""


class ExportedEntry(TypedDict):
    """A context entry in an exported document."""

    kind: str
    """Label given by the client, for example ``note``."""
    content: str
    """The whole content."""
    createdAt: str
    """RFC 3339 with offset, microseconds kept."""
    updatedAt: NotRequired[str]
    """When a client last changed it; absent if none has."""
    author: NotRequired[str | None]
    """Who wrote it, or null."""
    importedAuthor: NotRequired[str]
    """Who wrote it where it was imported from; else absent."""
    location: NotRequired[dict[str, Any]]
    """Where it belongs, as a ``Location``; absent if not given."""
    identityKey: NotRequired[str]
    """Its ``identityKey``; absent if not given."""


class ExportedSession(TypedDict):
    """A session in an exported document."""

    name: str
    """Unique name."""
    createdAt: str
    """RFC 3339 with offset, microseconds kept."""
    context: list[ExportedEntry]
    """Its entries, oldest first."""
    metadata: NotRequired[dict[str, Any]]
    """The object that was stored, unchanged (default: {})"""


class FoundSession(TypedDict):
    """The session that a hit belongs to."""

    id: int
    """The session's ``id``."""
    name: str | None
    """Null if the session was deleted."""


class GetActiveParams(TypedDict):
    """Params of ``getActive``."""

    includeMetadata: NotRequired[bool | None]
    """True or false (default: true)"""


class GetContextParams(TypedDict):
    """Params of ``getContext``."""

    id: int
    """The id of an entry."""
    offset: NotRequired[int | None]
    """A number of bytes, 0 or more (default: 0)"""
    maxBytes: NotRequired[int | None]
    """A number of bytes from 4 to 4194304 (default: 4194304)"""


class GetCurrentParams(TypedDict):
    """Params of ``getCurrent``."""

    folder: NotRequired[str | None]
    """A URI or an absolute path."""
    includeMetadata: NotRequired[bool | None]
    """True or false (default: true)"""


class GetParams(TypedDict):
    """Params of ``get``."""

    name: NotRequired[str | None]
    """The name of a session."""
    sessionId: NotRequired[int | None]
    """The id of a session."""
    includeMetadata: NotRequired[bool | None]
    """True or false (default: true)"""


class ImportParams(TypedDict):
    """Params of ``import``."""

    content: str
    """A string."""
    onConflict: NotRequired[Literal["error", "overwrite", "rename", "skip"] | None]
    """"error", "skip", "rename" or "overwrite" (default: "error")"""


class Imported(TypedDict):
    """What was imported."""

    imported: int
    """Number of sessions."""
    skipped: int
    """Number of sessions left out, as the name is taken."""
    renamed: int
    """Number of sessions that got another name."""
    entries: int
    """Number of context entries."""
    sessions: list[Session]
    """The imported sessions, at most 1000, without metadata."""
    trashId: int | None
    """What ``restore`` brings it back with; null if nothing was kept."""
    revision: int
    """Number of the newest committed change."""
    state: str
    """Opaque name of that revision in this history of the database."""


class ListContextParams(TypedDict):
    """Params of ``listContext``."""

    sessionName: NotRequired[str | None]
    """The name of a session."""
    sessionId: NotRequired[int | None]
    """The id of a session."""
    ids: NotRequired[list[int] | None]
    """An array of at most 1000 ids."""
    kind: NotRequired[str | None]
    """1 to 64 characters, no control or bidirectional characters, not blank."""
    author: NotRequired[str | None]
    """The author of the entries."""
    uri: NotRequired[str | None]
    """A URI or an absolute path."""
    limit: NotRequired[int | None]
    """An integer from 1 to 1000 (default: 100)"""
    cursor: NotRequired[str | None]
    """A nextCursor of the same list."""
    order: NotRequired[Literal["newest", "oldest"] | None]
    """"oldest" or "newest" (default: "oldest")"""
    includeContent: NotRequired[bool | None]
    """True or false (default: true)"""


class ListParams(TypedDict):
    """Params of ``list``."""

    limit: NotRequired[int | None]
    """An integer from 1 to 1000 (default: 100)"""
    cursor: NotRequired[str | None]
    """A nextCursor of the same list."""
    active: NotRequired[bool | None]
    """True or false."""
    namePrefix: NotRequired[str | None]
    """A string of at most 255 characters."""
    order: NotRequired[Literal["newest", "oldest", "recent"] | None]
    """"newest", "oldest" or "recent" (default: "newest")"""
    includeContextCount: NotRequired[bool | None]
    """True or false (default: false)"""
    includeMetadata: NotRequired[bool | None]
    """True or false (default: true)"""


class ListTrashParams(TypedDict):
    """Params of ``listTrash``."""

    limit: NotRequired[int | None]
    """An integer from 1 to 1000 (default: 100)"""
    cursor: NotRequired[str | None]
    """A nextCursor of the same list."""


class LocateParams(TypedDict):
    """Params of ``locate``."""

    uri: str
    """A URI or an absolute path."""
    text: NotRequired[str | None]
    """The text of the document."""
    sessionName: NotRequired[str | None]
    """The name of a session."""
    sessionId: NotRequired[int | None]
    """The id of a session."""


class LocatedContext(TypedDict):
    """Where the entries of a file are now."""

    placed: list[PlacedContext]
    """Those that were found, by line."""
    lost: list[int]
    """Those that were not: nothing says for sure where they are."""
    isIncomplete: bool
    """True if there are more entries: only the newest were looked for."""
    revision: int
    """Number of the newest committed change."""
    state: str
    """Opaque name of that revision in this history of the database."""


class Location(TypedDict):
    """Where an entry belongs."""

    uri: str
    """The URI, or the absolute path, of a file."""
    range: NotRequired[Range | None]
    anchor: NotRequired[Anchor | None]


class NoParams(TypedDict):
    """Params of a method that needs none."""


class Options(TypedDict):
    """``initializationOptions`` of the ``initialize`` request."""

    notifications: NotRequired[bool | None]
    """True or false (default: true)"""
    activeMetadata: NotRequired[bool | None]
    """True or false (default: true)"""
    commands: NotRequired[bool | None]
    """True or false (default: true)"""
    author: NotRequired[str | None]
    """1 to 64 characters, no control or bidirectional characters, not blank."""
    folders: NotRequired[list[str] | None]
    """An array of URIs or absolute paths."""
    editorFeatures: NotRequired[bool | list[None] | EditorFeatureOptions | None]
    """ (default: false)"""


class PinParams(TypedDict):
    """Params of ``pin`` and ``unpin``."""

    uri: str
    """A URI or an absolute path."""
    name: NotRequired[str | None]
    """The name of a session."""
    sessionId: NotRequired[int | None]
    """The id of a session."""
    folder: NotRequired[str | None]
    """A URI or an absolute path."""


class PlacedContext(TypedDict):
    """Where an entry is now."""

    id: int
    """The entry."""
    range: Range
    """Its range in the text as it is now."""
    moved: bool
    """Whether that is not the range of its location."""


class Position(TypedDict):
    """A position in a text document (LSP 3.17): both count from 0."""

    line: int
    """An integer of 0 or more."""
    character: int
    """A number of UTF-16 units."""


class Range(TypedDict):
    """A range in a text document (LSP 3.17); its end is exclusive."""

    start: Position
    """A position with line and character."""
    end: Position
    """A position with line and character."""


class RemoveContextParams(TypedDict):
    """Params of ``removeContext``."""

    id: int
    """The id of an entry."""
    ifState: NotRequired[str | None]
    """A state that the server has sent."""


class RemovedContext(TypedDict):
    """Whether there was an entry to remove."""

    removed: bool
    """Whether there was an entry with this id."""
    trashId: NotRequired[int | None]
    """What ``restore`` brings it back with; null if nothing was kept."""


class RenameParams(TypedDict):
    """Params of ``rename``."""

    newName: str
    """1 to 255 characters, no control or bidirectional characters, not blank."""
    name: NotRequired[str | None]
    """The name of a session."""
    sessionId: NotRequired[int | None]
    """The id of a session."""
    ifState: NotRequired[str | None]
    """A state that the server has sent."""


class ReplacedSession(TypedDict):
    """A session that has taken the place of something."""

    id: int
    """Never reused."""
    name: str
    """Unique name."""
    createdAt: str
    """RFC 3339 with offset, microseconds kept."""
    active: bool
    """True for at most one session."""
    revision: int
    """Number of the newest committed change."""
    state: str
    """Opaque name of that revision in this history of the database."""
    metadata: NotRequired[dict[str, Any]]
    """The object that was stored, unchanged, unless left out."""
    contextCount: NotRequired[int]
    """Number of its entries; only if asked for."""
    trashId: NotRequired[int | None]
    """What ``restore`` brings it back with; null if nothing was kept."""


class ResetParams(TypedDict):
    """Params of ``reset``."""

    name: NotRequired[str | None]
    """The name of a session."""
    sessionId: NotRequired[int | None]
    """The id of a session."""
    ifState: NotRequired[str | None]
    """A state that the server has sent."""


class RestoreParams(TypedDict):
    """Params of ``restore``."""

    id: int
    """The id of an item of the trash."""
    newName: NotRequired[str | None]
    """1 to 255 characters, no control or bidirectional characters, not blank."""
    replace: NotRequired[bool | None]
    """True or false (default: false)"""


class Restored(TypedDict):
    """What was brought back."""

    sessions: list[Session]
    """The sessions, at most 1000, inactive; none of ``context``."""
    sessionCount: int
    """Number of sessions."""
    entries: int
    """Number of context entries."""
    trashId: int | None
    """What ``restore`` brings it back with; null if nothing was kept."""
    revision: int
    """Number of the newest committed change."""
    state: str
    """Opaque name of that revision in this history of the database."""


class SearchHit(TypedDict):
    """An entry, or the name of a session, that a query has found."""

    session: FoundSession
    """The session it belongs to."""
    entry: ContextEntry | None
    """The entry, without ``content``; null: the name of the session matches."""
    snippet: str
    """About 160 characters around the best place, white space collapsed."""
    matches: list[list[int]]
    """What to mark in it: ``[start, end]`` in UTF-16 units, in order."""
    score: float
    """The higher, the better; means nothing outside its reply."""


class SearchParams(TypedDict):
    """Params of ``search``."""

    query: str
    """A string: words to look for."""
    sessionName: NotRequired[str | None]
    """The name of a session."""
    sessionId: NotRequired[int | None]
    """The id of a session."""
    kind: NotRequired[str | None]
    """1 to 64 characters, no control or bidirectional characters, not blank."""
    author: NotRequired[str | None]
    """The author of the entries."""
    limit: NotRequired[int | None]
    """An integer from 1 to 200 (default: 50)"""


class SearchResult(TypedDict):
    """What a query has found."""

    hits: list[SearchHit]
    """The best first, at most ``limit``."""
    isIncomplete: bool
    """True if there is more, or the index is behind."""
    revision: int
    """Number of the newest committed change."""
    state: str
    """Opaque name of that revision in this history of the database."""


class Session(TypedDict):
    """A named work session."""

    id: int
    """Never reused."""
    name: str
    """Unique name."""
    createdAt: str
    """RFC 3339 with offset, microseconds kept."""
    active: bool
    """True for at most one session."""
    metadata: NotRequired[dict[str, Any]]
    """The object that was stored, unchanged, unless left out."""
    contextCount: NotRequired[int]
    """Number of its entries; only if asked for."""


class SessionList(TypedDict):
    """A page of sessions."""

    sessions: list[Session]
    """At most ``limit``; fewer if their metadata is very large."""
    nextCursor: str | None
    """Cursor of the next page; null on the last page."""
    revision: int
    """Number of the newest committed change."""
    state: str
    """Opaque name of that revision in this history of the database."""


class SessionResult(TypedDict):
    """A session, and the state that it was read in, or written to."""

    id: int
    """Never reused."""
    name: str
    """Unique name."""
    createdAt: str
    """RFC 3339 with offset, microseconds kept."""
    active: bool
    """True for at most one session."""
    revision: int
    """Number of the newest committed change."""
    state: str
    """Opaque name of that revision in this history of the database."""
    metadata: NotRequired[dict[str, Any]]
    """The object that was stored, unchanged, unless left out."""
    contextCount: NotRequired[int]
    """Number of its entries; only if asked for."""


class SetActiveParams(TypedDict):
    """Params of ``setActive``."""

    name: NotRequired[str | None]
    """The name of a session."""
    sessionId: NotRequired[int | None]
    """The id of a session."""
    active: NotRequired[bool | None]
    """True or false (default: true)"""


class Stats(TypedDict):
    """How much there is, who has it open, and what serves it."""

    sessions: int
    """Number of sessions."""
    contextEntries: int
    """Number of context entries; those of a deleted session count until removed."""
    revision: int
    """Number of the newest committed change."""
    state: str
    """Opaque name of that revision in this history of the database."""
    database: str
    """Absolute path of the file."""
    databaseBytes: int
    """Size of the file."""
    logBytes: int
    """Size of its write-ahead log."""
    engine: str
    """What reads and writes it, as "SQLite 3.51.3"."""
    version: str
    """Version of the server."""
    pid: int
    """Process id of the process that answers."""
    clients: list[AttachedClient]
    """Clients of this process, in order of connection."""


class SwitchParams(TypedDict):
    """Params of ``resume`` and ``exit``."""

    name: NotRequired[str | None]
    """The name of a session."""
    sessionId: NotRequired[int | None]
    """The id of a session."""
    folder: NotRequired[str | None]
    """A URI or an absolute path."""


class TrashItem(TypedDict):
    """What one request has removed."""

    id: int
    """Never reused."""
    type: Literal["context", "sessions"]
    """``sessions``, or ``context``: entries without their session."""
    sessions: int
    """Number of sessions."""
    entries: int
    """Number of context entries."""
    names: list[str]
    """Names of the sessions, at most 10; of ``context``, its session's."""
    size: int
    """Bytes of contents, names and metadata."""
    deletedAt: str
    """RFC 3339 with offset, microseconds kept."""
    expiresAt: str
    """When it is removed for good, RFC 3339."""
    author: str | None
    """Who deleted it; null if nobody said."""


class TrashList(TypedDict):
    """A page of the trash, newest first."""

    items: list[TrashItem]
    """At most ``limit``."""
    nextCursor: str | None
    """Cursor of the next page; null on the last page."""
    revision: int
    """Number of the newest committed change."""
    state: str
    """Opaque name of that revision in this history of the database."""


class UpdateContextParams(TypedDict):
    """Params of ``updateContext``."""

    id: int
    """The id of an entry."""
    content: NotRequired[str | None]
    """A string."""
    kind: NotRequired[str | None]
    """1 to 64 characters, no control or bidirectional characters, not blank."""
    location: NotRequired[Location | None]
    ifState: NotRequired[str | None]
    """A state that the server has sent."""


class UpdateMetadataParams(TypedDict):
    """Params of ``updateMetadata``."""

    name: NotRequired[str | None]
    """The name of a session."""
    sessionId: NotRequired[int | None]
    """The id of a session."""
    updates: NotRequired[dict[str, Any] | None]
    """An object (default: {})"""
    remove: NotRequired[list[str] | None]
    """An array of at most 1000 keys."""
    ifState: NotRequired[str | None]
    """A state that the server has sent."""


class WrittenContext(TypedDict):
    """A context entry right after it was changed, without its content."""

    id: int
    """Never reused."""
    sessionId: int
    """The session's ``id``."""
    sessionName: str | None
    """Null if the session was deleted."""
    kind: str
    """Label given by the client, for example ``note``."""
    preview: str
    """First line that is not blank, at most 200 UTF-16 units."""
    size: int
    """UTF-8 bytes of the content."""
    createdAt: str
    """RFC 3339 with offset, microseconds kept."""
    author: str | None
    """Who wrote it; null if another program did, or nobody said."""
    revision: int
    """Number of the newest committed change."""
    state: str
    """Opaque name of that revision in this history of the database."""
    content: NotRequired[str]
    """Absent if not asked for, or too large for a list."""
    updatedAt: NotRequired[str]
    """When a client last changed it; absent if none has."""
    importedAuthor: NotRequired[str]
    """Who wrote it where it was imported from; else absent."""
    location: NotRequired[dict[str, Any]]
    """Where it belongs, as a ``Location``; absent if not given."""


DidChange = ChangeBatch
"""The params of the notification ``tenets/session.didChange``."""

SessionName = FoundSession
Hit = SearchHit
"""The names that these types had before."""


class Requests:
    """What the classes below send their requests with. A param that is None is not sent."""

    async def session(self, verb: str, params: Mapping[str, Any] | None = None) -> Any:
        """Send the request ``tenets/session.<verb>`` and return its result."""
        raise NotImplementedError


class SessionMethods(Requests):
    """Every method of the protocol. Results are what the server has replied."""

    async def create(
        self,
        *,
        name: str,
        metadata: dict[str, Any] | None = None,
        active: bool | None = None,
        if_exists: Literal["error", "return"] | None = None,
    ) -> CreatedSession:
        """Create a session; a taken name is ``sessionExists``.

        - ``name``: 1 to 255 characters, no control or bidirectional characters, not blank
        - ``metadata``: an object (default: {})
        - ``active``: true or false (default: false)
        - ``if_exists``: "error" or "return" (default: "error")
        """
        params = {
            "name": name,
            "metadata": metadata,
            "active": active,
            "ifExists": if_exists,
        }
        result: CreatedSession = await self.session("create", params)
        return result

    async def get(
        self,
        *,
        name: str | None = None,
        session_id: int | None = None,
        include_metadata: bool | None = None,
    ) -> SessionResult | None:
        """Return the session of this name, or null.

        - ``name``: the name of a session
        - ``session_id``: the id of a session
        - ``include_metadata``: true or false (default: true)
        """
        params = {
            "name": name,
            "sessionId": session_id,
            "includeMetadata": include_metadata,
        }
        result: SessionResult | None = await self.session("get", params)
        return result

    async def list(
        self,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        active: bool | None = None,
        name_prefix: str | None = None,
        order: Literal["newest", "oldest", "recent"] | None = None,
        include_context_count: bool | None = None,
        include_metadata: bool | None = None,
    ) -> SessionList:
        """Return a page of sessions, newest ``createdAt`` first.

        - ``limit``: an integer from 1 to 1000 (default: 100)
        - ``cursor``: a nextCursor of the same list
        - ``active``: true or false
        - ``name_prefix``: a string of at most 255 characters
        - ``order``: "newest", "oldest" or "recent" (default: "newest")
        - ``include_context_count``: true or false (default: false)
        - ``include_metadata``: true or false (default: true)
        """
        params = {
            "limit": limit,
            "cursor": cursor,
            "active": active,
            "namePrefix": name_prefix,
            "order": order,
            "includeContextCount": include_context_count,
            "includeMetadata": include_metadata,
        }
        result: SessionList = await self.session("list", params)
        return result

    async def get_active(
        self,
        *,
        include_metadata: bool | None = None,
    ) -> SessionResult | None:
        """Return the active session, or null.

        - ``include_metadata``: true or false (default: true)
        """
        params = {
            "includeMetadata": include_metadata,
        }
        result: SessionResult | None = await self.session("getActive", params)
        return result

    async def update_metadata(
        self,
        *,
        name: str | None = None,
        session_id: int | None = None,
        updates: dict[str, Any] | None = None,
        remove: Sequence[str] | None = None,
        if_state: str | None = None,
    ) -> SessionResult:
        """Merge members into the top level of a session's metadata; null is stored as null.

        - ``name``: the name of a session
        - ``session_id``: the id of a session
        - ``updates``: an object (default: {})
        - ``remove``: an array of at most 1000 keys
        - ``if_state``: a state that the server has sent
        """
        params = {
            "name": name,
            "sessionId": session_id,
            "updates": updates,
            "remove": remove,
            "ifState": if_state,
        }
        result: SessionResult = await self.session("updateMetadata", params)
        return result

    async def rename(
        self,
        *,
        new_name: str,
        name: str | None = None,
        session_id: int | None = None,
        if_state: str | None = None,
    ) -> SessionResult:
        """Give a session another name; a taken one is ``sessionExists``.

        - ``new_name``: 1 to 255 characters, no control or bidirectional characters, not blank
        - ``name``: the name of a session
        - ``session_id``: the id of a session
        - ``if_state``: a state that the server has sent
        """
        params = {
            "newName": new_name,
            "name": name,
            "sessionId": session_id,
            "ifState": if_state,
        }
        result: SessionResult = await self.session("rename", params)
        return result

    async def set_active(
        self,
        *,
        name: str | None = None,
        session_id: int | None = None,
        active: bool | None = None,
    ) -> SessionResult:
        """Activate a session, which deactivates every other, or deactivate it.

        - ``name``: the name of a session
        - ``session_id``: the id of a session
        - ``active``: true or false (default: true)
        """
        params = {
            "name": name,
            "sessionId": session_id,
            "active": active,
        }
        result: SessionResult = await self.session("setActive", params)
        return result

    async def exit(
        self,
        *,
        name: str | None = None,
        session_id: int | None = None,
        folder: str | os.PathLike[str] | None = None,
    ) -> SessionResult:
        """Deactivate a session: the active one, or the one that is named.

        - ``name``: the name of a session
        - ``session_id``: the id of a session
        - ``folder``: a URI or an absolute path
        """
        params = {
            "name": name,
            "sessionId": session_id,
            "folder": folder,
        }
        result: SessionResult = await self.session("exit", params)
        return result

    async def resume(
        self,
        *,
        name: str | None = None,
        session_id: int | None = None,
        folder: str | os.PathLike[str] | None = None,
    ) -> SessionResult:
        """Activate a session: the one that was active last, or the one that is named.

        - ``name``: the name of a session
        - ``session_id``: the id of a session
        - ``folder``: a URI or an absolute path
        """
        params = {
            "name": name,
            "sessionId": session_id,
            "folder": folder,
        }
        result: SessionResult = await self.session("resume", params)
        return result

    async def add_context(
        self,
        *,
        kind: str,
        content: str,
        session_name: str | None = None,
        session_id: int | None = None,
        folder: str | os.PathLike[str] | None = None,
        location: Location | None = None,
        identity_key: str | None = None,
        replace: bool | None = None,
    ) -> AddedContext:
        """Add an entry to a session; create the session if there is none of that name.

        - ``kind``: 1 to 64 characters, no control or bidirectional characters, not blank
        - ``content``: a string
        - ``session_name``: the name of a session
        - ``session_id``: the id of a session
        - ``folder``: a URI or an absolute path
        - ``location``: see Location
        - ``identity_key``: a string of 1 to 128 characters
        - ``replace``: true or false (default: false)
        """
        params = {
            "kind": kind,
            "content": content,
            "sessionName": session_name,
            "sessionId": session_id,
            "folder": folder,
            "location": location,
            "identityKey": identity_key,
            "replace": replace,
        }
        result: AddedContext = await self.session("addContext", params)
        return result

    async def list_context(
        self,
        *,
        session_name: str | None = None,
        session_id: int | None = None,
        ids: Sequence[int] | None = None,
        kind: str | None = None,
        author: str | None = None,
        uri: str | os.PathLike[str] | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        order: Literal["newest", "oldest"] | None = None,
        include_content: bool | None = None,
    ) -> ContextList:
        """Return a page of entries, oldest first: of a session, of some ids, or of all sessions.

        - ``session_name``: the name of a session
        - ``session_id``: the id of a session
        - ``ids``: an array of at most 1000 ids
        - ``kind``: 1 to 64 characters, no control or bidirectional characters, not blank
        - ``author``: the author of the entries
        - ``uri``: a URI or an absolute path
        - ``limit``: an integer from 1 to 1000 (default: 100)
        - ``cursor``: a nextCursor of the same list
        - ``order``: "oldest" or "newest" (default: "oldest")
        - ``include_content``: true or false (default: true)
        """
        params = {
            "sessionName": session_name,
            "sessionId": session_id,
            "ids": ids,
            "kind": kind,
            "author": author,
            "uri": uri,
            "limit": limit,
            "cursor": cursor,
            "order": order,
            "includeContent": include_content,
        }
        result: ContextList = await self.session("listContext", params)
        return result

    async def get_context(
        self,
        *,
        id: int,
        offset: int | None = None,
        max_bytes: int | None = None,
    ) -> ContextPiece | None:
        """Return an entry with its content, or with a piece of it; null if there is no such entry.

        - ``id``: the id of an entry
        - ``offset``: a number of bytes, 0 or more (default: 0)
        - ``max_bytes``: a number of bytes from 4 to 4194304 (default: 4194304)
        """
        params = {
            "id": id,
            "offset": offset,
            "maxBytes": max_bytes,
        }
        result: ContextPiece | None = await self.session("getContext", params)
        return result

    async def locate(
        self,
        *,
        uri: str | os.PathLike[str],
        text: str | None = None,
        session_name: str | None = None,
        session_id: int | None = None,
    ) -> LocatedContext:
        """Return where the entries of a file are now, in its text as it is. It never guesses.

        - ``uri``: a URI or an absolute path
        - ``text``: the text of the document
        - ``session_name``: the name of a session
        - ``session_id``: the id of a session
        """
        params = {
            "uri": uri,
            "text": text,
            "sessionName": session_name,
            "sessionId": session_id,
        }
        result: LocatedContext = await self.session("locate", params)
        return result

    async def update_context(
        self,
        *,
        id: int,
        content: str | None = None,
        kind: str | None = None,
        location: Location | None = None,
        if_state: str | None = None,
    ) -> WrittenContext:
        """Change the content, kind or location of an entry.

        - ``id``: the id of an entry
        - ``content``: a string
        - ``kind``: 1 to 64 characters, no control or bidirectional characters, not blank
        - ``location``: see Location
        - ``if_state``: a state that the server has sent
        """
        params = {
            "id": id,
            "content": content,
            "kind": kind,
            "location": location,
            "ifState": if_state,
        }
        result: WrittenContext = await self.session("updateContext", params)
        return result

    async def remove_context(
        self,
        *,
        id: int,
        if_state: str | None = None,
    ) -> RemovedContext:
        """Remove an entry.

        - ``id``: the id of an entry
        - ``if_state``: a state that the server has sent
        """
        params = {
            "id": id,
            "ifState": if_state,
        }
        result: RemovedContext = await self.session("removeContext", params)
        return result

    async def search(
        self,
        *,
        query: str,
        session_name: str | None = None,
        session_id: int | None = None,
        kind: str | None = None,
        author: str | None = None,
        limit: int | None = None,
    ) -> SearchResult:
        """Search the entries and the names of sessions; the best hits come first.

        - ``query``: a string: words to look for
        - ``session_name``: the name of a session
        - ``session_id``: the id of a session
        - ``kind``: 1 to 64 characters, no control or bidirectional characters, not blank
        - ``author``: the author of the entries
        - ``limit``: an integer from 1 to 200 (default: 50)
        """
        params = {
            "query": query,
            "sessionName": session_name,
            "sessionId": session_id,
            "kind": kind,
            "author": author,
            "limit": limit,
        }
        result: SearchResult = await self.session("search", params)
        return result

    async def get_current(
        self,
        *,
        folder: str | os.PathLike[str] | None = None,
        include_metadata: bool | None = None,
    ) -> CurrentResult:
        """Return the session that a folder shows: the one bound to it, else the active one.

        - ``folder``: a URI or an absolute path
        - ``include_metadata``: true or false (default: true)
        """
        params = {
            "folder": folder,
            "includeMetadata": include_metadata,
        }
        result: CurrentResult = await self.session("getCurrent", params)
        return result

    async def bind(
        self,
        *,
        name: str | None = None,
        session_id: int | None = None,
        folder: str | os.PathLike[str] | None = None,
    ) -> CurrentResult:
        """Have a folder show the session of this name; null: not any more.

        - ``name``: the name of a session
        - ``session_id``: the id of a session
        - ``folder``: a URI or an absolute path
        """
        params = {
            "name": name,
            "sessionId": session_id,
            "folder": folder,
        }
        result: CurrentResult = await self.session("bind", params)
        return result

    async def list_bindings(self) -> BindingList:
        """Return all bindings."""
        result: BindingList = await self.session("listBindings")
        return result

    async def pin(
        self,
        *,
        uri: str | os.PathLike[str],
        name: str | None = None,
        session_id: int | None = None,
        folder: str | os.PathLike[str] | None = None,
    ) -> SessionResult:
        """Add a file to a session's pinned files, as the ``tenets`` command line keeps them.

        - ``uri``: a URI or an absolute path
        - ``name``: the name of a session
        - ``session_id``: the id of a session
        - ``folder``: a URI or an absolute path
        """
        params = {
            "uri": uri,
            "name": name,
            "sessionId": session_id,
            "folder": folder,
        }
        result: SessionResult = await self.session("pin", params)
        return result

    async def unpin(
        self,
        *,
        uri: str | os.PathLike[str],
        name: str | None = None,
        session_id: int | None = None,
        folder: str | os.PathLike[str] | None = None,
    ) -> SessionResult:
        """Remove a file from a session's pinned files.

        - ``uri``: a URI or an absolute path
        - ``name``: the name of a session
        - ``session_id``: the id of a session
        - ``folder``: a URI or an absolute path
        """
        params = {
            "uri": uri,
            "name": name,
            "sessionId": session_id,
            "folder": folder,
        }
        result: SessionResult = await self.session("unpin", params)
        return result

    async def copy(
        self,
        *,
        new_name: str,
        name: str | None = None,
        session_id: int | None = None,
        overwrite: bool | None = None,
        include_context: bool | None = None,
        active: bool | None = None,
        if_state: str | None = None,
    ) -> ReplacedSession:
        """Create a session with the metadata and the context of another one.

        - ``new_name``: 1 to 255 characters, no control or bidirectional characters, not blank
        - ``name``: the name of a session
        - ``session_id``: the id of a session
        - ``overwrite``: true or false (default: false)
        - ``include_context``: true or false (default: true)
        - ``active``: true or false (default: false)
        - ``if_state``: a state that the server has sent
        """
        params = {
            "newName": new_name,
            "name": name,
            "sessionId": session_id,
            "overwrite": overwrite,
            "includeContext": include_context,
            "active": active,
            "ifState": if_state,
        }
        result: ReplacedSession = await self.session("copy", params)
        return result

    async def reset(
        self,
        *,
        name: str | None = None,
        session_id: int | None = None,
        if_state: str | None = None,
    ) -> ReplacedSession:
        """Remove a session's context, and activate it; its metadata stays.

        - ``name``: the name of a session
        - ``session_id``: the id of a session
        - ``if_state``: a state that the server has sent
        """
        params = {
            "name": name,
            "sessionId": session_id,
            "ifState": if_state,
        }
        result: ReplacedSession = await self.session("reset", params)
        return result

    async def delete(
        self,
        *,
        name: str | None = None,
        session_id: int | None = None,
        purge_context: bool | None = None,
        if_state: str | None = None,
    ) -> Deleted:
        """Delete a session, and its context unless ``purgeContext`` is false.

        - ``name``: the name of a session
        - ``session_id``: the id of a session
        - ``purge_context``: true or false (default: true)
        - ``if_state``: a state that the server has sent
        """
        params = {
            "name": name,
            "sessionId": session_id,
            "purgeContext": purge_context,
            "ifState": if_state,
        }
        result: Deleted = await self.session("delete", params)
        return result

    async def delete_all(
        self,
        *,
        purge_context: bool | None = None,
    ) -> DeletedCount:
        """Delete every session, and all context unless ``purgeContext`` is false.

        - ``purge_context``: true or false (default: true)
        """
        params = {
            "purgeContext": purge_context,
        }
        result: DeletedCount = await self.session("deleteAll", params)
        return result

    async def list_trash(
        self,
        *,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> TrashList:
        """Return a page of what was deleted and can be brought back, newest first.

        - ``limit``: an integer from 1 to 1000 (default: 100)
        - ``cursor``: a nextCursor of the same list
        """
        params = {
            "limit": limit,
            "cursor": cursor,
        }
        result: TrashList = await self.session("listTrash", params)
        return result

    async def restore(
        self,
        *,
        id: int,
        new_name: str | None = None,
        replace: bool | None = None,
    ) -> Restored:
        """Bring back what one request has removed, with the ids that it had.

        - ``id``: the id of an item of the trash
        - ``new_name``: 1 to 255 characters, no control or bidirectional characters, not blank
        - ``replace``: true or false (default: false)
        """
        params = {
            "id": id,
            "newName": new_name,
            "replace": replace,
        }
        result: Restored = await self.session("restore", params)
        return result

    async def empty_trash(
        self,
        *,
        id: int | Literal["all"],
    ) -> Emptied:
        """Remove one item of the trash for good, or all of them.

        - ``id``: the id of an item of the trash
        """
        params = {} if id == "all" else {"id": id}
        result: Emptied = await self.session("emptyTrash", params)
        return result

    async def export(
        self,
        *,
        names: Sequence[str] | None = None,
        session_ids: Sequence[int] | None = None,
        format: Literal["json", "markdown"] | None = None,
        raw: bool | None = None,
    ) -> Exported:
        """Return sessions, by default all of them, as a text.

        - ``names``: at most 1000 names
        - ``session_ids``: at most 1000 ids
        - ``format``: "json" or "markdown" (default: "json")
        - ``raw``: true or false (default: false)
        """
        params = {
            "names": names,
            "sessionIds": session_ids,
            "format": format,
            "raw": raw,
        }
        result: Exported = await self.session("export", params)
        return result

    async def import_(
        self,
        *,
        content: str,
        on_conflict: Literal["error", "overwrite", "rename", "skip"] | None = None,
    ) -> Imported:
        """Import what was exported as JSON: all of it, or nothing.

        - ``content``: a string
        - ``on_conflict``: "error", "skip", "rename" or "overwrite" (default: "error")
        """
        params = {
            "content": content,
            "onConflict": on_conflict,
        }
        result: Imported = await self.session("import", params)
        return result

    async def stats(self) -> Stats:
        """Return counts, sizes, and the attached clients."""
        result: Stats = await self.session("stats")
        return result

    async def changes(
        self,
        *,
        since_state: str | None = None,
        since: int | None = None,
        session_name: str | None = None,
        session_id: int | None = None,
        not_author: str | None = None,
        limit: int | None = None,
    ) -> ChangeList:
        """Return the changes after a state or revision; ``revisionExpired`` if they are not known.

        - ``since_state``: a state that the server has sent
        - ``since``: a revision, 0 or more
        - ``session_name``: the name of a session
        - ``session_id``: the id of a session
        - ``not_author``: the author whose changes are left out
        - ``limit``: an integer from 1 to 1000 (default: 100)
        """
        params = {
            "sinceState": since_state,
            "since": since,
            "sessionName": session_name,
            "sessionId": session_id,
            "notAuthor": not_author,
            "limit": limit,
        }
        result: ChangeList = await self.session("changes", params)
        return result


class SessionShortcuts(Requests):
    """The usual methods, shorter to write: some params by position, and only what is asked for."""

    async def create(
        self,
        name: str,
        metadata: dict[str, Any] | None = None,
        *,
        active: bool | None = None,
    ) -> CreatedSession:
        """Create a session; a taken name is ``sessionExists``.

        - ``name``: 1 to 255 characters, no control or bidirectional characters, not blank
        - ``metadata``: an object (default: {})
        - ``active``: true or false (default: false)
        """
        params = {
            "name": name,
            "metadata": metadata,
            "active": active,
        }
        result: CreatedSession = await self.session("create", params)
        return result

    async def get(
        self,
        name: str,
    ) -> SessionResult | None:
        """Return the session of this name, or null.

        - ``name``: the name of a session
        """
        params = {
            "name": name,
        }
        result: SessionResult | None = await self.session("get", params)
        return result

    async def get_active(self) -> SessionResult | None:
        """Return the active session, or null."""
        result: SessionResult | None = await self.session("getActive")
        return result

    async def set_active(
        self,
        name: str,
        *,
        active: bool | None = None,
    ) -> SessionResult:
        """Activate a session, which deactivates every other, or deactivate it.

        - ``name``: the name of a session
        - ``active``: true or false (default: true)
        """
        params = {
            "name": name,
            "active": active,
        }
        result: SessionResult = await self.session("setActive", params)
        return result

    async def update_metadata(
        self,
        name: str,
        updates: dict[str, Any],
    ) -> SessionResult:
        """Merge members into the top level of a session's metadata; null is stored as null.

        - ``name``: the name of a session
        - ``updates``: an object (default: {})
        """
        params = {
            "name": name,
            "updates": updates,
        }
        result: SessionResult = await self.session("updateMetadata", params)
        return result

    async def add_context(
        self,
        session_name: str | None,
        kind: str,
        content: str,
        *,
        location: Location | None = None,
        identity_key: str | None = None,
        replace: bool | None = None,
    ) -> AddedContext:
        """Add an entry to a session; create the session if there is none of that name.

        - ``session_name``: the name of a session
        - ``kind``: 1 to 64 characters, no control or bidirectional characters, not blank
        - ``content``: a string
        - ``location``: see Location
        - ``identity_key``: a string of 1 to 128 characters
        - ``replace``: true or false (default: false)
        """
        params = {
            "sessionName": session_name,
            "kind": kind,
            "content": content,
            "location": location,
            "identityKey": identity_key,
            "replace": replace,
        }
        result: AddedContext = await self.session("addContext", params)
        return result

    async def update_context(
        self,
        entry_id: int,
        content: str | None = None,
        *,
        kind: str | None = None,
        if_state: str | None = None,
    ) -> WrittenContext:
        """Change the content, kind or location of an entry.

        - ``entry_id``: the id of an entry
        - ``content``: a string
        - ``kind``: 1 to 64 characters, no control or bidirectional characters, not blank
        - ``if_state``: a state that the server has sent
        """
        params = {
            "id": entry_id,
            "content": content,
            "kind": kind,
            "ifState": if_state,
        }
        result: WrittenContext = await self.session("updateContext", params)
        return result

    async def remove_context(
        self,
        entry_id: int,
        *,
        if_state: str | None = None,
    ) -> bool:
        """Remove an entry.

        - ``entry_id``: the id of an entry
        - ``if_state``: a state that the server has sent
        """
        params = {
            "id": entry_id,
            "ifState": if_state,
        }
        result: RemovedContext = await self.session("removeContext", params)
        return result["removed"]

    async def delete(
        self,
        name: str,
        *,
        purge_context: bool | None = None,
    ) -> bool:
        """Delete a session, and its context unless ``purgeContext`` is false.

        - ``name``: the name of a session
        - ``purge_context``: true or false (default: true)
        """
        params = {
            "name": name,
            "purgeContext": purge_context,
        }
        result: Deleted = await self.session("delete", params)
        return result["deleted"]

    async def delete_all(
        self,
        *,
        purge_context: bool | None = None,
    ) -> int:
        """Delete every session, and all context unless ``purgeContext`` is false.

        - ``purge_context``: true or false (default: true)
        """
        params = {
            "purgeContext": purge_context,
        }
        result: DeletedCount = await self.session("deleteAll", params)
        return result["deleted"]

    async def search(
        self,
        query: str,
        *,
        session_name: str | None = None,
        limit: int | None = None,
    ) -> Sequence[SearchHit]:
        """Search the entries and the names of sessions; the best hits come first.

        - ``query``: a string: words to look for
        - ``session_name``: the name of a session
        - ``limit``: an integer from 1 to 200 (default: 50)
        """
        params = {
            "query": query,
            "sessionName": session_name,
            "limit": limit,
        }
        result: SearchResult = await self.session("search", params)
        return result["hits"]

    async def restore(
        self,
        item_id: int,
        *,
        new_name: str | None = None,
        replace: bool | None = None,
    ) -> Sequence[Session]:
        """Bring back what one request has removed, with the ids that it had.

        - ``item_id``: the id of an item of the trash
        - ``new_name``: 1 to 255 characters, no control or bidirectional characters, not blank
        - ``replace``: true or false (default: false)
        """
        params = {
            "id": item_id,
            "newName": new_name,
            "replace": replace,
        }
        result: Restored = await self.session("restore", params)
        return result["sessions"]

    async def rename(
        self,
        name: str,
        new_name: str,
    ) -> SessionResult:
        """Give a session another name; a taken one is ``sessionExists``.

        - ``name``: the name of a session
        - ``new_name``: 1 to 255 characters, no control or bidirectional characters, not blank
        """
        params = {
            "name": name,
            "newName": new_name,
        }
        result: SessionResult = await self.session("rename", params)
        return result

    async def copy(
        self,
        name: str,
        new_name: str,
        *,
        overwrite: bool | None = None,
    ) -> ReplacedSession:
        """Create a session with the metadata and the context of another one.

        - ``name``: the name of a session
        - ``new_name``: 1 to 255 characters, no control or bidirectional characters, not blank
        - ``overwrite``: true or false (default: false)
        """
        params = {
            "name": name,
            "newName": new_name,
            "overwrite": overwrite,
        }
        result: ReplacedSession = await self.session("copy", params)
        return result

    async def reset(
        self,
        name: str,
    ) -> ReplacedSession:
        """Remove a session's context, and activate it; its metadata stays.

        - ``name``: the name of a session
        """
        params = {
            "name": name,
        }
        result: ReplacedSession = await self.session("reset", params)
        return result

    async def current(
        self,
        folder: str | os.PathLike[str] | None = None,
    ) -> CurrentResult:
        """Return the session that a folder shows: the one bound to it, else the active one.

        - ``folder``: a URI or an absolute path
        """
        params = {
            "folder": folder,
        }
        result: CurrentResult = await self.session("getCurrent", params)
        return result

    async def bind(
        self,
        name: str | None,
        folder: str | os.PathLike[str] | None = None,
    ) -> CurrentResult:
        """Have a folder show the session of this name; null: not any more.

        - ``name``: the name of a session
        - ``folder``: a URI or an absolute path
        """
        params = {
            "name": name,
            "folder": folder,
        }
        result: CurrentResult = await self.session("bind", params)
        return result

    async def import_sessions(
        self,
        content: str,
        on_conflict: Literal["error", "overwrite", "rename", "skip"] | None = None,
    ) -> int:
        """Import what was exported as JSON: all of it, or nothing.

        - ``content``: a string
        - ``on_conflict``: "error", "skip", "rename" or "overwrite" (default: "error")
        """
        params = {
            "content": content,
            "onConflict": on_conflict,
        }
        result: Imported = await self.session("import", params)
        return result["imported"]

    async def list(
        self,
        *,
        active: bool | None = None,
        name_prefix: str | None = None,
        order: Literal["newest", "oldest", "recent"] | None = None,
        include_context_count: bool | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[Session]:
        """Yield what ``list`` returns, of all pages."""
        params: dict[str, Any] = {
            "active": active,
            "namePrefix": name_prefix,
            "order": order,
            "includeContextCount": include_context_count,
            "limit": limit,
        }
        while True:
            page: SessionList = await self.session("list", params)
            for item in page["sessions"]:
                yield item
            params["cursor"] = page["nextCursor"]
            if params["cursor"] is None:
                return

    async def entries(
        self,
        *,
        session_name: str | None = None,
    ) -> AsyncIterator[ContextEntry]:
        """Yield what ``listContext`` returns, of all pages."""
        params: dict[str, Any] = {
            "sessionName": session_name,
        }
        while True:
            page: ContextList = await self.session("listContext", params)
            for item in page["entries"]:
                yield item
            params["cursor"] = page["nextCursor"]
            if params["cursor"] is None:
                return

    async def trash(self) -> AsyncIterator[TrashItem]:
        """Yield what ``listTrash`` returns, of all pages."""
        params: dict[str, Any] = {}
        while True:
            page: TrashList = await self.session("listTrash", params)
            for item in page["items"]:
                yield item
            params["cursor"] = page["nextCursor"]
            if params["cursor"] is None:
                return
