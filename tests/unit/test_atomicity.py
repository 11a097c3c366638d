"""Operations of several processes at once: nothing is lost, nothing fails, one session is active.

With upstream's, two racing ``set_active`` could leave none active, four writers of metadata kept
half of their keys, and racing ``add_context`` raised.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.processes import popen
from tenets_session_server.config import TenetsConfig
from tenets_session_server.storage.session_db import SessionDB

PRELUDE = """
import sys
from tenets_session_server.config import TenetsConfig
from tenets_session_server.storage.session_db import SessionDB
me = sys.argv[2]
db = SessionDB(TenetsConfig(database=sys.argv[1], synchronous="normal", busy_timeout=60))
print("ready", flush=True)
sys.stdin.readline()
"""


def race(database: Path, body: str, racers: int = 4) -> None:
    """Run ``body`` in several processes that start together; all have to succeed."""
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                popen(
                    [sys.executable, "-c", PRELUDE + body, str(database), str(number)],
                    text=True,
                    **pipes,
                )
            )
            for number in range(racers)
        ]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in processes:
            output, errors = process.communicate(timeout=120)
            assert (process.returncode, errors) == (0, ""), output


@pytest.fixture
def check(database: Path) -> Iterator[SessionDB]:
    """The database to look at afterwards."""
    with SessionDB(TenetsConfig(database=database)) as session_db:
        yield session_db


def test_racing_activations_leave_exactly_one(check: SessionDB, database: Path) -> None:
    for number in range(4):
        check.create_session(f"s{number}")
    race(
        database,
        "for _ in range(100):\n"
        "    assert db.set_active('s' + me, True)\n"
        "    records = db.list_sessions()\n"
        "    assert [r.metadata.get('active') for r in records].count(True) == 1\n",
    )
    active = [record.name for record in check.list_sessions() if record.metadata["active"]]
    found = check.get_active_session()
    assert found is not None
    assert active == [found.name]


def test_racing_updates_keep_every_key(check: SessionDB, database: Path) -> None:
    check.create_session("shared")
    race(
        database,
        "for n in range(50): assert db.update_session_metadata('shared', {f'{me}.{n}': n})",
    )
    record = check.get_session("shared")
    assert record is not None
    assert len(record.metadata) == 200


def test_racing_notes_create_one_session(check: SessionDB, database: Path) -> None:
    race(database, "for n in range(50): db.add_context(f's{n}', 'note', me)")
    page = check.store.sessions.page(include_context_count=True)
    assert len(page.sessions) == 50
    assert {session.context_count for session in page.sessions} == {4}


def test_racing_creations_have_one_winner(check: SessionDB, database: Path) -> None:
    race(
        database,
        "from tenets_session_server.errors import SessionExistsError\n"
        "for n in range(50):\n"
        "    try: db.create_session(f's{n}', {'by': me})\n"
        "    except SessionExistsError: db.update_session_metadata(f's{n}', {me: 'lost'})\n",
    )
    records = check.list_sessions()
    assert len(records) == 50
    for record in records:
        assert record.metadata.keys() == {"by", "0", "1", "2", "3"} - {record.metadata["by"]}


def test_racing_deletions_count_each_once(check: SessionDB, database: Path) -> None:
    for number in range(50):
        check.create_session(f"s{number}")
        check.add_context(f"s{number}", "k", "c")
    race(
        database,
        "won = sum(db.delete_session(f's{n}') for n in range(50))\n"
        "db.add_context('won', 'count', str(won))\n",
    )
    counts = check.db.run("SELECT content FROM session_context WHERE kind = 'count'")
    assert len(counts) == 4
    assert sum(int(content) for (content,) in counts) == 50
    items = check.store.trash.page().items
    assert sorted((item.names, item.entries) for item in items) == sorted(
        ([f"s{number}"], 1) for number in range(50)
    )
