"""The floor: the least Python that answers the same requests, without any server library.

It reads blockingly, decodes with msgspec, asks apsw, and writes the replies to all that one read
brought in one piece. No lifecycle, no validation, no error replies, no second client, nobody told
of changes. Its SQL is what somebody would write who has our tables before him; that the answers
are the same as everybody's is checked in each run. ``Sql`` alone, called in the measuring process,
is a column of its own.
"""

from __future__ import annotations

import base64
import os
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import apsw
import msgspec

READ_SIZE: Final = 64 * 1024
HEADER: Final = re.compile(rb"Content-Length: (\d+)\r\n\r\n")

# The active session's id in `active` makes finding it, and telling whether another one is it,
# independent of how many there are.
SESSION: Final = """SELECT id, name, created_at,
    id IS (SELECT session_id FROM session_server_active), metadata FROM sessions"""
ACTIVE: Final = """SELECT s.id, s.name, s.created_at, s.metadata
    FROM session_server_active AS a JOIN sessions AS s ON s.id = a.session_id"""
CHANGES: Final = """SELECT revision, type, session_id, session_name, context_id
    FROM session_server_changes WHERE revision > ? ORDER BY revision LIMIT ?"""
ENTRY: Final = """SELECT c.id, c.session_id, s.name, c.kind, c.content, c.created_at, e.author
    FROM session_context AS c LEFT JOIN sessions AS s ON s.id = c.session_id
    LEFT JOIN session_server_entries AS e ON e.id = c.id"""
BOUND: Final = """SELECT b.folder, s.id FROM session_server_bindings AS b
    JOIN sessions AS s ON s.name = b.name"""
PAGE: Final = " ORDER BY created_at DESC, id DESC LIMIT ?"

_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode: Final = msgspec.json.Encoder().encode


class Envelope(msgspec.Struct):
    """A request or a notification."""

    method: str
    id: int | None = None
    params: msgspec.Raw = msgspec.Raw(b"null")


class Params(msgspec.Struct, rename="camel"):
    """The params of all methods; each looks at its own."""

    name: str = ""
    session_name: str = ""
    kind: str = ""
    content: str = ""
    metadata: msgspec.Raw = msgspec.Raw(b"{}")
    updates: msgspec.Raw = msgspec.Raw(b"{}")
    limit: int = 100
    name_prefix: str | None = None
    active: bool | None = None
    since: int = 0
    id: int = 0
    folder: str = ""


class Session(msgspec.Struct, rename="camel"):
    """A session as it is sent; metadata as it is stored."""

    id: int
    name: str
    created_at: str
    active: bool
    metadata: msgspec.Raw


class SessionList(msgspec.Struct, rename="camel"):
    """A page of sessions."""

    sessions: list[Session]
    next_cursor: str | None


class AddedContext(msgspec.Struct, rename="camel"):
    """An entry that was appended."""

    id: int
    session_id: int
    session_name: str
    kind: str
    size: int
    created_at: str
    session_created: bool


class Entry(msgspec.Struct, rename="camel"):
    """A context entry with its content."""

    id: int
    session_id: int
    session_name: str
    kind: str
    preview: str
    content: str
    size: int
    created_at: str
    author: str | None


class Piece(Entry, rename="camel"):
    """A context entry, and the state that it was read in."""

    next_offset: int | None = None
    revision: int = 0
    state: str = ""


class Change(msgspec.Struct, rename="camel", omit_defaults=True):
    """One committed change."""

    revision: int
    type: str
    session_id: int
    session_name: str
    context_id: int | None = None


class Reply(msgspec.Struct):
    """A response that succeeded."""

    id: int
    result: Any
    jsonrpc: str = "2.0"


class Sql:
    """Each method as SQL on one connection; a write is one transaction that waits for the disk."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._connection = apsw.Connection(path)
        self._connection.execute("PRAGMA synchronous = FULL")

    def close(self) -> None:
        self._connection.close()

    def get_active(self, _params: Params) -> Session | None:
        """Return the active session."""
        for row in self._rows(ACTIVE):
            return Session(row[0], row[1], row[2], True, msgspec.Raw(row[3]))
        return None

    def get(self, params: Params) -> Session | None:
        """Return the session of a name."""
        rows = self._rows(f"{SESSION} WHERE name = ?", params.name)
        return _session(rows[0]) if rows else None

    def page(self, params: Params) -> SessionList:
        """Return the newest sessions, of all or of some (``list``)."""
        limit = params.limit
        if params.active:
            where = " WHERE id = (SELECT session_id FROM session_server_active)"
            rows = self._rows(SESSION + where + PAGE, limit + 1)
        elif params.name_prefix is not None:
            last = params.name_prefix[:-1] + chr(ord(params.name_prefix[-1]) + 1)
            where = " WHERE name >= ? AND name < ?"
            rows = self._rows(SESSION + where + PAGE, params.name_prefix, last, limit + 1)
        else:
            rows = self._rows(SESSION + PAGE, limit + 1)
        cursor = None
        if len(rows) > limit:
            rows.pop()
            key = _encode(["text", rows[-1][2].encode().hex(), rows[-1][0]])
            cursor = base64.urlsafe_b64encode(key).decode("ascii")
        return SessionList([_session(row) for row in rows], cursor)

    def create(self, params: Params) -> Session:
        """Create a session."""
        self._run("BEGIN IMMEDIATE")
        session_id = self._insert(params.name, bytes(params.metadata).decode())
        row = self._rows(f"{SESSION} WHERE id = ?", session_id)[0]
        self._run("COMMIT")
        return _session(row)

    def set_active(self, params: Params) -> Session:
        """Make a session the active one; the trigger makes the other one inactive."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        updates = {"active": True, "updated_at": now, "resumed_at": now}
        return self._merge(params.name, _encode(updates))

    def update_metadata(self, params: Params) -> Session:
        """Merge into a session's metadata."""
        return self._merge(params.name, params.updates)

    def add_context(self, params: Params) -> AddedContext:
        """Append an entry, to a session that is made where it is missing."""
        self._run("BEGIN IMMEDIATE")
        rows = self._rows("SELECT id FROM sessions WHERE name = ?", params.session_name)
        session_id = rows[0][0] if rows else self._insert(params.session_name, "{}")
        now = datetime.now(UTC).isoformat()
        self._run(
            "INSERT INTO session_context (session_id, kind, content, created_at)"
            " VALUES (?, ?, ?, ?)",
            *(session_id, params.kind, params.content, now),
        )
        entry_id = self._connection.last_insert_rowid()
        self._run("COMMIT")
        size = len(params.content.encode())
        return AddedContext(
            *(entry_id, session_id, params.session_name, params.kind, size, now, not rows)
        )

    def delete(self, params: Params) -> dict[str, bool]:
        """Delete a session and what it has."""
        self._run("BEGIN IMMEDIATE")
        rows = self._rows("SELECT id FROM sessions WHERE name = ?", params.name)
        for row in rows:
            self._run("DELETE FROM sessions WHERE id = ?", *row)
            self._run("DELETE FROM session_context WHERE session_id = ?", *row)
        self._run("COMMIT")
        return {"deleted": bool(rows)}

    def changes(self, params: Params) -> dict[str, Any]:
        """Return what was committed after a revision."""
        self._run("BEGIN")
        newest = self._rows("SELECT max(revision) FROM session_server_changes")[0][0]
        rows = self._rows(CHANGES, params.since, params.limit + 1)
        self._run("COMMIT")
        found = [Change(*row) for row in rows[: params.limit]]
        return {"changes": found, "revision": newest, "truncated": len(rows) > params.limit}

    def stats(self, _params: Params) -> dict[str, int]:
        """Return how much there is."""
        row = self._rows(
            "SELECT (SELECT count(*) FROM sessions), (SELECT count(*) FROM session_context),"
            " (SELECT max(revision) FROM session_server_changes)"
        )[0]
        return {
            **dict(zip(("sessions", "contextEntries", "revision"), row, strict=True)),
            "databaseBytes": Path(self._path).stat().st_size,
            "logBytes": Path(f"{self._path}-wal").stat().st_size,
        }

    def list_context(self, params: Params) -> dict[str, Any]:
        """Return the first entries of all sessions."""
        self._run("BEGIN")
        rows = self._rows(f"{ENTRY} ORDER BY c.id LIMIT ?", params.limit + 1)
        revision, state = self._state()
        self._run("COMMIT")
        cursor = None
        if len(rows) > params.limit:
            cursor = base64.urlsafe_b64encode(_encode(rows.pop()[0])).decode("ascii")
        entries = [_entry(row) for row in rows]
        return {"entries": entries, "nextCursor": cursor, "revision": revision, "state": state}

    def get_context(self, params: Params) -> Piece | None:
        """Return an entry."""
        self._run("BEGIN")
        rows = self._rows(f"{ENTRY} WHERE c.id = ?", params.id)
        revision, state = self._state()
        self._run("COMMIT")
        if not rows:
            return None
        piece = Piece(*msgspec.structs.astuple(_entry(rows[0])))
        piece.revision, piece.state = revision, state
        return piece

    def bind(self, params: Params) -> None:
        """Bind a folder to a session, or unbind it."""
        self._run("BEGIN IMMEDIATE")
        if params.name:
            self._run(
                "INSERT INTO session_server_bindings VALUES (?, ?)", params.folder, params.name
            )
        else:
            self._run("DELETE FROM session_server_bindings WHERE folder = ?", params.folder)
        self._run(
            "INSERT INTO session_server_changes (type, session_id, session_name, folder, token)"
            " VALUES ('bound', 0, ?, ?, random())",
            *(params.name or None, params.folder),
        )
        self._run("COMMIT")

    def get_current(self, params: Params) -> dict[str, Any]:
        """Return the session that is bound to a folder, or to the nearest one that it is in."""
        self._run("BEGIN")
        bound = dict(self._rows(BOUND))
        folder = os.path.realpath(params.folder)
        while folder not in bound and folder != "/":
            folder = os.path.dirname(folder)  # noqa: PTH120 - in a loop
        if folder in bound:
            session = _session(self._rows(f"{SESSION} WHERE id = ?", bound[folder])[0])
        else:
            session = self.get_active(params)  # type: ignore[assignment]
        revision, state = self._state()
        self._run("COMMIT")
        return {
            "folder": params.folder,
            "session": session,
            "binding": folder,
            "revision": revision,
            "state": state,
        }

    def _state(self) -> tuple[int, str]:
        revision, token = self._rows(
            "SELECT revision, token FROM session_server_changes ORDER BY revision DESC LIMIT 1"
        )[0]
        return revision, f"{revision}.{token & 0xFFFF_FFFF_FFFF_FFFF:x}"

    def _rows(self, sql: str, *bindings: Any) -> list[Any]:
        return self._connection.execute(sql, bindings).fetchall()

    def _run(self, sql: str, *bindings: Any) -> None:
        self._connection.execute(sql, bindings)

    def _insert(self, name: str, metadata: str) -> int:
        now = datetime.now(UTC).isoformat()
        self._run(
            "INSERT INTO sessions (name, created_at, metadata) VALUES (?, ?, ?)",
            *(name, now, metadata),
        )
        return self._connection.last_insert_rowid()

    def _merge(self, name: str, updates: bytes | msgspec.Raw) -> Session:
        self._run("BEGIN IMMEDIATE")
        session_id, stored = self._rows("SELECT id, metadata FROM sessions WHERE name = ?", name)[0]
        merged = _encode(_members.decode(stored) | _members.decode(updates)).decode()
        self._run("UPDATE sessions SET metadata = ? WHERE id = ?", merged, session_id)
        row = self._rows(f"{SESSION} WHERE id = ?", session_id)[0]
        self._run("COMMIT")
        return _session(row)


def _session(row: tuple[Any, ...]) -> Session:
    return Session(row[0], row[1], row[2], bool(row[3]), msgspec.Raw(row[4]))


def _entry(row: tuple[Any, ...]) -> Entry:
    content = row[4]
    preview = content.lstrip().partition("\n")[0][:200]
    entry_id, session_id, name, kind = row[:4]
    size = len(content.encode())
    return Entry(entry_id, session_id, name, kind, preview, content, size, row[5], row[6])


METHODS: Final[dict[str, Callable[[Sql, Params], Any]]] = {
    "tenets/session.getActive": Sql.get_active,
    "tenets/session.get": Sql.get,
    "tenets/session.list": Sql.page,
    "tenets/session.create": Sql.create,
    "tenets/session.setActive": Sql.set_active,
    "tenets/session.updateMetadata": Sql.update_metadata,
    "tenets/session.addContext": Sql.add_context,
    "tenets/session.delete": Sql.delete,
    "tenets/session.changes": Sql.changes,
    "tenets/session.stats": Sql.stats,
    "tenets/session.listContext": Sql.list_context,
    "tenets/session.getContext": Sql.get_context,
    "tenets/session.bind": Sql.bind,
    "tenets/session.getCurrent": Sql.get_current,
}


def serve(sql: Sql) -> None:
    """Answer what comes on stdin until ``exit`` or its end."""
    decode = msgspec.json.Decoder(Envelope).decode
    params = msgspec.json.Decoder(Params).decode
    prepared = msgspec.Raw(b"null")
    buffer = b""
    while data := os.read(0, READ_SIZE):
        buffer += data
        position = 0
        replies = []
        while header := HEADER.match(buffer, position):
            end = header.end() + int(header[1])
            if len(buffer) < end:
                break
            request = decode(buffer[header.end() : end])
            position = end
            if request.id is None:
                if request.method == "exit":
                    return
                continue
            result: Any = None
            if method := METHODS.get(request.method):
                result = method(sql, params(request.params))
            elif request.method == "echo":
                result = request.params
            elif request.method == "prepared":  # what was prepared, as it is
                result = prepared
            elif request.method == "prepare":
                prepared = request.params.copy()
            body = _encode(Reply(request.id, result))
            replies.append(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        buffer = buffer[position:]
        unsent = memoryview(b"".join(replies))
        while unsent:
            unsent = unsent[os.write(1, unsent) :]


if __name__ == "__main__":
    serve(Sql(sys.argv[1]))
