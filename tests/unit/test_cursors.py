"""A cursor continues the list that it came from, and no other."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenets_session_server.errors import InvalidArgumentError
from tenets_session_server.storage import cursors
from tenets_session_server.storage.cursors import Position
from tenets_session_server.storage.session_db import SessionDB

INTEGERS = st.integers(-(2**63), 2**63 - 1)
POSITIONS = st.builds(
    Position,
    st.binary(max_size=40) | INTEGERS | st.floats(allow_nan=False),
    st.booleans(),
    INTEGERS,
)
PARAMETERS = st.lists(st.none() | st.booleans() | st.integers() | st.text(st.characters()))


@given(POSITIONS, st.text(), PARAMETERS)
def test_a_cursor_comes_back_as_its_position(
    position: Position, method: str, parameters: list[Any]
) -> None:
    scope = cursors.scope(method, *parameters)
    assert cursors.load(cursors.dump(position, scope), scope) == position


def test_every_method_and_parameter_changes_the_scope() -> None:
    lists: list[tuple[Any, ...]] = [
        *(("list",), ("listContext",), ("list", None), ("list", True), ("list", "True")),
        *(("list", 1), ("list", "1"), ("list", "a", None), ("list", None, "a"), ("list", "\ud800")),
    ]
    assert len({cursors.scope(*one) for one in lists}) == len(lists)


@pytest.mark.parametrize(
    "wire",
    [
        *([], {}, None, 7, [[b"a", True, 1]], [[b"a", True, 1], None], [[b"a", True, 1], 8]),
        *([["a", True, 1], 7], [[2**63, False, 1], 7], [[b"a", True, 2**63], 7], [[b"a", 1], 7]),
        *([[None, False, 1], 7], [[b"a", None, 1], 7]),
    ],
    ids=repr,
)
def test_other_strings_are_no_cursors(wire: Any) -> None:
    assert cursors.load(encoded([[b"a", True, 1], 7]), 7) == Position(b"a", True, 1)
    for cursor in (encoded(wire), encoded(wire)[:-1], encoded(wire) + "AAAA"):
        with pytest.raises(InvalidArgumentError) as raised:
            cursors.load(cursor, 7)
        assert raised.value.member == "cursor"
        assert raised.value.expected.startswith("a nextCursor of the same list: ")


@pytest.mark.parametrize("text", ["", "é", "nope", "\0", "[]", "====", "A" * 10_000])
def test_no_other_text_is_a_cursor(text: str) -> None:
    with pytest.raises(InvalidArgumentError, match="cursor: expected a nextCursor"):
        cursors.load(text, 7)


def encoded(wire: Any) -> str:
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(wire)).decode()


OTHER_LISTS: list[dict[str, Any]] = [
    *({"order": "oldest"}, {"active": False}, {"active": True}, {"name_prefix": "s"}),
    {"order": "oldest", "name_prefix": "s"},
]


@pytest.mark.parametrize("other", OTHER_LISTS, ids=str)
def test_a_cursor_of_another_list_is_refused(db: SessionDB, other: dict[str, Any]) -> None:
    for number in range(5):
        db.create_session(f"s{number}")
    page = db.store.sessions.page
    newest = page(limit=2)
    assert newest.next_cursor is not None
    with pytest.raises(InvalidArgumentError, match="cursor: expected a nextCursor of the same"):
        page(limit=2, cursor=newest.next_cursor, **other)
    if not other.get("active"):
        cursor = page(limit=2, **other).next_cursor
        assert cursor is not None
        with pytest.raises(InvalidArgumentError, match="same method, order and filter"):
            page(limit=2, cursor=cursor)


def test_the_next_page_may_have_another_limit_and_other_columns(db: SessionDB) -> None:
    for number in range(5):
        db.create_session(f"s{number}")
    first = db.store.sessions.page(limit=1)
    assert first.next_cursor is not None
    assert len(first.next_cursor) < 80
    rest = db.store.sessions.page(
        limit=9, cursor=first.next_cursor, include_context_count=True, name_prefix=""
    )
    assert [session.name for session in rest.sessions] == ["s3", "s2", "s1", "s0"]
    assert rest.sessions[0].context_count == 0
