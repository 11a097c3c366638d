"""The change log has what any program commits, and nothing else."""

from __future__ import annotations

import apsw
import pytest

from support.foreign import INSERT, NOW, ForeignWriter, active_names, changes
from tenets_session_server.storage.session_db import SessionDB


def test_a_replaced_row_leaves_a_gap(db: SessionDB, foreign: ForeignWriter) -> None:
    db.create_session("a", {"active": True})
    db.create_session("b")
    before = len(changes(db))
    foreign.execute("INSERT OR REPLACE" + INSERT[6:], ("a", NOW, "{}"))
    assert changes(db)[before:] == [("created", "a")], "no trigger fires for the row that goes"
    assert db.get_active_session() is None


def test_an_insert_that_is_ignored_or_updates_logs_no_deletion(
    db: SessionDB, foreign: ForeignWriter
) -> None:
    db.create_session("a", {"active": True})
    before = len(changes(db))
    foreign.execute("INSERT OR IGNORE" + INSERT[6:], ("a", NOW, "{}"))
    with pytest.raises(apsw.ConstraintError):
        foreign.execute(INSERT, ("a", NOW, "{}"))
    assert changes(db)[before:] == []
    foreign.execute(
        INSERT + ' ON CONFLICT (name) DO UPDATE SET metadata = \'{"active": true, "k": 1}\'',
        ("a", NOW, "{}"),
    )
    foreign.execute(INSERT, ("b", NOW, "{}"))
    assert changes(db)[before:] == [("updated", "a"), ("created", "b")]
    assert active_names(db) == ["a"]


def test_a_new_name_and_new_metadata_at_once_are_both_logged(
    db: SessionDB, foreign: ForeignWriter
) -> None:
    db.create_session("a")
    foreign.execute("UPDATE sessions SET name = 'b', metadata = '{\"k\": 1}'")
    assert changes(db) == [("created", "a"), ("renamed", "b"), ("updated", "b")]


def test_context_that_is_moved_or_rewritten_is_logged(
    db: SessionDB, foreign: ForeignWriter
) -> None:
    db.add_context("a", "note", "x")
    db.create_session("b")
    before = len(changes(db))
    foreign.execute("UPDATE session_context SET session_id = 2")
    foreign.execute("UPDATE session_context SET content = 'y'")
    assert changes(db)[before:] == [
        *(("contextRemoved", "a"), ("contextAdded", "b")),
        ("contextUpdated", "b"),
    ]


def test_a_foreign_rollback_logs_nothing(db: SessionDB, foreign: ForeignWriter) -> None:
    db.create_session("a", {"active": True})
    before = changes(db)
    foreign.execute("BEGIN")
    foreign.execute(INSERT, ("b", NOW, '{"active": true}'))
    foreign.execute("ROLLBACK")
    assert active_names(db) == ["a"]
    assert changes(db) == before


def test_added_and_removed_context_is_logged(db: SessionDB, foreign: ForeignWriter) -> None:
    session = db.create_session("a")
    add = "INSERT INTO session_context (session_id, kind, content, created_at) VALUES (?, ?, ?, ?)"
    foreign.execute(add, (session.id, "note", "x", NOW))
    foreign.execute(add, (session.id + 1, "note", "orphan", NOW))
    foreign.execute("DELETE FROM session_context")
    assert sorted(map(str, changes(db)[1:])) == sorted(
        str((change, name)) for change in ("contextAdded", "contextRemoved") for name in ("a", None)
    )


def test_the_log_keeps_the_newest_10000(db: SessionDB, foreign: ForeignWriter) -> None:
    db.create_session("a")
    foreign.add_much_context("a", 10_500)
    ((count, oldest, newest),) = db.db.run(
        "SELECT count(*), min(revision), max(revision) FROM session_server_changes"
    )
    assert newest == 10_501
    assert newest - oldest + 1 == count
    assert 10_000 <= count < 10_100
    assert db.store.change_log.state().revision == 10_501
