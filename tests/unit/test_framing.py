"""A stream of bytes becomes the same messages however it arrives, and garbage never a message."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenets_session_server.wire.framing import (
    MAXIMUM_MESSAGE,
    FrameDecoder,
    Rejected,
)

HEADERS = (
    b"Content-Length: %d\r\n\r\n",
    b"content-length:%d\n\n",
    b"\r\n\r\nCONTENT-LENGTH:  \t%d\r\n\r\n",
    b"Content-Type: application/vscode-jsonrpc; charset=utf-8\r\nContent-Length: %d\r\n\r\n",
    b"Content-Length: %d\r\nContent-Type: x; charset=UTF8\r\nX-Own: 1\r\n\r\n",
)


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[bytes], list[bytes]]:
    """Some bodies, and the pieces in which their stream arrives."""
    bodies = draw(st.lists(st.binary(max_size=40), max_size=6))
    stream = b"".join(draw(st.sampled_from(HEADERS)) % len(body) + body for body in bodies)
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    return bodies, [
        stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)
    ]


@given(streams())
def test_pieces_do_not_matter(stream: tuple[list[bytes], list[bytes]]) -> None:
    bodies, pieces = stream
    decoder = FrameDecoder()
    found = [frame for piece in pieces for frame in decoder.feed(piece)]
    assert found == bodies
    assert decoder.unfinished() is None


@given(streams(), st.data())
def test_a_truncated_message_is_not_delivered(
    stream: tuple[list[bytes], list[bytes]], data: st.DataObject
) -> None:
    bodies, pieces = stream
    whole = b"".join(pieces)
    end = data.draw(st.integers(0, len(whole)))
    decoder = FrameDecoder()
    found = decoder.feed(whole[:end])
    assert found == bodies[: len(found)]
    rest = decoder.feed(whole[end:])
    assert found + rest == bodies


@given(st.binary(max_size=200))
def test_garbage_is_an_error_or_waits_and_never_anything_else(garbage: bytes) -> None:
    decoder = FrameDecoder()
    found = decoder.feed(garbage)
    assert all(isinstance(frame, bytes) for frame in found)


@pytest.mark.parametrize("piece", [1, 7, 4096, 64 * 1024, 32 * 1024 * 1024])
def test_an_oversized_body_is_skipped_and_not_kept(piece: int) -> None:
    size = MAXIMUM_MESSAGE + 1
    body = b'{"id":1,"params":"' + b"x" * (size - 28) + b'","id":2}'
    body = body + b" " * (size - len(body))
    stream = b"Content-Length: %d\r\n\r\n" % size + body + b"Content-Length: 2\r\n\r\n{}"
    decoder = FrameDecoder()
    found = []
    if piece < 4096:  # the whole in such small pieces would only take long
        found = decoder.feed(stream[: -4096 * 2])
        stream = stream[-4096 * 2 :]
    for start in range(0, len(stream), piece):
        found += decoder.feed(stream[start : start + piece])
        assert len(decoder._buffer) < 4096 + piece
    rejected, after = found
    assert isinstance(rejected, Rejected)
    assert rejected.head == body[:4096]
    assert rejected.tail == body[-4096:]
    assert after == b"{}"
    assert decoder.unfinished() is None


@pytest.mark.parametrize(
    ("sent", "missing"),
    [
        (b"", None),
        (b"Content-Length: 5\r\n\r\n{}", "a message of 5 bytes after 2 of them"),
        (b"Content-Len", "a header"),
        (b"Content-Length: 5\r\n", "a header"),
        (b"Content-Length: 20000000\r\n\r\n{}", "an oversized message, 19999998 bytes before"),
        (b"\r\n\r\n", None),
    ],
)
def test_the_missing_part_at_the_end_is_named(sent: bytes, missing: str | None) -> None:
    decoder = FrameDecoder()
    assert decoder.feed(sent) == []
    unfinished = decoder.unfinished()
    assert unfinished is None if missing is None else missing in (unfinished or "")


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"Content-Length: -5\r\n\r\n", "expected a number of bytes, got b'-5'"),
        (b"Content-Length: 5, 5\r\n\r\n", "expected a number of bytes"),
        (b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n", "two different Content-Length"),
        (b"Content-Type: x\r\n\r\n", "without Content-Length"),
        (b"Content-Length: 99999999999\r\n\r\n", "beyond any message"),
        (b'{"jsonrpc":"2.0"}', "expected a header line"),
        (b"hello world\r\n", "expected a header line"),
        (b"X: " + b"x" * 9000, "a header of more than 8192 bytes"),
        (b"X: x\r\n" * 2000, "a header of more than 8192 bytes"),
    ],
)
def test_a_framing_error_comes_with_the_messages_before_it(header: bytes, reason: str) -> None:
    decoder = FrameDecoder()
    assert decoder.feed(b"Content-Length: 2\r\n\r\n{}" + header) == [b"{}"]
    assert decoder.error is not None
    assert reason in decoder.error


def test_nothing_is_found_twice_after_an_error() -> None:
    decoder = FrameDecoder()
    assert decoder.feed(b"Content-Length: 2\r\n\r\n{}no header\r\n") == [b"{}"]
    assert decoder.error is not None
    assert decoder.feed(b"Content-Length: 2\r\n\r\n[]") == []
