"""Brings a database file, new or as the ``tenets`` command line left it, up to date.

Migrations are an append-only list of named steps. Each open applies those that are missing, all in
one transaction with their records and followed by the triggers as they are now, so a file is never
half migrated; when nothing is missing, no lock is taken. Steps that are unknown here come from a
newer version and are left alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from tenets_session_server.errors import DatabaseCorruptError
from tenets_session_server.storage import schema

if TYPE_CHECKING:
    from tenets_session_server.storage.database import Database

logger = logging.getLogger(__name__)

MIGRATIONS_TABLE: Final = "session_server_migrations"


def migrate(database: Database) -> list[str]:
    """Apply what is missing and return warnings for the user.

    Raises :class:`DatabaseCorruptError` where tables of the seed's names have other columns, and
    every :class:`DatabaseError` of a write where something has to be written.
    """
    if not _outdated(database):
        return []
    with database.transaction():
        # Asked again under the lock: another process may have been faster.
        applied = _applied(database)
        missing = [(name, step) for name, step in MIGRATIONS if name not in applied]
        for name, step in missing:
            step(database)
            database.run(f"INSERT INTO {MIGRATIONS_TABLE} (name) VALUES (?)", (name,))
            logger.info("applied migration %s", name)
        lost = [] if missing else sorted(_missing_triggers(database, applied))
        if missing or lost:
            _renew_triggers(database)
    if not lost:
        return []
    warning = (
        f"The database had lost {len(lost)} trigger(s) ({', '.join(lost)}); they were put back. "
        "Changes made meanwhile by other programs were not announced."
    )
    return [warning]


def check_tables(database: Database) -> None:
    """Refuse another program's file before anything is written to it.

    Raises :class:`DatabaseCorruptError` where a table has a name of ours but not its columns.
    """
    for table, expected in schema.SEED_COLUMNS.items():
        columns = {
            row[0] for row in database.run("SELECT name FROM pragma_table_info(?)", (table,))
        }
        if columns and not expected <= columns:
            raise DatabaseCorruptError(
                f"table {table} lacks the column(s) {', '.join(sorted(expected - columns))}: "
                "this is not a database of tenets"
            )


def normalise_active(database: Database) -> None:
    """Make the most recently created active session the only one, and the recorded one.

    As the seed's ``get_active_session`` chooses when several are marked.
    """
    active = schema.is_active("metadata")
    newest = database.run(
        f"SELECT id FROM sessions WHERE {active} ORDER BY created_at DESC, id DESC LIMIT 1"
    )
    session_id = newest[0][0] if newest else None
    database.run(f"{schema.DEACTIVATE_OTHERS} IS NOT ? AND {active}", (session_id,))
    database.run("UPDATE session_server_active SET session_id = ?", (session_id,))


def count_anew(database: Database) -> None:
    """Fill the tables of what triggers keep up to date, as they would be with what is there now."""
    database.run(
        "UPDATE session_server_totals SET replaced_entry = NULL,"
        " sessions = (SELECT count(*) FROM sessions),"
        " context_entries = (SELECT count(*) FROM session_context)"
    )
    # The change feed is exact, but forgets; the metadata is to the second.
    recent = database.run(
        """SELECT id FROM (
            SELECT s.id, told.revision, CASE WHEN json_valid(s.metadata) THEN
                max(coalesce(json_extract(s.metadata, '$.resumed_at'), ''),
                    coalesce(json_extract(s.metadata, '$.ended_at'), '')) END AS last_active
            FROM sessions AS s LEFT JOIN (
                SELECT session_id, max(revision) AS revision FROM session_server_changes
                WHERE type = 'deactivated' GROUP BY session_id) AS told ON told.session_id = s.id
            WHERE s.id IS NOT (SELECT session_id FROM session_server_active))
        WHERE revision IS NOT NULL OR last_active > ''
        ORDER BY revision IS NOT NULL DESC, revision DESC, last_active DESC, id DESC LIMIT ?""",
        (schema.RECENT_LENGTH,),
    )
    text = "".join(f"{session_id}," for (session_id,) in recent)
    database.run("UPDATE session_server_active SET recent = ?", (text[: schema.RECENT_LENGTH],))


def missing_parts(database: Database) -> list[str]:
    """Return the names of what a file lacks, for files that cannot be written."""
    applied = _applied(database)
    names = [name for name, _ in MIGRATIONS if name not in applied]
    return names or sorted(_missing_triggers(database, applied))


def _outdated(database: Database) -> bool:
    applied = _applied(database)
    return any(name not in applied for name, _ in MIGRATIONS) or bool(
        _missing_triggers(database, applied)
    )


def _applied(database: Database) -> set[str]:
    known = database.run("SELECT 1 FROM sqlite_master WHERE name = ?", (MIGRATIONS_TABLE,))
    if not known:
        return set()
    return {row[0] for row in database.run(f"SELECT name FROM {MIGRATIONS_TABLE}")}


def _missing_triggers(database: Database, applied: set[str]) -> set[str]:
    """Return the triggers that are not there, or not as they are now.

    An older version may have put its own back. A newer one's are its own business.
    """
    rows = database.run("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
    present: dict[str, str] = dict(rows)
    if applied - {name for name, _ in MIGRATIONS}:
        return schema.TRIGGERS.keys() - present.keys()
    return {name for name, sql in schema.TRIGGERS.items() if present.get(name) != sql}


def _seed_tables(database: Database) -> None:
    for statement in schema.SEED_TABLES:
        database.run(statement)
    database.run(
        f"CREATE TABLE {MIGRATIONS_TABLE} (name TEXT PRIMARY KEY,"
        " applied_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP)"
    )


def _indexes(database: Database) -> None:
    for statement in schema.INDEXES:
        database.run(statement)


def _active_and_changes(database: Database) -> None:
    for statement in (*schema.ACTIVE_TABLE, *schema.CHANGES_TABLE):
        database.run(statement)


def _replaced_rows(database: Database) -> None:
    for statement in schema.REPLACED_TABLE:
        database.run(statement)


def _purges(database: Database) -> None:
    for statement in schema.PURGES_TABLE:
        database.run(statement)


def _totals(database: Database) -> None:
    for statement in (*schema.TOTALS_TABLE, *schema.RECENT_COLUMN):
        database.run(statement)


def _renew_triggers(database: Database) -> None:
    """Put the triggers in as they are now, and right what may have gone wrong without them.

    They come first, so that what normalising deactivates is in the change feed as well.
    """
    for name, statement in schema.TRIGGERS.items():
        database.run(f"DROP TRIGGER IF EXISTS {name}")
        database.run(statement)
    normalise_active(database)
    count_anew(database)


MIGRATIONS: Final[tuple[tuple[str, Callable[[Database], None]], ...]] = (
    ("seed_tables", _seed_tables),
    ("indexes", _indexes),
    ("active_and_changes", _active_and_changes),
    ("replaced_rows", _replaced_rows),
    ("purges", _purges),
    ("totals", _totals),
)
