"""Verbs about where you are: the current session, and switching to another one."""

from __future__ import annotations

from typing import Final

import click

from tenets_session_server.cli.invocation import (
    Invocation,
    Json,
    NotFoundError,
    json_option,
    why,
    with_run,
)
from tenets_session_server.client import text

LAST_NOTES: Final = 5


@click.command("status", short_help="Show what is current here, and its last notes.")
@json_option
@with_run
def status_command(run: Invocation) -> None:
    """Show what is current here, and its last notes.

    \b
    tenets-session
    tenets-session -C ~/work/app status --json
    """
    out = run.out
    current = run.call("getCurrent", includeMetadata=False)
    session = current["session"]
    entries: list[Json] = []
    if session is not None:
        page = run.call(
            "listContext",
            sessionId=session["id"],
            order="newest",
            limit=LAST_NOTES,
            includeContent=False,
        )
        entries = page["entries"]
    if out.as_json:
        out.json({**current, "entries": entries})
        return
    if session is None:
        out.line("No session is current here.")
        out.hint("Create one with: tenets-session create --switch NAME")
        out.hint("Switch to one with: tenets-session switch")
        return
    name = text.line(session["name"])
    if not out.is_terminal:
        out.line(name)
        return
    out.line(f"On {out.styled(name, 'current')}, {why(current['binding'])}")
    if entries:
        out.line()
        out.line("Its last notes:")
        for entry in entries:
            out.line("  " + note_line(run, entry))
        out.line()
    else:
        out.line("It has no notes yet.")
    out.hint("Add a note with: tenets-session note TEXT")
    if entries:
        out.hint("Read all of them with: tenets-session show")


def note_line(run: Invocation, entry: Json) -> str:
    """Return an entry as a line: its id, when, by whom, and how it begins."""
    out = run.out
    when = out.styled(f"{text.ago(entry['createdAt']):>14}", "faint")
    by = "" if entry["author"] is None else out.styled(f" {text.line(entry['author'])}:", "faint")
    kind = "" if entry["kind"] == "note" else f" [{text.line(entry['kind'])}]"
    number = out.styled(f"{entry['id']:>4}", "id")
    return f"{number} {when}{by}{kind} {text.line(entry['preview'])}"


@click.command("switch", short_help="Make a session the active one, in every editor.")
@click.argument("name", required=False)
@click.option("-c", "--create", is_flag=True, help="Create the session if it is missing.")
@json_option
@with_run
def switch_command(run: Invocation, name: str | None, create: bool) -> None:
    """Make a session the active one, in every editor; without NAME choose from a list.

    \b
    tenets-session switch 'fix login'
    tenets-session switch -c 'review parser'
    tenets-session switch
    """
    if name is None:
        name = _chosen(run)
    if create:
        run.call("create", name=name, ifExists="return")
    session = run.call("setActive", name=name)
    shown = text.line(session["name"])
    run.out.result(session, f"Switched to {run.out.styled(shown, 'current')}.", shown)
    binding = run.call("getCurrent", includeMetadata=False)["binding"]
    if binding is not None:
        run.out.hint(
            f"This folder goes on showing the session that {text.line(binding)} is bound to."
        )


def _chosen(run: Invocation) -> str:
    """Return the name of the session that the user picks from a list."""
    if not run.out.asks or run.out.as_json:
        raise click.UsageError("name a session: nobody can be asked here")
    page = run.call("list", limit=1000, includeMetadata=False)
    sessions = page["sessions"]
    if not sessions:
        raise click.ClickException("there is no session yet: create one")
    import questionary  # noqa: PLC0415 - 120 ms, for this list only

    choices = [
        questionary.Choice(
            f"{text.line(one['name'])}  ({text.ago(one['createdAt'])})", value=one["name"]
        )
        for one in sessions
    ]
    some = "the newest 1,000; " if page["nextCursor"] else ""
    question = questionary.select(
        "Switch to",
        choices,
        use_search_filter=True,
        use_jk_keys=False,
        use_shortcuts=False,
        instruction=f"({some}type to filter)",
    )
    answer = question.ask()
    if answer is None:
        raise click.Abort
    # If nothing matches, the list shows all again, and takes its first one.
    for control in question.application.layout.find_all_controls():
        typed = getattr(control, "search_filter", None) or ""
        if typed.lower() not in str(answer).lower():
            raise NotFoundError(f"no session in the list matches {typed!r}; name one")
    return str(answer)


@click.command("exit", short_help="Leave the active session.")
@json_option
@with_run
def exit_command(run: Invocation) -> None:
    """Leave the active session: none is active afterwards.

    \b
    tenets-session exit
    """
    session = run.call("exit")
    name = text.line(session["name"])
    run.out.result(session, f"Left {run.out.styled(name, 'name')}; no session is active.", name)
    run.out.hint("Go back with: tenets-session resume")


@click.command("resume", short_help="Go back to the session that was active last.")
@click.argument("name", required=False)
@json_option
@with_run
def resume_command(run: Invocation, name: str | None) -> None:
    """Go back to the session that was active last, or to NAME; shows its newest hand-off.

    \b
    tenets-session resume
    """
    from tenets_session_server.cli import reading_commands  # noqa: PLC0415 - for this verb only

    session = run.call("resume", name=name)
    shown = text.line(session["name"])
    run.out.result(session, f"Back on {run.out.styled(shown, 'current')}.", shown)
    handoff = reading_commands.newest_handoff(run, session["id"])
    if handoff is not None and run.out.is_terminal and not run.out.as_json:
        for line in reading_commands.shown_note(run, handoff):
            run.out.line(line)


@click.command("prompt", short_help="Print the name of the current session, or nothing.")
@with_run
def prompt_command(run: Invocation) -> None:
    """Print the current session's name for a prompt, or nothing.

    \b
    PS1='$(tenets-session prompt) \\$ '
    """
    from tenets_session_server.cli import quick  # noqa: PLC0415 - as the quick way does it

    raise SystemExit(quick.prompt(None, run.database))
