"""Group commit: calls that wait together share one transaction, and so one wait for the disk.

Each call has a savepoint, so one that fails leaves no trace, and the others stay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from tenets_session_server.errors import ChangeRefusedError, DatabaseError
from tenets_session_server.storage.outcome import Completed, Failed, GroupFailedError
from tenets_session_server.storage.sqlite.database import Database
from tenets_session_server.storage.store import GroupedCall


def run(database: Database, calls: Iterable[GroupedCall]) -> list[Completed | Failed]:
    """Execute calls in one transaction; return what came of each, in their order.

    Raises :class:`GroupFailedError` if the transaction as a whole has failed, so that nothing has
    happened.
    """
    executed: list[Completed | Failed] = []
    taken: list[GroupedCall] = []
    commits = database.commits
    try:
        with database.transaction():
            for call in calls:
                taken.append(call)
                executed.append(_run_one(database, *call))
    except Exception as error:
        if database.commits == commits:
            raise GroupFailedError from error
        return [_after_unknown(*call, error) for call in taken]  # it may be there: not once more
    return executed


def _run_one(database: Database, writes: bool, execute: Callable[[], Any]) -> Completed | Failed:
    if not writes:  # it may read the change log
        database.sign_changes()
    try:
        return Completed(database.savepoint(execute))
    except Exception as error:
        if isinstance(error, DatabaseError) and not isinstance(error, ChangeRefusedError):
            raise
        if not database.in_transaction:
            raise DatabaseError("the transaction has been rolled back") from error
        return Failed(error)


def _after_unknown(
    writes: bool, execute: Callable[[], Any], error: Exception
) -> Completed | Failed:
    """Answer a call after a commit of unknown outcome: a read may have seen what is lost."""
    if writes:
        return Failed(error)
    try:
        return Completed(execute())
    except Exception as again:  # noqa: BLE001 - its reply has it
        return Failed(again)
