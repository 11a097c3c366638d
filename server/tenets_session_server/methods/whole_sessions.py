"""Methods on a session and its context as a whole: copy, reset, delete."""

from __future__ import annotations

from tenets_session_server.methods.method import CallContext, method
from tenets_session_server.methods.params import Flag, IfState, NewName, Params, SessionParams
from tenets_session_server.models.sessions import Deleted, DeletedCount, ReplacedSession
from tenets_session_server.storage import names


class CopyParams(SessionParams, frozen=True, kw_only=True):
    """Params of ``copy``."""

    new_name: NewName
    overwrite: Flag = False
    include_context: Flag = True
    active: Flag = False
    if_state: IfState | None = None


@method(
    "copy",
    CopyParams,
    ReplacedSession,
    {"name": "fix login", "newName": "fix login again"},
    writes=True,
)
def copy(call: CallContext, params: CopyParams) -> ReplacedSession:
    """Create a session with the metadata and the context of another one."""
    return call.store.whole_sessions.copy(
        params.name,
        names.checked(params.new_name, "newName"),
        session_id=params.session_id,
        overwrite=params.overwrite,
        include_context=params.include_context,
        active=params.active,
        if_state=params.if_state,
    )


class ResetParams(SessionParams, frozen=True):
    """Params of ``reset``."""

    if_state: IfState | None = None


@method("reset", ResetParams, ReplacedSession, {"name": "fix login again"}, writes=True)
def reset(call: CallContext, params: ResetParams) -> ReplacedSession:
    """Remove a session's context, and activate it; its metadata stays."""
    return call.store.whole_sessions.reset(
        params.name, session_id=params.session_id, if_state=params.if_state
    )


class DeleteParams(SessionParams, frozen=True):
    """Params of ``delete``."""

    purge_context: Flag = True
    if_state: IfState | None = None


@method(
    "delete",
    DeleteParams,
    Deleted,
    {"name": "fix login again"},
    {"name": "fix login again"},
    writes=True,
)
def delete(call: CallContext, params: DeleteParams) -> Deleted:
    """Delete a session, and its context unless `purgeContext` is false."""
    return call.store.whole_sessions.delete(
        params.name,
        session_id=params.session_id,
        purge_context=params.purge_context,
        if_state=params.if_state,
    )


class DeleteAllParams(Params, frozen=True):
    """Params of ``deleteAll``."""

    purge_context: Flag = True


# Without an argument it could do its work; but one wrong key in a picker must not delete
# everything.
@method("deleteAll", DeleteAllParams, DeletedCount, {}, writes=True)
def delete_all(call: CallContext, params: DeleteAllParams) -> DeletedCount:
    """Delete every session, and all context unless `purgeContext` is false."""
    return call.store.whole_sessions.delete_all(purge_context=params.purge_context)
