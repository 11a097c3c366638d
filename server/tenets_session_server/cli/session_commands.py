"""Verbs that change sessions: create, rename, copy, reset, delete."""

from __future__ import annotations

import json
from typing import Final

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

NESTING: Final = 60
"""Levels of metadata: with those of the message around it they are what a server reads."""


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
            json.dumps(members, allow_nan=False, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as error:
            raise click.UsageError(f"--metadata: expected a JSON object ({error})") from None
        if not isinstance(members, dict) or _depth(members) > NESTING:
            raise click.UsageError(
                f"--metadata: expected a JSON object with at most {NESTING} levels"
            )
    session = run.call("create", name=name, metadata=members, active=switch or None)
    shown = text.line(session["name"])
    done = "Created and switched to" if switch else "Created"
    run.out.result(session, f"{done} {run.out.styled(shown, 'name')}.", shown)
    if not switch:
        run.out.hint(f"Switch to it with: tenets-session switch {quoted(session['name'])}")


def _depth(value: object) -> int:
    """Return how many levels of objects and arrays a value has."""
    levels, level = 0, [value]
    while level := [one for one in level if isinstance(one, dict | list)]:
        levels += 1
        level = [
            inner for one in level for inner in (one.values() if isinstance(one, dict) else one)
        ]
    return levels


@click.command("rename", short_help="Give a session another name.")
@click.argument("name")
@click.argument("new_name", required=False)
@click.option(
    "--session-id", type=ID, metavar="ID", help="The session, if its name cannot be typed."
)
@json_option
@with_run
def rename_command(
    run: Invocation, name: str, new_name: str | None, session_id: int | None
) -> None:
    """Give a session another name; with one name, the current session.

    \b
    tenets-session rename 'fix login' 'fix login loop'
    tenets-session rename --session-id 7 'a name that can be typed'
    """
    if session_id is not None:
        if new_name is not None:
            raise click.UsageError("--session-id goes with the new name only")
        old = f"session {session_id}"
        session = run.call("rename", sessionId=session_id, newName=name)
    else:
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
    done: list[Json] = []
    missing: list[str] = []
    try:
        for name in names:
            result = run.call("delete", name=name, purgeContext=not keep_notes)
            if result["deleted"]:
                done.append({"name": name, **result})
                if not out.as_json:
                    shown = text.line(name)
                    out.result(None, f"Deleted {out.styled(shown, 'name')}.", shown)
            else:
                missing.append(name)
    finally:  # what is done is told, also if an error ends it
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

    found = shlex.quote(text.line(name))
    return f"-- {found}" if name.startswith("-") else found
