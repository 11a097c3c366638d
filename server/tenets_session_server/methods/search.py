"""The method that searches the context of sessions, and their names."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from tenets_session_server.methods.method import CallContext, method
from tenets_session_server.methods.params import Kind, Name, Params, SessionId
from tenets_session_server.models.search import SearchResult
from tenets_session_server.storage.search_query import Scope


class SearchParams(Params, frozen=True):
    """Params of ``search``."""

    query: Annotated[str, Meta(description="a string: words to look for")]
    session_name: Name | None = None
    session_id: SessionId | None = None
    kind: Kind | None = None
    author: (
        Annotated[str, Meta(description="the author of the entries", examples=["me"])] | None
    ) = None
    limit: Annotated[
        int, Meta(ge=1, le=200, description="an integer from 1 to 200", examples=[5])
    ] = 50


@method(
    "search",
    SearchParams,
    SearchResult,
    {"query": "refreshed tok"},
    {"query": "login", "limit": 1},
    {"query": '"no such thing"'},
)
def search(call: CallContext, params: SearchParams) -> SearchResult:
    """Search the entries and the names of sessions; the best hits come first."""
    scope = Scope(params.session_name, params.session_id, params.kind, params.author)
    return call.store.search.search(params.query, scope, params.limit)
