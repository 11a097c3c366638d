"""Writes to the database's files cause events. Needs Linux, for inotify(7)."""

from __future__ import annotations

import select
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.foreign import ForeignWriter
from support.pipes import DEADLINE
from tenets_session_server.storage.sqlite.watcher import FileEvents


@pytest.fixture
def events(tmp_path: Path) -> Iterator[FileEvents]:
    found = FileEvents(tmp_path / "tenets.db")
    assert found.fd is not None, "these tests need inotify"
    assert found.watch()
    yield found
    found.close()


def event_arrived(events: FileEvents) -> bool:
    """Wait for an event; return whether it concerns the database."""
    assert events.fd is not None
    readable, _, _ = select.select([events.fd], [], [], DEADLINE)
    assert readable
    return events.drain()


def test_a_commit_causes_an_event(events: FileEvents, tmp_path: Path) -> None:
    assert not events.drain()
    connection = ForeignWriter(tmp_path / "tenets.db")
    assert event_arrived(events)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE t (x)")
    assert event_arrived(events)
    assert not events.drain(), "all events have been read"
    connection.execute("INSERT INTO t VALUES (1)")
    assert event_arrived(events)
    connection.execute("SELECT * FROM t").fetchall()
    assert not events.drain(), "reads cause no events"
    connection.close()


@pytest.mark.parametrize("name", ["tenets.db-shm", "analysis.db", "tenets.db.bak", "x" * 200])
def test_events_of_other_files_do_not_count(events: FileEvents, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("x")
    assert not event_arrived(events)


def test_moving_and_deleting_cause_events(events: FileEvents, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("x")
    assert not event_arrived(events)
    (tmp_path / "other").rename(tmp_path / "tenets.db")
    assert event_arrived(events)
    (tmp_path / "tenets.db").rename(tmp_path / "other")
    assert event_arrived(events)
    (tmp_path / "other").rename(tmp_path / "tenets.db")
    assert event_arrived(events)
    (tmp_path / "tenets.db").unlink()
    assert event_arrived(events)


def test_a_folder_that_is_gone_is_watched_again_once_it_is_back(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    events = FileEvents(folder / "tenets.db")
    assert not events.watch()
    folder.mkdir()
    assert events.watch()
    shutil.rmtree(folder)
    assert event_arrived(events)
    assert not events.watch()
    folder.mkdir()
    assert events.watch()
    (folder / "tenets.db").touch()
    assert event_arrived(events)
    events.close()
    assert events.fd is None
    assert not events.drain()


def test_a_folder_that_is_renamed_is_no_longer_watched(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    events = FileEvents(folder / "tenets.db")
    assert events.watch()
    folder.rename(tmp_path / "away")
    folder.mkdir()
    assert event_arrived(events)
    assert events.watch()
    (tmp_path / "away" / "tenets.db").touch()
    assert not events.drain()
    (folder / "tenets.db").touch()
    assert event_arrived(events)
    events.close()


def test_the_target_of_a_link_is_watched(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "tenets.db").symlink_to(tmp_path / "there" / "real.db")
    events = FileEvents(tmp_path / "tenets.db")
    (tmp_path / "there" / "real.db").touch()
    assert event_arrived(events)
    events.close()
