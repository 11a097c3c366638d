"""Exports sessions as a JSON document that can be imported, or as Markdown for people.

Both are streams: no more than one entry is held, however many there are. In the JSON document each
entry is a line.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import nullcontext
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, Raw

from tenets_session_server import masking
from tenets_session_server.errors import LimitExceededError
from tenets_session_server.models.sessions import Session
from tenets_session_server.models.transfer import FORMAT, VERSION, ExportedEntry
from tenets_session_server.storage import markdown, timestamps
from tenets_session_server.storage.sqlite.database import Database, Row
from tenets_session_server.storage.sqlite.hidden_context import FIRST, VISIBLE
from tenets_session_server.storage.sqlite.session_queries import SessionQuery, session
from tenets_session_server.storage.sqlite.sessions import Sessions
from tenets_session_server.storage.steps import Steps

CHUNK: Final = 500
"""Entries that are read together at most."""
CHUNK_BYTES: Final = 1024 * 1024
"""Bytes of contents after which a chunk ends."""
_BY_ID: Final = SessionQuery("SELECT {session} FROM sessions AS s WHERE s.id = :id")
_ALL: Final = "SELECT id FROM sessions ORDER BY id"
_ENTRIES: Final = f"""SELECT c.id, CAST(c.kind AS BLOB), CAST(c.content AS BLOB),
        CASE typeof(c.created_at) WHEN 'text' THEN CAST(c.created_at AS BLOB) ELSE c.created_at END,
        e.updated_at, e.author, e.imported_author, e.location, e.identity_key
    FROM session_context AS c LEFT JOIN session_server_entries AS e ON e.id = c.id
    WHERE c.session_id = ? AND c.id >= ? AND {VISIBLE} ORDER BY c.id"""
_encode: Final = msgspec.json.Encoder().encode


class Exporter:
    """The exports of one :class:`Database`; raises as :meth:`Database.run` does.

    A stream has the state of the moment when it is begun, and while it is read, this object's
    database must not be used otherwise. With ``at_once`` false it may be: then others' changes may
    come in between. A piece has at most about :data:`CHUNK_BYTES`, or one entry.
    """

    def __init__(self, database: Database, sessions: Sessions) -> None:
        self._database, self._sessions = database, sessions

    def json(
        self, ids: Sequence[int] | None = None, *, at_once: bool = True
    ) -> Generator[bytes, None, None]:
        """Yield the JSON document of these sessions, or of all, in pieces of UTF-8."""
        with self._database.snapshot() if at_once else nullcontext():
            head = {"format": FORMAT, "version": VERSION, "exportedAt": timestamps.now()}
            yield _encode(head)[:-1] + b',"sessions":['
            for number, found in enumerate(self._each(ids)):
                yield b",\n" if number else b"\n"
                yield from self._session(found)
            yield b"\n]}\n"

    def markdown(
        self, ids: Sequence[int] | None = None, *, at_once: bool = True, raw: bool = False
    ) -> Generator[bytes, None, None]:
        """Yield the same as Markdown (CommonMark) for people, in pieces of UTF-8.

        What looks like a secret is masked, unless ``raw``.
        """
        shown = str if raw else masking.masked
        with self._database.snapshot() if at_once else nullcontext():
            for number, found in enumerate(self._each(ids)):
                yield (("\n" if number else "") + markdown.of_session(found, shown)).encode()
                for entry in self._entries(found.id):
                    yield markdown.of_entry(entry, shown).encode()

    def text(
        self,
        form: Literal["json", "markdown"],
        names: Sequence[str] | None,
        session_ids: Sequence[int] | None,
        *,
        raw: bool,
        most: int,
    ) -> Steps[str]:
        """Return sessions in a format as one text, in steps; without names and ids all of them.

        Raises :class:`SessionNotFoundError`, and :class:`LimitExceededError` if it has more than
        ``most`` bytes as a JSON string.
        """
        ids = None
        if names is not None or session_ids is not None:
            ids = [self._sessions.id_of(name, None) for name in names or ()]
            ids += [self._sessions.id_of(None, one) for one in session_ids or ()]
        if form == "json":
            stream = self.json(ids, at_once=False)
        else:
            stream = self.markdown(ids, at_once=False, raw=raw)
        size = 0
        pieces: list[bytes] = []
        for piece in stream:
            pieces.append(piece)
            size += len(piece)
            if size > most:
                break
            yield 0.0
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
        position = FIRST
        while True:  # no cursor stays open while the reader does something else
            size = 0
            found: list[Row] = []
            with self._database.rows(_ENTRIES, (session_id, position)) as rows:
                for row in rows:
                    found.append(row)
                    size += len(row[2] or b"")
                    if size > CHUNK_BYTES or len(found) == CHUNK:
                        break
            for row in found:
                yield _entry(row)
            if size <= CHUNK_BYTES and len(found) < CHUNK:
                return
            position = found[-1][0] + 1


def _entry(row: Row) -> ExportedEntry:
    _, kind, content, created_at, updated_at, author, imported_author, location, key = row
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
