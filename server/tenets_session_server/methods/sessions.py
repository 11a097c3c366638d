"""Methods on sessions: create, get, list, activate, annotate, delete."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from msgspec import Raw

from tenets_session_server.errors import SessionExistsError, SessionNotFoundError
from tenets_session_server.methods.method import CallContext, method
from tenets_session_server.methods.params import (
    Cursor,
    Flag,
    JsonObject,
    Limit,
    Name,
    NewName,
    NoParams,
    Order,
    Params,
    Prefix,
)
from tenets_session_server.models import Deleted, DeletedCount, Session, SessionList
from tenets_session_server.storage import names

SHOWN: Final = 10
"""How many names of a long list are shown when the command is picked."""


def create_now(call: CallContext) -> tuple[Session, str]:
    """Creates a session named after the current time, and activates it."""
    # To the minute it is a readable name; a second one in the same minute needs the seconds too.
    now = datetime.now().astimezone()
    try:
        created = call.store.sessions.create(f"{now:%Y-%m-%d %H:%M}", active=True)
    except SessionExistsError:
        created = call.store.sessions.create(f"{now:%Y-%m-%d %H:%M:%S.%f}", active=True)
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


def activate_previous(call: CallContext) -> tuple[Session, str]:
    """Activates the session that was active most recently."""
    name = call.store.sessions.most_recently_active()
    if name is None:
        raise SessionNotFoundError(None, "there is no other session to activate")
    activated = call.store.sessions.set_active(name)
    return activated, f"Activated session {activated.name}"


class CreateParams(Params, frozen=True):
    """Params of ``create``."""

    name: NewName
    metadata: JsonObject = Raw(b"{}")
    active: Flag = False


@method(
    "create",
    CreateParams,
    Session,
    {"name": "fix login", "metadata": {"branch": "fix-login", "issue": 4711}},
    {"name": "review parser", "active": True},
    {"name": "fix login"},
    {"name": ""},
    pick=create_now,
    writes=True,
)
def create(call: CallContext, params: CreateParams) -> Session:
    """Create a session; a taken name is `sessionExists`."""
    name = names.checked(params.name)
    return call.store.sessions.create(name, bytes(params.metadata), active=params.active)


class NameParams(Params, frozen=True):
    """Params that only name a session."""

    name: Name


# Not cached: there are too many names for one to be asked for again.
@method(
    "get", NameParams, Session | None, {"name": "fix login"}, {"name": "no such"}, pick=show_active
)
def get(call: CallContext, params: NameParams) -> Session | None:
    """Return the session of this name, or null."""
    return call.store.sessions.get(params.name)


class ListParams(Params, frozen=True):
    """Params of ``list``."""

    limit: Limit = 100
    cursor: Cursor | None = None
    active: Flag | None = None
    name_prefix: Prefix | None = None
    order: Order = "newest"
    include_context_count: Flag = False


@method(
    "list",
    ListParams,
    SessionList,
    {"namePrefix": "fix", "includeContextCount": True},
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
    )


@method("getActive", NoParams, Session | None, {}, pick=show_active, cached=True)
def get_active(call: CallContext, _params: NoParams) -> Session | None:
    """Return the active session, or null."""
    return call.store.sessions.get_active()


class SetActiveParams(Params, frozen=True):
    """Params of ``setActive``."""

    name: Name
    active: Flag = True


@method(
    "setActive",
    SetActiveParams,
    Session,
    {"name": "fix login"},
    {"name": "no such"},
    pick=activate_previous,
    writes=True,
)
def set_active(call: CallContext, params: SetActiveParams) -> Session:
    """Activate a session, which deactivates every other, or deactivate it."""
    return call.store.sessions.set_active(params.name, params.active)


class UpdateMetadataParams(Params, frozen=True):
    """Params of ``updateMetadata``."""

    name: Name
    updates: JsonObject


@method(
    "updateMetadata",
    UpdateMetadataParams,
    Session,
    {"name": "fix login", "updates": {"branch": None, "a b": {"": 12345678901234567890}}},
    writes=True,
)
def update_metadata(call: CallContext, params: UpdateMetadataParams) -> Session:
    """Merge members into the top level of a session's metadata; null is stored as null."""
    return call.store.sessions.update_metadata(params.name, bytes(params.updates))


class DeleteParams(Params, frozen=True):
    """Params of ``delete``."""

    name: Name
    purge_context: Flag = True


@method(
    "delete",
    DeleteParams,
    Deleted,
    {"name": "review parser"},
    {"name": "review parser"},
    writes=True,
)
def delete(call: CallContext, params: DeleteParams) -> Deleted:
    """Delete a session, and its context unless `purgeContext` is false."""
    return call.store.sessions.delete(params.name, purge_context=params.purge_context)


class DeleteAllParams(Params, frozen=True):
    """Params of ``deleteAll``."""

    purge_context: Flag = True


# Without an argument it could do its work; but one wrong key in a picker must not delete
# everything.
@method("deleteAll", DeleteAllParams, DeletedCount, {}, writes=True)
def delete_all(call: CallContext, params: DeleteAllParams) -> DeletedCount:
    """Delete every session, and all context unless `purgeContext` is false."""
    return call.store.sessions.delete_all(purge_context=params.purge_context)
