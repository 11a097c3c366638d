"""Exports and imports as streams: of any size, in parts, and all or nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.foreign import ForeignWriter
from tenets_session_server.config import TenetsConfig
from tenets_session_server.errors import (
    DatabaseUnavailableError,
    ImportInvalidError,
    SessionExistsError,
)
from tenets_session_server.storage.context_listing import ContextListing
from tenets_session_server.storage.json_stream import JsonStream
from tenets_session_server.storage.sqlite.store import SQLiteStore

TIME = "2026-11-20T08:00:00+00:00"
HEAD = b'{"format": "tenets-sessions", "version": 1, "sessions": ['
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=5) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture
def store(database: Path) -> Iterator[SQLiteStore]:
    found = SQLiteStore(TenetsConfig(database=database))
    yield found
    found.close()


def entry(content: str) -> bytes:
    return json.dumps({"kind": "note", "content": content, "createdAt": TIME}).encode()


def document(name: str, count: int) -> Iterator[bytes]:
    """Yield a document of one session with so many entries."""
    yield HEAD + b'{"name": "%b", "createdAt": "%b", "context": [' % (name.encode(), TIME.encode())
    for number in range(count):
        yield (b", " if number else b"") + entry(str(number))
    yield b"]}]}"


def contents(store: SQLiteStore) -> list[Any]:
    found, cursor = list[Any](), None
    while True:
        page = store.context.page(ContextListing(), 1000, cursor)
        found += [one.content for one in page.entries]
        cursor = page.next_cursor
        if cursor is None:
            return found


@given(value=VALUES, data=st.data())
def test_a_document_is_read_whatever_its_pieces(value: object, data: st.DataObject) -> None:
    text = json.dumps({"a": [value, 1], "b": value}, indent=data.draw(st.sampled_from([None, 1])))
    cuts = data.draw(st.lists(st.integers(0, len(text.encode())), max_size=5).map(sorted))
    whole = text.encode()
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    stream = JsonStream(pieces)
    found: dict[str, list[object]] = {}
    for member in stream.members():
        if member == "a":
            found[member] = [json.loads(stream.value()) for _ in stream.items()]
        else:
            found[member] = [json.loads(stream.value())]
    stream.end()
    assert found == {"a": [value, 1], "b": [value]}


@settings(max_examples=30)
@given(
    names=st.lists(st.from_regex(r"\A[a-zäß]{1,5}\Z"), unique=True, max_size=3),
    metadata=st.dictionaries(TEXT.filter(lambda key: key != "active"), VALUES, max_size=3),
    contents=st.lists(st.tuples(st.from_regex(r"\A[a-z]{1,5}\Z"), TEXT), max_size=4),
)
def test_an_export_of_an_import_is_the_same(
    names: list[str], metadata: dict[str, object], contents: list[tuple[str, str]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        one, other = (
            SQLiteStore(TenetsConfig(database=Path(folder) / name, synchronous="normal"))
            for name in ("one.db", "other.db")
        )
        for name in names:
            one.sessions.create(name, json.dumps(metadata).encode())
            for kind, content in contents:
                one.context.add(name, kind, content)
        exported = b"".join(one.exporter.json())
        other.importer.run([exported])
        again = b"".join(other.exporter.json())
        assert again.partition(b"\n")[2] == exported.partition(b"\n")[2]
        for store in (one, other):
            store.close()


def test_an_import_in_parts_is_visible_at_its_end(store: SQLiteStore, database: Path) -> None:
    store.sessions.create("before")
    seen = list[tuple[list[str], int]]()

    def watched() -> Iterator[bytes]:
        with ForeignWriter(database) as foreign:
            for number, piece in enumerate(document("large", 5000)):
                if number % 1000 == 500:  # others read and write meanwhile
                    foreign.add_context("before", f"meanwhile {number}")
                    seen.append((foreign.names(), len(contents(store))))
                yield piece

    found = store.importer.run(watched())
    assert (found.imported, found.entries) == (1, 5000)
    assert seen == [(["before"], number) for number in range(1, 6)]
    assert len(contents(store)) == 5005
    page = store.sessions.page(include_context_count=True)
    assert [(one.name, one.context_count) for one in page.sessions] == [
        *(("before", 5), ("large", 5000))
    ]
    assert store.totals().context_entries == 5005
    changes = store.change_log.since(0, 100).changes
    assert [one.type for one in changes] == ["created", *["contextAdded"] * 5, "created"]


@pytest.mark.parametrize("end", [b"]}]}x", b"]", b', {"kind": 7}]}]}', b"]}, {}]}"])
def test_an_import_that_fails_leaves_nothing(
    store: SQLiteStore, database: Path, end: bytes
) -> None:
    *pieces, _ = document("large", 2500)
    with pytest.raises(ImportInvalidError):
        store.importer.run([*pieces, end])
    nothing_is_left(store, database)


def test_an_import_that_is_broken_off_leaves_nothing(store: SQLiteStore, database: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield from [*document("large", 2500)][:-1]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.importer.run(broken())
    nothing_is_left(store, database)
    store.sessions.create("large")
    with pytest.raises(SessionExistsError):
        store.importer.run(document("large", 2500))
    assert store.totals().sessions == 1


def nothing_is_left(store: SQLiteStore, database: Path) -> None:
    assert contents(store) == []
    assert store.trash.page().items == []
    while store.trash_upkeep.run_step():
        pass
    with ForeignWriter(database) as foreign:
        for table in (
            *("sessions", "session_context", "session_server_entries", "session_server_purges"),
            *("session_server_trash", "session_server_trash_sessions", "session_server_unreported"),
        ):
            assert foreign.rows(f"SELECT * FROM {table}") == [], table
    assert store.totals().context_entries == 0


IMPORT_AND_STOP = textwrap.dedent("""
    import sys, time
    from pathlib import Path
    from unit.test_streams import TenetsConfig, SQLiteStore, document
    def pieces():
        yield from [*document("large", 2500)][:-1]
        print("staged", flush=True)
        time.sleep(1000)
    SQLiteStore(TenetsConfig(database=Path(sys.argv[1]))).importer.run(pieces())
""")


def test_what_a_killed_import_has_staged_is_removed(store: SQLiteStore, database: Path) -> None:
    store.sessions.create("a")
    command = [sys.executable, "-c", IMPORT_AND_STOP, str(database)]
    tests = Path(__file__).parents[1]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tests) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "staged\n"
        killed.kill()
    assert [one.name for one in store.sessions.page().sessions] == ["a"]
    assert contents(store) == []
    assert store.trash.page().items == []
    with ForeignWriter(database) as foreign:
        assert len(foreign.contents()) == 2000
        foreign.execute("UPDATE session_server_trash SET deleted_at = '2026-01-01T00:00:00+00:00'")
    store.sessions.set_active("a")
    while store.trash_upkeep.run_step():
        pass
    with ForeignWriter(database) as foreign:
        assert foreign.contents() == []


def test_an_import_that_was_given_up_says_so(store: SQLiteStore, database: Path) -> None:
    def slow() -> Iterator[bytes]:
        *pieces, end = document("large", 2500)
        yield from pieces
        with ForeignWriter(database) as foreign:
            foreign.execute("UPDATE session_server_trash SET deleted_at = '2026-01-01'")
        while store.trash_upkeep.run_step():
            pass
        yield end

    with pytest.raises(DatabaseUnavailableError, match="start it again"):
        store.importer.run(slow())
    nothing_is_left(store, database)
