"""Methods on the context of sessions: notes, code, results of tools."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta

from tenets_session_server.methods.method import CallContext, method
from tenets_session_server.methods.params import (
    Content,
    Cursor,
    EntryId,
    Flag,
    Kind,
    Limit,
    Name,
    Params,
    SessionId,
)
from tenets_session_server.models import AddedContext, ContextList, ContextPiece

SHOWN: Final = 10
"""How many entries are shown when the command is picked."""
LARGEST_PIECE: Final = 4 * 1024 * 1024


def show_newest(call: CallContext) -> tuple[ContextList | None, str]:
    """Returns the newest entries of the active session."""
    active = call.store.sessions.get_active()
    if active is None:
        return None, "No session is active"
    page = call.store.context.page(session=active.id, limit=SHOWN, order="newest")
    previews = "; ".join(f"{entry.kind}: {entry.preview}" for entry in page.entries)
    return page, f"{active.name}, newest first: {previews or 'nothing yet'}"


class AddContextParams(Params, frozen=True):
    """Params of ``addContext``."""

    session_name: Name
    kind: Kind
    content: Content


@method(
    "addContext",
    AddContextParams,
    AddedContext,
    {"sessionName": "fix login", "kind": "note", "content": "The token is refreshed twice."},
    {"sessionName": "fix login", "kind": "note", "content": "So is the cookie: naïve caching."},
    writes=True,
)
def add_context(call: CallContext, params: AddContextParams) -> AddedContext:
    """Add an entry to a session; create the session if there is none."""
    return call.store.context.add(
        params.session_name, params.kind, params.content, author=call.author(), check_name=True
    )


class ListContextParams(Params, frozen=True):
    """Params of ``listContext``."""

    session_name: Name | None = None
    session_id: SessionId | None = None
    ids: (
        Annotated[list[EntryId], Meta(max_length=1000, description="an array of at most 1000 ids")]
        | None
    ) = None
    kind: Kind | None = None
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
    {"sessionName": "fix login", "order": "newest", "limit": 1, "includeContent": False},
    {"sessionName": "no such"},
    pick=show_newest,
)
def list_context(call: CallContext, params: ListContextParams) -> ContextList:
    """Return a page of entries, oldest first: of a session, of some ids, or of all sessions."""
    named = params.session_name is not None or params.session_id is not None
    return call.store.context.page(
        session=call.store.sessions.id_of(params.session_name, params.session_id)
        if named
        else None,
        ids=params.ids,
        kind=params.kind,
        limit=params.limit,
        cursor=params.cursor,
        order=params.order,
        include_content=params.include_content,
    )


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
