"""Verbs that write notes: take, edit and remove them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import click

from tenets_session_server.cli import writing
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

_PLACE: Final = re.compile(r"(?P<file>.+?)(?::(?P<first>[0-9]{1,9})(?:-(?P<last>[0-9]{1,9}))?)?")


@click.command("note", short_help="Add a note, and print its id.")
@click.argument("words", nargs=-1, metavar="[TEXT... | -]")
@click.option("-k", "--kind", default="note", show_default=True, help="What it is.")
@click.option("-s", "--session", metavar="NAME", help="The session; it is created if missing.")
@click.option("--at", "place", metavar="FILE[:LINE[-LINE]]", help="Where it belongs.")
@json_option
@with_run
def note_command(
    run: Invocation, words: tuple[str, ...], kind: str, session: str | None, place: str | None
) -> None:
    """Add a note to the current session, and print its id.

    The text is TEXT, or what comes through a pipe, or what you write in $VISUAL or $EDITOR.

    \b
    tenets-session note the token is refreshed twice
    git diff | tenets-session note --kind diff
    tenets-session note --at auth.py:3-7 'why is this here?'
    """
    location = None if place is None else _location(run, place)
    content, session_id = writing.given(words), None
    if content is None:
        if session is None:  # the one that it is begun in, whatever happens meanwhile
            session_id = run.current()["id"]
        content = writing.written(run, "")
    writing.check(content)
    with writing.kept(content, is_safe=writing.is_text(words)):
        entry = run.call(
            "addContext",
            sessionName=session,
            sessionId=session_id,
            kind=kind,
            content=content,
            location=location,
        )
    writing.warn_of_secret(run, content)
    name = run.out.styled(text.line(entry["sessionName"]), "name")
    number = run.out.styled(str(entry["id"]), "id")
    run.out.result(entry, f"Added note {number} to {name}.", str(entry["id"]))


@click.command("edit", short_help="Change a note.")
@click.argument("entry_id", type=ID, metavar="ID")
@click.argument("words", nargs=-1, metavar="[TEXT... | -]")
@click.option("-k", "--kind", help="Another kind.")
@json_option
@with_run
def edit_command(run: Invocation, entry_id: int, words: tuple[str, ...], kind: str | None) -> None:
    """Change a note: in $VISUAL or $EDITOR, to TEXT, or to what comes through a pipe.

    If somebody has changed it meanwhile, nothing is overwritten (exit status 4).

    \b
    tenets-session edit 12
    tenets-session edit 12 --kind decision
    """
    entry = run.entry(entry_id)
    before = content = run.content(entry)
    if words or kind is None:
        given = writing.given(words)
        content = writing.written(run, before) if given is None else given
        writing.check(content)
    if content == before and kind in {None, entry["kind"]}:
        run.out.result(entry, "Nothing has changed.", str(entry_id))
        return
    changed = content if content != before else None
    with writing.kept(content, is_safe=changed is None or writing.is_text(words)):
        after = run.call(
            "updateContext", id=entry_id, content=changed, kind=kind, ifState=entry["state"]
        )
    writing.warn_of_secret(run, changed or "")
    number = run.out.styled(str(entry_id), "id")
    run.out.result(after, f"Changed note {number}.", str(entry_id))


@click.command("remove", short_help="Remove notes.")
@click.argument("ids", nargs=-1, required=True, type=ID, metavar="ID...")
@yes_option
@json_option
@with_run
def remove_command(run: Invocation, ids: tuple[int, ...], yes: bool) -> None:
    """Remove notes.

    \b
    tenets-session remove 12 13
    """
    out = run.out
    listed = ", ".join(map(str, ids))
    out.confirm(f"Remove {text.count(len(ids), 'note')} ({listed})?", yes=yes)
    done: list[Json] = []
    missing: list[str] = []
    try:
        for entry_id in ids:
            result = run.call("removeContext", id=entry_id)
            if result["removed"]:
                done.append({"id": entry_id, **result})
                if not out.as_json:
                    number = str(entry_id)
                    out.result(None, f"Removed note {out.styled(number, 'id')}.", number)
            else:
                missing.append(str(entry_id))
    finally:  # what is done is told, also if an error ends it
        if out.as_json:
            out.json({"removed": done})
        out.undo(*(one["trashId"] for one in done))
    if missing:
        raise NotFoundError(f"there is no note {', '.join(missing)}; see `tenets-session show`")


def _location(run: Invocation, place: str) -> Json:
    """Return the location that ``FILE:3-7`` means."""
    found = _PLACE.fullmatch(place)
    if found is None:
        raise click.UsageError(f"--at: expected FILE, FILE:3 or FILE:3-7, got {place!r}")
    path = run.place(found["file"])
    location: Json = {"uri": path if "://" in path else Path(path).as_uri()}
    if found["first"] is not None:
        first = int(found["first"])
        last = int(found["last"] or first)
        if not 1 <= first <= last:
            raise click.UsageError(
                f"--at: expected lines from 1 on, the last one not before the first, got {place!r}"
            )
        location["range"] = {
            "start": {"line": first - 1, "character": 0},
            "end": {"line": last, "character": 0},
        }
    return location
