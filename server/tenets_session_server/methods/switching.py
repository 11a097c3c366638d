"""Methods that switch between sessions: activate, leave, resume."""

from __future__ import annotations

from tenets_session_server.methods.method import CallContext, method
from tenets_session_server.methods.params import Flag, Folder, SessionParams
from tenets_session_server.models.sessions import Session, SessionResult


def activate_previous(call: CallContext) -> tuple[Session, str]:
    """Activates the session that was active most recently."""
    activated = call.store.switching.activate_previous()
    return activated, f"Activated session {activated.name}"


def resume_last(call: CallContext) -> tuple[Session, str]:
    """Activates the session that was active last, unless one is active."""
    found = call.store.switching.resume()
    return found, f"Active session: {found.name}"


def exit_active(call: CallContext) -> tuple[Session | None, str]:
    """Deactivates the active session."""
    left = call.store.switching.leave_active()
    return left, "No session is active" if left is None else f"Deactivated session {left.name}"


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
    return call.store.switching.leave(params.name, params.session_id, params.folder)


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
    return call.store.switching.resume(params.name, params.session_id, params.folder)
