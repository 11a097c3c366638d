"""Fixtures that every suite shares: a real database file and the command that serves it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

# What fails in a helper is shown with its values, as in a test.
pytest.register_assert_rewrite("support", "editors")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database file that does not exist yet, in a folder that does not exist yet."""
    return tmp_path / "cache" / "tenets.db"


@pytest.fixture
def server_command(database: Path) -> list[str]:
    """The installed server as an editor would start it, on :func:`database`."""
    return [sys.executable, "-m", "tenets_session_server", "--database", str(database)]
