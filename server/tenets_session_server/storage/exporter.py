"""Exports sessions as a JSON document that can be imported, or as Markdown for people.

Both are streams: no more than one entry is held, however many there are. In the JSON document each
entry is a line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw

from tenets_session_server.errors import LimitExceededError
from tenets_session_server.models.sessions import Session
from tenets_session_server.models.transfer import FORMAT, VERSION, ExportedEntry
from tenets_session_server.storage import markdown, timestamps
from tenets_session_server.storage.database import Database, Row
from tenets_session_server.storage.hidden_context import VISIBLE
from tenets_session_server.storage.session_queries import SessionQuery, session

_BY_ID: Final = SessionQuery("SELECT {session} FROM sessions AS s WHERE s.id = :id")
_ALL: Final = "SELECT id FROM sessions ORDER BY id"
_ENTRIES: Final = f"""SELECT CAST(c.kind AS BLOB), CAST(c.content AS BLOB),
        CASE typeof(c.created_at) WHEN 'text' THEN CAST(c.created_at AS BLOB) ELSE c.created_at END,
        e.updated_at, e.author, e.imported_author, e.location, e.identity_key
    FROM session_context AS c LEFT JOIN session_server_entries AS e ON e.id = c.id
    WHERE c.session_id = ? AND {VISIBLE} ORDER BY c.id"""
_encode: Final = msgspec.json.Encoder().encode


class Exporter:
    """The exports of one :class:`Database`; raises as :meth:`Database.run` does.

    A stream has the state of the moment when it is begun. While it is read, the database is not
    used otherwise by this object's process.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def json(self, ids: Sequence[int] | None = None) -> Iterator[bytes]:
        """Yield the JSON document of these sessions, or of all, in pieces of UTF-8."""
        with self._database.snapshot():
            head = {"format": FORMAT, "version": VERSION, "exportedAt": timestamps.now()}
            yield _encode(head)[:-1] + b',"sessions":['
            for number, found in enumerate(self._each(ids)):
                yield b",\n" if number else b"\n"
                yield from self._session(found)
            yield b"\n]}\n"

    def markdown(self, ids: Sequence[int] | None = None) -> Iterator[bytes]:
        """Yield the same as Markdown (CommonMark) for people, in pieces of UTF-8."""
        with self._database.snapshot():
            for number, found in enumerate(self._each(ids)):
                yield (("\n" if number else "") + markdown.of_session(found)).encode()
                for entry in self._entries(found.id):
                    yield markdown.of_entry(entry).encode()

    def text(self, stream: Iterator[bytes], most: int) -> str:
        """Return a stream as one text, of at most ``most`` bytes as a JSON string.

        Raises :class:`LimitExceededError`.
        """
        pieces, size = list[bytes](), 0
        for piece in stream:
            pieces.append(piece)
            size += len(piece)
            if size > most:
                break
        text = b"".join(pieces).decode("utf-8")
        if size > most or len(_encode(text)) > most:
            raise LimitExceededError("the export (bytes in a message)", most)
        return text

    def _each(self, ids: Sequence[int] | None) -> Iterator[Session]:
        if ids is None:
            ids = [row[0] for row in self._database.run(_ALL)]
        for row in _BY_ID.each(self._database, [(one,) for one in dict.fromkeys(ids)]):
            yield session(row)

    def _session(self, found: Session) -> Iterator[bytes]:
        head = {"name": found.name, "createdAt": found.created_at, "metadata": found.metadata}
        yield _encode(head)[:-1] + b',"context":['
        for number, entry in enumerate(self._entries(found.id)):
            yield (b",\n" if number else b"\n") + _encode(entry)
        yield b"\n]}"

    def _entries(self, session_id: int) -> Iterator[ExportedEntry]:
        with self._database.rows(_ENTRIES, (session_id,)) as rows:
            for row in rows:
                yield _entry(row)


def _entry(row: Row) -> ExportedEntry:
    kind, content, created_at, updated_at, author, imported_author, location, key = row
    return ExportedEntry(
        kind=_text(kind),
        content=_text(content),
        created_at=timestamps.readable(created_at),
        updated_at=_given(updated_at),
        author=author,
        imported_author=_given(imported_author),
        location=UNSET if location is None else Raw(location.encode()),
        identity_key=_given(key),
    )


def _given(value: Any) -> Any:
    return UNSET if value is None else value


def _text(stored: bytes | None) -> str:
    return (stored or b"").decode("utf-8", "replace")
