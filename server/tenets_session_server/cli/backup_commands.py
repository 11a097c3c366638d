"""The verb that makes and lists backups."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tenets_session_server.cli.invocation import (
    Invocation,
    Json,
    json_option,
    storage_errors,
    with_run,
)
from tenets_session_server.cli.output import progress
from tenets_session_server.client import text

if TYPE_CHECKING:
    from tenets_session_server.storage.sqlite.backup_files import BackupFile

READABLE = "what can still be read of the damaged file"


@click.command("backup", short_help="Make a backup, or list the backups.")
@click.argument("file", required=False)
@click.option("-l", "--list", "listed", is_flag=True, help="List the backups.")
@click.option(
    "--keep",
    type=click.IntRange(0, 1000),
    metavar="N",
    help="Keep N automatic backups of this database from now on; 0: make none.",
)
@json_option
@with_run
def backup_command(run: Invocation, file: str | None, listed: bool, keep: int | None) -> None:
    """Make a backup of the database while others use it, and check it.

    Without FILE it goes to the folder of the backups, beside the database. The daemon makes one
    there every day on which something has changed, and keeps the last 7.

    \b
    tenets-session backup
    tenets-session backup /media/stick/sessions.db
    tenets-session backup --list
    """
    if sum((file is not None, listed, keep is not None)) > 1:
        raise click.UsageError("FILE, --list and --keep: give one of them")
    with storage_errors():
        if listed:
            print_backups(run, described(run))
        elif keep is not None:
            _set_kept(run, keep)
        else:
            _back_up(run, file)


def _back_up(run: Invocation, file: str | None) -> None:
    from tenets_session_server.storage.sqlite import (  # noqa: PLC0415 - 40 ms
        backup_files,
        backups,
        file_system,
        left_log,
    )

    database = Path(run.database)
    if file is None:
        with backups.opened(database):  # before a folder is created
            pass
        target = backup_files.new(database, "manual")
    else:
        target = Path(run.folder, file).expanduser()
        own = [*file_system.beside(database), file_system.companion(database, left_log.EVIDENCE)]
        own.append(backup_files.folder(database))
        if os.path.realpath(target) in map(os.path.realpath, own):
            shown = text.line(str(target))
            raise click.ClickException(f"{shown} is a name of the database: choose another one")
        # What stands beside it, SQLite would take for a part of the new file.
        for path in (target, *file_system.beside(target)):
            if os.path.lexists(path):
                shown = text.line(str(path))
                raise click.ClickException(f"{shown} exists: choose another name, or remove it")
    with backups.opened(database) as source:
        found = backups.contents(source)
        with progress("Backing up", None) as advance:
            target = backups.copy(source, target, advance)
    result = {
        "file": str(target),
        "size": target.stat().st_size,
        "sessions": found.sessions,
        "entries": found.entries,
        "newest": found.newest,
    }
    run.out.result(result, f"Backed up {amount(result)} to {text.line(str(target))}.", str(target))


def _set_kept(run: Invocation, number: int) -> None:
    from tenets_session_server.storage import engines  # noqa: PLC0415 - 60 ms
    from tenets_session_server.storage.steps import BUSY_TIMEOUT  # noqa: PLC0415

    opened = engines.sqlite_store(run.database, "full", run.reason, busy_timeout=BUSY_TIMEOUT)
    with closing(opened) as store:
        store.settings.keep_backups(number)
    sentence = (
        "No more automatic backups of this database are made."
        if not number
        else f"{text.count(number, 'automatic backup')} of this database will be kept."
    )
    run.out.result({"kept": number}, sentence, str(number))


def described(run: Invocation) -> list[Json]:
    """Return all backups, the newest first, with what is in them."""
    from tenets_session_server.storage.sqlite import backup_files  # noqa: PLC0415 - 40 ms

    found = [_of_backup(one) for one in backup_files.listed(Path(run.database))]
    return [one for one in found if one["kind"] != "damaged" or one["size"]]


def _of_backup(backup: BackupFile) -> Json:
    found: Json = {
        "file": str(backup.path),
        "kind": backup.kind,
        "madeAt": backup.made_at.isoformat(),
        "size": backup.path.stat().st_size,
        **contents(backup.path),
    }
    return found


def contents(path: Path) -> Json:
    """Return what is in a database, or the ``problem`` that keeps it from being read."""
    from tenets_session_server.errors import DatabaseError  # noqa: PLC0415
    from tenets_session_server.storage.sqlite import backups  # noqa: PLC0415

    try:
        with backups.opened(path) as connection:
            found = backups.contents(connection)
    except DatabaseError as error:
        return {"sessions": None, "entries": None, "newest": None, "problem": str(error)}
    return {
        "sessions": found.sessions,
        "entries": found.entries,
        "newest": found.newest,
        "problem": None,
    }


def amount(found: Json) -> str:
    """Return how much is in a database, in words."""
    return f"{text.count(found['sessions'], 'session')}, {text.count(found['entries'], 'note')}"


def print_backups(run: Invocation, found: list[Json], more: Json | None = None) -> None:
    """Print what :func:`described` returns; in JSON, ``more`` stands beside it."""
    out = run.out
    if out.as_json:
        out.json({**(more or {}), "backups": found})
    elif not out.is_terminal:
        for one in found:
            values = (one["madeAt"], one["kind"], one["sessions"], one["entries"], one["newest"])
            known = ("" if value is None else str(value) for value in values)
            out.line("\t".join((text.line(one["file"] or READABLE), *known)))
    elif not found:
        out.line("There are no backups.")
    else:
        rows = [_row(run, number, one) for number, one in enumerate(found, 1)]
        columns = ("", "MADE", "NAME", "SESSIONS", "NOTES", "NEWEST", "WHY", "SIZE")
        longest = max(len(row[2]) for row in rows)  # it is needed for --from
        out.table(columns, rows, flexible=2, optional=(7, 6, 5, 1), least=longest)


def _row(run: Invocation, number: int, one: Json) -> tuple[str, ...]:
    made = "" if one["madeAt"] is None else text.ago(one["madeAt"])
    sessions = "" if one["sessions"] is None else f"{one['sessions']:,}"
    what = READABLE if one["kind"] == "readable" else Path(one["file"]).name
    if one["problem"] is not None:
        what = f"{what} (damaged)"
    newest = "" if one["newest"] is None else text.ago(one["newest"])
    notes = "" if one["entries"] is None else f"{one['entries']:,}"
    return (
        *(run.out.styled(str(number), "id"), made),
        text.line(what),
        *(sessions, notes, newest, one["kind"], text.size(one["size"])),
    )
