"""The context entries of sessions: adding and reading them; all SQL on ``session_context``.

What upstream's table has no column for is in ``session_server_entries``, which has a row only for
entries that need one. Another program's entries have none.
"""

from __future__ import annotations

import codecs
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET

from tenets_session_server.errors import ChangeRefusedError
from tenets_session_server.models import AddedContext, ContextEntry, ContextList, ContextPiece
from tenets_session_server.storage import cursors, previews, states, timestamps
from tenets_session_server.storage.cursors import Position
from tenets_session_server.storage.database import SWALLOWED, Database, Row, Value
from tenets_session_server.storage.sessions import Sessions

Order = Literal["oldest", "newest"]

PAGE_BYTES: Final = 4 * 1024 * 1024
"""A page ends once its contents reach this size, whatever its limit."""
LARGEST_LISTED: Final = 1024 * 1024
"""Bytes; larger contents are not in a list, but read in pieces."""
WALKED: Final = 20_000
"""Entries that are looked at for one page, which takes 10 ms; with few matches it ends early."""

# Another program's text may not be UTF-8, so text is read as bytes.
_CONTENT: Final = "CAST(c.content AS BLOB)"
_COLUMNS: Final = f"""c.id, c.session_id, CAST(s.name AS BLOB), CAST(c.kind AS BLOB),
    CASE typeof(c.created_at) WHEN 'text' THEN CAST(c.created_at AS BLOB) ELSE c.created_at END,
    length({_CONTENT}), e.author, CAST({previews.START.format("c.content")} AS BLOB)"""
_FROM: Final = """FROM session_context AS c LEFT JOIN sessions AS s ON s.id = c.session_id
    LEFT JOIN session_server_entries AS e ON e.id = c.id"""
_LISTED: Final = f"""SELECT {_COLUMNS},
        CASE WHEN :content AND length({_CONTENT}) <= {LARGEST_LISTED} THEN {_CONTENT} END
    {_FROM} WHERE c.id IN (SELECT value FROM json_each(:ids)) ORDER BY c.id """  # at most 1,000
_PIECE: Final = f"""SELECT {_COLUMNS}, substr({_CONTENT}, :offset + 1, :bytes)
    {_FROM} WHERE c.id = :id"""
_DIRECTIONS: Final[dict[Order, str]] = {"oldest": "ASC", "newest": "DESC"}
_DECODER: Final = codecs.getincrementaldecoder("utf-8")


class Context:
    """The context entries of one :class:`Database`; raises as :class:`~.sessions.Sessions` does."""

    def __init__(self, database: Database, sessions: Sessions) -> None:
        self._database, self._sessions = database, sessions

    def add(
        self,
        session_name: str,
        kind: str,
        content: str,
        *,
        author: str | None = None,
        check_name: bool = False,
    ) -> AddedContext:
        """Append an entry, and create the session in the same transaction if it is missing.

        With ``check_name`` a new session gets a name as :func:`.names.checked` returns it, or
        :class:`InvalidArgumentError` is raised.
        """
        size = len(content) if content.isascii() else len(content.encode("utf-8"))
        with self._database.transaction():
            session_id, session_name, created = self._sessions.find_or_create(
                session_name, check_name=check_name
            )
            now = timestamps.now()
            self._database.change(
                "INSERT INTO session_context (session_id, kind, content, created_at)"
                " VALUES (?, ?, ?, ?)",
                (session_id, kind, content, now),
            )
            entry_id = self._database.last_id
            if not self._database.run("SELECT 1 FROM session_context WHERE id = ?", (entry_id,)):
                raise ChangeRefusedError(SWALLOWED)
            if author is not None:
                self._database.change(
                    "INSERT OR REPLACE INTO session_server_entries (id, author) VALUES (?, ?)",
                    (entry_id, author),
                )
            state = states.newest(self._database)
        return AddedContext(
            id=entry_id,
            session_id=session_id,
            session_name=session_name,
            kind=kind,
            preview=previews.of(content),
            size=size,
            created_at=now,
            author=author,
            session_created=created,
            revision=state.revision,
            state=str(state),
        )

    def page(
        self,
        *,
        session: int | None = None,
        ids: list[int] | None = None,
        kind: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
        order: Order = "oldest",
        include_content: bool = True,
    ) -> ContextList:
        """Return at most ``limit`` entries in the order of their ids.

        Those of a session (its id), those of ``ids``, or of all; and of them those of a ``kind``.
        ``cursor`` is the ``next_cursor`` of a page with the same filters and order; another one
        raises :class:`InvalidArgumentError`. A page may have fewer entries than ``limit``: if their
        contents are large, or if few of them match.
        """
        scope = cursors.scope("listContext", session, repr(ids), kind, order)
        bindings: dict[str, Value] = {"session": session, "kind": kind}
        bindings["ids"] = _json(ids)
        bindings["rows"] = limit + 1 if kind is None else WALKED
        bindings["start"] = -(2**63) if order == "oldest" else 2**63 - 1
        if cursor is not None:
            bindings["start"] = cursors.load(cursor, scope).id
        statement = _walk(
            session=session is not None,
            ids=ids is not None,
            kind=kind is not None,
            order=order,
        )
        with self._database.snapshot():
            walked = self._database.run(statement, bindings)
            matching = [row[0] for row in walked if row[1]][: limit + 1]
            rows = self._rows(matching[:limit], order, include_content)
            state = states.newest(self._database)
        entries = [
            ContextEntry(**_members(row), content=UNSET if row[-1] is None else _text(row[-1]))
            for row in rows
        ]
        if len(entries) < len(matching):
            last = entries[-1].id
        elif len(walked) == bindings["rows"]:
            last = walked[-1][0]
        else:
            last = None
        next_cursor = None
        if last is not None:  # the next page begins behind it
            start = last + (1 if order == "oldest" else -1)
            next_cursor = cursors.dump(Position(0, False, start), scope)
        return ContextList(entries, next_cursor, state.revision, str(state))

    def piece(self, entry_id: int, offset: int, size: int) -> ContextPiece | None:
        """Return an entry with at most ``size`` bytes of its content, from byte ``offset`` on.

        It is cut between characters. Returns None if there is no such entry.
        """
        bindings = {"id": entry_id, "offset": offset, "bytes": size}
        with self._database.snapshot():
            rows = self._database.run(_PIECE, bindings)
            if not rows:
                return None
            state = states.newest(self._database)
        row = rows[0]
        data: bytes = row[-1] or b""
        more = offset + len(data) < (row[5] or 0)
        decoder = _DECODER("replace")
        content = decoder.decode(data, final=not more)
        end = offset + len(data) - len(decoder.getstate()[0])
        return ContextPiece(
            **_members(row),
            content=content,
            next_offset=end if more else None,
            revision=state.revision,
            state=str(state),
        )

    def _rows(self, ids: list[int], order: Order, include_content: bool) -> list[Row]:
        """Return the rows of entries, in the order of their ids, until they are large enough."""
        bindings: dict[str, Value] = {"ids": _json(ids), "content": include_content}
        found, size = list[Row](), 0
        with self._database.rows(_LISTED + _DIRECTIONS[order], bindings) as rows:
            for row in rows:
                found.append(row)
                size += 0 if row[-1] is None else len(row[-1])
                if size >= PAGE_BYTES:
                    break
        return found


def _walk(*, session: bool, ids: bool, kind: bool, order: Order) -> str:
    """Return the statement that finds the entries of a page: their ids, and whether they match."""
    where = [f"id {'<=' if order == 'newest' else '>='} :start"]
    if session:
        where.append("session_id = :session")
    if ids:
        where.append("id IN (SELECT value FROM json_each(:ids))")
    matches = "kind = :kind" if kind else "1"
    return (
        f"SELECT id, {matches} FROM session_context WHERE {' AND '.join(where)}"
        f" ORDER BY id {_DIRECTIONS[order]} LIMIT :rows"
    )


def _members(row: Row) -> dict[str, Any]:
    """Return the members of an entry, without its content."""
    entry_id, session_id, name, kind, created_at, size, author, start, _ = row
    return {
        "id": entry_id,
        "session_id": session_id,
        "session_name": None if name is None else _text(name),
        "kind": _text(kind),
        "preview": previews.of(_text(start)),
        "size": size or 0,
        "created_at": timestamps.readable(created_at),
        "author": author,
    }


def _json(ids: list[int] | None) -> str:
    return msgspec.json.encode(ids).decode()


def _text(stored: Value) -> str:
    return stored.decode("utf-8", "replace") if isinstance(stored, bytes) else str(stored or "")
