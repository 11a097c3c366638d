"""Verbs that export and import sessions: streams of any size, straight from and to the database."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from tenets_session_server.cli.invocation import (
    Invocation,
    chunks,
    json_option,
    storage_errors,
    with_run,
)
from tenets_session_server.cli.output import progress
from tenets_session_server.client import text

if TYPE_CHECKING:
    from tenets_session_server.storage.store import Store


@click.command("export", short_help="Export sessions with their notes.")
@click.argument("names", nargs=-1, metavar="[NAME...]")
@click.option(
    "-f",
    "--format",
    "form",
    type=click.Choice(["json", "markdown"]),
    default="json",
    show_default=True,
    help="json can be imported; markdown is for people.",
)
@click.option("--raw", is_flag=True, help="Do not mask secrets in markdown; json has them anyway.")
@click.option("-o", "--output", metavar="FILE", help="By default stdout.")
@with_run
def export_command(
    run: Invocation, names: tuple[str, ...], form: str, raw: bool, output: str | None
) -> None:
    """Export sessions with their notes, by default all of them.

    In markdown, tokens of well-known formats and private keys are masked.

    \b
    tenets-session export 'fix login' --format markdown
    tenets-session export --output sessions.json
    """
    with _store(run) as store:
        ids = [store.sessions.id_of(name, None) for name in names] if names else None
        exporter = store.exporter
        stream = exporter.json(ids) if form == "json" else exporter.markdown(ids, raw=raw)
        with closing(stream) as pieces:  # before the database is closed
            if output is not None and output != "-":
                _write_file(run, pieces, Path(run.folder, output))
            elif run.out.is_terminal:
                for piece in pieces:
                    click.echo(text.block(piece.decode("utf-8", "replace")), nl=False)
            else:
                _write(pieces, sys.stdout.buffer)


def _write_file(run: Invocation, pieces: Iterable[bytes], target: Path) -> None:
    """Write a file that is there whole, or not at all; a device or a pipe is written to."""
    target = target.resolve()
    if target.exists() and not target.is_file():
        with target.open("wb") as other:
            _write(pieces, other)
        return
    unfinished = target.with_name(f".{os.getpid()}.tenets-export")
    try:
        with unfinished.open("xb") as file:
            written = _write(pieces, file)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            unfinished.chmod(target.stat().st_mode & 0o777)
        unfinished.replace(target)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    run.out.result(None, f"Exported {text.size(written)} to {text.line(str(target))}.", "")


def _write(pieces: Iterable[bytes], file: IO[bytes]) -> int:
    with progress("Exporting", None) as advance:
        written = 0
        for piece in pieces:
            file.write(piece)
            written += len(piece)
            advance(written)
    return written


@click.command("import", short_help="Import what was exported as JSON.")
@click.argument("file", default="-", metavar="[FILE | -]")
@click.option(
    "--on-conflict",
    type=click.Choice(["error", "skip", "rename", "overwrite"]),
    default="error",
    show_default=True,
    help="What becomes of a session whose name is taken.",
)
@json_option
@with_run
def import_command(run: Invocation, file: str, on_conflict: Any) -> None:
    """Import what was exported as JSON: all of it, or nothing.

    \b
    tenets-session import sessions.json
    tenets-session export | ssh desktop tenets-session import --on-conflict skip
    """
    if file == "-" and sys.stdin.isatty():
        raise click.UsageError("name a file, or send the document through a pipe")
    from tenets_session_server.rpc.local import plain  # noqa: PLC0415 - 60 ms

    with _store(run) as store, _opened(run, file) as (source, size):
        found = plain(store.importer.run(_read(source, size), on_conflict))
    imported = text.count(found["imported"], "session")
    more = [f"{found[one]:,} {one}" for one in ("skipped", "renamed") if found[one]]
    sentence = f"Imported {imported} with {text.count(found['entries'], 'note')}"
    run.out.result(found, f"{', '.join([sentence, *more])}.", str(found["imported"]))
    run.out.undo(found["trashId"])


@contextmanager
def _opened(run: Invocation, file: str) -> Iterator[tuple[int, int | None]]:
    """Give the block a descriptor of what is to be imported, and its size if that is known."""
    if file == "-":
        yield sys.stdin.fileno(), None
        return
    path = Path(run.folder, file)
    try:
        with path.open("rb") as source:
            yield source.fileno(), path.stat().st_size
    except OSError as error:
        raise click.ClickException(f"{text.line(file)}: {error.strerror}") from error


def _read(source: int, size: int | None) -> Iterator[bytes]:
    with progress("Importing", size) as advance:
        done = 0
        for chunk in chunks(source):
            yield chunk
            done += len(chunk)
            advance(done)


@contextmanager
def _store(run: Invocation) -> Iterator[Store]:
    """Give the block the database itself; raises the errors of the methods."""
    from tenets_session_server.rpc import local  # noqa: PLC0415 - 60 ms

    store = local.store(run.database, run.reason)
    with storage_errors(), closing(store):
        store.open()
        store.author = run.author
        yield store
