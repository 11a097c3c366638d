"""Methods on what a folder shows: the current session, bindings, pinned files."""

from __future__ import annotations

from tenets_session_server.errors import InvalidParamsError
from tenets_session_server.methods.method import CallContext, method
from tenets_session_server.methods.params import Flag, Folder, NoParams, Params, SessionParams
from tenets_session_server.models.sessions import BindingList, CurrentResult, SessionResult


def show_current(call: CallContext) -> tuple[CurrentResult, str]:
    """Returns the current session of the window's first folder."""
    found = call.store.workspace.current(call.folder(None))
    if found.session is None:
        return found, "No session is active"
    reason = "active" if found.binding is None else f"bound to {found.binding}"
    return found, f"Current session: {found.session.name} ({reason})"


def show_bindings(call: CallContext) -> tuple[BindingList, str]:
    """Returns all bindings."""
    found = call.store.workspace.bindings()
    lines = [f"{one.folder}: {one.name}" for one in found.bindings]
    return found, "; ".join(lines) or "No folder is bound to a session"


class GetCurrentParams(Params, frozen=True):
    """Params of ``getCurrent``."""

    folder: Folder | None = None
    include_metadata: Flag = True


@method(
    "getCurrent", GetCurrentParams, CurrentResult, {"folder": "/work/app/src"}, pick=show_current
)
def get_current(call: CallContext, params: GetCurrentParams) -> CurrentResult:
    """Return the session that a folder shows: the one bound to it, else the active one."""
    found = call.store.workspace.current(call.folder(params.folder))
    return found if params.include_metadata else found.without_metadata()


class BindParams(SessionParams, frozen=True):
    """Params of ``bind``."""

    folder: Folder | None = None


@method(
    "bind",
    BindParams,
    CurrentResult,
    {"name": "fix login", "folder": "file:///work/app"},
    {"name": None, "folder": "/work/app/"},
    {"name": "not yet", "folder": "/work/app"},
    writes=True,
)
def bind(call: CallContext, params: BindParams) -> CurrentResult:
    """Have a folder show the session of this name; null: not any more."""
    folder = call.folder(params.folder)
    if folder is None:
        raise InvalidParamsError("folder is required: this window has no folder of its own")
    return call.store.workspace.bind(params.name, folder, session_id=params.session_id)


@method("listBindings", NoParams, BindingList, {}, pick=show_bindings)
def list_bindings(call: CallContext, _params: NoParams) -> BindingList:
    """Return all bindings."""
    return call.store.workspace.bindings()


class PinParams(SessionParams, frozen=True, kw_only=True):
    """Params of ``pin`` and ``unpin``."""

    folder: Folder | None = None
    uri: Folder


@method(
    "pin",
    PinParams,
    SessionResult,
    {"name": "fix login", "uri": "file:///work/app/login.py"},
    {"name": "fix login", "uri": "untitled:Untitled-1"},
    writes=True,
)
def pin(call: CallContext, params: PinParams) -> SessionResult:
    """Add a file to a session's pinned files, as the `tenets` command line keeps them."""
    return _pin(call, params, pinned=True)


@method(
    "unpin",
    PinParams,
    SessionResult,
    {"name": "fix login", "uri": "/work/app/login.py"},
    writes=True,
)
def unpin(call: CallContext, params: PinParams) -> SessionResult:
    """Remove a file from a session's pinned files."""
    return _pin(call, params, pinned=False)


def _pin(call: CallContext, params: PinParams, *, pinned: bool) -> SessionResult:
    return call.store.workspace.pin(
        params.name,
        params.uri,
        session_id=params.session_id,
        folder=call.folder(params.folder),
        pinned=pinned,
    )
