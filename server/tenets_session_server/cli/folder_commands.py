"""Verbs on folders, which may show a session of their own, and on a session's pinned files."""

from __future__ import annotations

import click

from tenets_session_server.cli.invocation import Invocation, json_option, why, with_run
from tenets_session_server.client import text


@click.command("bind", short_help="Have this folder show one session.")
@click.argument("name", required=False)
@click.option("--folder", metavar="DIR", help="The folder; by default the working directory.")
@click.option("-l", "--list", "listed", is_flag=True, help="List all bindings.")
@json_option
@with_run
def bind_command(run: Invocation, name: str | None, folder: str | None, listed: bool) -> None:
    """Have this folder show one session, by default the current one, whichever is active.

    \b
    tenets-session bind 'fix login'
    tenets-session bind --list
    """
    out = run.out
    if listed:
        found = run.call("listBindings")
        if out.as_json:
            out.json(found)
            return
        bindings = found["bindings"]
        if not bindings and out.is_terminal:
            out.line("No folder is bound to a session.")
        for one in bindings:
            asleep = "" if one["session"] else "\t(there is no such session now)"
            out.line(f"{text.line(one['folder'])}\t{text.line(one['name'])}{asleep}")
        return
    where, name = folder or run.folder, run.name_of(name)
    current = run.call("bind", name=name, folder=run.place(where))
    shown = text.line(name if current["session"] is None else current["session"]["name"])
    out.result(current, f"{text.line(where)} shows {out.styled(shown, 'name')}.", shown)
    if current["session"] is None:
        out.hint("There is no session of that name yet.")


@click.command("unbind", short_help="Have a folder show the active session again.")
@click.argument("folder", required=False)
@json_option
@with_run
def unbind_command(run: Invocation, folder: str | None) -> None:
    """Have a folder, by default this one, show the active session again.

    \b
    tenets-session unbind
    """
    current = run.call("bind", folder=run.place(folder or run.folder))
    session = current["session"]
    name = "" if session is None else text.line(session["name"])
    shown = text.line(folder or run.folder)
    what = f"{name}, {why(current['binding'])}" if name else "no session"
    run.out.result(current, f"{shown} shows {what}.", name)


@click.command("pin", short_help="Pin files to a session.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("-s", "--session", metavar="NAME", help="By default the current one.")
@json_option
@with_run
def pin_command(run: Invocation, files: tuple[str, ...], session: str | None) -> None:
    """Pin files to a session, as `tenets` does, for its context.

    \b
    tenets-session pin auth.py login.py
    """
    _pin(run, "pin", files, session)


@click.command("unpin", short_help="Remove files from the pinned ones.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("-s", "--session", metavar="NAME", help="By default the current one.")
@json_option
@with_run
def unpin_command(run: Invocation, files: tuple[str, ...], session: str | None) -> None:
    """Remove files from the pinned ones.

    \b
    tenets-session unpin auth.py
    """
    _pin(run, "unpin", files, session)


def _pin(run: Invocation, verb: str, files: tuple[str, ...], name: str | None) -> None:
    if "" in files:
        raise click.UsageError("expected the names of files, got an empty one")
    name = run.name_of(name)
    session = None
    for file in files:
        session = run.call(verb, name=name, uri=run.place(file))
    shown = run.out.styled(text.line(name), "name")
    done = "Pinned to" if verb == "pin" else "Unpinned from"
    run.out.result(session, f"{done} {shown}: {text.line(', '.join(files))}.", "")


@click.command("pins", short_help="List the pinned files.")
@click.argument("name", required=False)
@json_option
@with_run
def pins_command(run: Invocation, name: str | None) -> None:
    """List the pinned files of a session, by default of the current one.

    \b
    tenets-session pins
    """
    pinned = run.session(name)["metadata"].get("pinned_files", [])
    paths = [one for one in pinned if isinstance(one, str)] if isinstance(pinned, list) else []
    if run.out.as_json:
        run.out.json({"pinned": paths})
    elif not paths and run.out.is_terminal:
        run.out.line("No files are pinned.")
    else:
        run.out.lines(text.line(path) for path in paths)
