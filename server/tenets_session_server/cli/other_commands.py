"""Verbs about the whole: what happens, how much there is, the schema, completions."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

import click

from tenets_session_server.cli import command
from tenets_session_server.cli.invocation import Invocation, Json, json_option, with_run
from tenets_session_server.client import feed, text

_SENTENCES: Final = {
    "created": "created {name}",
    "updated": "changed the metadata of {name}",
    "renamed": "renamed a session to {name}",
    "deleted": "deleted {name}",
    "restored": "restored {name}",
    "reset": "removed all notes of {name}",
    "activated": "switched to {name}",
    "deactivated": "left {name}",
    "bound": "bound {folder} to {name}",
    "contextAdded": "added note {id} to {name}",
    "contextUpdated": "changed note {id} of {name}",
    "contextRemoved": "removed note {id} of {name}",
}


@click.command("watch", short_help="Print each change as it is committed.")
@click.option("--since", metavar="STATE", help="Begin with what has changed after this state.")
@json_option
@with_run
def watch_command(run: Invocation, since: str | None) -> None:
    """Print each change as it is committed, by any editor or program, until CTRL-C.

    With --json each line is an object with the changes, and the state to go on from.

    \b
    tenets-session watch
    tenets-session watch --json --since 47.2f9a01
    """
    if since is not None and not re.fullmatch(r"[0-9]+\.[0-9a-f]+", since):
        raise click.UsageError(f"--since: expected a state such as 47.2f9a01, got {since!r}")
    try:
        for batch in feed.follow(lambda: run.connect(notifications=True), since):
            if run.out.as_json:
                run.out.json(batch)
                continue
            for change in batch["changes"]:
                run.out.line(_sentence(run, change))
            if batch.get("incomplete"):
                run.out.line("(some changes are missing here)")
    except KeyboardInterrupt:
        return


def _sentence(run: Invocation, change: Json) -> str:
    out = run.out
    name = change["sessionName"]
    shown = out.styled("no session" if name is None else text.line(name), "name")
    form = _SENTENCES.get(change["type"], "{type} {name}")
    said = form.format(
        name=shown,
        id=change.get("contextId"),
        folder=text.line(change.get("folder") or ""),
        type=text.line(change["type"]),
    )
    who = "another program" if change["author"] is None else text.line(change["author"])
    when = out.styled(datetime.now().astimezone().strftime("%H:%M:%S"), "faint")
    return f"{when} {who} {said}"


@click.command("stats", short_help="Show how much there is, and where.")
@json_option
@with_run
def stats_command(run: Invocation) -> None:
    """Show how much there is, where it is, and who has it open.

    \b
    tenets-session stats --json
    """
    found = run.call("stats")
    if run.out.as_json:
        run.out.json(found)
        return
    attached = [one for one in found["clients"] if not one["you"]]
    rows = {
        "database": text.line(found["database"]),
        "sessions": f"{found['sessions']:,}",
        "notes": f"{found['contextEntries']:,}",
        "size": text.size(found["databaseBytes"]),
        "write-ahead log": text.size(found["logBytes"]),
        "state": found["state"],
        "engine": found["engine"],
        "daemon": f"process {found['pid']}" if run.client.is_attached else "none runs",
        "editors": ", ".join(text.line(one["name"] or "unnamed") for one in attached) or "none",
    }
    for name, value in rows.items():
        separator = "\t" if not run.out.is_terminal else " " * (17 - len(name))
        run.out.line(f"{name}{separator}{value}")


@click.command("schema", short_help="Print the JSON Schema of all messages.")
def schema_command() -> None:
    """Print the JSON Schema of all results, parameters and errors.

    \b
    tenets-session schema
    """
    raise SystemExit(command.print_schema())


@click.command("completion", short_help="Print a shell's completion.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion_command(ctx: click.Context, shell: str) -> None:
    """Print a shell's completion of verbs, options and names of sessions.

    \b
    eval "$(tenets-session completion bash)"       # in ~/.bashrc
    eval "$(tenets-session completion zsh)"        # in ~/.zshrc
    tenets-session completion fish | source        # in config.fish
    """
    from tenets_session_server.cli import completion  # noqa: PLC0415 - for this verb only

    assert ctx.parent is not None  # noqa: S101 - it is a verb of the group
    click.echo(completion.script(shell, ctx.parent), nl=False)
