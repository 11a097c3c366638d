"""What is in the database file: upstream's two tables, untouched, and what we add beside them.

All that we add is named ``session_server_*``. The public ``tenets`` package opens the same file and
does not know of it. :mod:`.triggers` keep the invariants. What a table is for stands below it.
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
    # Without it, a page of the list sorts all sessions.
    "CREATE INDEX session_server_sessions_by_created ON sessions(created_at)",
    # Without it, counting, listing or deleting one session's context scans that of all.
    "CREATE INDEX session_server_context_by_session ON session_context(session_id)",
)

ACTIVE_TABLE: Final = (
    """CREATE TABLE session_server_active (
        slot INTEGER PRIMARY KEY CHECK (slot = 1),
        session_id INTEGER
    )""",
    "INSERT INTO session_server_active (slot, session_id) VALUES (1, NULL)",
)

RECENT_COLUMN: Final = (
    "ALTER TABLE session_server_active ADD COLUMN recent TEXT NOT NULL DEFAULT ''",
)
"""The ids of the sessions that were active, the latest first, each followed by a comma.

When that changes, the row is written anyway. A table of its own would add pages to the commit."""
RECENT_LENGTH: Final = 500
"""Characters of it that are kept; the last id may be cut off, and then has no comma."""

CHANGES_TABLE: Final = (
    """CREATE TABLE session_server_changes (
        revision INTEGER PRIMARY KEY AUTOINCREMENT,
        type TEXT NOT NULL,
        session_id INTEGER NOT NULL,
        session_name TEXT,
        context_id INTEGER
    )""",
)
HISTORY_TABLE: Final = (
    """CREATE TABLE session_server_history (
        slot INTEGER PRIMARY KEY CHECK (slot = 1),
        token INTEGER NOT NULL
    )""",
    "INSERT INTO session_server_history (slot, token) VALUES (1, random())",
    "ALTER TABLE session_server_changes ADD COLUMN token INTEGER",
    "UPDATE session_server_changes SET token = random()",
)
"""The random token of each change, and in the table that of a log without changes.

A file that was restored or replaced may have the same revisions, but it has other tokens."""
ENTRIES_TABLE: Final = (
    """CREATE TABLE session_server_entries (
        id INTEGER PRIMARY KEY,
        author TEXT
    )""",
)
"""What the context entry of that id has beside upstream's columns."""
ENTRY_DETAILS: Final = (
    "ALTER TABLE session_server_entries ADD COLUMN updated_at TEXT",
    "ALTER TABLE session_server_entries ADD COLUMN location TEXT",
    "ALTER TABLE session_server_entries ADD COLUMN place TEXT",
    "ALTER TABLE session_server_entries ADD COLUMN resolved_place TEXT",
    "ALTER TABLE session_server_entries ADD COLUMN identity_key TEXT",
    "ALTER TABLE session_server_entries ADD COLUMN key_session_id INTEGER",
    """CREATE INDEX session_server_entries_by_place
        ON session_server_entries(place COLLATE NOCASE) WHERE place IS NOT NULL""",
    """CREATE INDEX session_server_entries_by_resolved_place
        ON session_server_entries(resolved_place COLLATE NOCASE)
        WHERE resolved_place IS NOT NULL""",
    """CREATE INDEX session_server_entries_by_key
        ON session_server_entries(key_session_id, identity_key) WHERE identity_key IS NOT NULL""",
)
"""``location`` is JSON, as it was given; the places are keys of its URI (see :mod:`.uris`), as it
was given and with links resolved. ``key_session_id`` is set with ``identity_key`` only."""
CHANGE_DETAILS: Final = (
    "ALTER TABLE session_server_changes ADD COLUMN author TEXT",
    "ALTER TABLE session_server_changes ADD COLUMN folder TEXT",
    "ALTER TABLE session_server_changes ADD COLUMN context_kept INTEGER",
)
NO_SESSION: Final = 0
"""``session_id`` of a ``bound`` change without a session: the column is NOT NULL."""
BINDINGS_TABLE: Final = (
    """CREATE TABLE session_server_bindings (
        folder TEXT PRIMARY KEY,
        name TEXT NOT NULL
    )""",
    "CREATE INDEX session_server_bindings_by_name ON session_server_bindings(name)",
)
"""The folders that show the session of one name, as they were first given."""
PURGES_INDEX: Final = (
    "CREATE INDEX session_server_purges_by_session ON session_server_purges(session_id)",
)
UNREPORTED_TABLE: Final = (
    "CREATE TABLE session_server_unreported (session_id INTEGER PRIMARY KEY)",
)
"""Sessions of which the triggers record no change now, except their creation and deletion.

It has a row only while one transaction changes a session as a whole, which is one change. A session
that is created with its row there is a restored one."""
CHANGES_KEPT: Final = 10_000
"""The number of newest changes that are kept, give or take PRUNE_INTERVAL."""
PRUNE_INTERVAL: Final = 100
"""Changes between two prunings. A pruning at each change would write the oldest page each time."""

REPLACED_TABLE: Final = (
    """CREATE TABLE session_server_replaced (
        session_id INTEGER PRIMARY KEY,
        name TEXT
    )""",
)
"""Not used any more. An older server may put back its triggers, which need the table."""

PURGES_TABLE: Final = (
    """CREATE TABLE session_server_purges (
        id INTEGER PRIMARY KEY,
        session_id INTEGER,
        last_entry INTEGER NOT NULL
    )""",
)
"""Older servers record in it what they have still to remove: the context of a session, or (NULL) of
all, up to the last entry. What it covers is gone for every reader; see :mod:`.hidden_context`."""

TOTALS_TABLE: Final = (
    """CREATE TABLE session_server_totals (
        slot INTEGER PRIMARY KEY CHECK (slot = 1),
        sessions INTEGER NOT NULL,
        context_entries INTEGER NOT NULL,
        replaced_entry INTEGER
    )""",
    "INSERT INTO session_server_totals (slot, sessions, context_entries) VALUES (1, 0, 0)",
)
"""The numbers that counting the rows would give. ``replaced_entry`` is used by an older server's
triggers only."""

TRASH_TABLES: Final = (
    """CREATE TABLE session_server_hidden (
        id INTEGER PRIMARY KEY,
        session_id INTEGER NOT NULL,
        first_entry INTEGER NOT NULL,
        last_entry INTEGER NOT NULL,
        trash_id INTEGER
    )""",
    """CREATE INDEX session_server_hidden_by_session
        ON session_server_hidden(session_id, first_entry, last_entry)""",
    "CREATE INDEX session_server_hidden_by_item ON session_server_hidden(trash_id)",
    """CREATE TABLE session_server_trash (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        type TEXT NOT NULL,
        session_id INTEGER,
        session_name TEXT,
        sessions INTEGER NOT NULL DEFAULT 0,
        entries INTEGER,
        size INTEGER NOT NULL DEFAULT 0,
        deleted_at TEXT NOT NULL,
        author TEXT
    )""",
    "CREATE INDEX session_server_trash_by_entries ON session_server_trash(entries)",
    """CREATE TABLE session_server_trash_sessions (
        trash_id INTEGER NOT NULL,
        id INTEGER NOT NULL,
        name TEXT NOT NULL,
        created_at TIMESTAMP NOT NULL,
        metadata TEXT,
        PRIMARY KEY (trash_id, id)
    )""",
    """CREATE INDEX session_server_trash_sessions_by_name
        ON session_server_trash_sessions(trash_id, name)""",
    "ALTER TABLE session_server_entries ADD COLUMN imported_author TEXT",
    """CREATE TABLE session_server_trash_context (
        trash_id INTEGER PRIMARY KEY,
        id INTEGER NOT NULL,
        session_id INTEGER NOT NULL,
        kind TEXT NOT NULL,
        content TEXT NOT NULL,
        created_at TIMESTAMP NOT NULL,
        author TEXT,
        updated_at TEXT,
        location TEXT,
        place TEXT,
        resolved_place TEXT,
        identity_key TEXT,
        imported_author TEXT
    )""",
)
"""What was deleted and can be brought back; see :mod:`.trash` and :mod:`.hidden_context`.

Of an item, ``entries`` is NULL until they are counted; then ``size`` is complete, too. Only an item
of one session's context has a ``session_id``."""
SEARCH_INDEX: Final = (
    """CREATE VIRTUAL TABLE session_server_search USING fts5(text, parts, session,
        content='', contentless_delete=1, prefix='2 3',
        tokenize='unicode61 remove_diacritics 2')""",
    """CREATE VIRTUAL TABLE session_server_search_names USING fts5(text, parts,
        content='', contentless_delete=1, prefix='2 3',
        tokenize='unicode61 remove_diacritics 2')""",
    *(
        f"INSERT INTO {table} ({table}, rank) VALUES ('{option}', {value})"
        for table in ("session_server_search", "session_server_search_names")
        for option, value in (("automerge", 0), ("crisismerge", 1000), ("deletemerge", 40))
    ),
)
SEARCH_TABLES: Final = (
    *SEARCH_INDEX,
    """CREATE TABLE session_server_search_state (
        slot INTEGER PRIMARY KEY CHECK (slot = 1),
        state TEXT NOT NULL,
        entries INTEGER NOT NULL,
        uncounted INTEGER NOT NULL
    )""",
    "INSERT INTO session_server_search_state VALUES (1, '', 0, 0)",
    """CREATE TABLE session_server_search_scans (
        id INTEGER PRIMARY KEY,
        what TEXT NOT NULL,
        session_id INTEGER,
        lowest INTEGER NOT NULL,
        position INTEGER NOT NULL
    )""",
)
"""The search index: of entries and of sessions' names, by their ids.

It has no copy of the texts. What is in it is prepared by :mod:`.search_text` and written by
:mod:`.search_rows`, never by a trigger: another program's SQLite may lack FTS5, and its writes must
not fail. FTS5 merges nothing by itself, as it takes 20 ms for that.

``state`` is that of the change log up to which the index has been brought. ``entries`` are so many
as are in the index; ``uncounted``, by how much the totals were off when all of them were looked at.
A scan looks at all rows from ``position`` down to ``lowest``."""
SEARCH_MERGES: Final = tuple(
    f"INSERT INTO {table} ({table}, rank) VALUES ('usermerge', 16)"
    for table in ("session_server_search", "session_server_search_names")
)
"""How many parts of the search index of about one size are merged into one.

With 16, an entry is merged half as often as with FTS5's 4: indexing much takes four fifths of the
time, and a search for a rare word 10 us more."""
_PREFIX_OF_2: Final = SEARCH_INDEX[0].replace("prefix='2 3'", "prefix='2'")
SEARCH_PREFIXES: Final = (
    "DROP TABLE IF EXISTS session_server_search",
    _PREFIX_OF_2,
    *(one for one in (*SEARCH_INDEX, *SEARCH_MERGES) if "INTO session_server_search " in one),
)
"""Of entries, only beginnings of two letters are indexed by themselves.

With those of three letters, too, to index an entry takes a quarter longer, and needs 50 bytes more.
Without them, FTS5 collects the words that begin so, as it does for four letters: among a million
entries that takes 37 ms at most, and as long for four letters of the same word."""
SEARCH_ANEW: Final = (
    "UPDATE session_server_search_state SET state = '', entries = 0, uncounted = 0",
    "DELETE FROM session_server_search_scans",
)
"""Have everything indexed once more."""
SETTINGS_TABLE: Final = (
    """CREATE TABLE session_server_settings (
        name TEXT PRIMARY KEY,
        value
    )""",
)
"""What the user has set for this database; see :mod:`.settings`."""

ONE_ROW_TABLES: Final = {
    "session_server_search_state",
    "session_server_active",
    "session_server_totals",
    "session_server_history",
}
_ALL: Final = (
    *(*INDEXES, *ACTIVE_TABLE, *CHANGES_TABLE, *HISTORY_TABLE, *ENTRIES_TABLE, *ENTRY_DETAILS),
    *(*BINDINGS_TABLE, *PURGES_INDEX, *UNREPORTED_TABLE, *REPLACED_TABLE, *PURGES_TABLE),
    *(*TOTALS_TABLE, *TRASH_TABLES, *SETTINGS_TABLE),
)
OWN_TABLES: Final = {sql.split()[2] for sql in _ALL if sql.startswith("CREATE TABLE ")}
"""Our tables, but those of the search index, which is made anew if it is gone."""
ALL_INDEXES: Final = {sql.split()[2]: sql for sql in _ALL if sql.startswith("CREATE INDEX ")}
"""The SQL that creates each index of ours, by its name."""
