"""Methods on sessions: create, get, list, annotate, rename."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal

from msgspec import Meta, Raw

from tenets_session_server.methods.method import CallContext, method
from tenets_session_server.methods.params import (
    Cursor,
    Flag,
    IfState,
    JsonObject,
    Limit,
    NewName,
    Order,
    Params,
    Prefix,
    SessionParams,
)
from tenets_session_server.models.sessions import (
    CreatedSession,
    Session,
    SessionList,
    SessionResult,
)
from tenets_session_server.storage import names

SHOWN: Final = 10
"""How many names of a long list are shown when the command is picked."""


def create_now(call: CallContext) -> tuple[Session, str]:
    """Creates a session named after the current time, and activates it."""
    # To the minute it is a readable name; a second one in the same minute needs the seconds too.
    now = datetime.now().astimezone()
    created = call.store.sessions.create(
        f"{now:%Y-%m-%d %H:%M}", active=True, or_else=f"{now:%Y-%m-%d %H:%M:%S.%f}"
    )
    return created, f"Created and activated session {created.name}"


def show_active(call: CallContext) -> tuple[Session | None, str]:
    """Returns the active session, or null."""
    found = call.store.sessions.get_active()
    return found, "No session is active" if found is None else f"Active session: {found.name}"


def show_list(call: CallContext) -> tuple[SessionList, str]:
    """Returns the newest 100 sessions."""
    page = call.store.sessions.page()
    if not page.sessions:
        return page, "There are no sessions"
    shown = [f"{one.name} (active)" if one.active else one.name for one in page.sessions]
    more = "" if len(shown) <= SHOWN and not page.next_cursor else ", ..."
    return page, f"Sessions, newest first: {', '.join(shown[:SHOWN])}{more}"


class CreateParams(Params, frozen=True):
    """Params of ``create``."""

    name: NewName
    metadata: JsonObject = Raw(b"{}")
    active: Flag = False
    if_exists: Annotated[Literal["error", "return"], Meta(description='"error" or "return"')] = (
        "error"
    )


@method(
    "create",
    CreateParams,
    CreatedSession,
    {"name": "fix login", "metadata": {"branch": "fix-login", "issue": 4711}},
    {"name": "review parser", "active": True},
    {"name": "fix login"},
    {"name": "fix login", "ifExists": "return"},
    {"name": ""},
    pick=create_now,
    writes=True,
)
def create(call: CallContext, params: CreateParams) -> CreatedSession:
    """Create a session; a taken name is `sessionExists`."""
    return call.store.sessions.create(
        names.checked(params.name),
        bytes(params.metadata),
        active=params.active,
        or_return=params.if_exists == "return",
    )


class GetParams(SessionParams, frozen=True):
    """Params of ``get``."""

    include_metadata: Flag = True


# Not cached: there are too many names for one to be asked for again.
@method(
    "get",
    GetParams,
    SessionResult | None,
    {"name": "fix login"},
    {"sessionId": 2, "includeMetadata": False},
    {"name": "no such"},
    {"name": "fix login", "sessionId": 2},
    pick=show_active,
)
def get(call: CallContext, params: GetParams) -> SessionResult | None:
    """Return the session of this name, or null."""
    found = call.store.sessions.get(params.name, params.session_id)
    return _shown(found, params.include_metadata)


class ListParams(Params, frozen=True):
    """Params of ``list``."""

    limit: Limit = 100
    cursor: Cursor | None = None
    active: Flag | None = None
    name_prefix: Prefix | None = None
    order: Order = "newest"
    include_context_count: Flag = False
    include_metadata: Flag = True


@method(
    "list",
    ListParams,
    SessionList,
    {"namePrefix": "fix", "includeContextCount": True},
    {"order": "recent", "limit": 1, "includeMetadata": False},
    pick=show_list,
    cached=True,
)
def list_sessions(call: CallContext, params: ListParams) -> SessionList:
    """Return a page of sessions, newest `createdAt` first."""
    return call.store.sessions.page(
        limit=params.limit,
        cursor=params.cursor,
        active=params.active,
        name_prefix=params.name_prefix,
        order=params.order,
        include_context_count=params.include_context_count,
        include_metadata=params.include_metadata,
    )


class GetActiveParams(Params, frozen=True):
    """Params of ``getActive``."""

    include_metadata: Flag = True


@method("getActive", GetActiveParams, SessionResult | None, {}, pick=show_active, cached=True)
def get_active(call: CallContext, params: GetActiveParams) -> SessionResult | None:
    """Return the active session, or null."""
    return _shown(call.store.sessions.get_active(), params.include_metadata)


class UpdateMetadataParams(SessionParams, frozen=True):
    """Params of ``updateMetadata``."""

    updates: JsonObject = Raw(b"{}")
    remove: (
        Annotated[list[str], Meta(max_length=1000, description="an array of at most 1000 keys")]
        | None
    ) = None
    if_state: IfState | None = None


@method(
    "updateMetadata",
    UpdateMetadataParams,
    SessionResult,
    {"name": "fix login", "updates": {"branch": None, "a b": {"": 12345678901234567890}}},
    {"name": "fix login", "remove": ["a b"]},
    {"name": "fix login", "updates": {"issue": 4712}, "ifState": "1.9c0ffee"},
    writes=True,
)
def update_metadata(call: CallContext, params: UpdateMetadataParams) -> SessionResult:
    """Merge members into the top level of a session's metadata; null is stored as null."""
    return call.store.sessions.update_metadata(
        params.name,
        bytes(params.updates),
        session_id=params.session_id,
        remove=params.remove or (),
        if_state=params.if_state,
    )


class RenameParams(SessionParams, frozen=True, kw_only=True):
    """Params of ``rename``."""

    new_name: NewName
    if_state: IfState | None = None


@method(
    "rename",
    RenameParams,
    SessionResult,
    {"name": "review parser", "newName": "review the parser"},
    {"name": "review the parser", "newName": "fix login"},
    writes=True,
)
def rename(call: CallContext, params: RenameParams) -> SessionResult:
    """Give a session another name; a taken one is `sessionExists`."""
    return call.store.sessions.rename(
        params.name,
        names.checked(params.new_name, "newName"),
        session_id=params.session_id,
        if_state=params.if_state,
    )


def _shown(found: SessionResult | None, include_metadata: bool) -> SessionResult | None:
    return found if found is None or include_metadata else found.without_metadata()
