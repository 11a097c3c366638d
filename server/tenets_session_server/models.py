"""The values that pass between storage and its callers. No behaviour, no I/O."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from msgspec import Struct


@dataclass
class SessionRecord:
    """A session as the seed's ``tenets.storage.session_db.SessionRecord`` has it.

    ``created_at`` is timezone-aware; ``metadata`` is the decoded JSON object.
    """

    id: int
    name: str
    created_at: datetime
    metadata: dict[str, Any]


class StoredSession(Struct, frozen=True):
    """A session as it is stored, cheap to send on.

    ``created_at`` is RFC 3339 with an offset; ``metadata`` is the UTF-8 text of a JSON object, byte
    for byte what was stored, so that no number, key or string changes on its way to a client.
    ``context_count`` is None where it was not asked for.
    """

    id: int
    name: str
    created_at: str
    metadata: bytes
    active: bool
    context_count: int | None = None

    def to_record(self) -> SessionRecord:
        """Return the seed's form of it, with date and metadata decoded."""
        return SessionRecord(
            id=self.id,
            name=self.name,
            created_at=datetime.fromisoformat(self.created_at),
            metadata=json.loads(self.metadata),
        )


class StoredContext(Struct, frozen=True):
    """A context entry without its content; ``size`` is the content's length in UTF-8 bytes."""

    id: int
    session_id: int
    session_name: str | None
    kind: str
    size: int
    created_at: str


class Change(Struct, frozen=True):
    """One committed change, by whomever; ``context_id`` is None where it is not about context."""

    revision: int
    type: str
    session_id: int
    session_name: str
    context_id: int | None


class ChangePage(Struct, frozen=True):
    """Some changes in their order, the newest revision there is, and whether more follow."""

    changes: list[Change]
    revision: int
    truncated: bool


class News(Struct, frozen=True):
    """What was committed after some revision: all of one moment.

    ``active`` is the active session at ``revision``. ``incomplete`` tells that changes are missing,
    because they are not kept any more or the file is another one: then look at everything anew.
    """

    revision: int
    changes: list[Change]
    active: StoredSession | None
    incomplete: bool


class Totals(Struct, frozen=True):
    """How much there is: of one moment, but for the sizes of the files, in bytes."""

    sessions: int
    context_entries: int
    revision: int
    database_bytes: int
    log_bytes: int


class SessionPage(Struct, frozen=True):
    """Some sessions, and the cursor that fetches the ones after them (None at the end)."""

    sessions: list[StoredSession]
    next_cursor: str | None
