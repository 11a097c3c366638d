"""Verbs that read: show a session with its notes, search."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

import click

from tenets_session_server.agents.digest import HANDOFF
from tenets_session_server.cli.invocation import (
    ID,
    Invocation,
    Json,
    json_option,
    with_run,
)
from tenets_session_server.client import text

PAGE: Final = 200
"""Notes that are read together."""


@click.command("show", short_help="Show a session with its notes.")
@click.argument("name", required=False)
@click.option("-n", "--limit", type=click.IntRange(1, 10**9), help="The newest so many notes only.")
@click.option("-k", "--kind", help="Notes of this kind only.")
@click.option("--id", "entry_id", type=ID, metavar="ID", help="This one note only, as it is.")
@json_option
@with_run
def show_command(
    run: Invocation, name: str | None, limit: int | None, kind: str | None, entry_id: int | None
) -> None:
    """Show a session, by default the current one, with its notes: first the newest hand-off.

    \b
    tenets-session show
    tenets-session show 'fix login' --limit 10
    tenets-session show --id 12
    """
    out = run.out
    if entry_id is not None:
        entry = run.entry(entry_id)
        content = run.content(entry)
        if out.as_json:
            out.json({**entry, "content": content})
        else:
            out.lines([text.block(content)] if out.is_terminal else [content])
        return
    session = run.session(name)
    entries = _entries(run, session["id"], limit, kind)
    if out.as_json:
        whole = ({**entry, "content": run.content(entry)} for entry in entries)
        out.json({**session, "entries": list(whole)})
    else:
        out.lines(_shown(run, session, entries, with_handoff=kind is None))


def _entries(
    run: Invocation, session_id: int, limit: int | None, kind: str | None
) -> Iterator[Json]:
    """Return the notes of a session, oldest first: all, or the newest so many."""
    order = "oldest" if limit is None else "newest"
    params: Json = {"sessionId": session_id, "kind": kind, "order": order}
    found = run.items("listContext", "entries", limit, page=PAGE, **params)
    return found if limit is None else reversed(list(found))


def _shown(
    run: Invocation, session: Json, entries: Iterator[Json], *, with_handoff: bool
) -> Iterator[str]:
    out = run.out
    active = " (active)" if session["active"] else ""
    yield f"{out.styled(text.line(session['name']), 'current')}{active}"
    yield out.styled(f"created {text.ago(session['createdAt'])}", "faint")
    hidden = {"active", "resumed_at", "ended_at", "updated_at"}
    for key, value in session["metadata"].items():
        if key not in hidden:
            said = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            yield f"{text.line(key)}: {text.line(said)}"
    first = newest_handoff(run, session["id"]) if with_handoff else None
    if first is not None:
        yield from shown_note(run, first)
    for entry in entries:
        if first is None or entry["id"] != first["id"]:
            yield from shown_note(run, entry)


def newest_handoff(run: Invocation, session_id: int) -> Json | None:
    """Return the newest hand-off of a session, None without one."""
    found = run.items(
        "listContext", "entries", 1, sessionId=session_id, kind=HANDOFF, order="newest"
    )
    return next(found, None)


def shown_note(run: Invocation, entry: Json) -> Iterator[str]:
    """Yield the lines that show a note, after a blank one."""
    yield ""
    yield _heading(run, entry)
    for line in text.block(run.content(entry)).splitlines():
        yield f"    {line}"


def _heading(run: Invocation, entry: Json) -> str:
    parts = [run.out.styled(str(entry["id"]), "id"), text.line(entry["kind"])]
    parts.append(text.ago(entry["createdAt"]))
    author = entry.get("importedAuthor") or entry["author"]
    if author is not None:
        parts.append(f"by {text.line(author)}")
    if "location" in entry:
        parts.append(f"at {text.line(text.place(entry['location']))}")
    return "  ".join(parts)


@click.command("search", short_help="Find notes, and sessions by name.")
@click.argument("words", nargs=-1, required=True, metavar="QUERY...")
@click.option("-s", "--session", metavar="NAME", help="In this session only.")
@click.option("-k", "--kind", help="Notes of this kind only.")
@click.option("--by", metavar="AUTHOR", help="Notes of this author only.")
@click.option("-n", "--limit", type=click.IntRange(1, 200), default=20, show_default=True)
@json_option
@with_run
def search_command(
    run: Invocation,
    words: tuple[str, ...],
    session: str | None,
    kind: str | None,
    by: str | None,
    limit: int,
) -> None:
    """Find notes, and sessions by their name, that have all of the words.

    "..." is a phrase, -word excludes, the last word may be the beginning of one.

    \b
    tenets-session search refresh token
    tenets-session search '"login loop" -parser'
    tenets-session search -- token -refresh
    """
    out = run.out
    query = " ".join(words)
    found = run.call("search", query=query, sessionName=session, kind=kind, author=by, limit=limit)
    if out.as_json:
        out.json(found)
        return
    out.lines(_hit(run, hit) for hit in found["hits"])
    if not found["hits"] and out.is_terminal:
        out.line("Nothing was found.")
    elif found["isIncomplete"]:
        out.hint("There is more: add a word, or --limit 200.")


def _hit(run: Invocation, hit: Json) -> str:
    out = run.out
    snippet = _marked(run, hit["snippet"], hit["matches"])
    entry, name = hit["entry"], hit["session"]["name"]
    session = "(no session)" if name is None else text.line(name)
    if not out.is_terminal:
        return "\t".join(("" if entry is None else str(entry["id"]), session, snippet))
    if entry is None:
        return f"{out.styled('session', 'id')} {snippet}"
    number = out.styled(str(entry["id"]), "id")
    when = out.styled(text.ago(entry["createdAt"]), "faint")
    return f"{number} {snippet}\n     {out.styled('in', 'faint')} {session}, {when}"


def _marked(run: Invocation, snippet: str, matches: list[list[int]]) -> str:
    """Return a snippet with its matches marked, whose positions are UTF-16 units."""
    units = snippet.encode("utf-16-le")
    position = 0
    parts: list[str] = []
    for begin, end in [*matches, [len(units) // 2] * 2]:
        parts.append(text.line(units[2 * position : 2 * begin].decode("utf-16-le", "replace")))
        match = text.line(units[2 * begin : 2 * end].decode("utf-16-le", "replace"))
        parts.append(run.out.styled(match, "match") if match else "")
        position = end
    return "".join(parts)
