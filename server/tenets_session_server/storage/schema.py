"""What is in the database file: the seed's two tables, untouched, and what we add beside them.

Everything we add is additive and named ``session_server_*``; the public ``tenets`` package opens
the same file and knows nothing of it. The invariants are kept by *triggers*, because they bind
every writer, the ``tenets`` command line and any SQLite client included:

* **At most one session is active.** ``metadata.active`` is what the command line reads and writes,
  so it stays the truth; before a row becomes active, the other one stops being it, in the same
  statement (a unique index would make the command line's own activation fail half the time).
* **``session_server_active``** holds the id of the active session, so finding it needs no scan.
* **``session_server_changes``** is a transactional outbox: what was committed, in order. Its key is
  the ``revision`` that clients see.

Trigger SQL never raises, whatever the metadata is, since that would break the writer's statement:
hence ``typeof`` and ``json_valid`` before any other JSON function.
"""

from __future__ import annotations

from typing import Final

UPSTREAM_TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS sessions (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT UNIQUE NOT NULL,
        created_at TIMESTAMP NOT NULL,
        metadata TEXT
    )""",
    """CREATE TABLE IF NOT EXISTS session_context (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        session_id INTEGER NOT NULL,
        kind TEXT NOT NULL,
        content TEXT NOT NULL,
        created_at TIMESTAMP NOT NULL,
        FOREIGN KEY(session_id) REFERENCES sessions(id)
    )""",
)
UPSTREAM_COLUMNS: Final = {
    "sessions": {"id", "name", "created_at", "metadata"},
    "session_context": {"id", "session_id", "kind", "content", "created_at"},
}

INDEXES: Final = (
    # Without it a page of the list sorts every session.
    "CREATE INDEX session_server_sessions_by_created ON sessions(created_at)",
    # Without it counting, listing or purging one session's context scans everybody's.
    "CREATE INDEX session_server_context_by_session ON session_context(session_id)",
)

ONE_ROW_TABLES: Final = {"session_server_active", "session_server_totals"}

ACTIVE_TABLE: Final = (
    """CREATE TABLE session_server_active (
        slot INTEGER PRIMARY KEY CHECK (slot = 1),
        session_id INTEGER
    )""",
    "INSERT INTO session_server_active (slot, session_id) VALUES (1, NULL)",
)

CHANGES_TABLE: Final = (
    """CREATE TABLE session_server_changes (
        revision INTEGER PRIMARY KEY AUTOINCREMENT,
        type TEXT NOT NULL,
        session_id INTEGER NOT NULL,
        session_name TEXT,
        context_id INTEGER
    )""",
)

CHANGES_KEPT: Final = 10_000
"""How many of the newest changes stay, and fewer than PRUNED_AT_ONCE more."""
PRUNED_AT_ONCE: Final = 100
"""The oldest are removed together, so that their page is not written with each new one."""


TOTALS_TABLE: Final = (
    """CREATE TABLE session_server_totals (
        slot INTEGER PRIMARY KEY CHECK (slot = 1),
        sessions INTEGER NOT NULL,
        context_entries INTEGER NOT NULL,
        replaced_entry INTEGER
    )""",
    "INSERT INTO session_server_totals (slot, sessions, context_entries) VALUES (1, 0, 0)",
)
"""How much there is, as counting would find it. ``replaced_entry`` is the id of a context entry
that an INSERT OR REPLACE is about to remove, which fires no trigger either."""

RECENT_COLUMN: Final = (
    "ALTER TABLE session_server_active ADD COLUMN recent TEXT NOT NULL DEFAULT ''",
)
"""The ids of the sessions that were active, the last one first, each with a comma after it. It is
in a row that is written anyway when that changes: a table of its own would cost pages in each
commit."""
RECENT_LENGTH: Final = 500
"""So many characters of it are kept; what has no comma any more is not an id."""


def is_active(metadata: str) -> str:
    """Return SQL for ``bool(metadata.get("active"))`` as Python, and so the seed, evaluates it.

    ``metadata`` is an SQL expression. The result is 1 or 0, never NULL, and never an error.

    Python writes and reads NaN and infinities, which SQLite takes for broken JSON. Of such text
    the words count, as Python writes them; how old the writer's SQLite is does not matter. What is
    JSON, but no object, has no such member.
    """
    value = f"json_extract({metadata}, '$.active')"
    return f"""CASE
        WHEN typeof({metadata}) <> 'text' THEN 0
        WHEN NOT json_valid({metadata}) THEN
            {metadata} LIKE '{{%}}' AND ({metadata} LIKE '%NaN%' OR {metadata} LIKE '%Infinity%')
            AND instr({metadata}, '"active": true') > 0
        ELSE CASE json_type({metadata}, '$.active')
            WHEN 'true' THEN 1
            WHEN 'integer' THEN {value} <> 0
            WHEN 'real' THEN {value} <> 0
            WHEN 'text' THEN {value} <> ''
            WHEN 'array' THEN json_array_length({metadata}, '$.active') > 0
            WHEN 'object' THEN {value} <> '{{}}'
            ELSE 0
        END
    END"""


NOW_SECONDS: Final = "strftime('%Y-%m-%dT%H:%M:%S+00:00', 'now')"
"""UTC to the second, in the seed's form."""

DEACTIVATED: Final = (
    "CASE WHEN json_valid(metadata) THEN json_set(metadata, '$.active', json('false'),"
    f" '$.updated_at', {NOW_SECONDS}, '$.ended_at', {NOW_SECONDS})"
    """ ELSE replace(metadata, '"active": true', '"active": false') END"""
)
"""What a session's metadata becomes when another one takes over, as in the seed's set_active."""

DEACTIVATE_OTHERS: Final = f"UPDATE sessions SET metadata = {DEACTIVATED} WHERE id"


def _change(type_sql: str, row: str, where: str = "1") -> str:
    return f"""INSERT INTO session_server_changes (type, session_id, session_name)
        SELECT {type_sql}, {row}.id, {row}.name WHERE {where};"""


def _context_change(change_type: str, row: str) -> str:
    return f"""INSERT INTO session_server_changes (type, session_id, session_name, context_id)
        SELECT '{change_type}', id, name, {row}.id FROM sessions WHERE id = {row}.session_id;"""


def _make_room(event: str) -> str:
    return f"""BEFORE {event} ON sessions WHEN {is_active("NEW.metadata")}
    BEGIN
        {DEACTIVATE_OTHERS} = (SELECT session_id FROM session_server_active) AND id <> NEW.id
            AND {is_active("metadata")};
    END"""


REPLACED_TABLE: Final = (
    """CREATE TABLE session_server_replaced (
        session_id INTEGER PRIMARY KEY,
        name TEXT
    )""",
)
"""Rows that an INSERT OR REPLACE is about to remove: SQLite fires no trigger for their deletion."""

PURGES_TABLE: Final = (
    """CREATE TABLE session_server_purges (
        id INTEGER PRIMARY KEY,
        session_id INTEGER,
        last_entry INTEGER NOT NULL
    )""",
)
"""Context that is still to be removed: a deleted session's, or (NULL) everybody's, up to an entry.

So deleting much takes effect at once, is done in pieces, and is finished after a crash."""


# An INSERT that ignores or updates the row instead leaves it here until the next one.
def _note_replaced(event: str, but: str = "1") -> str:
    return f"""BEFORE {event} ON sessions
    BEGIN
        DELETE FROM session_server_replaced;
        INSERT INTO session_server_replaced (session_id, name)
            SELECT id, name FROM sessions WHERE (name = NEW.name OR id = NEW.id) AND {but};
    END"""


def _note_replaced_context(event: str, when: str = "1") -> str:
    # Only a conflict costs a write; the note outlives an INSERT OR IGNORE.
    return f"""BEFORE {event} ON session_context
    WHEN {when} AND EXISTS (SELECT 1 FROM session_context WHERE id = NEW.id)
    BEGIN
        UPDATE session_server_totals SET replaced_entry = NEW.id;
    END"""


def _tell_replaced(was_active: str = "1") -> str:
    # The row may be there again under its id, but it is another one. Or it was never in the way: an
    # id that is not known yet is -1 before an INSERT.
    where = """(session_id = NEW.id
                OR NOT EXISTS (SELECT 1 FROM sessions AS s WHERE s.id = session_id))"""
    rows = f"(SELECT session_id FROM session_server_replaced WHERE {where})"
    return f"""UPDATE session_server_active SET session_id = NULL
            WHERE session_id IN {rows} AND {was_active};
        UPDATE session_server_totals SET sessions = sessions - (SELECT count(*) FROM {rows})
            WHERE EXISTS {rows};
        INSERT INTO session_server_changes (type, session_id, session_name)
            SELECT 'deleted', session_id, name FROM session_server_replaced
            WHERE {where} ORDER BY session_id;
        DELETE FROM session_server_replaced;"""


_OLD = is_active("OLD.metadata")
_NEW = is_active("NEW.metadata")
_RECENT = f"""substr(
                OLD.id || ',' || ltrim(replace(',' || recent, ',' || OLD.id || ',', ','), ','),
                1, {RECENT_LENGTH})"""
_MORE_THAN_A_NAME = "(OLD.name IS NEW.name OR OLD.metadata IS NOT NEW.metadata)"
_FLIPPED = f"CASE WHEN {_NEW} THEN 'activated' ELSE 'deactivated' END"

TRIGGERS: Final = {
    name: f"CREATE TRIGGER {name} {body}"
    for name, body in {
        "session_server_make_room_insert": _make_room("INSERT"),
        "session_server_make_room_update": _make_room("UPDATE OF metadata"),
        "session_server_note_replaced": _note_replaced("INSERT"),
        "session_server_note_replaced_again": _note_replaced("UPDATE OF id, name", "id <> OLD.id"),
        # Before or after the trigger below, whichever SQLite chooses.
        "session_server_session_moved": f"""AFTER UPDATE OF id, name ON sessions
    BEGIN
        {_tell_replaced(f"NOT {_NEW}")}
    END""",
        "session_server_session_inserted": f"""AFTER INSERT ON sessions
    BEGIN
        {_tell_replaced()}
        UPDATE session_server_totals SET sessions = sessions + 1;
        UPDATE session_server_active SET session_id = NEW.id WHERE {_NEW};
        {_change("'created'", "NEW")}
        {_change("'activated'", "NEW", _NEW)}
    END""",
        "session_server_session_updated": f"""AFTER UPDATE ON sessions
    BEGIN
        UPDATE session_server_active SET session_id = CASE WHEN {_NEW} THEN NEW.id END,
            recent = CASE WHEN {_NEW} THEN recent ELSE {_RECENT} END
            WHERE {_NEW} OR session_id = OLD.id;
        {_change("'renamed'", "NEW", "OLD.name IS NOT NEW.name")}
        {_change(_FLIPPED, "NEW", f"{_OLD} <> {_NEW}")}
        {_change("'updated'", "NEW", f"{_OLD} = {_NEW} AND {_MORE_THAN_A_NAME}")}
    END""",
        "session_server_session_deleted": f"""AFTER DELETE ON sessions
    BEGIN
        UPDATE session_server_active SET session_id = NULL WHERE session_id = OLD.id;
        UPDATE session_server_totals SET sessions = sessions - 1;
        DELETE FROM session_server_replaced WHERE session_id = OLD.id;
        {_change("'deleted'", "OLD")}
    END""",
        "session_server_note_replaced_context": _note_replaced_context("INSERT"),
        "session_server_context_inserted": f"""AFTER INSERT ON session_context
    BEGIN
        UPDATE session_server_totals SET replaced_entry = NULL,
            context_entries = context_entries + 1 - (replaced_entry IS NEW.id);
        {_context_change("contextAdded", "NEW")}
    END""",
        "session_server_note_replaced_context_again": _note_replaced_context(
            "UPDATE OF id", "NEW.id <> OLD.id"
        ),
        "session_server_context_updated": f"""AFTER UPDATE ON session_context
    BEGIN
        UPDATE session_server_totals SET replaced_entry = nullif(replaced_entry, OLD.id),
            context_entries = context_entries - (NEW.id <> OLD.id AND replaced_entry IS NEW.id);
        UPDATE session_server_totals SET replaced_entry = nullif(replaced_entry, NEW.id);
        {_context_change("contextRemoved", "OLD")}
        {_context_change("contextAdded", "NEW")}
    END""",
        "session_server_prune_changes": f"""AFTER INSERT ON session_server_changes
    WHEN NEW.revision % {PRUNED_AT_ONCE} = 0
    BEGIN
        DELETE FROM session_server_changes WHERE revision <= NEW.revision - {CHANGES_KEPT};
    END""",
        # Nothing is told of context that goes with its session: `deleted` says it all. That is why
        # purging deletes the session first.
        "session_server_context_deleted": f"""AFTER DELETE ON session_context
    BEGIN
        UPDATE session_server_totals SET context_entries = context_entries - 1,
            replaced_entry = nullif(replaced_entry, OLD.id);
        {_context_change("contextRemoved", "OLD")}
    END""",
    }.items()
}
