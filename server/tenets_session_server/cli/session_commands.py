"""Verbs on sessions: list, create, rename, copy, reset, delete."""

from __future__ import annotations

import itertools
import json
import string
from collections.abc import Iterator
from typing import Any, Final

import click

from tenets_session_server.cli import text
from tenets_session_server.cli.invocation import (
    Invocation,
    Json,
    NotFoundError,
    json_option,
    with_run,
    yes_option,
)

SHOWN: Final = 50
"""Sessions that a terminal is shown, unless more are asked for."""
PAGE: Final = 1000
FIELDS: Final = ("name", "id", "created", "active", "current", "notes", "metadata")

_BRACED: Final = " ".join(f"{{{field}}}" for field in FIELDS)


@click.command("list", short_help="List sessions.")
@click.argument("prefix", required=False)
@click.option("-n", "--limit", type=click.IntRange(1), help="How many at most.")
@click.option("-a", "--all", "every", is_flag=True, help="All of them, also on a terminal.")
@click.option(
    "--order",
    type=click.Choice(["newest", "oldest", "recent"]),
    default="newest",
    show_default=True,
    help="recent: last changed first.",
)
@click.option("--format", "form", metavar="TEXT", help=f"A line for each, of {_BRACED}.")
@json_option
@with_run
def list_command(
    run: Invocation,
    prefix: str | None,
    limit: int | None,
    every: bool,
    order: str,
    form: str | None,
) -> None:
    """List sessions, those whose name begins with PREFIX.

    On a terminal the newest 50 are shown; in a pipe it is all of them, one name a line.

    \b
    tenets-session list
    tenets-session list fix --all
    tenets-session list --format '{id} {name} {notes}'
    """
    out = run.out
    fields = _fields(form)
    counted = out.as_json or "notes" in fields or (form is None and out.is_terminal)
    if limit is None and not every and out.is_terminal and not out.as_json and form is None:
        limit = SHOWN
    sessions = _listed(
        run,
        limit,
        namePrefix=prefix,
        order=order,
        includeContextCount=counted,
        includeMetadata=out.as_json or "metadata" in fields,
    )
    if out.as_json:
        out.json({"sessions": list(sessions)})
        return
    current = run.call("getCurrent", includeMetadata=False)["session"]
    current_id = None if current is None else current["id"]
    if form is not None:
        out.lines(text.line(_formatted(form, one, current_id)) for one in sessions)
    elif not out.is_terminal:
        out.lines(text.line(one["name"]) for one in sessions)
    else:
        _print_table(run, list(sessions), current_id, limit)


def _listed(run: Invocation, limit: int | None, **params: Any) -> Iterator[Json]:
    """Yield sessions; what is asked for is no more than what is needed."""
    size = PAGE if limit is None else min(PAGE, limit)
    return itertools.islice(run.pages("list", "sessions", limit=size, **params), limit)


def _print_table(
    run: Invocation, sessions: list[Json], current: int | None, limit: int | None
) -> None:
    out = run.out
    if not sessions:
        out.line("There are no sessions.")
        out.hint("Create one with: tenets-session create NAME")
        return
    rows = []
    for one in sessions:
        is_current = one["id"] == current
        mark = "*" if is_current else "+" if one["active"] else " "
        name = text.line(one["name"])
        rows.append(
            (
                mark,
                out.styled(name, "current") if is_current else name,
                f"{one['contextCount']:,}",
                text.ago(one["createdAt"]),
            )
        )
    out.table(("", "NAME", "NOTES", "CREATED"), rows, flexible=1, optional=(3,))
    if limit is not None and len(sessions) == limit:
        out.hint(f"These are {limit}; all of them: tenets-session list --all")


def _fields(form: str | None) -> set[str]:
    """Return the fields in a format; raises a usage error for what is none."""
    try:
        found = {name for _, name, _, _ in string.Formatter().parse(form or "") if name is not None}
    except ValueError as error:
        raise click.UsageError(f"--format: {error}") from None
    for name in found - set(FIELDS):
        raise click.UsageError(f"--format: there is no {{{name}}}, but {_BRACED}")
    return found


def _formatted(form: str, one: Json, current: int | None) -> str:
    values = {
        "name": one["name"],
        "id": one["id"],
        "created": one["createdAt"],
        "active": "active" if one["active"] else "",
        "current": "*" if one["id"] == current else "",
        "notes": one.get("contextCount", ""),
        "metadata": json.dumps(one.get("metadata"), ensure_ascii=False),
    }
    try:
        return form.format_map(values)
    except ValueError as error:
        raise click.UsageError(f"--format: {error}") from None


@click.command("create", short_help="Create a session.")
@click.argument("name")
@click.option("-s", "--switch", is_flag=True, help="Make it the active one.")
@click.option("-m", "--metadata", metavar="JSON", help='An object, such as {"issue": 4711}.')
@json_option
@with_run
def create_command(run: Invocation, name: str, switch: bool, metadata: str | None) -> None:
    """Create a session.

    \b
    tenets-session create 'fix login' --switch
    tenets-session create parser --metadata '{"issue": 4711}'
    """
    members = None
    if metadata is not None:
        try:
            members = json.loads(metadata)
        except ValueError as error:
            raise click.UsageError(f"--metadata: expected a JSON object ({error})") from None
    session = run.call("create", name=name, metadata=members, active=switch or None)
    shown = text.line(session["name"])
    done = "Created and switched to" if switch else "Created"
    run.out.result(session, f"{done} {run.out.styled(shown, 'name')}.", shown)
    if not switch:
        run.out.hint(f"Switch to it with: tenets-session switch {quoted(session['name'])}")


@click.command("rename", short_help="Give a session another name.")
@click.argument("name")
@click.argument("new_name", required=False)
@json_option
@with_run
def rename_command(run: Invocation, name: str, new_name: str | None) -> None:
    """Give a session another name; with one name, the current session.

    \b
    tenets-session rename 'fix login' 'fix login loop'
    """
    old, new = (run.name_of(None), name) if new_name is None else (name, new_name)
    session = run.call("rename", name=old, newName=new)
    shown = text.line(session["name"])
    run.out.result(session, f"Renamed {text.line(old)} to {run.out.styled(shown, 'name')}.", shown)


@click.command("copy", short_help="Copy a session with its notes.")
@click.argument("name")
@click.argument("new_name", required=False)
@click.option("--overwrite", is_flag=True, help="Replace a session of that name.")
@click.option("--no-notes", is_flag=True, help="Copy the metadata only.")
@click.option("-s", "--switch", is_flag=True, help="Make the copy the active one.")
@yes_option
@json_option
@with_run
def copy_command(
    run: Invocation,
    name: str,
    new_name: str | None,
    overwrite: bool,
    no_notes: bool,
    switch: bool,
    yes: bool,
) -> None:
    """Copy a session with its notes; with one name, the current session.

    \b
    tenets-session copy 'fix login' 'fix login, second try'
    """
    old, new = (run.name_of(None), name) if new_name is None else (name, new_name)
    if overwrite and run.call("get", name=new, includeMetadata=False) is not None:
        run.out.confirm(f"Replace {text.line(new)} and its notes?", yes=yes)
    copied = run.call(
        "copy",
        name=old,
        newName=new,
        overwrite=overwrite or None,
        includeContext=not no_notes,
        active=switch or None,
    )
    shown = text.line(copied["name"])
    run.out.result(copied, f"Copied {text.line(old)} to {run.out.styled(shown, 'name')}.", shown)
    run.out.undo(copied["trashId"])


@click.command("reset", short_help="Remove all notes of a session.")
@click.argument("name", required=False)
@yes_option
@json_option
@with_run
def reset_command(run: Invocation, name: str | None, yes: bool) -> None:
    """Remove all notes of a session, by default the current one, and switch to it.

    \b
    tenets-session reset 'fix login'
    """
    name = run.name_of(name)
    run.out.confirm(f"Remove all notes of {text.line(name)}?", yes=yes)
    session = run.call("reset", name=name)
    shown = text.line(session["name"])
    run.out.result(session, f"Removed the notes of {run.out.styled(shown, 'name')}.", shown)
    run.out.undo(session["trashId"])


@click.command("delete", short_help="Delete sessions and their notes.")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--keep-notes", is_flag=True, help="Delete the sessions, but not their notes.")
@yes_option
@json_option
@with_run
def delete_command(run: Invocation, names: tuple[str, ...], keep_notes: bool, yes: bool) -> None:
    """Delete sessions, and their notes.

    \b
    tenets-session delete 'fix login' parser
    """
    out = run.out
    listed = ", ".join(text.line(name) for name in names)
    out.confirm(f"Delete {listed}{'' if keep_notes else ' and all notes'}?", yes=yes)
    done, missing = list[Json](), list[str]()
    for name in names:
        result = run.call("delete", name=name, purgeContext=not keep_notes)
        if result["deleted"]:
            done.append({"name": name, **result})
            if not out.as_json:
                shown = text.line(name)
                out.result(None, f"Deleted {out.styled(shown, 'name')}.", shown)
        else:
            missing.append(name)
    if out.as_json:
        out.json({"deleted": done})
    out.undo(*(one["trashId"] for one in done))
    if missing:
        listed = ", ".join(text.line(name) for name in missing)
        raise NotFoundError(f"no session is named {listed}; see `tenets-session list`")


@click.command("clear", short_help="Delete all sessions and all notes.")
@yes_option
@json_option
@with_run
def clear_command(run: Invocation, yes: bool) -> None:
    """Delete all sessions, and all notes.

    \b
    tenets-session clear
    """
    out, stats = run.out, run.call("stats")
    sessions = text.count(stats["sessions"], "session")
    notes = text.count(stats["contextEntries"], "note")
    out.confirm(f"Delete all {sessions} with {notes}?", yes=yes, needed=True)
    result = run.call("deleteAll")
    deleted = text.count(result["deleted"], "session")
    out.result(result, f"Deleted {deleted}.", str(result["deleted"]))
    out.undo(result["trashId"])


def quoted(name: str) -> str:
    """Return a name as a shell takes it, for a hint."""
    import shlex  # noqa: PLC0415 - for a terminal only

    return shlex.quote(text.line(name))
