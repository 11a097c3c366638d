"""What can go wrong, as one small tree.

::

    TenetsSessionError
    ├── InvalidArgumentError        a value the caller gave is not acceptable
    │   └── InvalidParamsError      the same, in params of a request
    ├── SessionNotFoundError        there is no session of that name
    ├── SessionExistsError          the name is taken
    ├── ContextNotFoundError        there is no entry of that id
    ├── TrashNotFoundError          there is no item of that id in the trash
    ├── ConflictError               changed since the state that the caller knows
    ├── ImportInvalidError          what is to be imported is not what was exported
    ├── LimitExceededError          larger than what is accepted
    ├── RevisionExpiredError        changes that old are not kept
    └── DatabaseError               the file, the disk or another process is in the way
        ├── DatabaseBusyError       another process holds the write lock
        ├── InterruptedQueryError   a query has taken longer than it may
        ├── DatabaseFullError       no space left
        ├── DatabaseReadOnlyError   the file may not be written
        ├── DatabaseCorruptError    not a database, or a damaged one
        │   ├── ChangeRefusedError  by a constraint or trigger that is not ours
        │   ├── OtherProgramsDatabaseError
        │   ├── DamagedIndexError   only the search index is damaged, which can be made anew
        │   └── LostCommitsError    the write-ahead log of a crash is damaged
        ├── DatabaseUnavailableError  cannot be opened or read
        └── OutcomeUnknownError     the commit failed: it may or may not have happened

Storage raises them. Only ``rpc.error_codes`` knows which JSON-RPC error each becomes.
"""

from __future__ import annotations

import re
from typing import ClassVar


class TenetsSessionError(Exception):
    """Base of every error this package raises on purpose.

    ``kind`` is the stable name that clients see in ``error.data.kind``. ``retryable``: the same
    call may succeed later although nothing was changed. ``members`` are the attributes that
    ``error.data`` has as well.
    """

    kind: ClassVar[str]
    retryable: bool = False
    members: ClassVar[tuple[str, ...]] = ()

    def details(self) -> dict[str, str | int | None]:
        """Return the members that ``error.data`` has beside ``kind`` and ``retryable``."""
        return {wire_name(member): getattr(self, member) for member in self.members}


def wire_name(member: str) -> str:
    """Return the name that a member of an error has for clients ("session_id": sessionId)."""
    return re.sub(r"_(\w)", lambda found: found[1].upper(), member)


class InvalidArgumentError(TenetsSessionError, ValueError):
    """A value is not acceptable; ``member`` names it, ``expected`` says what would be."""

    kind = "invalidArgument"

    def __init__(self, member: str, expected: str) -> None:
        super().__init__(f"{member}: expected {expected}")
        self.member = member
        self.expected = expected


class InvalidParamsError(InvalidArgumentError):
    """Params of a request are not acceptable; the message names the member."""

    def __init__(self, message: str) -> None:
        TenetsSessionError.__init__(self, message)


class SessionNotFoundError(TenetsSessionError, LookupError):
    """There is no session of this name, of this id, or of both.

    ``name`` and ``session_id`` are None where none was given.
    """

    kind = "sessionNotFound"
    members = ("name", "session_id")

    def __init__(
        self, name: str | None, message: str | None = None, *, session_id: int | None = None
    ) -> None:
        what = [] if name is None else [f"is named {name!r}"]
        what += [] if session_id is None else [f"has the id {session_id}"]
        super().__init__(message or f"no session {' and '.join(what)}")
        self.name, self.session_id = name, session_id

    def details(self) -> dict[str, str | int | None]:
        """Return the name, null if none was given, and the id if one was given."""
        found = super().details()
        if self.session_id is None:
            del found["sessionId"]
        return found


class SessionExistsError(TenetsSessionError, ValueError):
    """The name is taken.

    Upstream raises ``sqlite3.IntegrityError`` here.
    """

    kind = "sessionExists"
    members = ("name",)

    def __init__(self, name: str) -> None:
        super().__init__(f"a session is already named {name!r}")
        self.name = name


class ContextNotFoundError(TenetsSessionError, LookupError):
    """There is no context entry of this id."""

    kind = "contextNotFound"
    members = ("id",)

    def __init__(self, entry_id: int) -> None:
        super().__init__(f"no context entry has the id {entry_id}")
        self.id = entry_id


class TrashNotFoundError(TenetsSessionError, LookupError):
    """There is no item of this id in the trash: it was restored, or removed for good."""

    kind = "trashNotFound"
    members = ("id",)

    def __init__(self, trash_id: int) -> None:
        super().__init__(
            f"no item in the trash has the id {trash_id}; it may have been restored or removed"
        )
        self.id = trash_id


class ConflictError(TenetsSessionError):
    """What was to be changed has changed since `ifState`: read it again.

    ``revision`` and ``state`` are those of now.
    """

    kind = "conflict"
    members = ("revision", "state")

    def __init__(self, revision: int, state: str) -> None:
        super().__init__(
            "this has changed since ifState, or that state is not known any more: read it again,"
            " and use the state that comes with it"
        )
        self.revision, self.state = revision, state


class ImportInvalidError(TenetsSessionError, ValueError):
    """What is to be imported is wrong at ``path``, in ``line``; nothing was imported.

    ``path`` is that of a member, as "sessions[3].context[17].kind", or "" for the document.
    """

    kind = "importInvalid"
    members = ("path", "line")

    def __init__(self, reason: str, path: str, line: int) -> None:
        super().__init__(f"{path or 'the document'} (line {line}): {reason}")
        self.path, self.line = path, line


class LimitExceededError(TenetsSessionError, ValueError):
    """Something is larger than ``limit``.

    ``what`` names it; the limit is in bytes, unless ``what`` says otherwise.
    """

    kind = "limitExceeded"
    members = ("limit",)

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(f"{what} is larger than the limit of {limit}")
        self.limit = limit


class RevisionExpiredError(TenetsSessionError, LookupError):
    """Changes after that revision or state are not known: fetch the sessions again.

    Some are no longer kept, or the database has never had that state: it was restored from a
    backup, or it is another one. ``oldest`` is the oldest revision that is kept; ``revision`` and
    ``state`` are those of now.
    """

    kind = "revisionExpired"
    members = ("oldest", "revision", "state")

    def __init__(self, oldest: int, revision: int, state: str) -> None:
        super().__init__(
            f"the changes since then are not known (they are from revision {oldest} on, and the"
            f" newest is {revision}): fetch the sessions again"
        )
        self.oldest, self.revision, self.state = oldest, revision, state


class DatabaseError(TenetsSessionError):
    """The file, the disk or another program is in the way; the call itself was valid."""

    kind = "databaseUnavailable"


class DatabaseBusyError(DatabaseError):
    """Another process holds the lock that is needed."""

    kind = "databaseBusy"
    retryable = True


class InterruptedQueryError(DatabaseError):
    """A query was interrupted, as it has taken longer than it may."""


class DatabaseFullError(DatabaseError):
    """The disk (or the quota) is full; nothing was written."""

    kind = "databaseFull"


class DatabaseReadOnlyError(DatabaseError):
    """The file or its folder may not be written; nothing was written."""

    kind = "databaseReadOnly"


class DatabaseCorruptError(DatabaseError):
    """The file is not a SQLite database, is damaged, or its tables are not the expected ones."""

    kind = "databaseCorrupt"


class ChangeRefusedError(DatabaseCorruptError):
    """A constraint or a trigger of another program refuses, or swallows, the change."""


class OtherProgramsDatabaseError(DatabaseCorruptError):
    """The file is a database, but none of tenets."""


class DamagedIndexError(DatabaseCorruptError):
    """The search index is damaged or gone; everything in it is also in the tables."""


class LostCommitsError(DatabaseCorruptError):
    """What was committed cannot be read any more from the write-ahead log that a crash has left."""


class DatabaseUnavailableError(DatabaseError):
    """The file cannot be opened or read."""

    kind = "databaseUnavailable"


class OutcomeUnknownError(DatabaseError):
    """Committing failed with an I/O error: the change may or may not be on disk."""

    kind = "outcomeUnknown"
