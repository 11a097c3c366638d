"""Methods on the trash: what was deleted, bringing it back, removing it for good."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from tenets_session_server.errors import InvalidParamsError
from tenets_session_server.methods.method import CallContext, method
from tenets_session_server.methods.params import Cursor, Flag, Limit, NewName, Params
from tenets_session_server.models.trash import Emptied, Restored, TrashItem, TrashList
from tenets_session_server.storage import names

ItemId = Annotated[
    int, Meta(ge=-(2**63), le=2**63 - 1, description="the id of an item of the trash", examples=[1])
]
SHOWN = 10
"""How many items are shown when the command is picked."""


def show_trash(call: CallContext) -> tuple[TrashList, str]:
    """Returns the newest 100 items of the trash."""
    page = call.store.trash.page()
    if not page.items:
        return page, "The trash is empty"
    shown = [_described(item) for item in page.items[:SHOWN]]
    more = "" if len(page.items) <= SHOWN else ", ..."
    return page, f"In the trash, newest first: {'; '.join(shown)}{more}"


def restore_newest(call: CallContext) -> tuple[Restored | None, str]:
    """Brings back what was deleted last."""
    page = call.store.trash.page(limit=1)
    if not page.items:
        return None, "The trash is empty"
    return call.store.restorer.restore(page.items[0].id), f"Restored {_described(page.items[0])}"


def _described(item: TrashItem) -> str:
    names = ", ".join(item.names)
    if item.type == "context":
        return f"{_count(item.entries, 'entry', 'entries')} of {names or 'a deleted session'}"
    more = "" if item.sessions <= len(item.names) else ", ..."
    return f"{names}{more} ({_count(item.entries, 'entry', 'entries')})"


def _count(number: int, one: str, several: str) -> str:
    return f"{number} {one if number == 1 else several}"


class ListTrashParams(Params, frozen=True):
    """Params of ``listTrash``."""

    limit: Limit = 100
    cursor: Cursor | None = None


@method("listTrash", ListTrashParams, TrashList, {"limit": 2}, pick=show_trash)
def list_trash(call: CallContext, params: ListTrashParams) -> TrashList:
    """Return a page of what was deleted and can be brought back, newest first."""
    return call.store.trash.page(params.limit, params.cursor)


class RestoreParams(Params, frozen=True, kw_only=True):
    """Params of ``restore``."""

    id: ItemId
    new_name: NewName | None = None
    replace: Flag = False


@method(
    "restore",
    RestoreParams,
    Restored,
    {"id": 4},
    {"id": 1},
    {"id": 3, "newName": "fix login, second try"},
    {"id": 4},
    pick=restore_newest,
    writes=True,
)
def restore(call: CallContext, params: RestoreParams) -> Restored:
    """Bring back what one request has removed, with the ids that it had."""
    new_name = None if params.new_name is None else names.checked(params.new_name, "newName")
    return call.store.restorer.restore(params.id, new_name, replace=params.replace)


class EmptyTrashParams(Params, frozen=True):
    """Params of ``emptyTrash``."""

    id: ItemId | UnsetType | None = UNSET


@method("emptyTrash", EmptyTrashParams, Emptied, {"id": 2}, {}, writes=True)
def empty_trash(call: CallContext, params: EmptyTrashParams) -> Emptied:
    """Remove one item of the trash for good, or all of them."""
    if params.id is None:  # the trashId of a reply that has kept nothing
        raise InvalidParamsError(
            "id: expected the id of an item of the trash; leave it out to empty the whole trash"
        )
    return call.store.trash.empty(None if params.id is UNSET else params.id)
