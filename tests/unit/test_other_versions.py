"""Files that an older or a newer version has opened before, or opens in turns."""

from __future__ import annotations

from pathlib import Path

from support.foreign import ForeignWriter, most_recently_active, totals
from tenets_session_server.config import TenetsConfig
from tenets_session_server.storage.session_db import SessionDB
from tenets_session_server.storage.sqlite import triggers

# As the version before "no_replace_triggers" had them, which needed the table and the column.
OLDER_TRIGGERS = {
    "session_server_note_replaced": """BEFORE INSERT ON sessions BEGIN
        DELETE FROM session_server_replaced;
        INSERT INTO session_server_replaced SELECT id, name FROM sessions WHERE name = NEW.name;
    END""",
    "session_server_note_replaced_context": """BEFORE INSERT ON session_context
        WHEN EXISTS (SELECT 1 FROM session_context WHERE id = NEW.id) BEGIN
        UPDATE session_server_totals SET replaced_entry = NEW.id;
    END""",
}


def test_triggers_of_an_older_version_are_dropped_each_time_it_puts_them_back(
    config: TenetsConfig, database: Path
) -> None:
    SessionDB(config).close()
    older = ForeignWriter(database)
    for with_warning in (False, True):
        if not with_warning:
            older.execute(
                "DELETE FROM session_server_migrations WHERE name = 'no_replace_triggers'"
            )
        for name, body in OLDER_TRIGGERS.items():
            older.execute(f"CREATE TRIGGER {name} {body}")
        older.execute("REPLACE INTO sessions VALUES (1, 'a', '2026-01-01', '{}')")
        older.execute("REPLACE INTO sessions VALUES (2, 'a', '2026-01-01', '{}')")
        older.execute("REPLACE INTO session_context VALUES (1, 2, 'note', 'x', '2026-01-01')")
        with SessionDB(config) as db:
            repairs = db.db.take_repairs()
            assert [name in repair for repair in repairs for name in OLDER_TRIGGERS] == (
                [True, True] if with_warning else []
            )
            found = db.db.run("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            assert dict(found) == triggers.TRIGGERS
            assert totals(db) == (1, 1)
            db.create_session("b")
            db.delete_session("b")
    older.close()


def test_a_newer_versions_triggers_are_left_alone(config: TenetsConfig, database: Path) -> None:
    SessionDB(config).close()
    newer = ForeignWriter(database)
    newer.execute("INSERT INTO session_server_migrations (name) VALUES ('of tomorrow')")
    obsolete, changed, missing = (
        *("session_server_note_replaced", "session_server_session_deleted"),
        "session_server_prune_changes",
    )
    newer.execute(f"CREATE TRIGGER {obsolete} BEFORE INSERT ON sessions BEGIN SELECT 1; END")
    newer.execute(f"DROP TRIGGER {changed}")
    newer.execute(f"CREATE TRIGGER {changed} AFTER DELETE ON sessions BEGIN SELECT 2; END")
    before = newer.objects()
    newer.execute(f"DROP TRIGGER {missing}")
    with SessionDB(config) as db:
        (repair,) = db.db.take_repairs()
        assert missing in repair
        assert changed not in repair
    assert newer.objects() == before
    newer.close()


def test_a_newer_versions_steps_are_left_alone(config: TenetsConfig, database: Path) -> None:
    SessionDB(config).close()
    newer = ForeignWriter(database)
    newer.execute("CREATE TABLE session_server_future (x)")
    newer.execute("INSERT INTO session_server_migrations (name) VALUES ('future')")
    with SessionDB(config) as db:
        db.create_session("a")
        assert db.db.warnings == []
    assert "session_server_future" in newer.objects()


def test_a_file_of_a_version_that_did_not_count(config: TenetsConfig, database: Path) -> None:
    with SessionDB(config) as db:
        for name in ("a", "b", "c"):
            db.create_session(name)
            db.add_context(name, "note", "x")
            db.set_active(name, True)
        db.set_active("a", True)
    with ForeignWriter(database) as older:
        for name in triggers.TRIGGERS:
            older.execute(f"DROP TRIGGER {name}")
        older.execute(
            "CREATE TRIGGER session_server_session_deleted AFTER DELETE ON sessions BEGIN"
            " INSERT INTO session_server_changes (type, session_id, session_name)"
            " VALUES ('deleted', OLD.id, OLD.name); END"
        )
        older.execute("DROP TABLE session_server_totals")
        older.execute("ALTER TABLE session_server_active DROP COLUMN recent")
        older.execute("DELETE FROM session_server_migrations WHERE name = 'totals'")
        older.execute("DELETE FROM sessions WHERE name = 'b'")
    with SessionDB(config) as db:
        assert totals(db) == (2, 3)
        assert most_recently_active(db) == "c"
        assert db.db.take_repairs() == []
        found = db.db.run("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        assert dict(found) == triggers.TRIGGERS
        db.delete_all_sessions()
        while db.store.trash_upkeep.run_step():
            pass  # until what is in the trash has been counted
        assert totals(db) == (0, 0)


def test_a_trigger_that_an_older_version_has_put_back(config: TenetsConfig, database: Path) -> None:
    with SessionDB(config) as db:
        db.create_session("a")
    with ForeignWriter(database) as older:
        older.execute("DROP TRIGGER session_server_context_inserted")
        older.execute(
            "CREATE TRIGGER session_server_context_inserted AFTER INSERT ON session_context"
            " BEGIN SELECT 1; END"
        )
        older.execute(
            "INSERT INTO session_context (session_id, kind, content, created_at)"
            " VALUES (1, 'note', 'x', '')"
        )
    with SessionDB(config) as db:
        assert "session_server_context_inserted" in db.db.take_repairs()[0]
        assert totals(db) == (1, 1)
        db.add_context("a", "note", "y")
        assert totals(db) == (1, 2)
    with ForeignWriter(database) as newer:
        newer.execute("INSERT INTO session_server_migrations (name) VALUES ('of tomorrow')")
        newer.execute("DROP TRIGGER session_server_context_inserted")
        newer.execute(
            "CREATE TRIGGER session_server_context_inserted AFTER INSERT ON session_context"
            " BEGIN SELECT 2; END"
        )
    with SessionDB(config) as db:
        assert db.db.take_repairs() == [], "a newer version knows what it does"
