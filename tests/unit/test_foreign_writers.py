"""The invariants hold for every writer: any SQL, any SQLite, any metadata, any order of commits."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from support.foreign import INSERT, NOW, ForeignWriter, active_names, changes
from tenets_session_server.storage.session_db import SessionDB


def test_a_foreign_insert_takes_over(db: SessionDB, foreign: ForeignWriter) -> None:
    db.create_session("ours", {"active": True, "own": 1})
    foreign.execute(INSERT, ("theirs", NOW, '{"active": 1}'))
    active = db.get_active_session()
    assert active is not None
    assert active.name == "theirs"
    ours = db.get_session("ours")
    assert ours is not None
    assert ours.metadata["active"] is False
    assert ours.metadata["own"] == 1
    ended = datetime.fromisoformat(ours.metadata["ended_at"])
    assert abs((datetime.now(UTC) - ended).total_seconds()) < 60
    assert changes(db)[-3:] == [
        *(("deactivated", "ours"), ("created", "theirs"), ("activated", "theirs"))
    ]


def test_activating_all_at_once_leaves_one(db: SessionDB, foreign: ForeignWriter) -> None:
    for number in range(5):
        db.create_session(f"s{number}")
    foreign.execute("UPDATE sessions SET metadata = json_set(metadata, '$.active', json('true'))")
    assert len(active_names(db)) == 1
    active = db.get_active_session()
    assert active is not None
    assert active_names(db) == [active.name]


def test_inserting_many_active_ones_leaves_the_last(db: SessionDB, foreign: ForeignWriter) -> None:
    foreign.execute(
        "INSERT INTO sessions (name, created_at, metadata)"
        " WITH n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 5)"
        " SELECT 's' || i, ?, '{\"active\": true}' FROM n",
        (NOW,),
    )
    assert active_names(db) == ["s5"]


@pytest.mark.parametrize("row", [(None, "a"), (1, "a"), (1, "new"), (2, "a"), (2, "new")], ids=str)
@pytest.mark.parametrize("active", ["true", "false"])
def test_replacing_rows_leaves_no_stale_pointer(
    db: SessionDB, foreign: ForeignWriter, row: tuple[int | None, str], active: str
) -> None:
    db.create_session("a", {"active": True})
    db.create_session("b")
    metadata = f'{{"active": {active}}}'
    foreign.execute("REPLACE INTO sessions VALUES (?, ?, ?, ?)", (*row, NOW, metadata))
    remaining = ["a"] if row == (2, "new") else []
    assert active_names(db) == ([row[1]] if active == "true" else remaining)
    found = db.get_active_session()
    assert active_names(db) == ([] if found is None else [found.name])


@pytest.mark.parametrize("change", ["id = 1", "name = 'a'", "id = 1, name = 'a'"])
@pytest.mark.parametrize("active", ["true", "false"])
def test_a_row_that_moves_over_the_active_one_leaves_no_stale_pointer(
    db: SessionDB, foreign: ForeignWriter, change: str, active: str
) -> None:
    db.create_session("a", {"active": True})
    db.create_session("b")
    foreign.execute(
        f"UPDATE OR REPLACE sessions SET {change}, metadata = ? WHERE name = 'b'",
        (f'{{"active": {active}}}',),
    )
    (remaining,) = db.list_sessions()
    assert active_names(db) == ([remaining.name] if active == "true" else [])
    assert db.get_active_session() == (remaining if active == "true" else None)


def test_an_insert_without_an_id_deactivates_a_session_whose_id_is_minus_one(
    db: SessionDB, foreign: ForeignWriter
) -> None:
    foreign.execute("INSERT INTO sessions VALUES (-1, 'odd', ?, '{\"active\": true}')", (NOW,))
    foreign.execute(INSERT, ("b", NOW, '{"active": true}'))
    assert active_names(db) == ["b"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_only_python_knows_hide_no_active_session(
    db: SessionDB, foreign: ForeignWriter, number: str
) -> None:
    foreign.execute(INSERT, ("a", NOW, f'{{"x": {number}, "active": true}}'))
    active = db.get_active_session()
    assert active is not None
    assert active.name == "a"
    db.create_session("b", {"active": True})
    (stored,) = foreign.execute("SELECT metadata FROM sessions WHERE name = 'a'").fetchall()[0]
    assert json.loads(str(stored))["active"] is False
    assert active_names(db) == ["b"]
    db.set_active("a", True)
    assert active_names(db) == ["a"]


def test_deleting_the_active_row(db: SessionDB, foreign: ForeignWriter) -> None:
    db.create_session("a", {"active": True})
    foreign.execute("DELETE FROM sessions")
    assert db.get_active_session() is None
    assert changes(db)[-1] == ("deleted", "a")


def test_renaming_the_active_row(db: SessionDB, foreign: ForeignWriter) -> None:
    db.create_session("a", {"active": True})
    foreign.execute("UPDATE sessions SET name = 'b'")
    assert active_names(db) == ["b"]
    assert changes(db)[-1] == ("renamed", "b")


MALFORMED: list[Any] = [
    *(None, "", "{", "null", "[]", "[1]", '"active"', "1", "true", "{'active': true}"),
    *('{"active": true', '{"active": true}}', '{"active": NaN}', '["active", true]'),
    *(b"\xff\xfe", b'{"active": true}', "\ufeff{}", '{"active": true, "x": "\\ud800"}'),
    "[" * 2000 + "]" * 2000,
    '{"a":' * 500 + "1" + "}" * 500,
]


@pytest.mark.parametrize("metadata", MALFORMED, ids=repr)
def test_no_metadata_makes_a_foreign_statement_fail(
    db: SessionDB, foreign: ForeignWriter, metadata: Any
) -> None:
    db.create_session("good", {"active": True})
    foreign.execute(INSERT, ("bad", NOW, metadata))
    foreign.execute("UPDATE sessions SET metadata = ? WHERE name = 'bad'", (metadata,))
    foreign.execute("UPDATE sessions SET metadata = '{}' WHERE name = 'bad'")
    foreign.execute("UPDATE sessions SET metadata = ? WHERE name = 'bad'", (metadata,))
    foreign.execute("DELETE FROM sessions WHERE name = 'bad'")
    assert len(active_names(db)) <= 1


def test_last_insert_rowid_is_the_foreign_programs_own(
    db: SessionDB, foreign: ForeignWriter
) -> None:
    """Upstream takes the id of a new session from ``lastrowid``; triggers must not change it."""
    for number in range(3):
        db.create_session(f"s{number}", {"active": True})
    foreign.execute(INSERT, ("theirs", NOW, '{"active": true}'))
    record = db.get_session("theirs")
    assert record is not None
    assert foreign.connection.last_insert_rowid() == record.id
    assert foreign.connection.changes() == 1


def test_pythons_own_sqlite_can_write(db: SessionDB, database: Path) -> None:
    """As the ``tenets`` command line does: sqlite3, WAL, the steps of upstream's ``set_active``."""
    db.create_session("ours", {"active": True})
    program = textwrap.dedent("""
        import json, sqlite3, sys
        connection = sqlite3.connect(sys.argv[1])
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "temp_store=MEMORY"):
            connection.execute(f"PRAGMA {pragma}")
        cursor = connection.execute(
            "INSERT INTO sessions (name, created_at, metadata) VALUES (?, ?, ?)",
            ("theirs", "2026-01-01T00:00:00+00:00", "{}"))
        connection.commit()
        cursor = connection.execute("UPDATE sessions SET metadata=? WHERE id= ?",
            (json.dumps({"active": True, "ü": float("nan")}), cursor.lastrowid))
        connection.commit()
        rows = connection.execute("SELECT name, metadata FROM sessions").fetchall()
        print(cursor.rowcount, [name for name, text in rows if json.loads(str(text)).get("active")])
        cursor = connection.execute("UPDATE sessions SET metadata=? WHERE name = 'theirs'",
            (json.dumps({"active": True, "ü": 1}),))
        connection.commit()
        rows = connection.execute("SELECT name, metadata FROM sessions").fetchall()
        print(cursor.rowcount, [name for name, text in rows if json.loads(str(text)).get("active")])
    """)
    done = subprocess.run(
        [sys.executable, "-c", program, str(database)], capture_output=True, text=True, check=False
    )
    # NaN is no JSON for SQLite, but the session that has it is active like any other.
    assert done.stderr == ""
    assert done.stdout == "1 ['theirs']\n1 ['theirs']\n"
    assert active_names(db) == ["theirs"]


@pytest.mark.parametrize("metadata", MALFORMED, ids=repr)
def test_poison_metadata_hides_nothing_and_loses_nothing(
    db: SessionDB, foreign: ForeignWriter, metadata: Any
) -> None:
    db.create_session("good", {"x": 1})
    foreign.execute(INSERT, ("bad", NOW, metadata))
    db.create_session("also good", {"y": 2})
    assert {record.name for record in db.list_sessions()} == {"good", "bad", "also good"}
    bad = db.get_session("bad")
    assert bad is not None
    assert isinstance(bad.metadata, dict)
    # It can be used like any other session, and what was there is kept.
    assert db.set_active("bad", True)
    record = db.get_active_session()
    assert record is not None
    assert record.name == "bad"
    text = metadata.decode("utf-8", "replace") if isinstance(metadata, bytes) else metadata
    unreadable = text not in {None, "", "null"} and not bad.metadata and text != b""
    assert record.metadata.get("unreadable_metadata") == (text if unreadable else None)


@pytest.mark.parametrize(
    ("created_at", "read"),
    [
        (NOW, NOW),
        ("2026-01-01T00:00:00.000001+05:30", "2026-01-01T00:00:00.000001+05:30"),
        ("2026-01-01 10:11:12.5", "2026-01-01T10:11:12.500000+00:00"),
        ("2026-01-01T10:11:12Z", "2026-01-01T10:11:12+00:00"),
        ("2026-01-01", "2026-01-01T00:00:00+00:00"),
        (0, "1970-01-01T00:00:00+00:00"),
        (1767225600, "2026-01-01T00:00:00+00:00"),
        (1767225600.25, "2026-01-01T00:00:00.250000+00:00"),
        ("yesterday", "1970-01-01T00:00:00+00:00"),
        ("2026-13-45T00:00:00+00:00", "1970-01-01T00:00:00+00:00"),
        ("", "1970-01-01T00:00:00+00:00"),
        (b"\xff\xfe\x00", "1970-01-01T00:00:00+00:00"),
        (10**18, "1970-01-01T00:00:00+00:00"),
        (1e308, "1970-01-01T00:00:00+00:00"),
        ("9999-12-31T23:59:59.999999-23:59", "9999-12-31T23:59:59.999999-23:59"),
    ],
)
def test_odd_dates_become_readable_ones(
    db: SessionDB, foreign: ForeignWriter, created_at: Any, read: str
) -> None:
    foreign.execute(INSERT, ("odd", created_at, "{}"))
    stored = db.store.sessions.get("odd")
    assert stored is not None
    assert stored.created_at == read
    record = db.get_session("odd")
    assert record is not None
    assert record.created_at == datetime.fromisoformat(read)
    assert record.created_at.tzinfo is not None


def test_pages_pass_over_odd_dates_of_every_type(db: SessionDB, foreign: ForeignWriter) -> None:
    dates: list[Any] = [NOW, NOW, "yesterday", 0, 17, 0.1, 1e300, b"\xff", b"", "", NOW + "x"]
    for number, created_at in enumerate(dates):
        foreign.execute(INSERT, (f"s{number}", created_at, "{}"))
    foreign.execute(
        "INSERT INTO sessions (name, created_at, metadata)"
        " VALUES ('s11', CAST(x'ff41' AS TEXT), '{}'), ('s12', CAST(x'ff42' AS TEXT), '{}')"
    )
    for order in ("newest", "oldest"):
        whole = db.store.sessions.page(limit=1000, order=order)
        assert len(whole.sessions) == 13
        names: list[str] = []
        cursor: str | None = None
        while True:
            page = db.store.sessions.page(limit=1, cursor=cursor, order=order)
            names += [session.name for session in page.sessions]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert names == [session.name for session in whole.sessions]


def test_text_that_is_not_utf8_hides_nothing(db: SessionDB, foreign: ForeignWriter) -> None:
    foreign.execute(
        "INSERT INTO sessions (name, created_at, metadata) VALUES (CAST(x'61ff' AS TEXT), ?,"
        " CAST(x'7b2261223a2261ff227d' AS TEXT))",
        (NOW,),
    )
    db.create_session("good")
    assert [record.name for record in db.list_sessions()] == ["good", "a\ufffd"]
    assert db.delete_all_sessions() == 2


def test_upstreams_metadata_stays_readable_by_upstream(
    db: SessionDB, foreign: ForeignWriter
) -> None:
    foreign.execute(INSERT, ("theirs", NOW, json.dumps({"ü": "é🧵", "pinned_files": ["/a b"]})))
    db.set_active("theirs", True)
    db.create_session("ours", {"active": True})
    for (text,) in foreign.execute("SELECT metadata FROM sessions").fetchall():
        assert isinstance(json.loads(str(text)), dict)
    theirs = db.get_session("theirs")
    assert theirs is not None
    assert theirs.metadata["ü"] == "é🧵"
    assert theirs.metadata["pinned_files"] == ["/a b"]


def test_a_stale_write_does_not_undo_a_switch(db: SessionDB, foreign: ForeignWriter) -> None:
    for name in ("a", "b"):
        db.create_session(name)
    db.set_active("a", True)
    ((read,),) = foreign.rows("SELECT metadata FROM sessions WHERE name = 'a'")
    db.set_active("b", True)
    revision = db.store.change_log.state().revision
    write = "UPDATE sessions SET metadata = ? WHERE name = 'a'"
    foreign.execute(write, (json.dumps({**json.loads(read), "folders": ["x"]}),))
    assert active_names(db) == ["b"]
    found = db.get_session("a")
    assert found is not None
    assert found.metadata["folders"] == ["x"]
    assert found.metadata["active"] is False
    assert found.metadata["ended_at"]
    changes = db.store.change_log.since(revision, 100).changes
    assert [(change.type, change.session_name) for change in changes] == [("updated", "a")]


def test_an_activation_of_another_program_counts_at_once(
    db: SessionDB, foreign: ForeignWriter
) -> None:
    for name in ("a", "b"):
        db.create_session(name)
    for name in ("a", "b", "a", "a", "b"):  # within one second
        foreign.set_active(name)
        assert active_names(db) == [name]


@pytest.mark.parametrize("other", [True, False], ids=["another is active", "it is active"])
@pytest.mark.parametrize(
    "conflict",
    ["ON CONFLICT DO NOTHING", "ON CONFLICT (name) DO UPDATE SET metadata = excluded.metadata"],
)
def test_an_insert_of_a_taken_name_changes_only_what_it_says(
    db: SessionDB, foreign: ForeignWriter, conflict: str, other: bool
) -> None:
    db.create_session("taken", {"active": not other})
    db.create_session("other", {"active": other})
    foreign.execute(f"{INSERT} {conflict}", ("taken", NOW, '{"active": true, "new": 1}'))
    updates = "UPDATE" in conflict
    assert active_names(db) == ["taken" if updates or not other else "other"]
    active = db.get_active_session()
    assert active is not None
    assert active.name == active_names(db)[0]
    taken = db.get_session("taken")
    assert taken is not None
    assert ("new" in taken.metadata) == updates
