"""Brings a database file up to date, whether it is new, upstream's or an older server's.

Migrations are an append-only list of named steps. Opening a file applies the missing ones, records
them and renews the triggers, all in one transaction, so a file is never half migrated. If nothing
is missing, no lock is taken. Steps that are unknown here belong to a newer version; they stay.

Servers of several versions may use one file at the same time, and each puts back its own triggers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, Final

import apsw

from tenets_session_server.errors import (
    DatabaseCorruptError,
    DatabaseReadOnlyError,
    OtherProgramsDatabaseError,
)
from tenets_session_server.storage.sqlite import schema, triggers

logger = logging.getLogger(__name__)

MIGRATIONS_TABLE: Final = "session_server_migrations"
# Upstream has more tables than two, and may have created the others first.
_KNOWN_TABLES: Final = """SELECT count(*), coalesce(sum(name IN (
        'sessions', 'session_context', 'cache', 'tenets', 'tenet_sessions', 'tenet_metrics')
        OR name LIKE 'session#_server#_%' ESCAPE '#'), 0)
    FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite#_%' ESCAPE '#'"""


def migrate(connection: apsw.Connection) -> tuple[bool, list[str]]:
    """Apply what is missing; return whether anything was written, and sentences for the user.

    Raises apsw's errors; then nothing has been written.
    """
    if not missing_parts(connection):
        return False, []
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Checked again under the lock: another process may have been faster.
        applied = _applied(connection)
        missing = [(name, step) for name, step in MIGRATIONS if name not in applied]
        for name, step in missing:
            step(connection)
            connection.execute(f"INSERT INTO {MIGRATIONS_TABLE} (name) VALUES (?)", (name,))
            logger.debug("applied migration %s", name)
        wrong = _wrong_triggers(connection)
        if missing or wrong:
            _renew_triggers(connection, wrong)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    if missing or not wrong:
        return bool(missing), []
    repair = (
        f"{len(wrong)} trigger(s) in the database were missing or another version's "
        f"({', '.join(wrong)}); they were renewed. Changes that other programs made meanwhile may "
        "be missing in the change log."
    )
    return True, [repair]


def check_tables(connection: apsw.Connection) -> None:
    """Refuse another program's file before anything is written to it.

    Raises :class:`OtherProgramsDatabaseError` if none of its tables is ours or upstream's, or if a
    table of upstream's name lacks upstream's columns, or is a view, virtual or without rowids: then
    triggers or ids do not work. Raises :class:`DatabaseCorruptError` if it has lost tables.
    """
    ((tables, known),) = _rows(connection, _KNOWN_TABLES)
    if tables and not known:
        raise OtherProgramsDatabaseError(
            "it is the database of another program: none of its tables is one of tenets"
        )
    odd = _rows(
        connection,
        "SELECT name, CASE WHEN wr THEN 'a table WITHOUT ROWID' ELSE 'a ' || type END"
        " FROM pragma_table_list WHERE schema = 'main' AND name IN ('sessions', 'session_context')"
        " AND (type <> 'table' OR wr)",
    )
    for name, kind in odd:
        raise OtherProgramsDatabaseError(f"{name} is {kind}: this is not a database of tenets")
    for table, expected in schema.UPSTREAM_COLUMNS.items():
        rows = _rows(connection, "SELECT name FROM pragma_table_info(?)", table)
        columns = {row[0] for row in rows}
        if columns and not expected <= columns:
            raise OtherProgramsDatabaseError(
                f"table {table} lacks the column(s) {', '.join(sorted(expected - columns))}: "
                "this is not a database of tenets"
            )

    if lost := _lost_tables(connection):
        raise DatabaseCorruptError(
            f"tables of the database are gone, or have lost their row: {', '.join(lost)}"
        )


def _lost_tables(connection: apsw.Connection) -> list[str]:
    """Return the tables that a file must have had, and has not; not those of the search index."""
    rows = _rows(connection, "SELECT name FROM sqlite_schema WHERE type = 'table'")
    present = {row[0] for row in rows}
    if not present & schema.OWN_TABLES:
        return []  # of upstream alone, or new
    if not _applied(connection):
        return [MIGRATIONS_TABLE]
    if missing_steps(connection):
        return []
    lost = {*schema.UPSTREAM_COLUMNS, *schema.OWN_TABLES} - present
    for table in schema.ONE_ROW_TABLES & schema.OWN_TABLES & present:
        if not _rows(connection, f"SELECT 1 FROM {table}"):
            lost.add(table)
    return sorted(lost)


def is_up_to_date(connection: apsw.Connection) -> bool:
    """Tell whether a file needs no migration. Raises apsw's errors."""
    return not missing_parts(connection)


def check_up_to_date(connection: apsw.Connection) -> None:
    """Check that a file that cannot be written needs no migration.

    Raises :class:`DatabaseReadOnlyError` if it does.
    """
    if missing := missing_parts(connection):
        raise DatabaseReadOnlyError(
            f"the database cannot be written, and lacks {', '.join(missing)}: "
            "open it once with write permission"
        )


def missing_parts(connection: apsw.Connection) -> list[str]:
    """Return the names of the steps, or else of the triggers, that a file lacks."""
    return missing_steps(connection) or _wrong_triggers(connection)


def missing_steps(connection: apsw.Connection) -> list[str]:
    """Return the names of the steps that a file lacks: the next server that opens it applies them.

    A file of upstream lacks all of them.
    """
    applied = _applied(connection)
    return [name for name, _ in MIGRATIONS if name not in applied]


def missing_indexes(connection: apsw.Connection) -> dict[str, str]:
    """Return the indexes that an up-to-date file lacks: the SQL that creates each, by its name.

    Without them all is slow, and nothing is wrong.
    """
    rows = _rows(connection, "SELECT name FROM sqlite_master WHERE type = 'index'")
    present = {row[0] for row in rows}
    return {name: sql for name, sql in schema.ALL_INDEXES.items() if name not in present}


def _applied(connection: apsw.Connection) -> set[str]:
    if not _rows(connection, "SELECT 1 FROM sqlite_master WHERE name = ?", MIGRATIONS_TABLE):
        return set()
    return {row[0] for row in _rows(connection, f"SELECT name FROM {MIGRATIONS_TABLE}")}


def _wrong_triggers(connection: apsw.Connection) -> list[str]:
    """Return the names of triggers that are missing, differ, or are obsolete.

    An older version may have put its own back. In a newer version's file, only missing ones count.
    """
    rows = _rows(connection, "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
    present: dict[str, str] = dict(rows)
    if _applied(connection) - {name for name, _ in MIGRATIONS}:
        return sorted(triggers.TRIGGERS.keys() - present.keys())
    differing = {name for name, sql in triggers.TRIGGERS.items() if present.get(name) != sql}
    return sorted(differing | (triggers.OBSOLETE_TRIGGERS & present.keys()))


def _renew_triggers(connection: apsw.Connection, names: Iterable[str]) -> None:
    """Make these triggers as they should be, and repair what may have gone wrong without them.

    The triggers come first, so that the change log records what the repair deactivates.
    """
    for name in names:
        connection.execute(f"DROP TRIGGER IF EXISTS {name}")
        if name in triggers.TRIGGERS:
            connection.execute(triggers.TRIGGERS[name])
    _normalise_active(connection)
    _count(connection)


def _normalise_active(connection: apsw.Connection) -> None:
    """Make the most recently created active session the only one, and the recorded one.

    Upstream's ``get_active_session`` chooses the same if several are marked as active.
    """
    active = triggers.is_active("metadata")
    newest = _rows(
        connection,
        f"SELECT id FROM sessions WHERE {active} ORDER BY created_at DESC, id DESC LIMIT 1",
    )
    session_id = newest[0][0] if newest else None
    connection.execute(f"{triggers.DEACTIVATE_WHERE_ID} IS NOT ? AND {active}", (session_id,))
    connection.execute("UPDATE session_server_active SET session_id = ?", (session_id,))


def _count(connection: apsw.Connection) -> None:
    """Compute what triggers keep up to date: the totals, and which sessions were active last."""
    connection.execute(
        "UPDATE session_server_totals SET sessions = (SELECT count(*) FROM sessions),"
        " context_entries = (SELECT count(*) FROM session_context)"
    )
    # The change log is exact, but keeps the newest only; the metadata is to the second.
    recent = _rows(
        connection,
        """SELECT id FROM (
            SELECT s.id, logged.revision, CASE WHEN json_valid(s.metadata) THEN
                max(coalesce(json_extract(s.metadata, '$.resumed_at'), ''),
                    coalesce(json_extract(s.metadata, '$.ended_at'), '')) END AS last_active
            FROM sessions AS s LEFT JOIN (
                SELECT session_id, max(revision) AS revision FROM session_server_changes
                WHERE type = 'deactivated' GROUP BY session_id
            ) AS logged ON logged.session_id = s.id
            WHERE s.id IS NOT (SELECT session_id FROM session_server_active))
        WHERE revision IS NOT NULL OR last_active > ''
        ORDER BY revision IS NOT NULL DESC, revision DESC, last_active DESC, id DESC LIMIT ?""",
        schema.RECENT_LENGTH,
    )
    text = "".join(f"{session_id}," for (session_id,) in recent)
    connection.execute(
        "UPDATE session_server_active SET recent = ?", (text[: schema.RECENT_LENGTH],)
    )


def _rows(connection: apsw.Connection, sql: str, *bindings: str | int) -> list[tuple[Any, ...]]:
    return connection.execute(sql, bindings).fetchall()


def _statements(*statements: str) -> Callable[[apsw.Connection], None]:
    def step(connection: apsw.Connection) -> None:
        for statement in statements:
            connection.execute(statement)

    return step


# The names are stored in files: they never change. A step never changes either.
MIGRATIONS: Final[tuple[tuple[str, Callable[[apsw.Connection], None]], ...]] = (
    (
        "seed_tables",
        _statements(
            *schema.UPSTREAM_TABLES,
            f"CREATE TABLE {MIGRATIONS_TABLE} (name TEXT PRIMARY KEY,"
            " applied_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP)",
        ),
    ),
    ("indexes", _statements(*schema.INDEXES)),
    ("active_and_changes", _statements(*schema.ACTIVE_TABLE, *schema.CHANGES_TABLE)),
    ("replaced_rows", _statements(*schema.REPLACED_TABLE)),
    ("purges", _statements(*schema.PURGES_TABLE)),
    ("totals", _statements(*schema.TOTALS_TABLE, *schema.RECENT_COLUMN)),
    ("stale_activations", _statements()),  # the triggers are other ones
    ("tokens", _statements(*schema.HISTORY_TABLE)),
    ("entries", _statements(*schema.ENTRIES_TABLE)),
    (
        "no_replace_triggers",
        _statements(*(f"DROP TRIGGER IF EXISTS {name}" for name in triggers.OBSOLETE_TRIGGERS)),
    ),
    ("ignored_inserts", _statements()),  # the triggers are other ones
    (
        "details",
        _statements(
            *schema.ENTRY_DETAILS,
            *schema.CHANGE_DETAILS,
            *schema.BINDINGS_TABLE,
            *schema.PURGES_INDEX,
            *schema.UNREPORTED_TABLE,
        ),
    ),
    ("trash", _statements(*schema.TRASH_TABLES)),
    ("search", _statements(*schema.SEARCH_TABLES)),
    ("search_merges", _statements(*schema.SEARCH_MERGES)),
    ("search_identifiers", _statements(*schema.SEARCH_ANEW)),  # their parts beside CJK text
    ("settings", _statements(*schema.SETTINGS_TABLE)),
    ("search_prefixes", _statements(*schema.SEARCH_PREFIXES, *schema.SEARCH_ANEW)),
)
