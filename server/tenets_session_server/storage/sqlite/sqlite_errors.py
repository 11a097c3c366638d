"""Translates apsw's exceptions to those of :mod:`tenets_session_server.errors`, without SQL."""

from __future__ import annotations

import re
from typing import Final

import apsw

from tenets_session_server import errors

_ERRORS: Final[tuple[tuple[type[apsw.Error], type[errors.DatabaseError], str], ...]] = (
    (apsw.InterruptError, errors.InterruptedQueryError, "the query takes too long"),
    (apsw.BusyError, errors.DatabaseBusyError, "another process is writing to the database"),
    (apsw.LockedError, errors.DatabaseBusyError, "another process is writing to the database"),
    (apsw.ProtocolError, errors.DatabaseBusyError, "the database's locks are contended"),
    (apsw.FullError, errors.DatabaseFullError, "no space is left for the database"),
    (apsw.ReadOnlyError, errors.DatabaseReadOnlyError, "the database may not be written"),
    (apsw.PermissionsError, errors.DatabaseReadOnlyError, "the database may not be accessed"),
    (apsw.AuthError, errors.DatabaseReadOnlyError, "the database may not be accessed"),
    (
        apsw.ConstraintError,
        errors.ChangeRefusedError,
        "a constraint or trigger in the database that is not ours refuses the change",
    ),
    (apsw.CorruptError, errors.DatabaseCorruptError, "the database file is damaged"),
    (apsw.NotADBError, errors.DatabaseCorruptError, "the file is not a SQLite database"),
    (apsw.CantOpenError, errors.DatabaseUnavailableError, "the database cannot be opened"),
    (apsw.IOError, errors.DatabaseUnavailableError, "reading or writing the database failed"),
    (apsw.SchemaChangeError, errors.DatabaseUnavailableError, "another program changes the tables"),
)
_OF_INDEX: Final = "session_server_search"
_OTHER_TABLES: Final = re.compile(
    r"no such (table|column)|has no column|already exists|views may not be indexed"
    r"|cannot modify .* view"
)


def translate(
    error: apsw.Error, connection: apsw.Connection | None = None, sql: str = ""
) -> errors.DatabaseError | None:
    """Return our error for one of apsw's, None if that is a bug. ``sql`` has met it."""
    if isinstance(error, apsw.FullError) and connection and _ids_are_used_up(connection):
        return errors.DatabaseCorruptError(
            "a row has the largest id that SQLite can store (9223372036854775807), so nothing can"
            " be added; give that row another id"
        )
    of_index = isinstance(error, apsw.SQLError) and _OF_INDEX in str(error)
    of_index |= isinstance(error, apsw.CorruptError) and _OF_INDEX in sql
    if of_index or getattr(error, "extendedresult", 0) == apsw.SQLITE_CORRUPT_VTAB:
        return errors.DamagedIndexError(
            f"the search index is damaged ({error}); run in a terminal: tenets-session doctor --fix"
        )
    if isinstance(error, apsw.SQLError) and _OTHER_TABLES.search(str(error)):
        # Our statements fit the tables that opening checked: another program has changed them.
        return errors.DatabaseCorruptError(f"the tables are not those of tenets ({error})")
    for theirs, ours, message in _ERRORS:
        if isinstance(error, theirs):
            return ours(f"{message} ({error})")
    return None


def _ids_are_used_up(connection: apsw.Connection) -> bool:
    # SQLite reports that as a full disk (sqlite.org/autoinc.html).
    try:
        sql = "SELECT max(seq) = 9223372036854775807 FROM sqlite_sequence"
        return bool(connection.execute(sql).get)
    except apsw.Error:
        return False
