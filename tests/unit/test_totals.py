"""What the triggers keep up to date is right, whatever any program does to the tables."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
from hypothesis import given, settings
from hypothesis import strategies as st

from support.foreign import INSERT, NOW, ForeignWriter, active_names, most_recently_active, totals
from tenets_session_server.config import TenetsConfig
from tenets_session_server.storage.session_db import SessionDB
from tenets_session_server.storage.sqlite.hidden_context import VISIBLE
from tenets_session_server.storage.sqlite.triggers import TRIGGERS

NAMES = st.sampled_from(["a", "b", "c"])
IDS = st.sampled_from([-1, 1, 2, 3, 4])
METADATA = st.sampled_from(["{}", '{"active": true}', '{"active": false}', "[", None])
CONFLICTS = ["", "OR IGNORE", "OR FAIL", "OR ROLLBACK"]

Statement = tuple[str, tuple[Any, ...]]
Step = tuple[Statement, bool]  # and whether it is rolled back


def statements(conflicts: list[str]) -> st.SearchStrategy[Statement]:
    """Return a strategy for a statement and its values, with these conflict clauses."""
    clause = st.sampled_from(conflicts)

    def doing(sql: str, *values: st.SearchStrategy[object]) -> Any:
        return st.tuples(clause.map(lambda chosen: sql.replace("OR ?", chosen)), st.tuples(*values))

    return st.one_of(
        doing(
            "INSERT OR ? INTO sessions VALUES (?, ?, ?, ?)",
            *(st.none() | IDS, NAMES, st.just(NOW), METADATA),
        ),
        doing(
            "INSERT INTO sessions VALUES (?, ?, ?, ?)"
            " ON CONFLICT (name) DO UPDATE SET metadata = excluded.metadata",
            *(st.none(), NAMES, st.just(NOW), METADATA),
        ),
        doing(
            "INSERT OR ? INTO session_context VALUES (?, ?, 'note', 'x', ?)",
            *(st.none() | IDS, IDS, st.just(NOW)),
        ),
        doing("UPDATE sessions SET metadata = ? WHERE name = ?", METADATA, NAMES),
        doing("UPDATE OR ? sessions SET name = ? WHERE id = ?", NAMES, IDS),
        doing("UPDATE OR ? sessions SET id = ? WHERE id = ?", IDS, IDS),
        doing("UPDATE OR ? sessions SET id = ?, name = ?, metadata = ?", *(IDS, NAMES, METADATA)),
        doing("UPDATE session_context SET session_id = ? WHERE id = ?", IDS, IDS),
        doing("UPDATE OR ? session_context SET id = ? WHERE id = ?", IDS, IDS),
        doing("UPDATE OR ? session_context SET id = id + ?", IDS),
        doing("PRAGMA recursive_triggers = ON"),
        doing("PRAGMA recursive_triggers = OFF"),
        doing("DELETE FROM sessions WHERE id >= ?", IDS),
        doing("DELETE FROM session_context WHERE id <= ?", IDS),
        doing("DELETE FROM session_context"),
    )


def steps(conflicts: list[str]) -> st.SearchStrategy[list[Step]]:
    return st.lists(st.tuples(statements(conflicts), st.booleans()), max_size=25)


@contextlib.contextmanager
def new_database() -> Iterator[SessionDB]:
    with (
        tempfile.TemporaryDirectory() as folder,
        SessionDB(TenetsConfig(database=Path(folder) / "t.db", synchronous="normal")) as db,
    ):
        yield db


def as_another_program(db: SessionDB, steps: list[Step]) -> Iterator[str]:
    """Execute the steps; yield the SQL of each after it."""
    with ForeignWriter(db.db.path) as foreign:
        for (sql, values), undone in steps:
            with_rollback(foreign.connection, sql, values, undone=undone)
            yield sql


@settings(max_examples=100)
@given(steps(CONFLICTS))
def test_the_totals_are_what_counting_finds(steps: list[Step]) -> None:
    with new_database() as db:
        for sql in as_another_program(db, steps):
            assert totals(db) == counted(db), sql
        db.delete_session("a")
        db.delete_all_sessions()
        while db.store.trash_upkeep.run_step():
            pass  # until what is in the trash has been counted
        assert totals(db) == counted(db) == (0, 0)


@settings(max_examples=100)
@given(steps([*CONFLICTS, "OR REPLACE", "OR REPLACE"]))
def test_the_recorded_active_session_is_the_only_active_one(steps: list[Step]) -> None:
    with new_database() as db:
        for sql in as_another_program(db, steps):
            found = db.store.sessions.get_active()
            assert active_names(db) == ([] if found is None else [found.name]), sql
            ((recorded,),) = db.db.run("SELECT session_id FROM session_server_active")
            assert recorded == (None if found is None else found.id), sql


def test_the_totals_are_right_again_once_the_triggers_are_renewed(
    db: SessionDB, foreign: ForeignWriter
) -> None:
    db.create_session("a")
    db.add_context("a", "note", "x")
    foreign.execute("INSERT OR REPLACE" + INSERT[6:], ("a", NOW, "{}"))
    foreign.execute("INSERT OR REPLACE INTO session_context VALUES (1, 2, 'note', 'y', '')")
    assert counted(db) == (1, 1)
    assert totals(db) == (2, 2), "as a row that is replaced is deleted without a trigger"
    foreign.execute("DROP TRIGGER session_server_context_inserted")
    db.db.repair_or_create()
    assert totals(db) == (1, 1)


def counted(db: SessionDB) -> tuple[int, int]:
    sessions = db.db.run("SELECT count(*) FROM sessions")[0][0]
    visible = db.db.run(f"SELECT count(*) FROM session_context AS c WHERE {VISIBLE}")
    return sessions, visible[0][0]


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


def test_rows_written_without_the_triggers_are_counted_when_they_are_renewed(
    db: SessionDB, database: Path
) -> None:
    db.create_session("a", {"active": True})
    db.add_context("a", "note", "x")
    with ForeignWriter(database) as foreign:
        for name in TRIGGERS:
            foreign.execute(f"DROP TRIGGER {name}")
        foreign.create("b", {"ended_at": "2026-01-02T00:00:00+00:00"})
        foreign.add_context("b", "y")
    db.db.repair_or_create()
    assert totals(db) == counted(db) == (2, 2)
    assert most_recently_active(db) == "b"


def test_the_last_active_one_is_known_however_much_has_happened_since(
    db: SessionDB, database: Path
) -> None:
    for name in ("a", "b", "c"):
        db.create_session(name)
    assert most_recently_active(db) is None
    for name in ("b", "a", "c"):
        db.set_active(name, True)
    with ForeignWriter(database) as foreign:
        foreign.add_much_context("c", 10_200)  # more than the change log keeps
    assert most_recently_active(db) == "a"
    db.set_active("c", False)
    assert most_recently_active(db) == "c"
    db.delete_session("c")
    assert most_recently_active(db) == "a"
    db.set_active("a", True)
    assert most_recently_active(db) == "b"
