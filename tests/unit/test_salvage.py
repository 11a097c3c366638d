"""What is read out of damaged files: never an error, never a text that was not there."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from pathlib import Path

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.foreign import ForeignWriter
from tenets_session_server.config import TenetsConfig
from tenets_session_server.storage.session_db import SessionDB
from tenets_session_server.storage.sqlite import rebuilding

NOTES = 150
KILLED = """
import os, signal, sys
from tenets_session_server.config import TenetsConfig
from tenets_session_server.storage.session_db import SessionDB
db = SessionDB(TenetsConfig(database=sys.argv[1]))
for number in range(150):
    db.add_context("a", "log", f"logged {number}")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with a large entry, a deleted session, and much in the write-ahead log."""
    path = tmp_path_factory.mktemp("original") / "tenets.db"
    with SessionDB(TenetsConfig(database=path)) as db:
        db.store.database.author = "me"
        for name in ("a", "b", "deleted"):
            db.create_session(name, {"of": name})
            for number in range(NOTES):
                db.add_context(name, "note", f"{name} {number} " + "wörd " * (number % 50))
        db.add_context("b", "file", "large " * 50_000)
        db.delete_session("deleted")
    subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    return path


def rebuilt(file: Path, target: Path) -> tuple[rebuilding.Rebuilt, list[tuple[object, ...]]]:
    target.unlink(missing_ok=True)
    found = rebuilding.rebuild(file, Path(f"{file}-wal"), target)
    with SessionDB(TenetsConfig(database=target)) as db:
        assert db.db.run("PRAGMA integrity_check") == [("ok",)]
        shown = db.db.run("SELECT id, session_id, kind, content, created_at FROM session_context")
        assert len(db.list_sessions()) == found.contents.sessions
    return found, shown


def copied(original: Path, target: Path) -> Path:
    for suffix in ("", "-wal"):
        shutil.copyfile(f"{original}{suffix}", f"{target}{suffix}")
    return target


def test_an_undamaged_file_is_read_whole(original: Path, tmp_path: Path) -> None:
    found, shown = rebuilt(copied(original, tmp_path / "copy.db"), tmp_path / "new.db")
    assert (found.contents.sessions, found.contents.entries) == (2, 3 * NOTES + 1)
    assert (found.unreadable_pages, found.nameless) == ([], 0)
    with apsw.Connection(str(copied(original, tmp_path / "read.db"))) as connection:
        sql = "SELECT id, session_id, kind, content, created_at FROM session_context"
        assert connection.execute(sql).fetchall() == shown
    with SessionDB(TenetsConfig(database=tmp_path / "new.db")) as db:
        assert len(db.store.trash.page(10, None).items) == 1, "what was deleted stays so"
        authors = db.db.run("SELECT DISTINCT author FROM session_server_entries")
        assert ("me",) in authors


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32), holes=st.integers(1, 40), size=st.sampled_from([1, 40, 5000]))
def test_whatever_is_damaged(original: Path, seed: int, holes: int, size: int) -> None:
    chosen = random.Random(seed)
    place = original.with_name(f"damaged-{seed}")
    place.mkdir(exist_ok=True)
    file = copied(original, place / "copy.db")
    for path in (file, Path(f"{file}-wal")):
        with path.open("r+b") as opened:
            for _ in range(holes):
                opened.seek(chosen.randrange(path.stat().st_size))
                opened.write(chosen.randbytes(size))
    _, shown = rebuilt(file, place / "new.db")
    ids = [row[0] for row in shown]
    assert len(ids) == len(set(ids))
    assert len(shown) <= 4 * NOTES + 1
    shutil.rmtree(place)


@pytest.mark.parametrize("size", [512, 1024, 4096, 65536])
def test_the_size_of_a_page_is_found_out(tmp_path: Path, size: int) -> None:
    file = tmp_path / "tenets.db"
    with ForeignWriter(file) as foreign:
        foreign.execute(f"PRAGMA page_size = {size}")
        foreign.create_tables()
        for number in range(300):
            foreign.create(f"s{number}", {"text": "x" * 500})
    with file.open("r+b") as opened:
        opened.write(b"\0" * 100)
    found, _ = rebuilt(file, tmp_path / "new.db")
    assert found.contents.sessions == 300


@pytest.mark.parametrize("size", [0, 1, 99, 100, 511, 4096, 5000])
def test_short_files(original: Path, tmp_path: Path, size: int) -> None:
    file = tmp_path / "short.db"
    file.write_bytes(original.read_bytes()[:size])
    found, _ = rebuilt(file, tmp_path / "new.db")
    assert found.contents.entries == 0
