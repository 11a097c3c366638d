"""Reads context entries: pages of them, and one in pieces.

What is to be removed with its session, or by a reset, is not there any more for a reader, though
the rows may be.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from typing import Any, Final

from msgspec import UNSET, Raw
from msgspec.structs import fields

from tenets_session_server.models.context import ContextEntry, ContextList, ContextPiece
from tenets_session_server.storage import cursors, previews, timestamps, uris
from tenets_session_server.storage.context_listing import ContextListing, Order
from tenets_session_server.storage.cursors import Position
from tenets_session_server.storage.sqlite import states
from tenets_session_server.storage.sqlite.database import Database, Row, Value, as_json
from tenets_session_server.storage.sqlite.hidden_context import FIRST, IS_ANY_HIDDEN, LAST, VISIBLE

PAGE_BYTES: Final = 4 * 1024 * 1024
"""A page ends once its contents and locations reach this size, whatever its limit."""
LARGEST_LISTED: Final = 1024 * 1024
"""Bytes; larger contents are not in a list, but read in pieces."""
WALKED: Final = 20_000
"""Entries that are looked at for one page, which takes 10 ms; with few matches it ends early."""

_CONTENT: Final = "CAST(c.content AS BLOB)"
_COLUMNS: Final = """c.id, c.session_id, s.name, c.kind, c.created_at, octet_length(c.content),
    e.author, e.updated_at, e.location, e.imported_author"""
# Another program's text may not be UTF-8, and one such value fails the whole query. Then text is
# read as bytes.
_AS_BYTES: Final = """c.id, c.session_id, CAST(s.name AS BLOB), CAST(c.kind AS BLOB),
    CASE typeof(c.created_at) WHEN 'text' THEN CAST(c.created_at AS BLOB) ELSE c.created_at END,
    octet_length(c.content), e.author, e.updated_at, e.location, e.imported_author"""
_BLANKS: Final = f"char({', '.join(str(ord(one)) for one in previews.BLANKS)})"
START: Final = f"substr(ltrim({{}}, {_BLANKS}), 1, {previews.MOST_READ})"
"""SQL for the part of a content that a preview is made of; ``{}`` stands for the content."""
_START: Final = f"CAST({START.format('c.content')} AS BLOB)"
_FROM: Final = """FROM session_context AS c LEFT JOIN sessions AS s ON s.id = c.session_id
    LEFT JOIN session_server_entries AS e ON e.id = c.id"""
_IS_LISTED: Final = f":content AND octet_length(c.content) <= {LARGEST_LISTED}"
_LISTED: Final = f"""SELECT {{columns}}, CASE WHEN NOT ({_IS_LISTED}) THEN {_START} END,
        CASE WHEN {_IS_LISTED} THEN {{content}} END
    {_FROM} WHERE c.id IN (SELECT value FROM json_each(:ids)) ORDER BY c.id """  # at most 1,000
_PIECE: Final = f"""SELECT {_AS_BYTES}, {_START}, substr({_CONTENT}, :offset + 1, :bytes),
        {states.COLUMNS}
    {_FROM} WHERE c.id = :id AND {VISIBLE}"""
_ENTRY: Final = f"SELECT {_AS_BYTES}, {_START} {_FROM} WHERE c.id = ? AND {VISIBLE}"
_SMALL: Final = 2048  # bytes
_FOUND: Final = f"""SELECT {{columns}},
        CASE WHEN octet_length(c.content) <= {_SMALL} THEN {_CONTENT} END
    {_FROM} WHERE c.id IN (SELECT value FROM json_each(?)) AND {VISIBLE}"""
_FOUND_TEXT: Final = _FOUND.format(columns=_COLUMNS)
_FOUND_BYTES: Final = _FOUND.format(columns=_AS_BYTES)
_HIDDEN_AT: Final = """SELECT first_entry, last_entry FROM session_server_hidden
    WHERE session_id = ? AND first_entry <= ? ORDER BY first_entry DESC LIMIT 1"""
_PLACES: Final = "SELECT {0} FROM session_server_entries WHERE {1}"
_NEARLY: Final = "{0} COLLATE NOCASE IN (SELECT value FROM json_each(:places))"
"""Whether a column is one of the places, but for their case."""
_DIRECTIONS: Final[dict[Order, str]] = {"oldest": "ASC", "newest": "DESC"}
_MEMBERS: Final = [field.name for field in fields(ContextEntry) if field.name != "content"]
_DECODER: Final = codecs.getincrementaldecoder("utf-8")


def read_page(
    database: Database,
    listing: ContextListing,
    session_id: int | None,
    limit: int,
    cursor: str | None,
) -> ContextList:
    """Return at most ``limit`` entries in the order of their ids.

    ``session_id`` is that of the session of the ``listing``, if it has one. ``cursor`` is the
    ``next_cursor`` of a page of the same list; another one raises :class:`InvalidArgumentError`. A
    page may have fewer entries than ``limit``: if their contents are large, or if few of them
    match. Raises as :meth:`Database.run`.
    """
    scope = listing.scope(session_id)
    bindings: dict[str, Value] = {
        "session": session_id,
        "kind": listing.kind,
        "author": listing.author,
        "ids": as_json(listing.ids or ()),
        "start": FIRST if listing.order == "oldest" else LAST,
    }
    if cursor is not None:
        bindings["start"] = cursors.load(cursor, scope).id
    with database.snapshot():
        if listing.uri is not None:
            bindings |= _places(database, listing.uri)
        matching, start = _matching(database, listing, bindings, limit)
        rows = _rows(database, matching[:limit], listing)
        state = states.newest(database)
    entries = [_listed(row) for row in rows]
    if len(entries) < len(matching):
        start = _behind(listing, entries[-1].id)
    next_cursor = None if start is None else cursors.dump(Position(0, False, start), scope)
    return ContextList(entries, next_cursor, state.revision, str(state))


def _matching(
    database: Database, listing: ContextListing, bindings: dict[str, Value], limit: int
) -> tuple[list[int], int | None]:
    """Return the ids of the next entries, and where more may follow, None at the end.

    They are one more than ``limit`` at most, and fewer if many others had to be looked at.
    """
    hidden = bool(database.run(IS_ANY_HIDDEN)[0][0])
    statement = _statement(listing, bindings["session"], hidden=hidden)
    filtered = listing.kind is not None or listing.author is not None
    most = WALKED if filtered else limit + 1
    looked_at = 0
    found: list[int] = []
    while True:
        walked = database.run(statement, {**bindings, "rows": most})
        found += [row[0] for row in walked if row[1]]
        looked_at += len(walked)
        if len(walked) < most:
            return found[: limit + 1], None
        last = walked[-1][0]
        if len(found) > limit or looked_at >= WALKED:
            return found[: limit + 1], _behind(listing, last)
        if (session_id := bindings["session"]) is not None:  # no look at each hidden entry
            for first_hidden, last_hidden in database.run(_HIDDEN_AT, (session_id, last)):
                if last <= last_hidden:
                    last = last_hidden if listing.order == "oldest" else first_hidden
        bindings["start"] = _behind(listing, last)


def _statement(listing: ContextListing, session_id: Value, *, hidden: bool) -> str:
    """Return the SQL that finds the entries of a page: their ids, and whether they match."""
    where = [f"c.id {'<=' if listing.order == 'newest' else '>='} :start"]
    if session_id is not None:
        where.append("c.session_id = :session")
    if listing.ids is not None:
        where.append("c.id IN (SELECT value FROM json_each(:ids))")
    if listing.uri is not None:
        where.append(f"c.id IN ({_located('place')} UNION ALL {_located('resolved_place')})")
    matches = ["c.kind = :kind"] if listing.kind is not None else []
    if hidden:
        matches.append(VISIBLE)
    if listing.author is not None:
        matches.append("(SELECT author FROM session_server_entries WHERE id = c.id) IS :author")
    return (
        f"SELECT c.id, {' AND '.join(matches) or 1} FROM session_context AS c"
        f" WHERE {' AND '.join(where)} ORDER BY c.id {_DIRECTIONS[listing.order]} LIMIT :rows"
    )


def _located(column: str) -> str:
    return (
        f"SELECT id FROM session_server_entries WHERE {_NEARLY.format(column)}"
        f" AND {column} IN (SELECT value FROM json_each(:same))"
    )


def _behind(listing: ContextListing, entry_id: int) -> int:
    """Return where the entries begin that follow one."""
    return entry_id + (1 if listing.order == "oldest" else -1)


def read_piece(database: Database, entry_id: int, offset: int, size: int) -> ContextPiece | None:
    """Return an entry with at most ``size`` bytes of its content, from byte ``offset`` on.

    It is cut between characters. Returns None if there is no such entry.
    """
    bindings = {"id": entry_id, "offset": offset, "bytes": size}
    rows = database.run(_PIECE, bindings)
    if not rows:
        return None
    *row, revision, token = rows[0]
    state = states.newest(database) if revision is None else states.of_row((revision, token))
    data: bytes = row[11] or b""
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


def read_members(database: Database, entry_id: int) -> dict[str, Any] | None:
    """Return the members of a :class:`ContextEntry` without content; None if there is none."""
    rows = database.run(_ENTRY, (entry_id,))
    return _members(rows[0]) if rows else None


def read_starts(
    database: Database, ids: list[int], size: int, total: int
) -> dict[int, tuple[ContextEntry, str]]:
    """Return those of the entries that are there, without content, and the start of each content.

    It has at most ``size`` bytes. After ``total`` bytes of all, it is shorter.
    """
    found: dict[int, tuple[ContextEntry, str]] = {}
    bindings = (as_json(ids),)
    try:
        rows = database.run(_FOUND_TEXT, bindings)
    except UnicodeDecodeError:
        rows = database.run(_FOUND_BYTES, bindings)
    for row in rows:
        content: bytes = row[10]
        if content is None:
            most = max(_SMALL, min(size, total))
            content = database.start_of("session_context", "content", row[0], most)
        total -= len(content)
        start = content.decode("utf-8", "replace")
        found[row[0]] = _entry(row, start), start
    return found


def _rows(database: Database, ids: list[int], listing: ContextListing) -> list[Row]:
    """Return the rows of entries, in the order of their ids, until they are large enough."""
    bindings: dict[str, Value] = {"ids": as_json(ids), "content": listing.include_content}
    sql = _LISTED + _DIRECTIONS[listing.order]
    try:
        return _read(database, sql.format(columns=_COLUMNS, content="c.content"), bindings)
    except UnicodeDecodeError:
        return _read(database, sql.format(columns=_AS_BYTES, content=_CONTENT), bindings)


def _read(database: Database, sql: str, bindings: dict[str, Value]) -> list[Row]:
    size = 0
    found: list[Row] = []
    with database.rows(sql, bindings) as rows:
        for row in rows:
            found.append(row)
            size += 0 if row[-1] is None else row[5] or 0
            size += 0 if row[8] is None else len(row[8])
            if size >= PAGE_BYTES:
                break
    return found


def _places(database: Database, uri: str) -> dict[str, Value]:
    """Return the stored places to look at, and those of them that are the same file as ``uri``.

    They may differ in case, if the file system ignores it.
    """
    place = uris.parse(uri, "uri")
    forms = [form.place.key for form in uris.forms(place)]
    places = as_json(forms)
    stored = {
        row[0]
        for column in ("place", "resolved_place")
        for row in database.run(_PLACES.format(column, _NEARLY.format(column)), {"places": places})
    }
    same = [one for one in stored if one in forms or uris.is_same(uris.of_key(one), place)]
    return {"places": places, "same": as_json(same)}


def _entry(row: Sequence[Any], start: str, content: str | None = None) -> ContextEntry:
    """Return the entry in a row: of the columns, the start of its content, and its content."""
    return ContextEntry(
        id=row[0],
        session_id=row[1],
        session_name=None if row[2] is None else _text(row[2]),
        kind=_text(row[3]),
        preview=previews.of(start),
        content=UNSET if content is None else content,
        size=row[5] or 0,
        created_at=timestamps.readable(row[4]),
        updated_at=UNSET if row[7] is None else row[7],
        author=row[6],
        imported_author=UNSET if row[9] is None else row[9],
        location=UNSET if row[8] is None else Raw(row[8].encode()),
    )


def _listed(row: Row) -> ContextEntry:
    """Return the entry in a row of a list, which has the start of its content, or all of it."""
    if row[11] is None:
        return _entry(row, _text(row[10]))
    content = _text(row[11])
    return _entry(row, content, content)


def _members(row: Sequence[Any]) -> dict[str, Any]:
    """Return the members of an entry without its content: of the columns, and of its start."""
    entry = _entry(row, _text(row[10]))
    return {name: getattr(entry, name) for name in _MEMBERS}


def _text(stored: Value) -> str:
    if isinstance(stored, str):
        return stored
    return stored.decode("utf-8", "replace") if isinstance(stored, bytes) else str(stored or "")
