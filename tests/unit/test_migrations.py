"""Files of every kind are opened: new, of upstream, damaged."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from msgspec import UNSET

from support.foreign import ForeignWriter
from support.processes import popen
from tenets_session_server.config import TenetsConfig
from tenets_session_server.errors import DatabaseCorruptError, DatabaseError
from tenets_session_server.storage.session_db import SessionDB
from tenets_session_server.storage.sqlite import triggers
from tenets_session_server.storage.sqlite.store import SQLiteStore


@pytest.fixture
def upstream_file(database: Path) -> Iterator[ForeignWriter]:
    """A database as the ``tenets`` command line leaves it, open in another program."""
    with ForeignWriter.on_new_file(database) as foreign:
        yield foreign


def test_a_migration_adds_objects_and_changes_none(
    config: TenetsConfig, upstream_file: ForeignWriter
) -> None:
    before = upstream_file.objects()
    SessionDB(config).close()
    after = upstream_file.objects()
    assert {name: after[name] for name in before} == before
    added = after.keys() - before.keys()
    assert added
    assert all(name.startswith("session_server_") for name in added)


def test_a_new_file_has_upstreams_tables(config: TenetsConfig, database: Path) -> None:
    SessionDB(config).close()
    new = ForeignWriter(database)
    columns = "SELECT name, type, [notnull], pk FROM pragma_table_info(?)"
    upstream = ForeignWriter(":memory:")
    upstream.create_tables()
    for table in ("sessions", "session_context"):
        assert (
            new.execute(columns, (table,)).fetchall()
            == upstream.execute(columns, (table,)).fetchall()
        )
    new.create_tables()  # as upstream does at each start
    assert new.execute("PRAGMA journal_mode").fetchall() == [("wal",)]
    new.close()


def test_of_several_active_sessions_the_newest_stays(
    config: TenetsConfig, upstream_file: ForeignWriter
) -> None:
    rows = [
        ("oldest", "2026-01-01T00:00:00+00:00", '{"active": true}'),
        ("newest", "2026-01-03T00:00:00+00:00", '{"active": true, "own": 1}'),
        ("middle", "2026-01-02T00:00:00+00:00", '{"active": true, "own": 1.50}'),
        ("newer but not active", "2026-01-04T00:00:00+00:00", "{}"),
        ("poison", "2026-01-05T00:00:00+00:00", '{"active": true'),
    ]
    for row in rows:
        upstream_file.execute(
            "INSERT INTO sessions (name, created_at, metadata) VALUES (?, ?, ?)", row
        )
    with SessionDB(config) as db:
        active = db.get_active_session()
        assert active is not None
        assert (active.name, active.metadata) == ("newest", {"active": True, "own": 1})
        middle = db.store.sessions.get("middle")
        assert middle is not None
        assert middle.metadata is not UNSET
        assert bytes(middle.metadata).startswith(b'{"active":false,"own":1.50,"updated_at":"')
        assert {*json.loads(bytes(middle.metadata))} == {"active", "own", "updated_at", "ended_at"}
        assert db.db.warnings == []


def test_existing_sessions_and_context_stay(
    config: TenetsConfig, upstream_file: ForeignWriter
) -> None:
    upstream_file.execute("INSERT INTO sessions VALUES (7, 'a', '2026-01-01T00:00:00+00:00', NULL)")
    upstream_file.execute("INSERT INTO session_context VALUES (3, 7, 'k', 'c', '2026-01-01')")
    with SessionDB(config) as db:
        record = db.get_session("a")
        assert record is not None
        assert (record.id, record.metadata) == (7, {})
        assert db.store.sessions.page(include_context_count=True).sessions[0].context_count == 1
        assert db.create_session("b").id == 8


def test_opening_again_writes_nothing(config: TenetsConfig, database: Path) -> None:
    SessionDB(config).close()
    before = database.stat().st_mtime_ns
    with SessionDB(config) as db:
        assert [*db.db.warnings, *db.db.take_repairs()] == []
        assert not Path(f"{database}-wal").exists() or not Path(f"{database}-wal").stat().st_size
    assert database.stat().st_mtime_ns == before


def test_a_lost_trigger_is_put_back_with_a_warning(config: TenetsConfig, database: Path) -> None:
    with SessionDB(config) as db:
        db.create_session("a", {"active": True})
    foreign = ForeignWriter(database)
    foreign.execute("DROP TRIGGER session_server_make_room_update")
    foreign.execute("DROP TRIGGER session_server_session_inserted")
    foreign.execute(
        "INSERT INTO sessions (name, created_at, metadata)"
        " VALUES ('b', '2099-01-01T00:00:00+00:00', '{\"active\": true}')"
    )
    with SessionDB(config) as db:
        assert db.db.warnings == []
        (warning,) = db.db.take_repairs()
        assert "session_server_make_room_update, session_server_session_inserted" in warning
        assert [record.name for record in db.list_sessions() if record.metadata["active"]] == ["b"]
        active = db.get_active_session()
        assert active is not None
        assert active.name == "b"
    assert foreign.objects().keys() >= triggers.TRIGGERS.keys()
    with SessionDB(config) as db:
        assert [*db.db.warnings, *db.db.take_repairs()] == []


def test_tables_of_another_kind_are_refused(config: TenetsConfig, database: Path) -> None:
    database.parent.mkdir()
    other = ForeignWriter(database)
    other.execute("CREATE TABLE sessions (id INTEGER PRIMARY KEY, user TEXT)")
    before = other.objects()
    with pytest.raises(DatabaseCorruptError, match=r"sessions lacks .*created_at, metadata, name"):
        SessionDB(config)
    assert other.objects() == before


def test_a_migration_is_whole_or_not_at_all(
    config: TenetsConfig, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(
            triggers, "TRIGGERS", {**triggers.TRIGGERS, "bad": "CREATE TRIGGER nonsense"}
        )
        with pytest.raises(DatabaseCorruptError, match="incomplete input"):
            SessionDB(config)
    left = ForeignWriter(database)
    assert left.objects() == {}
    with SessionDB(config) as db:
        db.create_session("a")


def test_many_processes_open_a_new_file_at_once(database: Path) -> None:
    program = textwrap.dedent("""
        import sys
        from tenets_session_server.config import TenetsConfig
        from tenets_session_server.storage.session_db import SessionDB
        sys.stdin.readline()  # all start together
        with SessionDB(TenetsConfig(database=sys.argv[1])) as db:
            for number in range(10):
                db.create_session(f"{sys.argv[2]}.{number}", {"active": True})
                assert len([r for r in db.list_sessions() if r.metadata["active"]]) == 1
    """)
    pipes = dict.fromkeys(("stdin", "stderr"), subprocess.PIPE)
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                popen(
                    [sys.executable, "-c", program, str(database), str(number)], text=True, **pipes
                )
            )
            for number in range(8)
        ]
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in processes:
            _, errors = process.communicate(timeout=60)
            assert (process.returncode, errors) == (0, "")
    with SessionDB(TenetsConfig(database=database)) as db:
        assert len(db.list_sessions()) == 80


def test_a_failed_open_is_tried_again(config: TenetsConfig, database: Path) -> None:
    database.parent.write_text("in the way")
    with pytest.raises(DatabaseError):
        SessionDB(config)
    store = SQLiteStore(config)
    with pytest.raises(DatabaseError):
        store.sessions.page()
    database.parent.unlink()
    assert store.sessions.create("a").name == "a"
    store.close()
