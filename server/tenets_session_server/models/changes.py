"""States, and what was committed."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from tenets_session_server.models.sessions import Current, Session
from tenets_session_server.models.types import EntryId, Revision, StateText

ChangeType = Literal[
    "created",
    "updated",
    "renamed",
    "deleted",
    "restored",
    "reset",
    "activated",
    "deactivated",
    "bound",
    "contextAdded",
    "contextUpdated",
    "contextRemoved",
]


class State(Struct, frozen=True):
    """A revision of one history of a database; ``str()`` is its form on the wire.

    Equal states mean that nothing was committed in between. A restored backup or a replaced file
    has another ``token`` at the same revision.
    """

    revision: int
    token: int

    @classmethod
    def parse(cls, text: str) -> State:
        """Return the state of its text; raises ValueError if that is no state's text."""
        revision, _, token = text.partition(".")
        return cls(int(revision), int(token, 16))

    def __str__(self) -> str:
        return f"{self.revision}.{self.token:x}"


class Change(Struct, rename="camel", frozen=True):
    """One committed change, by any program."""

    revision: Revision
    type: Annotated[ChangeType, Meta(description="see the table below")]
    session_id: Annotated[
        int | None,
        Meta(description="`id` of the session it happened to; null: a folder without a session"),
    ]
    session_name: Annotated[
        str | None,
        Meta(description="its name right after the change; null if an entry's session is gone"),
    ]
    author: Annotated[
        str | None, Meta(description="who made it; null if another program did, or nobody said")
    ]
    context_id: EntryId | UnsetType = UNSET
    folder: Annotated[str, Meta(description="the folder, only for `bound`")] | UnsetType = UNSET
    context_kept: (
        Annotated[bool, Meta(description="true if a session was deleted, but not its context")]
        | UnsetType
    ) = UNSET


class ChangeList(Struct, rename="camel", frozen=True):
    """Some of the changes that were committed."""

    changes: Annotated[list[Change], Meta(description="in order, at most `limit`")]
    revision: Annotated[int, Meta(description="that of the last change here: where to go on from")]
    state: StateText
    truncated: Annotated[bool, Meta(description="whether there are more: ask again from `state`")]


class ChangeBatch(Struct, rename="camel", frozen=True, omit_defaults=True):
    """What was committed after some revision, up to one moment: params of ``didChange``."""

    revision: Annotated[
        int, Meta(description="revision of the newest change; larger in each message")
    ]
    state: StateText
    changes: Annotated[list[Change], Meta(description="what was committed, in order")]
    active: Annotated[Session | None, Meta(description="the active session at that revision")]
    currents: Annotated[
        list[Current] | None,
        Meta(description="one for each folder of the client; absent if no binding concerns any"),
    ] = None
    incomplete: Annotated[
        bool, Meta(description="true if changes are missing: fetch the sessions again")
    ] = False

    def without_metadata(self) -> ChangeBatch:
        """Return the same batch with the metadata of sessions left out."""
        active = None if self.active is None else self.active.without_metadata()
        currents = self.currents and [one.without_metadata() for one in self.currents]
        return replace(self, active=active, currents=currents)

    def after(self, revision: int, currents: list[Current] | None) -> ChangeBatch:
        """Return the same batch without the changes up to ``revision``, with the ``currents``."""
        later = [change for change in self.changes if change.revision > revision]
        return replace(self, changes=later, currents=currents)
