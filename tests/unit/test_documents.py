"""Open documents: edits in UTF-16 positions give the text that the editor has."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenets_session_server.features.documents import (
    LARGEST_SUM,
    ContentChange,
    Document,
    Documents,
)
from tenets_session_server.features.edits import Edit
from tenets_session_server.models.context import Position, Range
from tenets_session_server.storage.context_locations import LARGEST_TEXT
from tenets_session_server.storage.lines import index_of, split, units_of
from tenets_session_server.storage.steps import finished

TEXTS = st.text(st.sampled_from("ab \t\r\né\u2028\x0b😀"), max_size=30)


def changed(
    documents: Documents, document: Document, version: int, changes: list[ContentChange]
) -> list[Edit] | None:
    return finished(documents.change(document, version, changes))


def position(text: str, offset: int) -> Position:
    """Return where a character is, by the definition of LSP."""
    before = re.split(r"\r\n|\r|\n", text[:offset])
    return Position(len(before) - 1, len(before[-1].encode("utf-16-le")) // 2)


def between(text: str, start: int, end: int) -> Range:
    return Range(position(text, start), position(text, end))


def is_inside_of_an_end(text: str, offset: int) -> bool:
    return text[offset - 1 : offset + 1] == "\r\n"


@given(TEXTS)
def test_lines_end_as_in_lsp(text: str) -> None:
    lines = split(text)
    assert "".join(lines) == text
    assert [line.rstrip("\r\n") for line in lines] == re.split(r"\r\n|\r|\n", text)


@given(TEXTS, st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), TEXTS), max_size=5))
def test_edits(text: str, edits: list[tuple[int, int, str]]) -> None:
    document = Document("file:///a", 1, text)
    for one, other, new in edits:
        start, end = sorted((min(one, len(text)), min(other, len(text))))
        if is_inside_of_an_end(text, start) or is_inside_of_an_end(text, end):
            continue  # no editor has a position there
        before = len(split(text))
        edit = document.apply(ContentChange(new, between(text, start, end)))
        text = text[:start] + new + text[end:]
        assert document.text == text
        assert document.lines == split(text)
        assert document.size == len(text)
        if edit is not None:
            assert edit.shift == len(split(text)) - before


@pytest.mark.parametrize(
    "range_",
    [
        Range(Position(3, 0), Position(3, 0)),
        Range(Position(0, 0), Position(9, 0)),
        Range(Position(1, 0), Position(0, 0)),
        Range(Position(0, 3), Position(0, 1)),
    ],
)
def test_after_an_edit_that_does_not_fit_nothing_is_known(range_: Range) -> None:
    document = Document("file:///a", 1, "one\ntwo")
    assert document.apply(ContentChange("x", range_)) is None
    assert document.text is None
    assert document.apply(ContentChange("y", between("", 0, 0))) is None
    assert document.text is None
    document.apply(ContentChange("all of it"))
    assert document.text == "all of it"


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [((1, 1), (2, 0), "one\ntx"), ((2, 0), (2, 0), "one\ntwox"), ((0, 0), (2, 0), "x")],
)
def test_a_line_directly_behind_the_last_one_is_the_end(
    start: tuple[int, int], end: tuple[int, int], text: str
) -> None:
    """Neovim 0.7.2 counts it where the text does not end with an end of line."""
    document = Document("file:///a", 1, "one\ntwo")
    assert document.apply(ContentChange("x", Range(Position(*start), Position(*end)))) is not None
    assert document.text == text


def test_positions_beyond_the_end_of_a_line_are_at_its_end() -> None:
    assert index_of("a😀b\n", 99) == 3
    assert index_of("a😀b\n", 3) == 2
    assert index_of("a😀b\n", 2) == 1, "inside of a character"
    assert units_of("a😀b\n", 3) == 4


def test_an_older_version_says_that_changes_were_lost() -> None:
    documents = Documents()
    document = documents.open("file:///a", 5, "text")
    change = ContentChange("x", between("", 0, 0))
    assert changed(documents, document, 6, [change]) is not None
    assert changed(documents, document, 6, [change]) is None
    assert document.text is None
    assert changed(documents, document, 7, [ContentChange("anew")]) is None
    assert document.text == "anew"


def test_too_large_or_too_many_are_not_kept() -> None:
    documents = Documents()
    assert documents.open("file:///large", 1, "x" * (LARGEST_TEXT + 1)).text is None
    opened = [documents.open(f"file:///{n}", 1, "x" * LARGEST_TEXT) for n in range(200)]
    assert sum(one.size for one in opened) == LARGEST_SUM
    documents.close("file:///0")
    assert documents.open("file:///new", 1, "x" * LARGEST_TEXT).text is not None
    document = documents.open("file:///grows", 1, "")
    assert changed(documents, document, 2, [ContentChange("x", between("", 0, 0))]) is None
    assert document.text is None
