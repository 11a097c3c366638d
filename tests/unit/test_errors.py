"""Every error of ours becomes the code, kind and data that the protocol prescribes."""

from __future__ import annotations

from collections.abc import Iterator

import apsw
import pytest

from tenets_session_server import errors
from tenets_session_server.errors import TenetsSessionError
from tenets_session_server.rpc import error_codes
from tenets_session_server.storage.sqlite import sqlite_errors


def error_for(code: int) -> apsw.Error:
    error = apsw.exception_for(code)
    assert isinstance(error, apsw.Error)
    return error


EXAMPLES: dict[type[TenetsSessionError], TenetsSessionError] = {
    errors.InvalidArgumentError: errors.InvalidArgumentError("name", "a name"),
    errors.InvalidParamsError: errors.InvalidParamsError("name: expected a name"),
    errors.SessionNotFoundError: errors.SessionNotFoundError("x"),
    errors.SessionExistsError: errors.SessionExistsError("x"),
    errors.ContextNotFoundError: errors.ContextNotFoundError(7),
    errors.TrashNotFoundError: errors.TrashNotFoundError(7),
    errors.ConflictError: errors.ConflictError(9, "9.1f"),
    errors.ImportInvalidError: errors.ImportInvalidError("m", "sessions[0]", 3),
    errors.LimitExceededError: errors.LimitExceededError("metadata", 7),
    errors.RevisionExpiredError: errors.RevisionExpiredError(7, 9, "9.1f"),
    errors.DatabaseError: errors.DatabaseError("m"),
    errors.DatabaseBusyError: errors.DatabaseBusyError("m"),
    errors.DatabaseFullError: errors.DatabaseFullError("m"),
    errors.DatabaseReadOnlyError: errors.DatabaseReadOnlyError("m"),
    errors.DatabaseCorruptError: errors.DatabaseCorruptError("m"),
    errors.ChangeRefusedError: errors.ChangeRefusedError("m"),
    errors.DamagedIndexError: errors.DamagedIndexError("m"),
    errors.LostCommitsError: errors.LostCommitsError("m"),
    errors.OtherProgramsDatabaseError: errors.OtherProgramsDatabaseError("m"),
    errors.InterruptedQueryError: errors.InterruptedQueryError("m"),
    errors.DatabaseUnavailableError: errors.DatabaseUnavailableError("m"),
    errors.OutcomeUnknownError: errors.OutcomeUnknownError("m"),
}
DATA: dict[str, dict[str, object]] = {
    "sessionNotFound": {"name": "x"},
    "revisionExpired": {"oldest": 7, "revision": 9, "state": "9.1f"},
    "sessionExists": {"name": "x"},
    "contextNotFound": {"id": 7},
    "trashNotFound": {"id": 7},
    "conflict": {"revision": 9, "state": "9.1f"},
    "importInvalid": {"path": "sessions[0]", "line": 3},
    "limitExceeded": {"limit": 7},
    "databaseBusy": {},
    "databaseFull": {},
    "databaseReadOnly": {},
    "databaseCorrupt": {},
    "databaseUnavailable": {},
    "outcomeUnknown": {},
}


def descendants(cls: type[TenetsSessionError]) -> Iterator[type[TenetsSessionError]]:
    for child in cls.__subclasses__():
        yield child
        yield from descendants(child)


@pytest.mark.parametrize("cls", sorted(descendants(TenetsSessionError), key=str))
def test_every_class_has_a_code_and_data(cls: type[TenetsSessionError]) -> None:
    error = error_codes.from_exception(EXAMPLES[cls])
    assert error is not None
    if issubclass(cls, errors.InvalidArgumentError):
        assert (error.code, error.message, error.data) == (-32602, "name: expected a name", None)
        return
    assert error.code == -32803
    assert error.data == {
        "kind": cls.kind,
        "retryable": cls is errors.DatabaseBusyError,
        **DATA[cls.kind],
    }


def test_every_class_is_drawn_in_the_modules_tree() -> None:
    tree = errors.__doc__ or ""
    assert all(cls.__name__ in tree for cls in descendants(TenetsSessionError))


@pytest.mark.parametrize("error", [RuntimeError("secret"), KeyError(1), apsw.SQLError("no SQL")])
def test_the_message_of_a_bug_is_not_sent(error: Exception) -> None:
    assert error_codes.from_exception(error) is None


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (apsw.SQLITE_BUSY, "databaseBusy"),
        (apsw.SQLITE_BUSY_SNAPSHOT, "databaseBusy"),
        (apsw.SQLITE_LOCKED, "databaseBusy"),
        (apsw.SQLITE_PROTOCOL, "databaseBusy"),
        (apsw.SQLITE_FULL, "databaseFull"),
        (apsw.SQLITE_READONLY, "databaseReadOnly"),
        (apsw.SQLITE_READONLY_DBMOVED, "databaseReadOnly"),
        (apsw.SQLITE_PERM, "databaseReadOnly"),
        (apsw.SQLITE_CORRUPT, "databaseCorrupt"),
        (apsw.SQLITE_NOTADB, "databaseCorrupt"),
        (apsw.SQLITE_CANTOPEN, "databaseUnavailable"),
        (apsw.SQLITE_IOERR_READ, "databaseUnavailable"),
    ],
)
def test_sqlites_errors_have_a_kind(code: int, kind: str) -> None:
    ours = sqlite_errors.translate(error_for(code))
    assert ours is not None
    assert ours.kind == kind


@pytest.mark.parametrize("code", [apsw.SQLITE_ERROR, apsw.SQLITE_MISUSE, apsw.SQLITE_RANGE])
def test_sqlites_other_errors_are_bugs(code: int) -> None:
    assert sqlite_errors.translate(error_for(code)) is None
