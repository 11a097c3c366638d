"""The params and results of ``tenets/session.*``: the one definition of every message.

These types validate what arrives, encode what is sent, and generate PROTOCOL.md's tables. Members
are camelCase on the wire. A ``description`` says what is expected; it is what a client is told when
the member is wrong.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Raw, Struct, UnsetType, to_builtins

from tenets_session_server.models import Change as StoredChange
from tenets_session_server.models import ChangePage, News, StoredContext, StoredSession
from tenets_session_server.models import SessionPage as StoredPage

_PRINTABLE = r"\A(?=.*\S)[^\x00-\x1f\x7f-\x9f]+\Z"

Name = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=255,
        pattern=_PRINTABLE,
        description="1 to 255 characters, no control characters, not blank",
    ),
]
Kind = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        pattern=_PRINTABLE,
        description="1 to 64 characters, no control characters, not blank",
    ),
]
Content = Annotated[str, Meta(description="a string")]
# Raw: the object's text goes to the database as it came, so that nothing in it can change.
JsonObject = Annotated[Raw, Meta(description="an object")]
Limit = Annotated[int, Meta(ge=1, le=1000, description="an integer from 1 to 1000")]
Cursor = Annotated[str, Meta(description="a nextCursor of an earlier page")]
Flag = Annotated[bool, Meta(description="true or false")]
Prefix = Annotated[str, Meta(max_length=255, description="a string of at most 255 characters")]
Order = Annotated[Literal["newest", "oldest"], Meta(description='"newest" or "oldest"')]

# Of results the descriptions say what a member means; nothing is checked by them.
Id = Annotated[int, Meta(description="never given twice")]
Revision = Annotated[int, Meta(description="its number; they are consecutive")]
Timestamp = Annotated[str, Meta(description="RFC 3339 with offset, microseconds kept")]
Size = Annotated[int, Meta(description="UTF-8 bytes of the content")]
NextCursor = Annotated[str | None, Meta(description="fetches the next page; null at the end")]


class Params(Struct, rename="camel", frozen=True):
    """Base of all params: unknown members are ignored, null means the default."""


class NoParams(Params, frozen=True):
    """Params of a method that needs none."""


class NameParams(Params, frozen=True):
    """Params that only name a session."""

    name: Name


class CreateParams(Params, frozen=True):
    """Params of ``tenets/session.create``."""

    name: Name
    metadata: JsonObject = Raw(b"{}")
    active: Flag = False


class ListParams(Params, frozen=True):
    """Params of ``tenets/session.list``."""

    limit: Limit = 100
    cursor: Cursor | None = None
    active: Flag | None = None
    name_prefix: Prefix | None = None
    order: Order = "newest"
    include_context_count: Flag = False


class SetActiveParams(Params, frozen=True):
    """Params of ``tenets/session.setActive``."""

    name: Name
    active: Flag = True


class UpdateMetadataParams(Params, frozen=True):
    """Params of ``tenets/session.updateMetadata``."""

    name: Name
    updates: JsonObject


class AddContextParams(Params, frozen=True):
    """Params of ``tenets/session.addContext``."""

    session_name: Name
    kind: Kind
    content: Content


class DeleteParams(Params, frozen=True):
    """Params of ``tenets/session.delete``."""

    name: Name
    purge_context: Flag = True


class DeleteAllParams(Params, frozen=True):
    """Params of ``tenets/session.deleteAll``."""

    purge_context: Flag = True


class ChangesParams(Params, frozen=True):
    """Params of ``tenets/session.changes``."""

    since: Annotated[int, Meta(ge=0, le=2**63 - 1, description="a revision, 0 or more")]
    limit: Limit = 100


class Session(Struct, rename="camel", frozen=True):
    """A named work session."""

    id: Id
    name: Annotated[str, Meta(description="what it is called by")]
    created_at: Timestamp
    active: Annotated[bool, Meta(description="true for at most one session")]
    metadata: Annotated[Raw, Meta(description="exactly as it was stored")]
    context_count: (
        Annotated[int, Meta(description="how many entries it has; only where asked for")]
        | UnsetType
    ) = UNSET

    @classmethod
    def of(cls, stored: StoredSession) -> Session:
        """Return the wire form of a stored session."""
        return cls(
            id=stored.id,
            name=stored.name,
            created_at=stored.created_at,
            active=stored.active,
            metadata=Raw(stored.metadata),
            context_count=UNSET if stored.context_count is None else stored.context_count,
        )


class SessionList(Struct, rename="camel", frozen=True):
    """A page of sessions."""

    sessions: Annotated[
        list[Session],
        Meta(description="at most `limit`; fewer where their metadata is very large"),
    ]
    next_cursor: NextCursor

    @classmethod
    def of(cls, page: StoredPage) -> SessionList:
        """Return the wire form of a stored page."""
        return cls([Session.of(session) for session in page.sessions], page.next_cursor)


class AddedContext(Struct, rename="camel", frozen=True):
    """A context entry that was appended, without its content."""

    id: Id
    session_id: Annotated[int, Meta(description="the session's `id`")]
    session_name: Annotated[str | None, Meta(description="null where the session is gone")]
    kind: Annotated[str, Meta(description="what sort of content it is")]
    size: Size
    created_at: Timestamp
    session_created: Annotated[bool, Meta(description="whether the session was missing before")]

    @classmethod
    def of(cls, stored: StoredContext, *, session_created: bool) -> AddedContext:
        """Return the wire form of a stored entry."""
        return cls(
            id=stored.id,
            session_id=stored.session_id,
            session_name=stored.session_name,
            kind=stored.kind,
            size=stored.size,
            created_at=stored.created_at,
            session_created=session_created,
        )


class Deleted(Struct, frozen=True):
    """Whether there was something to delete."""

    deleted: Annotated[bool, Meta(description="whether there was such a session")]


class DeletedCount(Struct, frozen=True):
    """How many sessions were deleted."""

    deleted: Annotated[int, Meta(description="how many sessions there were")]


class Change(Struct, rename="camel", frozen=True):
    """One committed change, by whomever."""

    revision: Revision
    type: Annotated[
        Literal[
            "created",
            "updated",
            "renamed",
            "deleted",
            "activated",
            "deactivated",
            "contextAdded",
            "contextRemoved",
        ],
        Meta(description="what happened"),
    ]
    session_id: Annotated[int, Meta(description="`id` of the session it happened to")]
    session_name: Annotated[str, Meta(description="its name right after the change")]
    context_id: (
        Annotated[int, Meta(description="`id` of the entry; only where it is about context")]
        | UnsetType
    ) = UNSET

    @classmethod
    def of(cls, stored: StoredChange) -> Change:
        """Return the wire form of a stored change."""
        return cls(
            revision=stored.revision,
            type=stored.type,  # type: ignore[arg-type] # only our triggers write it
            session_id=stored.session_id,
            session_name=stored.session_name,
            context_id=UNSET if stored.context_id is None else stored.context_id,
        )


class AttachedClient(Struct, rename="camel", frozen=True):
    """An editor that is being served."""

    name: Annotated[str | None, Meta(description="`clientInfo.name`, null where it told none")]
    version: Annotated[str | None, Meta(description="`clientInfo.version`, or null")]
    process_id: Annotated[int | None, Meta(description="its `processId`, or null")]
    pid: Annotated[int, Meta(description="of the `tenets-session-server` that it has started")]
    connected_at: Annotated[str, Meta(description="since when, RFC 3339")]
    you: Annotated[bool, Meta(description="true for the one that has asked")] = False

    def plain(self) -> dict[str, Any]:
        """Return the same as plain values, by the names on the wire."""
        return to_builtins(self)  # type: ignore[no-any-return]


class Stats(Struct, rename="camel", frozen=True):
    """How much there is, who has it open, and what serves it."""

    sessions: Annotated[int, Meta(description="how many sessions there are")]
    context_entries: Annotated[int, Meta(description="how many context entries, of all sessions")]
    revision: Annotated[int, Meta(description="number of the newest committed change")]
    database: Annotated[str, Meta(description="absolute path of the file")]
    database_bytes: Annotated[int, Meta(description="size of the file")]
    log_bytes: Annotated[int, Meta(description="size of its write-ahead log")]
    engine: Annotated[str, Meta(description='what reads and writes it, as "SQLite 3.51.3"')]
    version: Annotated[str, Meta(description="of the server")]
    pid: Annotated[int, Meta(description="of the process that answers")]
    clients: Annotated[
        list[AttachedClient],
        Meta(description="the editors that this process serves, in the order they came"),
    ]


class DidChange(Struct, rename="camel", frozen=True, omit_defaults=True):
    """Params of ``tenets/session.didChange``."""

    revision: Annotated[int, Meta(description="the newest one; it only ever grows")]
    changes: Annotated[list[Change], Meta(description="what was committed, in order")]
    active: Annotated[Session | None, Meta(description="the active session at that revision")]
    incomplete: Annotated[
        bool, Meta(description="true where changes are missing: look at everything anew")
    ] = False

    @classmethod
    def of(cls, news: News, told: int) -> DidChange:
        """Return the wire form of some news, without the changes up to revision ``told``."""
        return cls(
            revision=news.revision,
            changes=[Change.of(one) for one in news.changes if one.revision > told],
            active=None if news.active is None else Session.of(news.active),
            incomplete=news.incomplete,
        )


class ChangeList(Struct, rename="camel", frozen=True):
    """Some of the changes that were committed."""

    changes: Annotated[list[Change], Meta(description="in order, at most `limit`")]
    revision: Annotated[int, Meta(description="number of the newest committed change")]
    truncated: Annotated[
        bool, Meta(description="whether more follow: ask again, since the last one's revision")
    ]

    @classmethod
    def of(cls, page: ChangePage) -> ChangeList:
        """Return the wire form of some stored changes."""
        return cls([Change.of(one) for one in page.changes], page.revision, page.truncated)


class ExecuteCommandParams(Struct, frozen=True):
    """Params of ``workspace/executeCommand`` (LSP 3.17); the argument is the params object."""

    command: Annotated[str, Meta(description="the name of a command")]
    arguments: Annotated[list[Raw], Meta(description="an array of at most one object")] | None = (
        None
    )


class Capability(Struct, rename="camel", frozen=True):
    """``capabilities.experimental.tenetsSession`` of the ``initialize`` result."""

    protocol_version: Annotated[int, Meta(description="1; another number: another contract")]
    methods: Annotated[list[str], Meta(description="the `tenets/session.*` methods there are")]
    revision: Annotated[int, Meta(description="number of the newest committed change, or 0")]
    database: Annotated[str, Meta(description="absolute path of the file")]
    warnings: Annotated[list[str], Meta(description="sentences worth showing to the user")]


class Notification(Struct, frozen=True):
    """A JSON-RPC notification to the client."""

    method: str
    params: Any
    jsonrpc: str = "2.0"


class Reply(Struct, frozen=True):
    """A JSON-RPC response that succeeded."""

    id: int | str
    result: Any
    jsonrpc: str = "2.0"


class ErrorReply(Struct, frozen=True):
    """A JSON-RPC response that failed; ``id`` is null where the request's cannot be read."""

    id: int | str | None
    error: Any
    jsonrpc: str = "2.0"
