"""The verb that lists sessions."""

from __future__ import annotations

import itertools
import json
import string
from collections.abc import Iterator
from typing import Final

import click

from tenets_session_server.cli.invocation import (
    PAGE,
    Invocation,
    Json,
    json_option,
    with_run,
)
from tenets_session_server.client import text

SHOWN: Final = 50
"""Sessions that a terminal is shown, unless more are asked for."""
FIELDS: Final = ("name", "id", "created", "active", "current", "notes", "metadata")

_BRACED: Final = " ".join(f"{{{field}}}" for field in FIELDS)


@click.command("list", short_help="List sessions.")
@click.argument("prefix", required=False)
@click.option("-n", "--limit", type=click.IntRange(1, 10**9), help="How many at most.")
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
    sessions = run.items(
        "list",
        "sessions",
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
        _print_sessions(run, sessions, current_id, limit)


def _print_sessions(
    run: Invocation, found: Iterator[Json], current: int | None, limit: int | None
) -> None:
    out = run.out
    sessions = list(itertools.islice(found, PAGE))
    if len(sessions) == PAGE:  # a table would have to wait for all of them
        out.lines(
            f"{_mark(one, current)} {one['contextCount']:>9,}  " + text.line(one["name"])
            for one in itertools.chain(sessions, found)
        )
        return
    if not sessions:
        out.line("There are no sessions.")
        out.hint("Create one with: tenets-session create NAME")
        return
    rows = []
    for one in sessions:
        name = text.line(one["name"])
        rows.append(
            (
                _mark(one, current),
                out.styled(name, "current") if one["id"] == current else name,
                f"{one['contextCount']:,}",
                text.ago(one["createdAt"]),
            )
        )
    out.table(("", "NAME", "NOTES", "CREATED"), rows, flexible=1, optional=(3,))
    if limit is not None and len(sessions) == limit:
        out.hint(f"These are {limit}; all of them: tenets-session list --all")


def _mark(one: Json, current: int | None) -> str:
    return "*" if one["id"] == current else "+" if one["active"] else " "


def _fields(form: str | None) -> set[str]:
    """Return the fields in a format; raises a usage error for what is none."""
    try:
        parsed = [part[1:] for part in string.Formatter().parse(form or "") if part[1] is not None]
    except ValueError as error:
        raise click.UsageError(f"--format: {error}") from None
    if any(spec or conversion for _, spec, conversion in parsed):
        raise click.UsageError(f"--format: expected fields such as {_BRACED}, with nothing in them")
    found = {str(name) for name, _, _ in parsed}
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
    return form.format_map(values)
