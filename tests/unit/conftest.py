"""Fixtures of the storage tests: a SessionDB on a real file, and another program on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.foreign import ForeignWriter
from tenets_session_server.config import TenetsConfig
from tenets_session_server.storage.session_db import SessionDB


@pytest.fixture
def config(database: Path) -> TenetsConfig:
    """A configuration as upstream's users make it: only the folder is named."""
    config = TenetsConfig()
    config.cache.directory = database.parent
    return config


@pytest.fixture
def db(config: TenetsConfig) -> Iterator[SessionDB]:
    """A SessionDB on an empty database."""
    with SessionDB(config) as session_db:
        yield session_db


@pytest.fixture
def foreign(db: SessionDB) -> Iterator[ForeignWriter]:
    """Another program on the same file, with SQLite's defaults."""
    with ForeignWriter(db.db.path) as writer:
        yield writer
