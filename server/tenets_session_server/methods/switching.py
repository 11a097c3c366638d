"""Methods that switch between sessions: activate, leave, resume."""

from __future__ import annotations

from tenets_session_server.errors import SessionNotFoundError
from tenets_session_server.methods.method import CallContext, method
from tenets_session_server.methods.params import Flag, Folder, SessionParams
from tenets_session_server.models.sessions import Session, SessionResult


def activate_previous(call: CallContext) -> tuple[Session, str]:
    """Activates the session that was active most recently."""
    activated = call.store.sessions.set_active(None, session_id=_most_recent(call))
    return activated, f"Activated session {activated.name}"


def resume_last(call: CallContext) -> tuple[Session, str]:
    """Activates the session that was active last, unless one is active."""
    found = _switch(call, SwitchParams(), active=True)
    return found, f"Active session: {found.name}"


def exit_active(call: CallContext) -> tuple[Session | None, str]:
    """Deactivates the active session."""
    with call.store.database.transaction():
        active = call.store.sessions.active()
        if active is None:
            return None, "No session is active"
        left = call.store.sessions.set_active(None, False, active.id)
    return left, f"Deactivated session {left.name}"


def _most_recent(call: CallContext) -> int:
    found = call.store.sessions.most_recently_active()
    if found is None:
        raise SessionNotFoundError(
            None, "there is no other session to activate: name one, or create one"
        )
    return found


class SetActiveParams(SessionParams, frozen=True):
    """Params of ``setActive``."""

    active: Flag = True


@method(
    "setActive",
    SetActiveParams,
    SessionResult,
    {"name": "fix login"},
    {"name": "no such"},
    pick=activate_previous,
    writes=True,
)
def set_active(call: CallContext, params: SetActiveParams) -> SessionResult:
    """Activate a session, which deactivates every other, or deactivate it."""
    return call.store.sessions.set_active(params.name, params.active, params.session_id)


class SwitchParams(SessionParams, frozen=True):
    """Params of ``resume`` and ``exit``."""

    folder: Folder | None = None


@method("exit", SwitchParams, SessionResult, {}, pick=exit_active, writes=True)
def leave(call: CallContext, params: SwitchParams) -> SessionResult:
    """Deactivate a session: the active one, or the one that is named."""
    return _switch(call, params, active=False)


@method(
    "resume",
    SwitchParams,
    SessionResult,
    {},
    {"name": "fix login"},
    pick=resume_last,
    writes=True,
)
def resume(call: CallContext, params: SwitchParams) -> SessionResult:
    """Activate a session: the one that was active last, or the one that is named."""
    return _switch(call, params, active=True)


def _switch(call: CallContext, params: SwitchParams, *, active: bool) -> SessionResult:
    name, session_id = params.name, params.session_id
    with call.store.database.transaction():
        if name is None and session_id is None:
            if params.folder is not None:
                session_id = call.session_id(params.folder)
            elif (found := call.store.sessions.active()) is not None:
                if active:  # it is the one that was active last
                    return call.store.sessions.require(None, found.id)
                session_id = found.id
            elif active:
                session_id = _most_recent(call)
            else:
                raise SessionNotFoundError(None, "no session is active")
        return call.store.sessions.set_active(name, active, session_id)
