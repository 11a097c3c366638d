"""What was committed: the method that returns it, and the notification that sends it."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta

from tenets_session_server.methods.method import PREFIX, CallContext, method
from tenets_session_server.methods.params import Limit, Name, Params, SessionId
from tenets_session_server.models.changes import ChangeList

DID_CHANGE: Final = f"{PREFIX}didChange"
"""The notification; its params are a :class:`~tenets_session_server.models.changes.ChangeBatch`."""


class ChangesParams(Params, frozen=True):
    """Params of ``changes``."""

    since_state: Annotated[str, Meta(description="a state that the server has sent")] | None = None
    since: Annotated[int, Meta(ge=0, le=2**63 - 1, description="a revision, 0 or more")] | None = (
        None
    )
    session_name: Name | None = None
    session_id: SessionId | None = None
    not_author: (
        Annotated[str, Meta(description="the author whose changes are left out", examples=["me"])]
        | None
    ) = None
    limit: Limit = 100


@method(
    "changes",
    ChangesParams,
    ChangeList,
    {"since": 7, "limit": 2},
    {},
    {"sinceState": "4711.9c0ffee"},
    cached=True,
)
def changes(call: CallContext, params: ChangesParams) -> ChangeList:
    """Return the changes after a state or revision; `revisionExpired` if they are not known."""
    return call.store.change_log.since(
        params.since if params.since_state is None else params.since_state,
        params.limit,
        name=params.session_name,
        session_id=params.session_id,
        not_author=params.not_author,
    )
