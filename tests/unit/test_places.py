"""The lines of a note follow the edits of its document."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenets_session_server.features.documents import ContentChange, Document
from tenets_session_server.models.context import Position, Range

SOURCE = (
    "import os\n\n\ndef log_in(user):\n    token = fetch(user)\n    return token\n\n\nprint(1)\n"
)
TOKEN = (4, 4)
BLOCK = (3, 5)


def edited(
    lines: tuple[int, int], start: tuple[int, int], end: tuple[int, int], new: str
) -> tuple[int, int] | None:
    """Return where lines of :data:`SOURCE` are after an edit."""
    document = Document("file:///a", 1, SOURCE)
    edit = document.apply(ContentChange(new, Range(Position(*start), Position(*end))))
    assert edit is not None
    return edit.moved(*lines)


@pytest.mark.parametrize(
    ("start", "end", "new", "token", "block"),
    [
        pytest.param((0, 0), (0, 0), "# a\n", (5, 5), (4, 6), id="a line above"),
        pytest.param((0, 0), (2, 0), "", (2, 2), (1, 3), id="lines above deleted"),
        pytest.param((4, 0), (4, 0), "\n", (5, 5), (3, 6), id="Enter at column 0"),
        pytest.param((4, 4), (4, 4), "\n    ", (5, 5), (3, 6), id="Home, Enter"),
        pytest.param((4, 4), (4, 4), "check(user)\n    ", (5, 5), (3, 6), id="a line before it"),
        pytest.param((4, 0), (4, 4), "    check()\n    ", (5, 5), (3, 6), id="with its indent"),
        pytest.param((4, 0), (4, 23), "  a()\n    token = fetch(user)", (5, 5), (3, 6), id="both"),
        pytest.param((4, 23), (4, 23), "\n    ", (4, 4), (3, 6), id="End, Enter"),
        pytest.param((5, 0), (5, 0), "    more()\n", (4, 4), (3, 6), id="a line below"),
        pytest.param((4, 12), (4, 12), "\n        ", (4, 5), (3, 6), id="Enter inside of it"),
        pytest.param((4, 12), (4, 17), "load", (4, 4), (3, 5), id="a word"),
        pytest.param((4, 12), (4, 23), "", (4, 4), (3, 5), id="the rest of the line"),
        pytest.param((4, 0), (4, 4), "\t", (4, 4), (3, 5), id="its indent"),
        pytest.param((4, 4), (4, 4), "# ", (4, 4), (3, 5), id="commented out"),
        pytest.param((4, 4), (4, 23), "raise Unrelated()", None, (3, 5), id="another text"),
        pytest.param((4, 0), (5, 0), "    raise Unrelated()\n", None, (3, 5), id="another line"),
        pytest.param((4, 4), (4, 23), "", None, (3, 5), id="made blank"),
        pytest.param((4, 0), (5, 0), "", None, (3, 4), id="deleted"),
        pytest.param((3, 0), (6, 0), "", None, None, id="all deleted"),
        pytest.param((3, 17), (4, 4), "", None, None, id="joined to the one above"),
        pytest.param((0, 0), (9, 0), SOURCE, (4, 4), (3, 5), id="all of it anew"),
        pytest.param((0, 0), (9, 0), SOURCE.replace("os", "re"), (4, 4), (3, 5), id="but a word"),
        pytest.param((0, 0), (9, 0), SOURCE.replace("    ", "\t"), (4, 4), (3, 5), id="formatted"),
        pytest.param(
            (4, 0), (6, 0), "    return token\n    token = fetch(user)\n", (5, 5), None, id="swap"
        ),
        # Neovim compares characters: "to" and "    " are the beginning of both lines.
        pytest.param((4, 6), (4, 6), "y = 1\n    to", (5, 5), (3, 6), id="a line alike before it"),
        pytest.param((4, 4), (5, 4), "", None, (3, 4), id="deleted, by characters"),
    ],
)  # fmt: skip
def test_edits(
    start: tuple[int, int],
    end: tuple[int, int],
    new: str,
    token: tuple[int, int] | None,
    block: tuple[int, int] | None,
) -> None:
    assert edited(TOKEN, start, end, new) == token
    assert edited(BLOCK, start, end, new) == block


WORDS = [f"word{number}" for number in range(8)]
PIECES = st.sampled_from(["", "\n", "x", "x\n", "\nx", "x\nx", "\n\n", "word9\n", "\n    "])


@given(
    st.integers(0, 7),
    st.integers(0, 3),
    st.tuples(st.integers(0, 7), st.integers(0, 5)),
    st.tuples(st.integers(0, 7), st.integers(0, 5)),
    PIECES,
)
def test_a_note_never_gets_to_other_lines(
    first: int, more: int, one: tuple[int, int], other: tuple[int, int], new: str
) -> None:
    """What is found has the note's own text at both ends, and all that is left of it."""
    last = min(first + more, 7)
    document = Document("file:///a", 1, "\n".join(WORDS))
    start, end = sorted((one, other))
    edit = document.apply(ContentChange(new, Range(Position(*start), Position(*end))))
    assert edit is not None
    found = edit.moved(first, last)
    lines = [line.strip() for line in document.lines or ()]
    own = WORDS[first : last + 1]
    if start >= (last, 5) or end <= (first, 0):  # beside it
        assert found is not None or start[0] != end[0], "or lines were joined"
    if found is None:
        return
    top, bottom = found
    there = "\n".join(lines[top : bottom + 1])
    assert all(word in there for word in own if word in "\n".join(lines))
    if first < last:
        # A block is the same block while one of its lines is edited.
        assert any(word in there for word in own)
        return
    ((word, line),) = zip(own, [there], strict=True)
    ways = [(word[:cut], word[end:]) for cut in range(6) for end in range(cut, 6)]
    left = [len(a + b) for a, b in ways if line.startswith(a) and line.endswith(b)]
    assert 3 * max(left) >= len(word), "at least the third part of its text"
