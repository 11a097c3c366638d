"""Who is told that somebody is writing to the database's files. Needs Linux, for inotify(7)."""

from __future__ import annotations

import select
import shutil
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from support.wire import DEADLINE
from tenets_session_server.storage.watcher import FileEvents


@pytest.fixture
def events(tmp_path: Path) -> Iterator[FileEvents]:
    found = FileEvents(tmp_path / "tenets.db")
    assert found.fd is not None, "inotify is not to be had here, and this is about it"
    assert found.watch()
    yield found
    found.close()


def heard(events: FileEvents) -> bool:
    """Wait until there is something to hear; return whether it is about the database."""
    assert events.fd is not None
    readable, _, _ = select.select([events.fd], [], [], DEADLINE)
    assert readable
    return events.drain()


def test_a_commit_is_heard_of(events: FileEvents, tmp_path: Path) -> None:
    assert not events.drain()
    connection = apsw.Connection(str(tmp_path / "tenets.db"))
    assert heard(events)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE t (x)")
    assert heard(events)
    assert not events.drain(), "all of it has been heard"
    connection.execute("INSERT INTO t VALUES (1)")
    assert heard(events)
    connection.execute("SELECT * FROM t").fetchall()
    assert not events.drain(), "reading is no news"
    connection.close()


@pytest.mark.parametrize("name", ["tenets.db-shm", "analysis.db", "tenets.db.bak", "x" * 200])
def test_other_files_are_no_news(events: FileEvents, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("x")
    assert not heard(events)


def test_moving_and_deleting_is_heard_of(events: FileEvents, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("x")
    assert not heard(events)
    (tmp_path / "other").rename(tmp_path / "tenets.db")
    assert heard(events)
    (tmp_path / "tenets.db").rename(tmp_path / "other")
    assert heard(events)
    (tmp_path / "other").rename(tmp_path / "tenets.db")
    assert heard(events)
    (tmp_path / "tenets.db").unlink()
    assert heard(events)


def test_a_folder_that_is_gone_is_watched_again_once_it_is_back(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    events = FileEvents(folder / "tenets.db")
    assert not events.watch()
    folder.mkdir()
    assert events.watch()
    shutil.rmtree(folder)
    assert heard(events)
    assert not events.watch()
    folder.mkdir()
    assert events.watch()
    (folder / "tenets.db").touch()
    assert heard(events)
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
    assert heard(events)
    assert events.watch()
    (tmp_path / "away" / "tenets.db").touch()
    assert not events.drain()
    (folder / "tenets.db").touch()
    assert heard(events)
    events.close()


def test_the_target_of_a_link_is_watched(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "tenets.db").symlink_to(tmp_path / "there" / "real.db")
    events = FileEvents(tmp_path / "tenets.db")
    (tmp_path / "there" / "real.db").touch()
    assert heard(events)
    events.close()
