"""What is remembered of reads: as long as it holds, and not too much of it."""

from __future__ import annotations

import pytest
from msgspec import Raw

from support.foreign import ForeignWriter
from tenets_session_server.errors import SessionExistsError
from tenets_session_server.rpc.calls import CACHE_BYTES, LARGEST_CACHED, ResultCache
from tenets_session_server.storage.session_db import SessionDB

KEY = ("tenets/session.list", b"{}")


def remember(results: ResultCache, *keys: tuple[str, bytes], size: int = 10) -> None:
    for key in keys:
        assert results.get(key) is None
        results.put(key, Raw(b"x" * size))


def test_a_result_is_returned_until_this_process_commits(db: SessionDB) -> None:
    results = ResultCache(db.store)
    remember(results, KEY)
    assert results.get(KEY) is not None
    db.create_session("a")
    assert results.get(KEY) is None


def test_a_result_is_returned_until_another_program_commits(
    db: SessionDB, foreign: ForeignWriter
) -> None:
    results = ResultCache(db.store)
    remember(results, KEY)
    foreign.create("a")
    # What arrived before is answered with what held then; the next turn looks again.
    assert results.get(KEY) is not None
    results.revalidate()
    assert results.get(KEY) is None
    remember(results, KEY)
    assert results.get(KEY) is not None


def test_a_result_is_not_returned_for_another_file(db: SessionDB) -> None:
    results = ResultCache(db.store)
    remember(results, KEY)
    db.db.release()
    results.revalidate()
    assert results.get(KEY) is None


def test_a_result_is_still_returned_after_a_rollback(db: SessionDB) -> None:
    results = ResultCache(db.store)
    remember(results, KEY)
    with pytest.raises(SessionExistsError), db.db.transaction():  # noqa: PT012 - it rolls back
        db.store.sessions.create("a")
        db.store.sessions.create("a")
    assert results.get(KEY) is not None


def test_the_size_is_bounded(db: SessionDB) -> None:
    results = ResultCache(db.store)
    size = LARGEST_CACHED // 2
    keys = [(KEY[0], str(number).encode()) for number in range(50)]
    remember(results, *keys, size=size)
    kept = [key for key in keys if results.get(key) is not None]
    assert 0 < len(kept) * size <= CACHE_BYTES
    assert kept[-1] == keys[-1]
    too_large = (KEY[0], b"large")
    remember(results, too_large, size=LARGEST_CACHED + 1)
    assert results.get(too_large) is None
    assert results.get(keys[-1]) is not None
