"""The verb that hands the work over."""

from __future__ import annotations

import click

from tenets_session_server.agents import handoff
from tenets_session_server.agents.digest import HANDOFF
from tenets_session_server.cli import writing
from tenets_session_server.cli.invocation import Invocation, json_option, with_run
from tenets_session_server.client import text


@click.command("handoff", short_help="Hand the work over: goal, done, next.")
@click.argument("words", nargs=-1, metavar="[TEXT... | -]")
@click.option("-s", "--session", metavar="NAME", help="The session.")
@click.option("--template", is_flag=True, help="Print what you would begin with, and end.")
@json_option
@with_run
def handoff_command(
    run: Invocation, words: tuple[str, ...], session: str | None, template: bool
) -> None:
    """Add a hand-off to the current session: for a colleague, an agent, or for you tomorrow.

    You complete it in $VISUAL or $EDITOR. It begins with what the last hand-off says of the goal,
    of what is next, of decisions and blockers, and with the notes since then. `show`, `resume` and
    coding agents show the newest one first.

    \b
    tenets-session handoff
    tenets-session handoff --template > handoff.md
    tenets-session handoff - < handoff.md
    """
    target = run.session(session)
    if template:
        run.out.lines(text.block(handoff.template(run.call, target["id"])).splitlines())
        return
    content = writing.given(words)
    if content is None:
        before = handoff.template(run.call, target["id"])
        content = writing.written(run, before)
        if content == before:
            raise click.ClickException("the hand-off was not changed, so it was not added")
    writing.check(content, "hand-off")
    with writing.kept(content, is_safe=writing.is_text(words)):
        entry = run.call("addContext", sessionId=target["id"], kind=HANDOFF, content=content)
    writing.warn_of_secret(run, content)
    name = run.out.styled(text.line(entry["sessionName"]), "name")
    number = run.out.styled(str(entry["id"]), "id")
    run.out.result(entry, f"Added hand-off {number} to {name}.", str(entry["id"]))
