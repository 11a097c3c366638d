"""SessionDB behaves as upstream's (tenets 0.13.3), method by method."""

from __future__ import annotations

import inspect
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from support.foreign import ForeignWriter
from tenets_session_server.config import CacheConfig, TenetsConfig
from tenets_session_server.errors import (
    DatabaseUnavailableError,
    InvalidArgumentError,
    LimitExceededError,
    SessionExistsError,
)
from tenets_session_server.storage.session_db import SessionDB, SessionRecord

UPSTREAM_SIGNATURES = {
    "create_session": ["name", "metadata"],
    "get_session": ["name"],
    "list_sessions": [],
    "get_active_session": [],
    "add_context": ["session_name", "kind", "content"],
    "delete_session": ["name", "purge_context"],
    "delete_all_sessions": ["purge_context"],
    "update_session_metadata": ["name", "updates"],
    "set_active": ["name", "active"],
}


@pytest.mark.parametrize("name", UPSTREAM_SIGNATURES)
def test_signatures_are_upstreams(name: str) -> None:
    parameters = inspect.signature(getattr(SessionDB, name)).parameters
    assert list(parameters)[1:] == UPSTREAM_SIGNATURES[name]


def test_the_file_is_where_the_config_says(config: TenetsConfig, database: Path) -> None:
    assert not database.parent.exists()
    with SessionDB(config):
        assert database.exists()


def test_a_config_can_be_made_in_one_go(tmp_path: Path) -> None:
    config = TenetsConfig(cache=CacheConfig(directory=str(tmp_path / "made")))
    with SessionDB(config) as db:
        db.create_session("a")
    assert (tmp_path / "made" / "tenets.db").exists()


def test_create_returns_the_record(db: SessionDB) -> None:
    before = datetime.now(UTC)
    record = db.create_session("a", {"x": [1, {"y": None}]})
    assert isinstance(record, SessionRecord)
    assert (record.id, record.name, record.metadata) == (1, "a", {"x": [1, {"y": None}]})
    assert before <= record.created_at <= datetime.now(UTC)
    assert record.created_at.utcoffset() == timedelta(0)
    assert db.get_session("a") == record


def test_metadata_defaults_to_an_empty_object(db: SessionDB) -> None:
    assert db.create_session("a").metadata == {}
    assert db.create_session("b", None).metadata == {}


def test_names_are_only_found_exactly(db: SessionDB) -> None:
    db.create_session("Name")
    assert db.get_session("name") is None
    assert db.get_session("Name ") is None
    assert db.get_session("Nam%") is None


@pytest.mark.parametrize("name", ["", " ", "a\nb", "'; DROP TABLE sessions; --", "ü" * 1000, "\0"])
def test_any_name_goes_as_upstream(db: SessionDB, name: str) -> None:
    db.create_session(name)
    record = db.get_session(name)
    assert record is not None
    assert record.name == name
    assert [found.name for found in db.list_sessions()] == [name]


def test_a_duplicate_raises_and_changes_nothing(db: SessionDB) -> None:
    record = db.create_session("a", {"x": 1})
    with pytest.raises(SessionExistsError, match="'a'"):
        db.create_session("a", {"x": 2})
    assert db.list_sessions() == [record]


def test_list_is_newest_first_and_complete(db: SessionDB) -> None:
    names = [f"s{number}" for number in range(2500)]
    with db.db.transaction():
        for name in names:
            db.create_session(name)
    assert [record.name for record in db.list_sessions()] == names[::-1]


@pytest.mark.parametrize("value", [True, 1, "yes", [0], {"a": 1}, 0.5, "false", -1])
def test_any_true_value_is_active_as_upstream(db: SessionDB, value: Any) -> None:
    db.create_session("a")
    db.create_session("b", {"active": value})
    active = db.get_active_session()
    assert active is not None
    assert (active.name, active.metadata) == ("b", {"active": value})


@pytest.mark.parametrize("value", [False, 0, "", [], {}, None, 0.0])
def test_any_false_value_is_not(db: SessionDB, value: Any) -> None:
    db.create_session("a", {"active": True})
    db.create_session("b", {"active": value})
    active = db.get_active_session()
    assert active is not None
    assert active.name == "a"
    db.update_session_metadata("a", {"active": value})
    assert db.get_active_session() is None


def test_set_active_merges_what_upstream_merges(db: SessionDB) -> None:
    db.create_session("a", {"own": 1, "active": False})
    before = datetime.now(UTC).replace(microsecond=0)
    assert db.set_active("a", True) is True
    record = db.get_active_session()
    assert record is not None
    metadata = record.metadata
    assert list(metadata) == ["own", "active", "updated_at", "resumed_at"]
    assert (metadata["own"], metadata["active"]) == (1, True)
    moment = datetime.fromisoformat(metadata["resumed_at"])
    assert metadata["updated_at"] == metadata["resumed_at"] == moment.isoformat(timespec="seconds")
    assert before <= moment <= datetime.now(UTC)
    assert db.set_active("a", False) is True
    record = db.get_session("a")
    assert record is not None
    assert list(record.metadata) == ["own", "active", "updated_at", "resumed_at", "ended_at"]
    assert record.metadata["active"] is False


def test_set_active_dates_the_one_it_deactivates(db: SessionDB) -> None:
    db.create_session("a", {"own": 1})
    db.create_session("b")
    db.set_active("a", True)
    db.set_active("b", True)
    record = db.get_session("a")
    assert record is not None
    assert record.metadata.keys() == {"own", "active", "updated_at", "resumed_at", "ended_at"}
    assert record.metadata["active"] is False
    assert record.metadata["updated_at"] == record.metadata["ended_at"]
    moment = datetime.fromisoformat(record.metadata["ended_at"])
    assert moment.utcoffset() == timedelta(0)
    assert record.metadata["ended_at"] == moment.isoformat(timespec="seconds")


def test_unknown_names_are_false(db: SessionDB) -> None:
    assert db.set_active("nobody", True) is False
    assert db.update_session_metadata("nobody", {"x": 1}) is False
    assert db.delete_session("nobody") is False
    assert db.list_sessions() == []


def test_update_is_a_shallow_merge(db: SessionDB) -> None:
    db.create_session("a", {"keep": 1, "deep": {"x": 1}, "gone": 1})
    assert db.update_session_metadata("a", {"deep": {"y": 2}, "gone": None, "new": []}) is True
    record = db.get_session("a")
    assert record is not None
    assert record.metadata == {"keep": 1, "deep": {"y": 2}, "gone": None, "new": []}


def test_add_context_returns_none_and_creates_the_session(
    db: SessionDB, foreign: ForeignWriter
) -> None:
    assert db.add_context("new", "note", "text") is None  # type: ignore[func-returns-value]
    session = db.get_session("new")
    assert session is not None
    rows = foreign.execute("SELECT session_id, kind, content, created_at FROM session_context")
    ((session_id, kind, content, created_at),) = rows.fetchall()
    assert (session_id, kind, content) == (session.id, "note", "text")
    assert datetime.fromisoformat(str(created_at)).utcoffset() == timedelta(0)


def test_ids_are_never_given_twice(db: SessionDB) -> None:
    first = db.create_session("a")
    db.add_context("a", "k", "x")
    db.delete_session("a", purge_context=False)
    again = db.create_session("a")
    assert again.id > first.id
    page = db.store.sessions.page(include_context_count=True)
    assert page.sessions[0].context_count == 0  # the orphan is not inherited


def test_deleting_the_active_session_leaves_none_active(db: SessionDB) -> None:
    db.create_session("a", {"active": True})
    assert db.delete_session("a") is True
    assert db.get_active_session() is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1}, b"x", object(), "\ud83e"])
def test_metadata_that_is_no_json_is_refused(db: SessionDB, value: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="metadata"):
        db.create_session("a", {"x": value})
    assert db.list_sessions() == []


def test_metadata_over_the_limit_is_refused(db: SessionDB) -> None:
    with pytest.raises(LimitExceededError):
        db.create_session("a", {"x": "x" * 1_100_000})


def test_odd_python_metadata_is_stored_as_json_does(db: SessionDB) -> None:
    assert db.create_session("a", {"tuple": (1, 2), "big": 2**100}).metadata == {
        "tuple": [1, 2],
        "big": 2**100,
    }


def test_any_config_that_names_a_folder_will_do_and_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    theirs: Any = SimpleNamespace(cache=SimpleNamespace(directory=tmp_path / "theirs"))
    with SessionDB(theirs) as sessions:
        assert sessions.config is theirs
        sessions.create_session("a")
    assert (tmp_path / "theirs" / "tenets.db").exists()
    assert caplog.records == []  # the log is the caller's


@pytest.mark.parametrize("odd", [None, 5, b"bytes", "half \ud83e"])
def test_a_value_that_is_not_text_is_refused_and_nothing_is_written(
    db: SessionDB, odd: Any
) -> None:
    for call in (
        lambda: db.create_session(odd),
        lambda: db.add_context(odd, "kind", "content"),
        lambda: db.add_context("a", odd, "content"),
        lambda: db.add_context("a", "kind", odd),
    ):
        with pytest.raises(InvalidArgumentError, match="a string"):
            call()
    assert db.list_sessions() == []


def test_threads_can_share_it(db: SessionDB) -> None:
    def work(number: int) -> None:
        for count in range(25):
            db.add_context("shared", "k", f"{number}.{count}")
            db.update_session_metadata("shared", {f"{number}.{count}": count})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    record = db.get_session("shared")
    assert record is not None
    assert len(record.metadata) == 100
    assert db.store.sessions.page(include_context_count=True).sessions[0].context_count == 100


def test_a_closed_db_says_so(config: TenetsConfig) -> None:
    db = SessionDB(config)
    db.close()
    db.close()
    with pytest.raises(DatabaseUnavailableError, match="closed"):
        db.list_sessions()
