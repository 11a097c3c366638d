"""SessionDB against a plain-Python model of upstream, over any sequence of operations.

The state machine also writes as a foreign program does and re-opens the database at any moment;
after every step the whole content has to be the model's, and at most one session is active.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from support.foreign import ForeignWriter
from tenets_session_server.config import TenetsConfig
from tenets_session_server.errors import SessionExistsError
from tenets_session_server.storage.session_db import SessionDB
from tenets_session_server.storage.sqlite.hidden_context import VISIBLE

NAMES = st.sampled_from(["a", "b", "c", "ä b", "", "%"])
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("aä. \0"), inner, max_size=3)
    ),
    max_leaves=5,
)
KEYS = st.sampled_from(["active", "x", "", "jsonrpc", "class", "a b", "resumed_at", '"'])
METADATA = st.dictionaries(KEYS, VALUES, max_size=4)
DATES = {"updated_at", "resumed_at", "ended_at"}


class Model:
    """Upstream's semantics, with its activation made atomic."""

    def __init__(self) -> None:
        self.sessions: dict[str, dict[str, Any]] = {}  # in order of creation
        self.context: dict[str, list[str]] = {}
        self.orphans: list[str] = []

    def write(self, name: str, metadata: dict[str, Any]) -> None:
        if metadata.get("active"):
            for other, others in self.sessions.items():
                if other != name and others.get("active"):
                    others.update(active=False, updated_at=..., ended_at=...)
        self.sessions[name] = metadata
        self.context.setdefault(name, [])

    def delete(self, name: str, purge: bool) -> None:
        del self.sessions[name]
        content = self.context.pop(name)
        if not purge:
            self.orphans += content


class SessionDBMachine(RuleBasedStateMachine):
    """Runs the same operations on both."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.config = TenetsConfig(database=Path(self.folder.name) / "tenets.db")
        # Durability is not what this is about, and power does not fail between two steps.
        self.config.synchronous = "normal"
        self.db = SessionDB(self.config)
        self.model = Model()

    def teardown(self) -> None:
        self.db.close()
        self.folder.cleanup()

    @initialize()
    def start(self) -> None:
        assert self.db.list_sessions() == []

    @rule(name=NAMES, metadata=st.none() | METADATA)
    def create(self, name: str, metadata: dict[str, Any] | None) -> None:
        if name in self.model.sessions:
            with pytest.raises(SessionExistsError):
                self.db.create_session(name, metadata)
            return
        record = self.db.create_session(name, metadata)
        assert record.metadata == (metadata or {})
        self.model.write(name, dict(metadata or {}))

    @rule(name=NAMES, updates=METADATA)
    def update(self, name: str, updates: dict[str, Any]) -> None:
        known = name in self.model.sessions
        assert self.db.update_session_metadata(name, updates) is known
        if known:
            self.model.write(name, {**self.model.sessions[name], **updates})

    @rule(name=NAMES, active=st.booleans())
    def set_active(self, name: str, active: bool) -> None:
        known = name in self.model.sessions
        assert self.db.set_active(name, active) is known
        if known:
            dates = {"updated_at": ..., "resumed_at" if active else "ended_at": ...}
            self.model.write(name, {**self.model.sessions[name], "active": active, **dates})

    @rule(name=NAMES, content=st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
    def add_context(self, name: str, content: str) -> None:
        self.db.add_context(name, "note", content)
        if name not in self.model.sessions:
            self.model.write(name, {})
        self.model.context[name].append(content)

    @rule(name=NAMES, purge=st.booleans())
    def delete(self, name: str, purge: bool) -> None:
        known = name in self.model.sessions
        assert self.db.delete_session(name, purge_context=purge) is known
        if known:
            self.model.delete(name, purge)

    @rule(purge=st.booleans())
    def delete_all(self, purge: bool) -> None:
        assert self.db.delete_all_sessions(purge_context=purge) == len(self.model.sessions)
        for name in list(self.model.sessions):
            self.model.delete(name, purge)
        if purge:
            self.model.orphans.clear()

    @rule(name=NAMES, metadata=METADATA)
    def foreign_write(self, name: str, metadata: dict[str, Any]) -> None:
        """Another program overwrites a session's metadata, as upstream's update does."""
        record = self.db.get_session(name)
        if record is None:
            return
        if "ended_at" in record.metadata:  # without it, that would be a stale write
            metadata = {**metadata, "ended_at": record.metadata["ended_at"]}
        with ForeignWriter(self.db.db.path) as foreign:
            foreign.execute(
                "UPDATE sessions SET metadata = ? WHERE name = ?", (json.dumps(metadata), name)
            )
        self.model.write(name, dict(metadata))

    @rule()
    def reopen(self) -> None:
        self.db.close()
        self.db = SessionDB(self.config)
        assert self.db.db.warnings == []

    @invariant()
    def content_is_the_models(self) -> None:
        records = self.db.list_sessions()
        assert [record.name for record in records] == list(self.model.sessions)[::-1]
        for record in records:
            expected = self.model.sessions[record.name]
            assert record.metadata.keys() == expected.keys()
            for key, value in expected.items():
                if value is not ...:
                    assert record.metadata[key] == value
                    assert type(record.metadata[key]) is type(value)
            assert self.db.get_session(record.name) == record

    @invariant()
    def at_most_one_is_active(self) -> None:
        active = [record for record in self.db.list_sessions() if record.metadata.get("active")]
        found = self.db.get_active_session()
        assert active == ([found] if found else [])
        page = self.db.store.sessions.page(active=True)
        assert [session.name for session in page.sessions] == [record.name for record in active]

    @invariant()
    def context_is_the_models(self) -> None:
        rows = self.db.db.run(
            "SELECT s.name, c.content FROM session_context c LEFT JOIN sessions s"
            f" ON s.id = c.session_id WHERE {VISIBLE} ORDER BY c.id"
        )
        orphans = [content for name, content in rows if name is None]
        assert sorted(orphans) == sorted(self.model.orphans)
        for name, contents in self.model.context.items():
            assert [content for owner, content in rows if owner == name] == contents
        counts = {
            session.name: session.context_count
            for session in self.db.store.sessions.page(include_context_count=True).sessions
        }
        assert counts == {name: len(contents) for name, contents in self.model.context.items()}


TestSessionDBModel = SessionDBMachine.TestCase
TestSessionDBModel.settings = settings(max_examples=40, stateful_step_count=30)
