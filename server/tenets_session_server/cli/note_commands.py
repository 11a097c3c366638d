"""Verbs that write notes: take, edit and remove them."""

from __future__ import annotations

import os
import re
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click

from tenets_session_server import masking
from tenets_session_server.cli.invocation import (
    ID,
    Invocation,
    Json,
    NotFoundError,
    chunks,
    json_option,
    with_run,
    yes_option,
)
from tenets_session_server.client import text
from tenets_session_server.client.client import CallError, DisconnectedError

_PLACE: Final = re.compile(r"(?P<file>.+?)(?::(?P<first>[0-9]{1,9})(?:-(?P<last>[0-9]{1,9}))?)?")
_STDIN: Final = "-"


@click.command("note", short_help="Add a note, and print its id.")
@click.argument("words", nargs=-1, metavar="[TEXT... | -]")
@click.option("-k", "--kind", default="note", show_default=True, help="What it is.")
@click.option("-s", "--session", metavar="NAME", help="The session; it is created if missing.")
@click.option("--at", "place", metavar="FILE[:LINE[-LINE]]", help="Where it belongs.")
@json_option
@with_run
def note_command(
    run: Invocation, words: tuple[str, ...], kind: str, session: str | None, place: str | None
) -> None:
    """Add a note to the current session, and print its id.

    The text is TEXT, or what comes through a pipe, or what you write in $VISUAL or $EDITOR.

    \b
    tenets-session note the token is refreshed twice
    git diff | tenets-session note --kind diff
    tenets-session note --at auth.py:3-7 'why is this here?'
    """
    location = None if place is None else _location(run, place)
    content, session_id = _given(words), None
    if content is None:
        if session is None:  # the one that it is begun in, whatever happens meanwhile
            session_id = run.current()["id"]
        content = _written(run, "")
    _check(content)
    with _kept(content, is_safe=_is_text(words)):
        entry = run.call(
            "addContext",
            sessionName=session,
            sessionId=session_id,
            kind=kind,
            content=content,
            location=location,
        )
    _warn(run, content)
    name = run.out.styled(text.line(entry["sessionName"]), "name")
    number = run.out.styled(str(entry["id"]), "id")
    run.out.result(entry, f"Added note {number} to {name}.", str(entry["id"]))


@click.command("edit", short_help="Change a note.")
@click.argument("entry_id", type=ID, metavar="ID")
@click.argument("words", nargs=-1, metavar="[TEXT... | -]")
@click.option("-k", "--kind", help="Another kind.")
@json_option
@with_run
def edit_command(run: Invocation, entry_id: int, words: tuple[str, ...], kind: str | None) -> None:
    """Change a note: in $VISUAL or $EDITOR, to TEXT, or to what comes through a pipe.

    If somebody has changed it meanwhile, nothing is overwritten (exit status 4).

    \b
    tenets-session edit 12
    tenets-session edit 12 --kind decision
    """
    entry = run.entry(entry_id)
    before = content = run.content(entry)
    if words or kind is None:
        given = _given(words)
        content = _written(run, before) if given is None else given
        _check(content)
    if content == before and kind in {None, entry["kind"]}:
        run.out.result(entry, "Nothing has changed.", str(entry_id))
        return
    changed = content if content != before else None
    with _kept(content, is_safe=changed is None or _is_text(words)):
        after = run.call(
            "updateContext", id=entry_id, content=changed, kind=kind, ifState=entry["state"]
        )
    _warn(run, changed or "")
    number = run.out.styled(str(entry_id), "id")
    run.out.result(after, f"Changed note {number}.", str(entry_id))


@click.command("remove", short_help="Remove notes.")
@click.argument("ids", nargs=-1, required=True, type=ID, metavar="ID...")
@yes_option
@json_option
@with_run
def remove_command(run: Invocation, ids: tuple[int, ...], yes: bool) -> None:
    """Remove notes.

    \b
    tenets-session remove 12 13
    """
    out = run.out
    listed = ", ".join(map(str, ids))
    out.confirm(f"Remove {text.count(len(ids), 'note')} ({listed})?", yes=yes)
    done: list[Json] = []
    missing: list[str] = []
    try:
        for entry_id in ids:
            result = run.call("removeContext", id=entry_id)
            if result["removed"]:
                done.append({"id": entry_id, **result})
                if not out.as_json:
                    number = str(entry_id)
                    out.result(None, f"Removed note {out.styled(number, 'id')}.", number)
            else:
                missing.append(str(entry_id))
    finally:  # what is done is told, also if an error ends it
        if out.as_json:
            out.json({"removed": done})
        out.undo(*(one["trashId"] for one in done))
    if missing:
        raise NotFoundError(f"there is no note {', '.join(missing)}; see `tenets-session show`")


def _warn(run: Invocation, content: str) -> None:
    if (warning := masking.warning(content)) is not None:
        run.out.warn(warning)


def _check(content: str) -> None:
    if not content.strip():
        raise click.UsageError("the note is empty: give its text, or write it in the editor")


def _is_text(words: tuple[str, ...]) -> bool:
    return bool(words) and words != (_STDIN,)


def _given(words: tuple[str, ...]) -> str | None:
    """Return the text of the arguments or of a pipe, None if it is to be written in the editor."""
    if _is_text(words):
        return " ".join(words)
    if words or not sys.stdin.isatty():
        data = b"".join(chunks(sys.stdin.fileno()))
        try:
            return data.decode("utf-8-sig").removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError as error:
            raise click.UsageError(
                f"stdin: expected UTF-8, got byte {data[error.start]:#04x} at {error.start}"
            ) from None
    return None


def _written(run: Invocation, before: str) -> str:
    """Return what the user makes of a text in the editor, which is kept if the editor fails."""
    if not run.out.asks:
        raise click.UsageError("give the text, or - to read it from stdin")
    given = before if not before or before.endswith("\n") else f"{before}\n"
    path = _file_with(given)
    # The editor decides what CTRL-C does. Unlike an ignored signal, this is not inherited.
    interrupted = signal.signal(signal.SIGINT, lambda _number, _frame: None)
    try:
        click.edit(filename=str(path))
        edited = path.read_bytes().decode()
    except (click.ClickException, OSError, UnicodeDecodeError) as error:
        if path.exists() and path.read_bytes() != given.encode():
            _say_kept(path)
        else:
            path.unlink(missing_ok=True)
        if isinstance(error, UnicodeDecodeError):
            raise click.ClickException("the editor has not written UTF-8") from None
        raise
    finally:
        signal.signal(signal.SIGINT, interrupted)
    path.unlink()
    if edited == given:
        return before
    return edited if before.endswith("\n") else edited.removesuffix("\n").removesuffix("\r")


def _file_with(content: str) -> Path:
    """Return a new file of this user with a text."""
    number, name = tempfile.mkstemp(prefix="tenets-note-", suffix=".md")
    with os.fdopen(number, "w", encoding="utf-8", newline="") as file:
        file.write(content)
    return Path(name)


def _say_kept(path: Path) -> None:
    click.echo(f"tenets-session: the text is kept in {path}", err=True)


@contextmanager
def _kept(content: str, *, is_safe: bool) -> Iterator[None]:
    """Keep a text in a file if the block fails: nobody should have to write it again.

    ``is_safe``: the user still has it.
    """
    try:
        yield
    except (CallError, DisconnectedError):
        if not is_safe:
            try:
                _say_kept(_file_with(content))
            except OSError as problem:
                click.echo(f"tenets-session: the text cannot be kept either: {problem}", err=True)
        raise


def _location(run: Invocation, place: str) -> Json:
    """Return the location that ``FILE:3-7`` means."""
    found = _PLACE.fullmatch(place)
    if found is None:
        raise click.UsageError(f"--at: expected FILE, FILE:3 or FILE:3-7, got {place!r}")
    path = run.place(found["file"])
    location: Json = {"uri": path if "://" in path else Path(path).as_uri()}
    if found["first"] is not None:
        first = int(found["first"])
        last = int(found["last"] or first)
        if not 1 <= first <= last:
            raise click.UsageError(
                f"--at: expected lines from 1 on, the last one not before the first, got {place!r}"
            )
        location["range"] = {
            "start": {"line": first - 1, "character": 0},
            "end": {"line": last, "character": 0},
        }
    return location
