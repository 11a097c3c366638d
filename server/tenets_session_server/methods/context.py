"""Methods on the context of sessions: notes, code, results of tools."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Raw

from tenets_session_server import masking
from tenets_session_server.errors import InvalidParamsError
from tenets_session_server.methods import locations
from tenets_session_server.methods.method import CallContext, method
from tenets_session_server.methods.params import (
    Content,
    Cursor,
    EntryId,
    Flag,
    Folder,
    IfState,
    JsonObject,
    Kind,
    Limit,
    Name,
    Params,
    SessionId,
)
from tenets_session_server.models.context import (
    AddedContext,
    ContextList,
    ContextPiece,
    LocatedContext,
    RemovedContext,
    WrittenContext,
)
from tenets_session_server.storage import names, texts
from tenets_session_server.storage.context_listing import ContextListing
from tenets_session_server.storage.names import LONGEST_KEY
from tenets_session_server.storage.steps import Steps

SHOWN: Final = 10
"""How many entries are shown when the command is picked."""
LARGEST_PIECE: Final = 4 * 1024 * 1024
IdentityKey = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=LONGEST_KEY,
        description=f"a string of 1 to {LONGEST_KEY} characters",
    ),
]


def show_newest(call: CallContext) -> tuple[ContextList | None, str]:
    """Returns the newest entries of the active session."""
    active = call.store.sessions.get_active()
    if active is None:
        return None, "No session is active"
    page = call.store.context.page(ContextListing(session_id=active.id, order="newest"), SHOWN)
    previews = "; ".join(f"{entry.kind}: {entry.preview}" for entry in page.entries)
    return page, f"{active.name}, newest first: {previews or 'nothing yet'}"


class AddContextParams(Params, frozen=True, kw_only=True):
    """Params of ``addContext``."""

    session_name: Name | None = None
    session_id: SessionId | None = None
    folder: Folder | None = None
    kind: Kind
    content: Content
    location: JsonObject = Raw(b"")
    identity_key: IdentityKey | None = None
    replace: Flag = False


@method(
    "addContext",
    AddContextParams,
    AddedContext,
    {"sessionName": "fix login", "kind": "note", "content": "The token is refreshed twice."},
    {
        "kind": "note",
        "content": "So is the cookie: naïve caching.",
        "location": {
            "uri": "file:///work/app/login.py",
            "range": {"start": {"line": 6, "character": 0}, "end": {"line": 7, "character": 0}},
            "anchor": {
                "quote": "cookie = cached(user)",
                "before": ["", "def log_in(user):", "check(user)"],
                "after": ["send(cookie)"],
                "occurrences": 1,
            },
        },
        "identityKey": "cookie",
    },
    {"kind": "note", "content": "", "identityKey": "cookie"},
    writes=True,
)
def add_context(call: CallContext, params: AddContextParams) -> AddedContext:
    """Add an entry to a session; create the session if there is none of that name."""
    location = locations.read(call, params.location)
    added = call.store.context.add(
        params.session_name,
        _checked_kind(params.kind),
        params.content,
        session_id=params.session_id,
        folder=call.folder(params.folder),
        location=location,
        identity_key=params.identity_key,
        replace=params.replace,
        check_name=True,
    )
    _warn(call, params.content)
    return added


class ListContextParams(Params, frozen=True):
    """Params of ``listContext``."""

    session_name: Name | None = None
    session_id: SessionId | None = None
    ids: (
        Annotated[list[EntryId], Meta(max_length=1000, description="an array of at most 1000 ids")]
        | None
    ) = None
    kind: Kind | None = None
    author: (
        Annotated[str, Meta(description="the author of the entries", examples=["me"])] | None
    ) = None
    uri: Folder | None = None
    limit: Limit = 100
    cursor: Cursor | None = None
    order: Annotated[Literal["oldest", "newest"], Meta(description='"oldest" or "newest"')] = (
        "oldest"
    )
    include_content: Flag = True


@method(
    "listContext",
    ListContextParams,
    ContextList,
    {"sessionName": "fix login"},
    {"uri": "/work/app/login.py", "includeContent": False},
    {"sessionName": "fix login", "order": "newest", "limit": 1, "includeContent": False},
    {"sessionName": "no such"},
    pick=show_newest,
)
def list_context(call: CallContext, params: ListContextParams) -> ContextList:
    """Return a page of entries, oldest first: of a session, of some ids, or of all sessions."""
    listing = ContextListing(
        params.session_name,
        params.session_id,
        params.ids,
        params.kind,
        params.author,
        params.uri,
        params.order,
        params.include_content,
    )
    return call.store.context.page(listing, params.limit, params.cursor)


class GetContextParams(Params, frozen=True):
    """Params of ``getContext``."""

    id: EntryId
    offset: Annotated[int, Meta(ge=0, le=2**31 - 1, description="a number of bytes, 0 or more")] = 0
    max_bytes: Annotated[
        int,
        Meta(ge=4, le=LARGEST_PIECE, description=f"a number of bytes from 4 to {LARGEST_PIECE}"),
    ] = LARGEST_PIECE


@method(
    "getContext",
    GetContextParams,
    ContextPiece | None,
    {"id": 1},
    {"id": 1, "maxBytes": 10},
    {"id": 471100},
)
def get_context(call: CallContext, params: GetContextParams) -> ContextPiece | None:
    """Return an entry with its content, or with a piece of it; null if there is no such entry."""
    return call.store.context.piece(params.id, params.offset, params.max_bytes)


class LocateParams(Params, frozen=True, kw_only=True):
    """Params of ``locate``."""

    uri: Folder
    text: Annotated[str, Meta(description="the text of the document")] | None = None
    session_name: Name | None = None
    session_id: SessionId | None = None


@method(
    "locate",
    LocateParams,
    LocatedContext,
    {
        "uri": "file:///work/app/login.py",
        "text": "def log_in(user):\n    check(user)\n    cookie = cached(user)\n    send(cookie)\n",
    },
    {"uri": "/work/app/login.py", "sessionName": "fix login"},
    in_steps=True,
)
def locate(call: CallContext, params: LocateParams) -> Steps[LocatedContext]:
    """Return where the entries of a file are now, in its text as it is. It never guesses."""
    text = call.text(params.uri) if params.text is None else params.text
    if text is None and not texts.can_be_read(params.uri):
        raise InvalidParamsError("text is required: only a file of this machine can be read")
    return call.store.context.locate(params.uri, text, params.session_name, params.session_id)


class UpdateContextParams(Params, frozen=True, kw_only=True):
    """Params of ``updateContext``."""

    id: EntryId
    content: Content | None = None
    kind: Kind | None = None
    location: JsonObject = Raw(b"")
    if_state: IfState | None = None


@method(
    "updateContext",
    UpdateContextParams,
    WrittenContext,
    {"id": 1, "content": "The token is refreshed twice, since 2.4."},
    {"id": 471100, "kind": "idea"},
    writes=True,
)
def update_context(call: CallContext, params: UpdateContextParams) -> WrittenContext:
    """Change the content, kind or location of an entry."""
    written = call.store.context.update(
        params.id,
        kind=None if params.kind is None else _checked_kind(params.kind),
        content=params.content,
        location=locations.read(call, params.location),
        if_state=params.if_state,
    )
    _warn(call, params.content or "")
    return written


class RemoveContextParams(Params, frozen=True):
    """Params of ``removeContext``."""

    id: EntryId
    if_state: IfState | None = None


@method(
    "removeContext",
    RemoveContextParams,
    RemovedContext,
    {"id": 2},
    {"id": 2},
    writes=True,
)
def remove_context(call: CallContext, params: RemoveContextParams) -> RemovedContext:
    """Remove an entry."""
    return call.store.context.remove(params.id, if_state=params.if_state)


def _warn(call: CallContext, content: str) -> None:
    if (warning := masking.warning(content)) is not None:
        call.warn(warning)


def _checked_kind(kind: str) -> str:
    if not kind.isascii():
        names.check_kind(kind)
    return kind
