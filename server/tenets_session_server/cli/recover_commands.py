"""The verb that brings sessions back: from a backup, or from what a damaged file still has."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tenets_session_server import locations
from tenets_session_server.cli.backup_commands import amount, contents, described, print_backups
from tenets_session_server.cli.invocation import (
    Invocation,
    Json,
    NotFoundError,
    json_option,
    storage_errors,
    with_run,
    yes_option,
)
from tenets_session_server.cli.output import progress
from tenets_session_server.client import text

if TYPE_CHECKING:
    from tenets_session_server.storage.sqlite.comparison import Difference
    from tenets_session_server.storage.sqlite.recovery_sources import RecoverySources


@click.command("recover", short_help="Bring sessions back from a backup.")
@click.argument("names", nargs=-1, metavar="[NAME...]")
@click.option("--from", "source", metavar="FILE", help="The backup, by its path or its name.")
@click.option("--salvage", is_flag=True, help="From what can still be read of a damaged database.")
@yes_option
@json_option
@with_run
def recover_command(
    run: Invocation, names: tuple[str, ...], source: str | None, salvage: bool, yes: bool
) -> None:
    """Bring sessions back: all of them as they were, or those of some NAMES as copies.

    Without --from it lists the backups and, on a terminal, asks. It shows what would be lost and
    gained before anything is changed. Editors may be open: they show the recovered sessions at
    once. What was there is kept as a backup. A session that was just deleted comes back with
    `tenets-session restore`, too.

    \b
    tenets-session recover
    tenets-session recover --from 2026-11-27T101500Z.automatic.db
    tenets-session recover --from 2026-11-27T101500Z.automatic.db 'fix login'
    """
    if source is not None and salvage:
        raise click.UsageError("--from and --salvage: give one of them")
    from tenets_session_server.storage.sqlite import recovery  # noqa: PLC0415 - 40 ms
    from tenets_session_server.storage.sqlite.recovery_sources import RecoverySources  # noqa: PLC0415

    database = Path(run.database)
    if not database.parent.is_dir():
        if source is None:
            shown = text.line(str(database.parent))
            raise NotFoundError(f"there is no folder {shown}; --from FILE makes it anew")
        database.parent.mkdir(parents=True, mode=0o700)
    with storage_errors():
        if recovery.is_of_another_program(database):
            raise click.ClickException(
                f"{text.line(run.database)} is the database of another program, and stays as it"
                " is: move it away, or name another file with --database"
            )
        with RecoverySources.of(database) as sources:
            chosen = _chosen(run, sources, source, names, salvage=salvage, yes=yes)
            if chosen is not None and names:
                _copy_sessions(run, sources, chosen, names)
            elif chosen is not None:
                _replace_all(run, sources, chosen, yes=yes)


def _chosen(
    run: Invocation,
    sources: RecoverySources,
    source: str | None,
    names: tuple[str, ...],
    *,
    salvage: bool,
    yes: bool,
) -> Path | None:
    """Return a sound copy of what to recover from; None if that was only listed."""
    if source is not None:
        return _prepared(sources, _named(run, source))
    if salvage:
        return _readable(run, sources)
    if yes or (names and not run.out.asks):
        raise click.UsageError("from what? expected --from FILE, or --salvage")
    found = _list(run, sources)
    if not run.out.asks or run.out.as_json or not found:
        return None
    question = "Recover from which one? (nothing is changed yet)"
    number = click.prompt(question, type=click.IntRange(1, len(found)), default=1)
    one = found[number - 1]
    return _readable(run, sources) if one["file"] is None else _prepared(sources, Path(one["file"]))


def _list(run: Invocation, sources: RecoverySources) -> list[Json]:
    """Print the state of the database, and what it can be recovered from; return that."""
    out, shown = run.out, text.line(run.database)
    now = None if sources.problem else contents(Path(run.database))
    found = described(run)
    if (rebuilt := sources.rebuilt) is not None:
        first: Json = {
            "file": None,
            "kind": "readable",
            "madeAt": None,
            "size": sources.readable.stat().st_size,
            "sessions": rebuilt.contents.sessions,
            "entries": rebuilt.contents.entries,
            "newest": rebuilt.contents.newest,
            "problem": None,
        }
        found.insert(0, first)
    if out.is_terminal and not out.as_json:
        if now is None:
            out.line(f"{shown} cannot be used: {text.line(sources.problem or '')}.")
        else:
            newest = "" if now["newest"] is None else f", the newest from {text.ago(now['newest'])}"
            out.line(f"{shown} is sound: {amount(now)}{newest}.")
            out.hint("To bring back what was just deleted: tenets-session trash")
    more = {"database": run.database, "problem": sources.problem, "now": now}
    print_backups(run, found, more)
    return found


def _named(run: Invocation, source: str) -> Path:
    """Return the file that the user has named, by its path or by its name among the backups."""
    from tenets_session_server.storage.sqlite import backup_files  # noqa: PLC0415 - 40 ms

    database, path = Path(run.database), Path(run.folder, source).expanduser()
    if not path.exists() and Path(source).name == source:
        path = backup_files.folder(database) / source
    if not path.is_file():
        raise NotFoundError(
            f"there is no file {text.line(source)}; see `tenets-session backup --list`"
        )
    if database.exists() and path.samefile(database):
        raise click.UsageError("--from: that is the database itself; name a backup of it")
    return path


def _prepared(sources: RecoverySources, path: Path) -> Path:
    with progress("Checking the backup", None) as advance:
        return sources.prepare(path, advance)


def _readable(run: Invocation, sources: RecoverySources) -> Path:
    if sources.problem is None:
        raise click.ClickException(
            "the database is sound, there is nothing to salvage; --from takes a backup, and"
            " `tenets-session doctor` says what else may be wrong"
        )
    if sources.rebuilt is None:
        raise NotFoundError(
            f"nothing can be read of the database: {sources.problem}; to begin anew, move it away:"
            f" {text.line(run.database)}"
        )
    return sources.readable


def _replace_all(run: Invocation, sources: RecoverySources, chosen: Path, *, yes: bool) -> None:
    """Put the content of a sound copy in the place of what is there."""

    from tenets_session_server.rpc import local  # noqa: PLC0415 - 60 ms
    from tenets_session_server.storage.sqlite import comparison  # noqa: PLC0415 - 40 ms

    out, database = run.out, Path(run.database)
    now = database if sources.problem is None else sources.readable
    change = None
    if sources.problem is None or (sources.rebuilt is not None and now != chosen):
        change = comparison.difference(now, chosen)
    if not out.as_json and (out.is_terminal or not yes):
        _print_change(run, sources, chosen, change)
    if sources.problem is None and comparison.is_same_state(database, chosen):
        out.result({"recovered": False}, "Nothing differs, and nothing is done.", "")
        return
    out.confirm("Recover?", yes=yes, needed=True)
    with progress("Recovering", None) as advance:
        kept = sources.put(chosen, advance)
    found = contents(database)
    result = {
        "recovered": True,
        "change": None if change is None else local.plain(change),
        **found,
        "kept": None if kept is None else str(kept),
    }
    out.result(result, f"Recovered: {amount(found)}.", amount(found))
    if kept is not None:
        out.hint(f"What was there is kept: {text.line(str(kept))}")
        out.hint(f"To go back to it: tenets-session recover --from {text.line(kept.name)}")


def _print_change(
    run: Invocation, sources: RecoverySources, chosen: Path, change: Difference | None
) -> None:
    out, rebuilt = run.out, sources.rebuilt
    out.line(f"There will be {amount(contents(chosen))}.")
    if chosen == sources.readable and rebuilt is not None:
        if pages := rebuilt.unreadable_pages:
            shown = ", ".join(map(str, pages[:10])) + (", ..." if len(pages) > 10 else "")
            out.line(f"{text.count(len(pages), 'page')} cannot be read: {shown}.")
        if rebuilt.unowned:
            notes = text.count(rebuilt.unowned, "row")
            out.line(f"{notes} lost the table; some of these may have been deleted before.")
        if rebuilt.nameless:
            sessions = text.count(rebuilt.nameless, "session")
            out.line(f"The names of {sessions} are lost: `recovered session N`.")
    if change is None:
        return
    for word, sessions_, names, entries in (
        ("Lost", change.lost_sessions, change.lost_names, change.lost_entries),
        ("Gained", change.gained_sessions, change.gained_names, change.gained_entries),
    ):
        listed = ", ".join(map(text.line, names)) + (", ..." if sessions_ > len(names) else "")
        named = f" ({listed})" if names else ""
        notes = text.count(entries, "note")
        out.line(f"{word}: {text.count(sessions_, 'session')}{named}, {notes}.")
    if change.changed_entries:
        out.line(f"With another text: {text.count(change.changed_entries, 'note')}.")
    out.line("Metadata, bindings, pins, the active session and the trash become as they were, too.")


def _copy_sessions(
    run: Invocation, sources: RecoverySources, chosen: Path, names: tuple[str, ...]
) -> None:
    """Bring back some sessions, beside what is there; a taken name gets a number."""
    from tenets_session_server.errors import SessionNotFoundError  # noqa: PLC0415
    from tenets_session_server.rpc import local  # noqa: PLC0415 - 60 ms

    if sources.problem is not None:
        raise click.ClickException(
            f"the database cannot be used: {sources.problem}; recover all of it first"
        )
    with (
        closing(local.store(str(chosen), locations.BY_OPTION)) as then,
        closing(local.store(run.database, run.reason)) as now,
    ):
        try:
            ids = [then.sessions.id_of(name, None) for name in names]
        except SessionNotFoundError as error:
            name = text.line(error.name or "")
            raise NotFoundError(f"the backup has no session that is named {name}") from None
        now.author = run.author
        with closing(then.exporter.json(ids)) as document:
            found = local.plain(now.importer.run(document, "rename"))
    shown = ", ".join(text.line(one["name"]) for one in found["sessions"])
    notes = text.count(found["entries"], "note")
    run.out.result(found, f"Brought back {shown} with {notes}.", shown)
