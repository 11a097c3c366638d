"""The state of a database: its newest revision, and a random token that only this history has."""

from __future__ import annotations

from typing import Final

from tenets_session_server.models import State
from tenets_session_server.storage.database import Database, Row

# If the log is empty, sqlite_sequence has its last revision: that row is written with the first
# change, and stays.
_NEWEST: Final = """SELECT
        coalesce(newest.revision,
            (SELECT seq FROM sqlite_sequence WHERE name = 'session_server_changes'), 0),
        coalesce(newest.token, session_server_history.token)
    FROM session_server_history LEFT JOIN session_server_changes AS newest
        ON newest.revision = (SELECT max(revision) FROM session_server_changes)"""


def newest(database: Database) -> State:
    """Return the state after the newest change; its revision is 0 if there was none yet.

    Raises as :meth:`Database.run` does.
    """
    return of_row(database.run(_NEWEST)[0])


def of_row(row: Row) -> State:
    """Return the state in a row's first two columns, revision and token."""
    # A server of an older version may have put back a trigger that writes no token.
    return State(row[0], (row[1] or 0) & 0xFFFF_FFFF_FFFF_FFFF)
