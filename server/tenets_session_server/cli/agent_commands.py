"""Verbs for coding agents."""

from __future__ import annotations

import difflib
import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import click

from tenets_session_server import locations, masking
from tenets_session_server.agents import connecting, hook
from tenets_session_server.cli.invocation import Invocation, with_run
from tenets_session_server.client import text

_scope: Final = click.option(
    "--scope",
    type=click.Choice(["user", "project"]),
    default="user",
    show_default=True,
    help="Your own configuration, or that of the working directory.",
)
_dry_run: Final = click.option(
    "--dry-run", is_flag=True, help="Print what would change, and write nothing."
)


@click.command("connect", short_help="Have a coding agent use the sessions.")
@click.argument("agent", type=click.Choice(connecting.AGENTS))
@_scope
@click.option("--allow-switch", is_flag=True, help="Let the agent switch the active session.")
@_dry_run
@with_run
def connect_command(
    run: Invocation, agent: str, scope: str, allow_switch: bool, dry_run: bool
) -> None:
    """Have a coding agent use the sessions: writes its configuration for MCP, and its hooks.

    The rest of its files stays as it is. Do it again after a move of the program; `disconnect`
    takes all of it out.

    \b
    tenets-session connect claude
    tenets-session connect codex --scope project --dry-run
    """
    _change(run, agent, scope, switch=allow_switch, connect=True, dry_run=dry_run)


@click.command("disconnect", short_help="Take the sessions away from a coding agent.")
@click.argument("agent", type=click.Choice(connecting.AGENTS))
@_scope
@_dry_run
@with_run
def disconnect_command(run: Invocation, agent: str, scope: str, dry_run: bool) -> None:
    """Take out what `connect` has written into a coding agent's configuration.

    \b
    tenets-session disconnect claude
    """
    _change(run, agent, scope, switch=False, connect=False, dry_run=dry_run)


def _change(
    run: Invocation, agent: str, scope: str, *, switch: bool, connect: bool, dry_run: bool
) -> None:
    command, out = _command(run, scope, connect=connect), run.out
    try:
        found = list(
            connecting.changes(
                agent, scope, Path(run.folder), command, switch=switch, connect=connect
            )
        )
        for change in found:
            name = text.line(str(change.file))
            if dry_run:
                out.line(f"{out.styled(name, 'name')}:{' removed' * (change.after is None)}")
                # Only what changes, and masked: agents keep tokens there.
                before, after = (masking.masked(one or "") for one in (change.before, change.after))
                lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="")
                out.lines(text.line(one) for one in list(lines)[2:])
            else:
                connecting.write(change)
                did = "Removed" if change.after is None else "Wrote"
                out.line(f"{did} {out.styled(name, 'name')}.")
    except connecting.ConfigurationError as error:
        raise click.ClickException(str(error)) from error
    if connect and find_spec("mcp") is None:
        out.warn(f"The agent gets hooks, but cannot start our MCP server: {_missing('mcp')}")
    if not found:
        out.line("Nothing to change.")
    elif connect and not dry_run:
        out.hint(_HINTS.get(agent, f"Start {agent} again."))
        out.hint(f"Undo it with: tenets-session disconnect {agent} --scope {scope}")


def _command(run: Invocation, scope: str, *, connect: bool) -> connecting.Command:
    """Return how the agent is to start us."""
    if scope == "project":  # for others, too: their programs and databases are elsewhere
        if connect and run.reason == locations.BY_OPTION:
            raise click.UsageError(
                "the files of a project are for others, too, who do not have this --database: leave"
                " it out, or use --scope user"
            )
        return connecting.Command("tenets-session", ())
    given = () if run.reason == "the default" else ("--database", run.database)
    program = _program()
    if program is None and connect:
        raise click.ClickException(
            "tenets-session is not on the PATH, so an agent could not start it: put it there"
        )
    return connecting.Command(program or "tenets-session", given)


def _program() -> str | None:
    """Return the absolute path of this command: an agent may have another PATH.

    Links stay, as they may lead to a newer version later.
    """
    # A relative path is of no use: with -C, the working directory is another one.
    called = sys.argv[0] if Path(sys.argv[0]).is_absolute() else ""
    beside = shutil.which("tenets-session", path=Path(sys.executable).parent)
    found = shutil.which(called) or beside or shutil.which("tenets-session")
    return None if found is None else os.path.abspath(found)  # noqa: PTH100 - links stay


_HINTS: Final = {
    "codex": "Start codex again; it asks once whether it may run the hooks (/hooks).",
    "vscode": "Run MCP: List Servers in VS Code, and start tenets-session.",
}


def _missing(name: str) -> str:
    return f"{name} is not installed; install tenets-session-server with its extra [mcp]"


@click.command("mcp", short_help="Serve a coding agent over MCP.")
@click.option("--allow-switch", is_flag=True, help="Let the agent switch the active session.")
@with_run
def mcp_command(run: Invocation, allow_switch: bool) -> None:
    """Serve a coding agent over MCP (stdin and stdout); the agent starts it.

    The agent reads sessions and adds notes, under the name that it gives itself. It deletes
    nothing. `connect` writes its configuration.

    \b
    tenets-session connect claude
    tenets-session mcp
    """
    try:
        import anyio  # noqa: PLC0415 - an extra, which takes 0.7 s to import

        from tenets_session_server.agents import mcp_server  # noqa: PLC0415
    except ImportError as error:
        raise click.ClickException(_missing(error.name or "mcp")) from error
    server = mcp_server.SessionsServer(
        run.database, run.reason, run.window, allow_switch=allow_switch
    )
    anyio.run(server.serve)


# Options that are not known are words here, so that one sentence names all that does not fit.
@click.command(
    "hook",
    short_help="Tell a coding agent what is new.",
    context_settings={"ignore_unknown_options": True},
)
@click.argument("words", nargs=-1, metavar="[claude|codex|gemini|cursor]")
@with_run
def hook_command(run: Invocation, words: tuple[str, ...]) -> None:
    """Tell a coding agent what is new: the agent runs it at its start and before each prompt.

    It reads the event from stdin as JSON, and prints what the agent is to know, or nothing. On
    trouble it prints nothing and ends with 0; ~/.local/state/tenets-session-server/log/hooks.log
    says why. `connect` writes its configuration.

    \b
    tenets-session connect claude
    tenets-session hook claude
    """
    status = hook.run(words, run.folder, run.database)
    if status is not None:  # with options that the quick way does not know
        raise SystemExit(status)
    raise click.ClickException(
        f"there are hooks for {', '.join(hook.AUTHORS)}, and none for {' '.join(words) or 'nobody'}"
    )
