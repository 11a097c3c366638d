"""Fixtures of the storage tests: a SessionDB on a real file, and a foreign program's view of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from tenets_session_server.config import TenetsConfig
from tenets_session_server.storage.session_db import SessionDB


@pytest.fixture
def config(database: Path) -> TenetsConfig:
    """A configuration as the seed's users make it: only the folder is named."""
    config = TenetsConfig()
    config.cache.directory = database.parent
    return config


@pytest.fixture
def db(config: TenetsConfig) -> Iterator[SessionDB]:
    """A SessionDB on an empty database."""
    with SessionDB(config) as session_db:
        yield session_db


@pytest.fixture
def foreign(db: SessionDB, database: Path) -> Iterator[apsw.Connection]:
    """Another program's connection to the same file, with SQLite's defaults."""
    assert db.db.path == database
    connection = apsw.Connection(str(database))
    connection.set_busy_timeout(5000)
    yield connection
    connection.close()
