"""Verbs for coding agents."""

from __future__ import annotations

import click

from tenets_session_server.agents import hook
from tenets_session_server.cli.invocation import Invocation, with_run


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
        raise click.ClickException(
            f"{error.name} is not installed: pip install 'tenets-session-server[mcp]'"
        ) from error
    server = mcp_server.SessionsServer(
        run.database, run.reason, run.window, allow_switch=allow_switch
    )
    anyio.run(mcp_server.serve, server)


@click.command("hook", short_help="Tell a coding agent what is new.")
@click.argument("agent", metavar="[claude|codex|gemini|cursor]")
@with_run
def hook_command(_run: Invocation, agent: str) -> None:
    """Tell a coding agent what is new: the agent runs it at its start and before each prompt.

    It reads the event from stdin as JSON, and prints what the agent is to know, or nothing. On
    trouble it prints nothing and ends with 0; ~/.local/state/tenets-session-server/log/hooks.log
    says why. `connect` writes its configuration.

    \b
    tenets-session connect claude
    tenets-session hook claude
    """
    raise click.ClickException(  # status 1: an agent goes on, while 2 would stop it
        f"there are hooks for {', '.join(hook.AUTHORS)}, and none for {agent}"
    )
