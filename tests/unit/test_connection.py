"""The file of an open database is deleted, moved, replaced or restored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.foreign import ForeignWriter, active_names, totals
from tenets_session_server.config import TenetsConfig
from tenets_session_server.errors import DatabaseUnavailableError, OutcomeUnknownError
from tenets_session_server.storage.session_db import SessionDB
from tenets_session_server.storage.sqlite import file_identity


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """Where a file is moved to."""
    return tmp_path / "elsewhere.db"


@pytest.fixture
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_identity, "SETTLED", 0.0)


@pytest.fixture
def open_db(database: Path) -> Iterator[SessionDB]:
    """A database in use: its reads have just checked the file, its WAL has an acknowledged note."""
    with SessionDB(TenetsConfig(database=database)) as sessions:
        sessions.add_context("a", "note", "acknowledged")
        yield sessions


@pytest.mark.usefixtures("_no_waiting")
def test_a_file_that_is_moved_away_is_opened_once_it_is_back(
    open_db: SessionDB, database: Path, elsewhere: Path
) -> None:
    generation = open_db.db.generation
    database.rename(elsewhere)
    for _ in range(2):
        with pytest.raises(
            DatabaseUnavailableError, match="has been deleted or moved: put it back"
        ):
            open_db.create_session("b")
    assert not open_db.db.is_open
    assert not database.exists(), "a new one would be in the way of the old one"
    elsewhere.rename(database)
    open_db.create_session("b")
    assert totals(open_db) == (2, 1)
    assert open_db.db.generation == generation + 1


@pytest.mark.usefixtures("_no_waiting")
def test_a_deleted_file_is_created_again_for_a_new_client_only(
    open_db: SessionDB, database: Path
) -> None:
    database.unlink()
    with pytest.raises(DatabaseUnavailableError, match="restart the server to create a new one"):
        open_db.create_session("b")
    database.touch()
    with pytest.raises(DatabaseUnavailableError, match="replaced by an empty file"):
        open_db.create_session("b")
    database.unlink()
    open_db.db.repair_or_create()
    open_db.create_session("b")
    assert totals(open_db) == (1, 0)


def test_a_file_that_has_just_been_replaced_is_opened_later(
    open_db: SessionDB, database: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SessionDB(TenetsConfig(database=elsewhere)) as other:
        other.create_session("other")
    elsewhere.replace(database)
    monkeypatch.setattr(file_identity, "SETTLED", 3600.0)
    with pytest.raises(DatabaseUnavailableError, match="has just been replaced"):
        open_db.create_session("b")
    monkeypatch.setattr(file_identity, "SETTLED", 0.0)
    open_db.create_session("b")
    assert [record.name for record in open_db.list_sessions()] == ["b", "other"]


def test_a_released_database_is_opened_as_by_a_new_process(
    open_db: SessionDB, database: Path
) -> None:
    database.unlink()
    open_db.db.release()
    assert not open_db.db.is_open
    assert open_db.list_sessions() == []


def test_an_older_state_without_our_tables_that_is_restored_in_place_is_migrated(
    open_db: SessionDB, database: Path, elsewhere: Path
) -> None:
    with ForeignWriter(elsewhere) as older:
        older.execute(
            "CREATE TABLE sessions (id INTEGER PRIMARY KEY, name UNIQUE, created_at, metadata)"
        )
        older.execute("CREATE TABLE session_context (id, session_id, kind, content, created_at)")
        older.create("old", {"active": True})
    generation = open_db.db.generation
    with ForeignWriter(database) as foreign:
        foreign.restore_from(elsewhere)
    open_db.db.repair_or_create()
    assert open_db.db.generation > generation, "clients have to fetch everything again"
    assert active_names(open_db) == ["old"]
    assert totals(open_db) == (1, 0)


def test_triggers_that_are_put_back_make_a_new_generation(
    open_db: SessionDB, database: Path
) -> None:
    generation = open_db.db.generation
    open_db.db.repair_or_create()
    assert open_db.db.generation == generation
    with ForeignWriter(database) as foreign:
        foreign.execute("DROP TRIGGER session_server_context_inserted")
    open_db.db.repair_or_create()
    assert open_db.db.generation == generation + 1
    (repair,) = open_db.db.take_repairs()
    assert "1 trigger(s) in the database were missing" in repair
    assert open_db.db.take_repairs() == []


def test_a_file_that_is_moved_during_a_write_makes_its_outcome_unknown(
    database: Path, elsewhere: Path
) -> None:
    with SessionDB(TenetsConfig(database=database)) as sessions:
        sessions.create_session("a")
        # The commit raises it.
        with pytest.raises(OutcomeUnknownError), sessions.db.transaction():  # noqa: PT012
            sessions.add_context("a", "note", "written to a lost file")
            database.rename(elsewhere)
        with pytest.raises(DatabaseUnavailableError):
            sessions.list_sessions()


@pytest.mark.parametrize("endings", [["-wal"], ["-wal", "-shm"]])
def test_a_log_that_is_deleted_during_a_write_costs_no_note(
    database: Path, endings: list[str]
) -> None:
    with SessionDB(TenetsConfig(database=database)) as sessions:
        sessions.add_context("a", "note", "acknowledged")
        notified: list[int] = []
        sessions.db.on_commit.add(lambda: notified.append(sessions.db.commits))
        with pytest.raises(OutcomeUnknownError), sessions.db.transaction():  # noqa: PT012
            sessions.add_context("a", "note", "written to a lost file")
            for ending in endings:
                database.with_name(f"tenets.db{ending}").unlink()
        assert notified, "it may have been committed"
    with SessionDB(TenetsConfig(database=database)) as sessions:
        contents = sessions.db.run("SELECT content FROM session_context ORDER BY id")
        assert contents[0] == ("acknowledged",)
    with ForeignWriter(database) as foreign:
        assert foreign.rows("PRAGMA integrity_check") == [("ok",)]
