"""The state of a database: its newest revision, and a random token that only this history has."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from tenets_session_server.errors import ConflictError
from tenets_session_server.models.changes import State
from tenets_session_server.storage.sqlite.database import Bindings, Database, Row

_NEWEST: Final = "SELECT revision, token FROM session_server_changes ORDER BY revision DESC LIMIT 1"
# If the log is empty, sqlite_sequence has its last revision: that row is written with the first
# change, and stays.
_OF_EMPTY_LOG: Final = """SELECT
        coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'session_server_changes'), 0), token
    FROM session_server_history"""
_OLDEST: Final = "SELECT min(revision) FROM session_server_changes"
_OF_REVISION: Final = """SELECT coalesce(
    (SELECT coalesce(token, 0) FROM session_server_changes WHERE revision = ?), token)
    FROM session_server_history"""

_MASK: Final = 0xFFFF_FFFF_FFFF_FFFF  # a token is stored as a signed number
COLUMNS: Final = """(SELECT revision FROM session_server_changes ORDER BY revision DESC LIMIT 1),
    (SELECT token FROM session_server_changes ORDER BY revision DESC LIMIT 1)"""
"""The newest state as two columns of another query; NULL if the log is empty."""


def newest(database: Database) -> State:
    """Return the state after the newest change; its revision is 0 if there was none yet.

    Raises as :meth:`Database.run` does.
    """
    rows = database.run(_NEWEST) or database.run(_OF_EMPTY_LOG)
    return of_row(rows[0])


@lru_cache(maxsize=64)  # many reads in a row have the same one
def text(revision: int, token: int | None) -> str:
    """Return the text of the state of a revision and the token that is stored."""
    return f"{revision}.{(token or 0) & _MASK:x}"


def of_row(row: Row) -> State:
    """Return the state in a row's first two columns, revision and token."""
    # A server of an older version may have put back a trigger that writes no token.
    return State(row[0], (row[1] or 0) & _MASK)


def oldest_kept(database: Database, newest: State) -> int:
    """Return the oldest revision that is kept, or would be if the log were not empty."""
    oldest: int | None = database.run(_OLDEST)[0][0]
    return newest.revision + 1 if oldest is None else oldest


def token(database: Database, revision: int) -> int:
    """Return the token of a revision; of the state before the first one if it is not kept."""
    return of_row((revision, database.run(_OF_REVISION, (revision,))[0][0])).token


def known_revision(database: Database, text: str) -> int | None:
    """Return the revision of a state's text, None if this file is not known to have had it."""
    try:
        state = State.parse(text)
    except ValueError:
        return None
    known = 0 <= state.revision < 2**63 and token(database, state.revision) == state.token
    return state.revision if known else None


def require_unchanged(
    database: Database, since: str | None, concerning: str, bindings: Bindings
) -> None:
    """Raise :class:`ConflictError` if something has changed after the state ``since``.

    ``concerning`` is SQL: which changes of the log concern it, with the values of ``bindings``. A
    state that is not known any more counts as changed. None is no condition. Call it in the
    transaction of the write.
    """
    if since is None:
        return
    now = newest(database)
    revision = known_revision(database, since)
    if revision is not None and oldest_kept(database, now) - 1 <= revision <= now.revision:
        changed = (
            f"SELECT 1 FROM session_server_changes WHERE revision > ? AND {concerning} LIMIT 1"
        )
        if not database.run(changed, (revision, *bindings)):
            return
    raise ConflictError(now.revision, str(now))
