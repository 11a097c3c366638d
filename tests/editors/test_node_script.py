"""The Node example's script: two windows share sessions."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from editors.node_support import (
    EXAMPLE,
    SERVER,
    finished,
)
from editors.stored import stored

pytestmark = pytest.mark.editors


def share(node: str, example: Path, *options: str) -> tuple[list[str], str]:
    """Run the example's script, which has to succeed; return its lines and its stderr."""
    done = finished([node, "share_session.mjs", *options], example)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines(), done.stderr


def test_two_windows_share_sessions(node: str, example: Path, database: Path) -> None:
    lines, stderr = share(node, example, "--database", str(database), "--server", *SERVER)
    assert stderr == ""
    # Notifications may come between these.
    expected = [
        f"window one: the database is {database}",
        "window one: the active session is none",
        'window one: created and activated "refactor the parser"',
        "window one: added a note of 30 bytes",
        'window two: lists * "refactor the parser", notes: 1',
        'window two: reads its metadata: branch "main"',
        'window two: created and activated "bug 4711: login loops"',
        'window one: finds "Grammar first, then the tests." in "refactor the parser"',
        'window one: brings back ["refactor the parser"], which window two has deleted',
        'window one: the active session is "bug 4711: login loops"',
        'window one: sees that "refactor the parser" is no longer active',
        'window one: sees its files: ["parser.py","lexer.py"]',
    ]
    assert [line for line in lines if "is notified:" not in line] == expected

    with stored(database) as sessions:
        bug, refactoring = sessions.list_sessions()
        assert sessions.get_active_session() == bug
        assert (bug.name, bug.metadata["issue"]) == ("bug 4711: login loops", 4711)
        assert refactoring.name == "refactor the parser"
        assert refactoring.metadata["branch"] == "main"
        assert refactoring.metadata["open files"] == ["parser.py", "lexer.py"]
        assert refactoring.metadata["active"] is False
        assert "ended_at" in refactoring.metadata
        page = sessions.store.sessions.page(include_context_count=True)
        assert [session.context_count for session in page.sessions] == [0, 1]


def test_the_script_may_be_run_again_on_the_same_database(
    node: str, example: Path, database: Path
) -> None:
    options = ("--database", str(database), "--server", *SERVER)
    share(node, example, *options)
    lines, _ = share(node, example, *options)
    assert 'window one: activated "refactor the parser", which already existed' in lines
    assert 'window two: activated "bug 4711: login loops", which already existed' in lines
    with stored(database) as sessions:
        page = sessions.store.sessions.page(include_context_count=True)
        assert [session.context_count for session in page.sessions] == [0, 2]


def test_without_a_database_the_script_leaves_nothing(
    node: str, example: Path, tmp_path: Path
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    installed = shutil.which("tenets-session-server", path=str(Path(sys.executable).parent))
    assert installed is not None
    done = finished(
        [node, "share_session.mjs"],
        example,
        TENETS_SESSION_SERVER=installed,
        TMPDIR=str(temporary),
    )
    assert done.returncode == 0, done.stderr
    assert f"window one: the database is {temporary}" in done.stdout
    assert list(temporary.iterdir()) == []


def test_the_script_says_what_it_lacks(node: str, example: Path, tmp_path: Path) -> None:
    missing = str(tmp_path / "no-such-server")
    done = finished([node, "share_session.mjs"], example, TENETS_SESSION_SERVER=missing)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"startFailed: {missing} could not be started: there is no such")
    for mistake in (["--frobnicate"], ["--server"], ["--database"]):
        done = finished([node, "share_session.mjs", *mistake], example)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("usage: ")


def test_the_lock_file_names_no_registry() -> None:
    lock = json.loads((EXAMPLE / "package-lock.json").read_text(encoding="utf-8"))
    package = json.loads((EXAMPLE / "package.json").read_text(encoding="utf-8"))
    assert "://" not in json.dumps(lock)
    pinned = package["dependencies"]
    assert {name: lock["packages"][f"node_modules/{name}"]["version"] for name in pinned} == pinned
    assert all("integrity" in entry for path, entry in lock["packages"].items() if path)
