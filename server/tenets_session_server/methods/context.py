"""Methods on the context of sessions: notes, code, results of tools."""

from __future__ import annotations

from tenets_session_server.methods.method import CallContext, method
from tenets_session_server.methods.params import Content, Kind, Name, Params
from tenets_session_server.models import AddedContext


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
    return call.store.context.add(params.session_name, params.kind, params.content, check_name=True)
