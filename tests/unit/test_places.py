"""The lines of a note follow the edits of its document."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tenets_session_server.features.documents import ContentChange, Document
from tenets_session_server.features.places import shifted
from tenets_session_server.models.context import Position, Range

LINES = 8
TEXTS = st.text(st.sampled_from("xy\n"), max_size=6)
POSITIONS = st.tuples(st.integers(0, LINES - 1), st.integers(0, 3))


@given(st.integers(0, LINES - 1), st.integers(0, 3), POSITIONS, POSITIONS, TEXTS)
def test_what_an_edit_does_not_touch_keeps_its_lines(
    first: int, more: int, one: tuple[int, int], other: tuple[int, int], new: str
) -> None:
    last = min(first + more, LINES - 1)
    texts = [f"<{number}>" for number in range(LINES)]
    document = Document("file:///a", 1, "\n".join(texts))
    start, end = sorted((one, other))
    edit = document.apply(ContentChange(new, Range(Position(*start), Position(*end))))
    assert edit is not None
    assert document.lines is not None
    found = shifted((first, last), edit)
    if found is not None:
        assert 0 <= found[0] <= found[1] < len(document.lines)
    is_above, is_below = end <= (first, 0), start >= (last, 3)
    if not (is_above or is_below):
        if found is not None:
            kept = [text for text in texts[first : last + 1] if text in document.text]  # type: ignore[operator]
            there = "".join(document.lines[found[0] : found[1] + 1])
            assert all(text in there for text in kept)
        return
    if found is None:  # two lines were joined: the anchor has to decide
        assert is_above
        return
    now = document.lines[found[0] : found[1] + 1]
    assert len(now) == last - first + 1
    for text, line in zip(texts[first : last + 1], now, strict=True):
        assert text in line
