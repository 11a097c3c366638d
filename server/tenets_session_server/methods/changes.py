"""What was committed: the method that returns it, and the notification that sends it."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta

from tenets_session_server.methods.method import PREFIX, CallContext, method
from tenets_session_server.methods.params import Limit, Params
from tenets_session_server.models import ChangeList

DID_CHANGE: Final = f"{PREFIX}didChange"
"""The notification; its params are a :class:`~tenets_session_server.models.ChangeBatch`."""


class ChangesParams(Params, frozen=True):
    """Params of ``changes``."""

    since: Annotated[int, Meta(ge=0, le=2**63 - 1, description="a revision, 0 or more")]
    limit: Limit = 100


@method(
    "changes", ChangesParams, ChangeList, {"since": 7, "limit": 2}, {"since": 4711}, cached=True
)
def changes(call: CallContext, params: ChangesParams) -> ChangeList:
    """Return the changes after a revision; `revisionExpired` if they are no longer kept."""
    return call.store.change_log.since(params.since, params.limit)
