"""What triggers count is what counting finds, whatever anybody does to the tables."""

from __future__ import annotations

import contextlib
import json
import tempfile
from pathlib import Path
from typing import Any

import apsw
from hypothesis import given, settings
from hypothesis import strategies as st

from support.foreign import NOW, ForeignWriter, totals
from tenets_session_server.config import TenetsConfig
from tenets_session_server.storage.schema import TRIGGERS
from tenets_session_server.storage.session_db import SessionDB

NAMES = st.sampled_from(["a", "b", "c"])
IDS = st.sampled_from([-1, 1, 2, 3, 4])
METADATA = st.sampled_from(["{}", '{"active": true}', '{"active": false}', "[", None])
CONFLICTS = st.sampled_from(["", "OR REPLACE", "OR IGNORE", "OR FAIL", "OR ROLLBACK"])


def doing(sql: st.SearchStrategy[str] | str, *values: st.SearchStrategy[object]) -> Any:
    """Return a strategy for a statement and its values."""
    return st.tuples(st.just(sql) if isinstance(sql, str) else sql, st.tuples(*values))


STATEMENTS = st.one_of(
    doing(
        CONFLICTS.map(lambda c: f"INSERT {c} INTO sessions VALUES (?, ?, ?, ?)"),
        *(st.none() | IDS, NAMES, st.just(NOW), METADATA),
    ),
    doing(
        "INSERT INTO sessions VALUES (?, ?, ?, ?)"
        " ON CONFLICT (name) DO UPDATE SET metadata = excluded.metadata",
        *(st.none(), NAMES, st.just(NOW), METADATA),
    ),
    doing(
        CONFLICTS.map(lambda c: f"INSERT {c} INTO session_context VALUES (?, ?, 'note', 'x', ?)"),
        *(st.none() | IDS, IDS, st.just(NOW)),
    ),
    doing("UPDATE sessions SET metadata = ? WHERE name = ?", METADATA, NAMES),
    doing(CONFLICTS.map(lambda c: f"UPDATE {c} sessions SET name = ? WHERE id = ?"), NAMES, IDS),
    doing(CONFLICTS.map(lambda c: f"UPDATE {c} sessions SET id = ? WHERE id = ?"), IDS, IDS),
    doing(
        CONFLICTS.map(lambda c: f"UPDATE {c} sessions SET id = ?, name = ?, metadata = ?"),
        *(IDS, NAMES, METADATA),
    ),
    doing("UPDATE session_context SET session_id = ? WHERE id = ?", IDS, IDS),
    doing(CONFLICTS.map(lambda c: f"UPDATE {c} session_context SET id = ? WHERE id = ?"), IDS, IDS),
    doing(CONFLICTS.map(lambda c: f"UPDATE {c} session_context SET id = id + ?"), IDS),
    doing("PRAGMA recursive_triggers = ON"),
    doing("PRAGMA recursive_triggers = OFF"),
    doing("DELETE FROM sessions WHERE id >= ?", IDS),
    doing("DELETE FROM session_context WHERE id <= ?", IDS),
    doing("DELETE FROM session_context"),
)


def counted(db: SessionDB) -> tuple[int, int]:
    sessions = db.db.run("SELECT count(*) FROM sessions")[0][0]
    return sessions, db.db.run("SELECT count(*) FROM session_context")[0][0]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(STATEMENTS, st.booleans()), max_size=25))
def test_the_totals_are_what_counting_finds(
    steps: list[tuple[tuple[str, tuple[Any, ...]], bool]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "tenets.db"
        with SessionDB(TenetsConfig(database=database, synchronous="normal")) as db:
            with ForeignWriter(database) as foreign:
                for (sql, values), undone in steps:
                    with_rollback(foreign.connection, sql, values, undone=undone)
                    assert totals(db) == counted(db), sql
                    active = [
                        one.name
                        for one in db.store.sessions.page().sessions
                        if json.loads(bytes(one.metadata)).get("active")
                    ]
                    found = db.store.sessions.get_active()
                    assert active == ([] if found is None else [found.name]), sql
            db.delete_session("a")
            db.delete_all_sessions()
            assert totals(db) == counted(db) == (0, 0)


def with_rollback(
    connection: apsw.Connection, sql: str, values: tuple[Any, ...], *, undone: bool
) -> None:
    if sql.startswith("PRAGMA"):
        connection.execute(sql)
        return
    connection.execute("BEGIN")
    with contextlib.suppress(apsw.ConstraintError):
        connection.execute(sql, values)
    if connection.in_transaction:
        connection.execute("ROLLBACK" if undone else "COMMIT")


def test_what_was_done_without_the_triggers_is_counted_anew(db: SessionDB, database: Path) -> None:
    db.create_session("a", {"active": True})
    db.add_context("a", "note", "x")
    with ForeignWriter(database) as foreign:
        for name in TRIGGERS:
            foreign.connection.execute(f"DROP TRIGGER {name}")
        foreign.create("b", {"ended_at": "2026-01-02T00:00:00+00:00"})
        foreign.add_context("b", "y")
    db.db.repair_or_create()
    assert totals(db) == counted(db) == (2, 2)
    assert db.store.sessions.most_recently_active() == "b"


def test_the_last_active_one_is_known_however_much_has_happened_since(
    db: SessionDB, database: Path
) -> None:
    for name in ("a", "b", "c"):
        db.create_session(name)
    assert db.store.sessions.most_recently_active() is None
    for name in ("b", "a", "c"):
        db.set_active(name, True)
    with ForeignWriter(database) as foreign, foreign.connection:
        for number in range(10_200):  # more than the change feed keeps
            foreign.add_context("c", str(number))
    assert db.store.sessions.most_recently_active() == "a"
    db.set_active("c", False)
    assert db.store.sessions.most_recently_active() == "c"
    db.delete_session("c")
    assert db.store.sessions.most_recently_active() == "a"
    db.set_active("a", True)
    assert db.store.sessions.most_recently_active() == "b"
