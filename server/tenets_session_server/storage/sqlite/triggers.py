"""The triggers, which keep the invariants: they bind every writer.

That includes the ``tenets`` command line and any SQLite client.

* **At most one session is active.** The command line reads and writes ``metadata.active``, so that
  is the truth. When a row becomes active, a trigger deactivates the other one in the same
  statement. (With a unique index instead, half of the command line's activations would fail.)
  A stale write, which would undo a switch, does not activate.
* The tables of :mod:`.schema` that follow from others are kept up to date: which session is active,
  the change log, the totals.

``INSERT OR REPLACE`` and ``UPDATE OR REPLACE`` delete rows without firing triggers. The public
package never uses them on these tables. Should another program do so, the first still holds, and so
does the active session; but the change log has no ``deleted`` for such a row, and the totals still
count it until the triggers are renewed (see :mod:`.migrations`).

Trigger SQL never raises, whatever the metadata is, since that would fail the writer's statement:
hence ``typeof`` and ``json_valid`` before any other JSON function. It is executed by the SQLite of
whoever writes, which may be old: no function in it is younger than SQLite 3.9.
"""

from __future__ import annotations

from typing import Final

from tenets_session_server.storage.sqlite.schema import CHANGES_KEPT, PRUNE_INTERVAL, RECENT_LENGTH


def is_active(metadata: str) -> str:
    """Return SQL for ``bool(metadata.get("active"))`` as Python, and so upstream, evaluates it.

    ``metadata`` is an SQL expression. The result is 1 or 0, never NULL, and never an error.

    Python writes and reads NaN and infinities, which are broken JSON for SQLite. In such text, look
    for the member as Python writes it. JSON that is no object has no members.
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


def has_context(session: str) -> str:
    """Return SQL for whether a session, an SQL expression, has entries that are not hidden.

    Only what is before, between and behind the hidden ranges is looked at.
    """
    ranges = f"FROM session_server_hidden WHERE session_id = {session}"
    return f"""(EXISTS (SELECT 1 FROM session_context AS c WHERE c.session_id = {session}
                AND c.id < coalesce((SELECT min(first_entry) {ranges}), {2**63 - 1}))
            OR EXISTS (SELECT 1 FROM session_server_hidden AS h
                JOIN session_context AS c ON c.session_id = {session} AND c.id > h.last_entry
                    AND c.id < coalesce((SELECT min(first_entry) {ranges}
                        AND first_entry > h.last_entry), {2**63 - 1})
                WHERE h.session_id = {session}))"""


NOW_SECONDS: Final = "strftime('%Y-%m-%dT%H:%M:%S+00:00', 'now')"
"""UTC to the second, in upstream's form."""

DEACTIVATED: Final = (
    "CASE WHEN json_valid(metadata) THEN json_set(metadata, '$.active', json('false'),"
    f" '$.updated_at', {NOW_SECONDS}, '$.ended_at', {NOW_SECONDS})"
    """ ELSE replace(metadata, '"active": true', '"active": false') END"""
)
"""A session's metadata after another session was activated, as upstream's ``set_active`` has it."""

DEACTIVATE_WHERE_ID: Final = f"UPDATE sessions SET metadata = {DEACTIVATED} WHERE id"


_REPORTED: Final = "NOT EXISTS (SELECT 1 FROM session_server_unreported WHERE session_id = {})"
_IN_TRASH: Final = """EXISTS (SELECT 1 FROM session_server_hidden
                WHERE session_id = OLD.session_id AND trash_id IS NOT NULL
                    AND OLD.id BETWEEN first_entry AND last_entry)"""
_HIDDEN: Final = """(EXISTS (SELECT 1 FROM session_server_hidden WHERE session_id = OLD.session_id
                    AND OLD.id BETWEEN first_entry AND last_entry)
                OR EXISTS (SELECT 1 FROM session_server_purges WHERE OLD.id <= last_entry
                    AND (session_id IS NULL OR session_id = OLD.session_id)))"""


def _change(type_sql: str, row: str, where: str = "1") -> str:
    return f"""INSERT INTO session_server_changes (type, session_id, session_name, token)
        SELECT {type_sql}, {row}.id, {row}.name, random() WHERE {where};"""


def _context_change(change_type: str, row: str, where: str = "1") -> str:
    return f"""INSERT INTO session_server_changes
            (type, session_id, session_name, context_id, token)
        SELECT '{change_type}', {row}.session_id,
            (SELECT name FROM sessions WHERE id = {row}.session_id), {row}.id, random()
            WHERE {where};"""


def _deactivate_other(where: str = "1") -> str:
    return f"""{DEACTIVATE_WHERE_ID} = (SELECT session_id FROM session_server_active
                WHERE {where})
            AND id <> NEW.id AND {is_active("metadata")};"""


def _record_active(new: str, also: str = "") -> str:
    # OR REPLACE may have put this row, or none, in the place of the recorded one. If nothing
    # changes, the row is not written: that would add a page to the commit.
    return f"""UPDATE session_server_active SET session_id = CASE WHEN {new} THEN NEW.id END{also}
            WHERE CASE WHEN {new} THEN session_id IS NOT NEW.id
                ELSE session_id = NEW.id OR session_id NOT IN (SELECT id FROM sessions) END;"""


_OLD: Final = is_active("OLD.metadata")
_NEW: Final = is_active("NEW.metadata")
# The public package changes metadata by reading and writing all of it. If the session was
# deactivated in between, which sets ``ended_at``, that must not activate it again. An activation
# has read the row as it is, and so has its ``ended_at``; a stale write has an older one, or none.
_OLDER_END: Final = """json_type(OLD.metadata, '$.ended_at') IS 'text'
                AND (json_type(NEW.metadata, '$.ended_at') IS NOT 'text' OR
                    json_extract(NEW.metadata, '$.ended_at')
                    < json_extract(OLD.metadata, '$.ended_at'))"""
# The tests that decide most often come first: this is evaluated several times for each update.
_ACTIVE_AFTER_UPDATE: Final = f"""CASE WHEN NOT {_NEW} THEN 0 WHEN {_OLD} THEN 1
            WHEN json_valid(OLD.metadata) AND json_valid(NEW.metadata) THEN NOT ({_OLDER_END})
            ELSE 1 END"""
_STALE: Final = f"({_NEW} AND NOT {_ACTIVE_AFTER_UPDATE})"
_RECENT: Final = f"""CASE WHEN session_id IS NOT OLD.id OR {_ACTIVE_AFTER_UPDATE}
                THEN recent ELSE substr(
                OLD.id || ',' || ltrim(replace(',' || recent, ',' || OLD.id || ',', ','), ','),
                1, {RECENT_LENGTH}) END"""
_MORE_THAN_A_NAME: Final = "(OLD.name IS NEW.name OR OLD.metadata IS NOT NEW.metadata)"
_UPDATE_TYPE: Final = f"""CASE WHEN {_OLD} = {_ACTIVE_AFTER_UPDATE} THEN 'updated'
            WHEN {_ACTIVE_AFTER_UPDATE} THEN 'activated' ELSE 'deactivated' END"""

_CREATED_TYPE: Final = f"CASE WHEN {_REPORTED.format('NEW.id')} THEN 'created' ELSE 'restored' END"

_SAME_ENTRY: Final = "(OLD.id = NEW.id AND OLD.session_id = NEW.session_id)"

TRIGGERS: Final = {
    name: f"CREATE TRIGGER {name} {body}"
    for name, body in {
        "session_server_make_room_update": f"""BEFORE UPDATE OF metadata ON sessions
    WHEN {_ACTIVE_AFTER_UPDATE}
    BEGIN
        {_deactivate_other()}
    END""",
        # Not before the INSERT: with OR IGNORE or ON CONFLICT it may not insert anything.
        "session_server_session_inserted": f"""AFTER INSERT ON sessions
    BEGIN
        UPDATE session_server_totals SET sessions = sessions + 1;
        {_deactivate_other(_NEW)}
        {_record_active(_NEW)}
        {_change(_CREATED_TYPE, "NEW")}
        {_change("'activated'", "NEW", _NEW)}
    END""",
        "session_server_session_updated": f"""AFTER UPDATE ON sessions
    BEGIN
        UPDATE sessions SET metadata = json_set(metadata, '$.active', json('false'), '$.ended_at',
            json_extract(OLD.metadata, '$.ended_at')) WHERE id = NEW.id AND {_STALE};
        {_record_active(_ACTIVE_AFTER_UPDATE, f", recent = {_RECENT}")}
        {_change("'renamed'", "NEW", "OLD.name IS NOT NEW.name")}
        {_change(_UPDATE_TYPE, "NEW", f"{_MORE_THAN_A_NAME} AND {_REPORTED.format('NEW.id')}")}
    END""",
        "session_server_session_renamed": """AFTER UPDATE OF name ON sessions
    WHEN OLD.name IS NOT NEW.name
    BEGIN
        UPDATE session_server_bindings SET name = NEW.name WHERE name = OLD.name;
    END""",
        "session_server_session_deleted": f"""AFTER DELETE ON sessions
    BEGIN
        UPDATE session_server_active SET session_id = NULL WHERE session_id = OLD.id;
        UPDATE session_server_totals SET sessions = sessions - 1;
        INSERT INTO session_server_changes (type, session_id, session_name, token, context_kept)
            SELECT 'deleted', OLD.id, OLD.name, random(), nullif({has_context("OLD.id")}, 0);
    END""",
        "session_server_context_inserted": f"""AFTER INSERT ON session_context
    BEGIN
        UPDATE session_server_totals SET context_entries = context_entries + 1;
        {_context_change("contextAdded", "NEW", _REPORTED.format("NEW.session_id"))}
    END""",
        "session_server_context_updated": f"""AFTER UPDATE ON session_context
    BEGIN
        {_context_change("contextUpdated", "NEW", _SAME_ENTRY)}
        {_context_change("contextRemoved", "OLD", f"NOT {_SAME_ENTRY}")}
        {_context_change("contextAdded", "NEW", f"NOT {_SAME_ENTRY}")}
    END""",
        # What other programs change must not reach into the trash.
        "session_server_context_kept": f"""BEFORE DELETE ON session_context
    WHEN {_IN_TRASH}
    BEGIN
        SELECT RAISE(IGNORE);
    END""",
        "session_server_hidden_context_kept": f"""BEFORE UPDATE ON session_context
    WHEN {_IN_TRASH}
    BEGIN
        SELECT RAISE(IGNORE);
    END""",
        # Of context that goes with its session, or by a reset, that change says it all.
        "session_server_context_deleted": f"""AFTER DELETE ON session_context
    BEGIN
        UPDATE session_server_totals SET context_entries = context_entries - 1;
        DELETE FROM session_server_entries WHERE id = OLD.id;
        {_context_change("contextRemoved", "OLD", f"NOT {_HIDDEN}")}
    END""",
        # An older version deletes the session first, and then says that its context goes.
        "session_server_purge_recorded": """AFTER INSERT ON session_server_purges
    BEGIN
        UPDATE session_server_changes SET context_kept = NULL
            WHERE revision = (SELECT max(revision) FROM session_server_changes)
                AND type = 'deleted' AND session_id = NEW.session_id;
        UPDATE session_server_changes SET context_kept = NULL
            WHERE NEW.session_id IS NULL AND context_kept;
    END""",
        "session_server_prune_changes": f"""AFTER INSERT ON session_server_changes
    WHEN NEW.revision % {PRUNE_INTERVAL} = 0
    BEGIN
        DELETE FROM session_server_changes WHERE revision <= NEW.revision - {CHANGES_KEPT};
    END""",
    }.items()
}

OBSOLETE_TRIGGERS: Final = frozenset(
    {
        "session_server_make_room_insert",
        "session_server_note_replaced",
        "session_server_note_replaced_again",
        "session_server_session_moved",
        "session_server_note_replaced_context",
        "session_server_note_replaced_context_again",
    }
)
"""Those of older versions.

Most recorded the rows that OR REPLACE was about to delete. One deactivated the active session
before an INSERT, which then did not insert anything if it said OR IGNORE.
"""
