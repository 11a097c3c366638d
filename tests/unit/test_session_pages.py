"""Pages of sessions against a plain list, whatever strategy finds them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.foreign import ForeignWriter
from tenets_session_server.config import TenetsConfig
from tenets_session_server.models.sessions import Session
from tenets_session_server.storage.session_db import SessionDB
from tenets_session_server.storage.sqlite import session_pages as pages

NAMES = st.text("ab\U0010ffff", min_size=1, max_size=4)
# SQLite's order: numbers, text, blobs.
CREATED = st.sampled_from(
    [3, -1.5, "2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00.5+00:00", "", "x", b"2026", b""]
)
POISON = st.sampled_from([None, "{}", "[", '{"a": 1}', b"\xff", 5])
ROWS = st.dictionaries(NAMES, st.tuples(CREATED, POISON), max_size=12)


def sort_key(row: tuple[int, str, Any]) -> tuple[int, Any, int]:
    number, _, created = row
    kind = 0 if isinstance(created, int | float) else 1 if isinstance(created, str) else 2
    return kind, created.encode() if isinstance(created, str) else created, number


@pytest.mark.parametrize(("few", "walked"), [(2, 3), (2, 20_000), (2000, 20_000)])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=ROWS,
    prefix=st.none() | NAMES,
    order=st.sampled_from(["newest", "oldest"]),
    active=st.none() | st.booleans(),
    limit=st.integers(1, 5),
    chosen=st.none() | st.integers(0, 11),
)
def test_all_pages_together_are_the_sessions_in_order(  # noqa: PLR0917 - given by name
    monkeypatch: pytest.MonkeyPatch,
    few: int,
    walked: int,
    rows: dict[str, tuple[Any, Any]],
    prefix: str | None,
    order: Literal["newest", "oldest"],
    active: bool | None,
    limit: int,
    chosen: int | None,
) -> None:
    monkeypatch.setattr(pages, "FEW", few)
    monkeypatch.setattr(pages, "WALKED", walked)
    with (
        tempfile.TemporaryDirectory() as folder,
        SessionDB(TenetsConfig(database=Path(folder) / "t.db", synchronous="normal")) as db,
    ):
        with ForeignWriter(db.db.path) as foreign:
            for name, (created, metadata) in rows.items():
                foreign.execute(
                    "INSERT INTO sessions (name, created_at, metadata) VALUES (?, ?, ?)",
                    (name, created, metadata),
                )
            known = [(i, name, rows[name][0]) for i, name in enumerate(rows, 1)]
        if chosen is not None and chosen < len(known):
            db.set_active(known[chosen][1], True)
        found = db.store.sessions.get_active()
        expected = [
            name
            for _, name, _ in sorted(known, key=sort_key, reverse=order == "newest")
            if (not prefix or name.startswith(prefix))
            and (active is None or active is (found is not None and found.name == name))
        ]
        read: list[Session] = []
        cursor = None
        while True:
            page = db.store.sessions.page(
                limit=limit, cursor=cursor, active=active, name_prefix=prefix, order=order
            )
            assert len(page.sessions) <= limit
            read += page.sessions
            cursor = page.next_cursor
            if cursor is None:
                break
            assert len(page.sessions) == limit
        assert [session.name for session in read] == expected
        assert read == [db.store.sessions.named(session.name) for session in read]
