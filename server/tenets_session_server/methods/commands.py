"""Commands that somebody picked from a list, without arguments (``workspace/executeCommand``).

An editor with a plain LSP client can offer the commands in a picker but ask for nothing. Where the
params object can be empty the command does what its method does; where a name is needed, it takes
the obvious one; what deletes does not guess. Each returns the result and a sentence to show.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from tenets_session_server.errors import SessionExistsError, SessionNotFoundError
from tenets_session_server.methods import handlers
from tenets_session_server.methods.messages import NoParams, Session, SessionList, Stats
from tenets_session_server.models import StoredSession
from tenets_session_server.rpc.error_codes import INVALID_PARAMS, RpcError

if TYPE_CHECKING:
    from tenets_session_server.rpc.server import SessionServer

Picked = Callable[["SessionServer"], tuple[Any, str]]

SHOWN: Final = 10
"""How many names are shown of a long list."""


def _create(ls: SessionServer) -> tuple[Session, str]:
    """Creates a session named after the current time, and activates it."""
    # To the minute it is a name; a second session in the same minute needs the seconds too.
    now = datetime.now().astimezone()
    try:
        created = ls.sessions.create(f"{now:%Y-%m-%d %H:%M}", active=True)
    except SessionExistsError:
        created = ls.sessions.create(f"{now:%Y-%m-%d %H:%M:%S.%f}", active=True)
    return Session.of(created), f"Created and activated session {created.name}"


def _active(ls: SessionServer) -> tuple[Session | None, str]:
    """Returns the active session, or null."""
    found = ls.sessions.get_active()
    if found is None:
        return None, "No session is active"
    return Session.of(found), f"Active session: {found.name}"


def _list(ls: SessionServer) -> tuple[SessionList, str]:
    """Returns the newest 100 sessions."""
    page = ls.sessions.page()
    result = SessionList.of(page)
    if not page.sessions:
        return result, "There are no sessions"
    names = [_label(session) for session in page.sessions]
    more = "" if len(names) <= SHOWN and not page.next_cursor else ", ..."
    return result, f"Sessions, newest first: {', '.join(names[:SHOWN])}{more}"


def _set_active(ls: SessionServer) -> tuple[Session, str]:
    """Activates the session that was active most recently."""
    name = ls.sessions.most_recently_active()
    if name is None:
        raise SessionNotFoundError(None, "there is no other session to activate")
    activated = ls.sessions.set_active(name)
    return Session.of(activated), f"Activated session {activated.name}"


def _needs(params: str) -> Picked:
    def refuse(_ls: SessionServer) -> tuple[Any, str]:
        """Refuses with -32602."""
        raise RpcError(INVALID_PARAMS, f"arguments: expected one object such as {params}")

    return refuse


def _label(session: StoredSession) -> str:
    return f"{session.name} (active)" if session.active else session.name


def _stats(ls: SessionServer) -> tuple[Stats, str]:
    """Returns how much there is, and who has it open."""
    found = handlers.stats(ls, NoParams())
    names = ", ".join(client.name or "an unnamed editor" for client in found.clients)
    return found, (
        f"Sessions: {found.sessions}, context entries: {found.context_entries}, "
        f"editors here: {names}, database: {found.database}"
    )


PICKED: Final[dict[str, Picked]] = {
    "create": _create,
    "get": _active,
    "list": _list,
    "getActive": _active,
    "setActive": _set_active,
    "updateMetadata": _needs('{"name": "...", "updates": {}}'),
    "addContext": _needs('{"sessionName": "...", "kind": "note", "content": "..."}'),
    "delete": _needs('{"name": "..."}'),
    # The method itself needs no params; but one wrong key in a picker must not cost everything.
    "deleteAll": _needs("{}, to delete every session"),
    "stats": _stats,
    "changes": _needs('{"since": 0}'),
}
