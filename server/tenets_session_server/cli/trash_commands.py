"""Verbs on what was deleted."""

from __future__ import annotations

from typing import Any

import click

from tenets_session_server.cli.invocation import (
    ID,
    Invocation,
    Json,
    NotFoundError,
    json_option,
    with_run,
    yes_option,
)
from tenets_session_server.client import text


@click.command("trash", short_help="List what was deleted, or remove it for good.")
@click.option("--empty", is_flag=True, help="Remove everything in it for good.")
@click.option("--remove", "item_id", type=ID, metavar="ID", help="Remove one item for good.")
@yes_option
@json_option
@with_run
def trash_command(run: Invocation, empty: bool, item_id: int | None, yes: bool) -> None:
    """List what was deleted and can be brought back, newest first.

    \b
    tenets-session trash
    tenets-session trash --empty
    """
    if empty and item_id is not None:
        raise click.UsageError("--empty removes everything, --remove one item: give one of them")
    if empty or item_id is not None:
        _empty(run, None if empty else item_id, yes=yes)
        return
    out = run.out
    items = list(run.items("listTrash", "items"))
    if out.as_json:
        out.json({"items": items})
    elif not out.is_terminal:
        out.lines(f"{one['id']}\t{one['deletedAt']}\t{described(one)}" for one in items)
    elif not items:
        out.line("The trash is empty.")
    else:
        rows = [
            (
                out.styled(str(one["id"]), "id"),
                described(one),
                text.size(one["size"]),
                text.ago(one["deletedAt"]),
                text.line(one["author"] or ""),
            )
            for one in items
        ]
        out.table(("ID", "WHAT", "SIZE", "DELETED", "BY"), rows, flexible=1, optional=(4, 2))
        out.hint("Bring one back with: tenets-session restore ID")


def _empty(run: Invocation, item_id: int | None, *, yes: bool) -> None:
    what = "everything in the trash" if item_id is None else f"item {item_id}"
    run.out.confirm(f"Remove {what} for good?", yes=yes, needed=True)
    result = run.call("emptyTrash", id=item_id)
    removed = result["removed"]
    if item_id is not None and not removed:
        raise NotFoundError(f"there is no item {item_id} in the trash; see `tenets-session trash`")
    run.out.result(result, f"Removed {text.count(removed, 'item')} for good.", str(removed))


@click.command("restore", short_help="Bring back what was deleted.")
@click.argument("ids", nargs=-1, type=ID, metavar="[ID...]")
@click.option("--as", "new_name", metavar="NAME", help="Another name, for one session.")
@click.option("--replace", is_flag=True, help="What has its name now goes to the trash.")
@json_option
@with_run
def restore_command(
    run: Invocation, ids: tuple[int, ...], new_name: str | None, replace: bool
) -> None:
    """Bring back what was deleted: by ID, by default what was deleted last.

    \b
    tenets-session restore
    tenets-session restore 7 --as 'fix login, old'
    """
    out = run.out
    if not ids:
        items = run.call("listTrash", limit=1)["items"]
        if not items:
            raise NotFoundError("the trash is empty")
        ids = (items[0]["id"],)
    if new_name is not None and len(ids) > 1:
        raise click.UsageError("--as goes with one ID")
    results: list[Json] = []
    try:
        for item_id in ids:
            result = run.call("restore", id=item_id, newName=new_name, replace=replace or None)
            results.append({"id": item_id, **result})
            if not out.as_json:
                out.result(None, f"Restored {_restored(result)}.", _restored(result))
                out.undo(result["trashId"])
    finally:  # what is done is told, also if an error ends it
        if out.as_json:
            out.json({"restored": results})


def _restored(result: Json) -> str:
    notes = text.count(result["entries"], "note")
    if not result["sessionCount"]:
        return notes
    names = ", ".join(text.line(one["name"]) for one in result["sessions"][:10])
    more = ", ..." if result["sessionCount"] > 10 else ""
    return f"{names}{more} with {notes}"


def described(item: Json) -> str:
    """Return what an item of the trash is, in a few words."""
    names = ", ".join(text.line(name) for name in item["names"])
    notes = text.count(item["entries"], "note")
    if item["type"] == "context":
        return f"{notes} of {names or 'a deleted session'}"
    more: Any = item["sessions"] - len(item["names"])
    return f"{names}{f' and {more:,} more' if more > 0 else ''} with {notes}"
