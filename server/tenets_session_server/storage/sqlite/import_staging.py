"""Reads a document of sessions, and stores it where nobody sees it; see :mod:`.importer`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tenets_session_server.errors import (
    DatabaseUnavailableError,
    InvalidArgumentError,
    LimitExceededError,
    TenetsSessionError,
)
from tenets_session_server.models.transfer import FORMAT, VERSION
from tenets_session_server.storage import metadata, names
from tenets_session_server.storage.import_values import located, read_entry, string, time
from tenets_session_server.storage.json_stream import JsonStream
from tenets_session_server.storage.sqlite.database import Database, Row
from tenets_session_server.storage.sqlite.hidden_context import HiddenContext
from tenets_session_server.storage.sqlite.trash import Trash
from tenets_session_server.storage.steps import Steps, patiently

BATCH: Final = 1000
"""Entries that are inserted together."""
SMALL: Final = 2 * 1024 * 1024
"""Bytes of what is no entry, at most."""
BATCH_BYTES: Final = 1024 * 1024
"""Bytes of their contents after which they are inserted."""
RESERVED: Final = 1000
"""Ids of sessions that are reserved together."""

_RESERVE: Final = """UPDATE sqlite_sequence SET seq = seq + :number WHERE name = 'sessions'"""
_FIRST_RESERVE: Final = "INSERT INTO sqlite_sequence (name, seq) VALUES ('sessions', 0)"
_RESERVED: Final = "SELECT seq FROM sqlite_sequence WHERE name = 'sessions'"
_GIVE_BACK: Final = "UPDATE sqlite_sequence SET seq = ? WHERE name = 'sessions' AND seq = ?"
_INSERT_SESSIONS: Final = """INSERT INTO session_server_trash_sessions
    (trash_id, id, name, created_at, metadata) VALUES (?, ?, ?, ?, ?)"""
_INSERT_ENTRIES: Final = """INSERT INTO session_context (session_id, kind, content, created_at)
    VALUES (?, ?, ?, ?)"""
_INSERT_DETAILS: Final = """INSERT OR REPLACE INTO session_server_entries (id, author, updated_at,
    location, place, resolved_place, identity_key, key_session_id, imported_author)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""


class Staging:
    """The staging of one document as the item ``trash_id``, in batches.

    ``sessions`` and ``entries`` say how many there are, and ``cleaned``, how many sessions have got
    another name; ``with_keys`` are the ids of sessions with identity keys.
    """

    def __init__(
        self,
        database: Database,
        trash: Trash,
        hidden: HiddenContext,
        trash_id: int,
        most_sessions: int | None,
    ) -> None:
        self._database, self._trash, self._hidden = database, trash, hidden
        self.trash_id, self._most_sessions = trash_id, most_sessions
        self.sessions = self.entries = self.cleaned = 0
        self.with_keys: list[int] = []
        self._names: dict[str, int] = {}
        self._ids: Iterator[int] = iter(())
        self._session_rows: list[Row] = []
        self._entry_rows: list[Row] = []
        self._details: list[list[Any]] = []
        self._to_hide: list[int] = []
        self._hidden_last = 0
        self._bytes = 0

    def read(self, stream: JsonStream) -> Steps[None]:
        """Stage the whole document."""
        expected: dict[str, object] = {"format": FORMAT, "version": VERSION, "sessions": ...}
        for member in stream.members():
            stream.path = member
            if member == "sessions":
                for index in stream.items():
                    stream.path = f"sessions[{index}]"
                    yield from self._read_session(stream)
                expected.pop("sessions", None)
            elif member in expected:
                wanted, found = expected.pop(member), stream.decoded(stream.value(SMALL))
                if found != wanted or type(found) is not type(wanted):
                    raise stream.invalid(
                        f'expected "format": "{FORMAT}" and "version": {VERSION}, as an export has'
                    )
            else:
                stream.value(SMALL)
                yield 0.0
        stream.path = ""
        stream.end()
        if expected:
            raise stream.invalid(f'expected a member "{next(iter(expected))}", as an export has')
        yield from patiently(self._flush)

    def _read_session(self, stream: JsonStream) -> Steps[None]:
        if self.sessions == self._most_sessions:
            raise LimitExceededError("the number of sessions", self._most_sessions)
        path, session_id = stream.path, (yield from patiently(self._next_id))
        given: dict[str, str] = {"metadata": "{}"}
        has_keys = False
        for member in stream.members():
            stream.path = f"{path}.{member}"
            if member == "context":
                for index in stream.items():
                    stream.path = f"{path}.context[{index}]"
                    has_keys |= self._read_entry(stream, session_id)
                    if len(self._entry_rows) == BATCH or self._bytes > BATCH_BYTES:
                        yield from patiently(self._flush)
                    yield 0.0
            else:
                text = stream.value(SMALL)
                try:
                    given[member] = self._checked(member, text)
                except TenetsSessionError as error:
                    raise located(stream, error, text) from None
                self._bytes += len(text)
                yield 0.0
        stream.path = path
        for member in ("name", "createdAt"):
            if member not in given:
                raise stream.invalid(f"expected a member {member}")
        self._names[given["name"]] = self.sessions
        self.sessions += 1
        row = (self.trash_id, session_id, given["name"], given["createdAt"], given["metadata"])
        self._session_rows.append(row)
        if has_keys:
            self.with_keys.append(session_id)
        if self._bytes > BATCH_BYTES:
            yield from patiently(self._flush)

    def _checked(self, member: str, text: bytes) -> str:
        """Return what is stored of a member of a session; "" for one that is not known."""
        if member == "name":
            given = string(member, text)
            name = names.cleaned(given, names.LONGEST)
            self.cleaned += name != given
            if name in self._names:
                reason = f"a name that sessions[{self._names[name]}] does not have"
                raise InvalidArgumentError(member, reason)
            return name
        if member == "createdAt":
            return time(string(member, text), member)
        if member != "metadata":
            return ""
        return metadata.normalise(metadata.EMPTY if text == b"[]" else text).decode("utf-8")

    def _read_entry(self, stream: JsonStream, session_id: int) -> bool:
        """Take the next entry; tell whether it has a key."""
        text = stream.value()
        entry, created_at, updated_at, place = read_entry(stream, text)
        if session_id != self._hidden_last:
            self._hidden_last = session_id
            self._to_hide.append(session_id)
        kind = names.cleaned(entry.kind, names.LONGEST_KIND)
        self._entry_rows.append((session_id, kind, entry.content, created_at))
        key = entry.identity_key
        author = entry.author if entry.imported_author is None else entry.imported_author
        self._details.append(
            [
                self._database.author,
                updated_at,
                *place,
                key,
                None if key is None else session_id,
                author and names.cleaned(author, names.LONGEST_AUTHOR),
            ]
        )
        self._bytes += len(text)
        return key is not None

    def give_back_ids(self) -> None:
        """Give back the reserved ids that are not needed, if they are still the last ones."""
        unused = [*self._ids]
        if unused:
            self._database.run(_GIVE_BACK, (unused[0] - 1, unused[-1]))

    def _next_id(self) -> int:
        for session_id in self._ids:
            return session_id
        with self._database.transaction():
            if not self._database.run(_RESERVED):
                self._database.run(_FIRST_RESERVE)
            self._database.run(_RESERVE, {"number": RESERVED})
            last: int = self._database.run(_RESERVED)[0][0]
        self._ids = iter(range(last - RESERVED + 1, last + 1))
        return next(self._ids)

    def _flush(self) -> None:
        """Store what has been read."""
        entries = len(self._entry_rows)
        with self._database.transaction():
            if not self._trash.touch(self.trash_id, entries):
                raise DatabaseUnavailableError(
                    "the import was given up as it made no progress; start it again"
                )
            for session_id in self._to_hide:
                self._hidden.hide_new(self.trash_id, session_id)
            self._database.run_many(
                "INSERT OR IGNORE INTO session_server_unreported VALUES (?)",
                {(row[0],) for row in self._entry_rows},
            )
            self._database.run_many(_INSERT_ENTRIES, self._entry_rows)
            first = self._database.last_id - entries + 1  # they are consecutive
            details = [(first + at, *rest) for at, rest in enumerate(self._details)]
            self._database.run_many(_INSERT_DETAILS, details)
            self._database.run("DELETE FROM session_server_unreported")
            self._database.run_many(_INSERT_SESSIONS, self._session_rows)
        self.entries += entries
        self._bytes = 0
        for rows in (self._session_rows, self._entry_rows, self._details, self._to_hide):
            rows.clear()
