"""Bodies become requests, notifications, responses, or a reply that says what is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenets_session_server.wire import messages
from tenets_session_server.wire.framing import Rejected
from tenets_session_server.wire.messages import (
    MAXIMUM_NESTING,
    Invalid,
    Notification,
    Request,
    Response,
)

FINITE = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | FINITE,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
# JSON text has no lone surrogates; a peer that writes them is refused elsewhere.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
IDS = st.integers() | TEXT
MESSAGES = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.sampled_from(["2.0", "1.0", "", None, 2]),
        "id": IDS | JSON,
        "method": TEXT | JSON,
        "params": JSON,
        "result": JSON,
        "error": st.none() | st.dictionaries(st.text(max_size=5), JSON, max_size=2) | JSON,
        "x": JSON,
    },
)


def dump(value: object) -> bytes:
    return json.dumps(value).encode()


@given(IDS, TEXT, JSON)
def test_requests_come_through(message_id: int | str, method: str, params: Any) -> None:
    message = {"jsonrpc": "2.0", "id": message_id, "method": method, "params": params}
    read = messages.decode(dump(message))
    assert isinstance(read, Request)
    assert (read.id, read.method) == (message_id, method)
    assert json.loads(bytes(read.params)) == params
    del message["id"]
    read = messages.decode(dump(message))
    assert isinstance(read, Notification)
    assert read.method == method


@given(MESSAGES | JSON)
def test_any_json_is_a_message_or_an_answer_to_one(value: Any) -> None:
    read = messages.decode(dump(value))
    given_id = value.get("id") if isinstance(value, dict) else None
    usable = isinstance(given_id, int | str) and not isinstance(given_id, bool)
    if isinstance(read, Request | Response):
        assert read.id in (given_id, "")
    elif isinstance(read, Invalid):
        assert read.reason == "invalidRequest"
        assert read.id == (given_id if usable else None)
    if isinstance(value, dict) and usable and "method" in value:
        assert isinstance(read, Request | Invalid)  # what expects a reply gets one


@given(st.binary(max_size=60))
def test_any_bytes_are_answered(body: bytes) -> None:
    read = messages.decode(body)
    if isinstance(read, Invalid):
        assert read.reason in {"parseError", "invalidRequest"}
        assert read.message


@given(MESSAGES, st.data())
def test_a_damaged_message_is_never_taken_for_another(message: Any, data: st.DataObject) -> None:
    body = dump(message)
    position = data.draw(st.integers(0, len(body) - 1))
    cut = body[:position]
    read = messages.decode(cut)
    assert isinstance(read, Invalid)
    assert read.reason in {"parseError", "invalidRequest"}


def depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0


@given(JSON, st.integers(0, 80), st.text(alphabet='[]{}"\\', max_size=100))
def test_nesting_depth_is_counted_exactly(value: Any, more: int, brackets: str) -> None:
    nested = [brackets, value]
    for number in range(more):
        nested = [nested, brackets] if number % 2 else {brackets: nested}  # type: ignore[assignment]
    assert messages.is_too_deep(dump(nested)) == (depth(nested) > MAXIMUM_NESTING)


@pytest.mark.parametrize(
    "message",
    [
        '{"jsonrpc":"2.0","id":7,"method":"m","params":',
        '{"id":7,"params":',
        '{"jsonrpc":"2.0" , "method" : "m\\"n", "id" : 7 ,"params":',
    ],
)
def test_the_id_of_a_rejected_message_is_found_at_its_start(message: str) -> None:
    read = messages.decode(Rejected("too large", message.encode(), b"xxx"))
    assert read == Invalid(7, "invalidRequest", "too large")


@pytest.mark.parametrize("tail", ['"x"}],"id":7}', '1, "id": 7, "method":"m" }\n', '{},"id":7}'])
def test_the_id_of_a_rejected_message_is_found_at_its_end(tail: str) -> None:
    read = messages.decode(Rejected("too large", b'{"params":[', tail.encode()))
    assert read == Invalid(7, "invalidRequest", "too large")


def test_an_id_amid_the_params_is_not_taken_for_the_requests() -> None:
    head = b'{"jsonrpc":"2.0","method":"m","params":{"id":7,"x":"'
    assert messages.decode(Rejected("too large", head, b'xxx"}}')) == Invalid(
        None, "invalidRequest", "too large"
    )


@pytest.mark.parametrize("end", [b"", b"\\", b'"'])
def test_measuring_the_depth_takes_no_longer_than_reading(end: bytes) -> None:
    """With a pattern that goes back, this would take years."""
    body = b"[" * 66 + b'"' + b'\\"' * 4_000_000 + end
    read = messages.decode(body)
    assert isinstance(read, Invalid)


@given(JSON)
def test_strings_do_not_count_as_depth(value: Any) -> None:
    brackets = "[{" * 100
    text = dump([{"id": 1, "x": value, brackets: brackets + '\\"' + brackets}])
    assert not messages.is_too_deep(text)
