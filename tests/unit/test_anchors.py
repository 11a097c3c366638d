"""Notes stay on their lines, or are lost: :mod:`tenets_session_server.storage.anchors`."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from tenets_session_server.models.context import Anchor, Position, Range
from tenets_session_server.storage.anchors import (
    CONTEXT,
    LONGEST,
    MOST_PLACES,
    MOST_QUOTED,
    MOST_SCREENED,
    Text,
)
from tenets_session_server.storage.lines import split
from tenets_session_server.storage.steps import finished

SOLID: Final = "the_answer_of_everything = 42"
"""A line that needs no other one around it."""


def at(start: int, first: int, end: int, last: int) -> Range:
    """Return a range: the line and character of its start, and those of its end."""
    return Range(Position(start, first), Position(end, last))


def whole(first: int, last: int | None = None) -> Range:
    return at(first, 0, (first if last is None else last) + 1, 0)


def taken(text: str, range_: Range) -> Anchor:
    """Return an anchor, as it is when it was stored and read."""
    anchor = Text(split(text)).anchor(range_)
    assert anchor is not None
    return msgspec.json.decode(msgspec.json.encode(anchor), type=Anchor)


def located(text: str, range_: Range, anchor: Anchor) -> Range | None:
    """Return where a range is; a text with an index and one without find the same."""
    lines = split(text)
    found = finished(Text.indexed(lines)).locate(range_, anchor)
    assert Text(lines).locate(range_, anchor) == found
    return found


def moved(then: str, now: str, range_: Range) -> Range | None:
    return located(now, range_, taken(then, range_))


def test_an_anchor_has_the_lines_and_those_around_them() -> None:
    text = "a\n\n b\tc  d \r\n\te\rf  g\nh\ni\nj\n"
    assert taken(text, whole(3)) == Anchor("e", ["a", "", "b c d"], ["f g", "h", "i"], 1, 0, [1, 1])
    assert taken(text, whole(2, 3)) == Anchor(
        "b c d\ne", ["a", ""], ["f g", "h", "i"], 1, 0, [1, 1]
    )
    assert taken(text, whole(7)) == Anchor("j", ["f g", "h", "i"], [""], 1, 0, [0, 0])


def test_an_anchor_knows_the_best_of_the_other_places() -> None:
    block = "first\nsecond\nx\nthird\nfourth\n"
    assert taken(f"{block}other\n{block}", whole(2)).rival == 4
    assert taken(f"{block}x\n", whole(2)).occurrences == 2


@pytest.mark.parametrize(
    ("range_", "quote"),
    [
        (at(1, 0, 2, 0), "b"),  # an end at character 0 excludes that line
        (at(1, 0, 2, 1), "b\nc"),
        (at(1, 1, 1, 1), "b"),
        (at(1, 0, 99, 0), "b\nc"),  # the empty line after the last one is none
        (at(1, 0, 2**31 - 1, 2**31 - 1), "b\nc"),
        (at(2, 99, 1, 5), "c"),  # a range that ends before it starts
        (at(3, 0, 3, 0), ""),
    ],
)
def test_which_lines_are_quoted(range_: Range, quote: str) -> None:
    assert taken("a\nb\nc\n", range_).quote == quote


def test_no_anchor_beyond_the_end() -> None:
    assert Text(split("a\nb\n")).anchor(at(3, 0, 4, 0)) is None
    assert Text(split("")).anchor(at(1, 0, 1, 0)) is None


UNIQUE: Final = "one\ntwo\nx\nthree\nfour\n"


@pytest.mark.parametrize(
    ("then", "line", "now", "expected"),
    [
        # unique then and now: one line that fits, or twenty letters and digits
        (UNIQUE, 2, "new\ntwo\nnew\nx\nnew\n", 3),
        (UNIQUE, 2, "new\nnew\nx\nnew\n", None),
        (f"a\n{SOLID}\nb\n", 1, f"c\nd\ne\nf\n{SOLID}\n", 4),
        ("a\n12345678901234567890\nb\n", 1, "c\n12345678901234567890\nd\n", 1),
        ("a\n1234567890123456789\nb\n", 1, "c\n1234567890123456789\nd\n", None),
        ("a\n" + "\ufffd" * 20 + "\nb\n", 1, "c\n" + "\ufffd" * 20 + "\nd\n", None),
        # nothing has changed around it, not even blank lines and the ends of the file
        ("x\n", 0, "x\n", 0),
        ("x\n", 0, "x\n\n", None),
        ("a\n{\n\n\nx\n\n}\n\nb\n", 4, "new\n{\n\n\nx\n\n}\n\nnew\n", 4),
        ("{\n\nx\n\n}\n", 2, "}\n\nx\n\n}\n", None),
        # blank lines and braces are no evidence
        ("}\nx\n\n", 1, "new\n}\nx\n\nnew\n", None),
        ("a\n\nb\n", 1, "a\n\nb\n", 1),
        ("a\n\nb\n", 1, "a\n\nc\n", None),
        ("a\n}\nb\n", 1, "new\na\n}\nb\n", 2),
        ("", 0, "", None),
        # several then or now: two lines that fit, and more than elsewhere
        (UNIQUE, 2, f"x\n{UNIQUE}x\n", 3),
        (UNIQUE, 2, f"{UNIQUE}{UNIQUE}", None),
        (UNIQUE, 2, "new\ntwo\nx\nnew\nx\n", None),
        ("one\ntwo\nx\nx\nthree\n", 2, "new\none\ntwo\nx\nx\nthree\n", 3),
        # a copy may look more like the old place than the place itself does now
        (UNIQUE, 2, f"one\nnew\nx\nnew\nfour\n{UNIQUE}", None),
        # ours is gone; the other one fits no better than it did then
        (f"{UNIQUE}other\n{UNIQUE}", 2, f"other\n{UNIQUE}", None),
        ("a\nb\nx\nc\nd\n\n\n\nb\nx\nc\n", 2, "b\nx\nc\n", None),
        ("a\nb\nx\nc\nd\n\n\n\nb\nx\nc\n", 2, "a\nb\nx\nc\n\n\n\nb\nx\nc\n", 2),
        # gone
        (UNIQUE, 2, "", None),
        (UNIQUE, 2, "one\ntwo\nthree\nfour\n", None),
        (UNIQUE, 2, "one\ntwo\nX\nthree\nfour\n", None),
    ],
)
def test_where_a_line_is(then: str, line: int, now: str, expected: int | None) -> None:
    assert moved(then, now, whole(line)) == (None if expected is None else whole(expected))


def test_white_space_and_line_ends_may_change() -> None:
    then = "if a:\n\tcall( b,  c )\n\tother()\n"
    now = "new\r\nif a:\r\n    call( b, c ) \r\n    other()\r\n"
    assert moved(then, now, whole(1)) == whole(2)
    assert moved(then, now, whole(1, 2)) == whole(2, 3)
    assert moved(then, "new\rif a:\rcall( b, c )\r", whole(1)) == whole(2)


@pytest.mark.parametrize(
    ("then", "now", "range_", "expected"),
    [
        ("a\n  x = 1\nb\n", "a\n      x = 1\nb\n", at(1, 2, 1, 7), at(1, 6, 1, 11)),
        ("a\n      x = 1\nb\n", "a\n\tx = 1\nb\n", at(1, 6, 1, 7), at(1, 1, 1, 2)),
        ("a\n    x = 1\nb\n", "a\nx = 1\nb\n", at(1, 2, 1, 99), at(1, 0, 1, 5)),
        ("a\nx = 1\nb\n", "a\n  x = 1\nb\n", at(1, 0, 1, 5), at(1, 0, 1, 7)),
        ("a\n😀x y\nb\n", "a\n 😀x y\nb\n", at(1, 2, 1, 3), at(1, 3, 1, 4)),
        ("a\n😀x   y\nb\n", "a\n😀x y\nb\n", at(1, 3, 1, 7), at(1, 3, 1, 5)),  # clamped
        ("a\n😀x y\nb\n", "a\n😀x y\nb\n", at(1, 1, 1, 99), at(1, 0, 1, 5)),  # inside of a pair
        ("a\nx\n  y\nb\n", "a\nx\n    y\nb\n", at(1, 0, 2, 3), at(1, 0, 2, 5)),
        ("a\nx y\n", "a\nx y", at(1, 0, 2, 0), at(1, 0, 1, 3)),  # no line follows
        ("a\nx y", "a\nx y\nb\n", at(1, 0, 9, 9), at(1, 0, 2, 0)),
    ],
)
def test_columns_are_utf_16_and_follow_the_indentation(
    then: str, now: str, range_: Range, expected: Range
) -> None:
    assert moved(then, now, range_) == expected


def numbered(count: int, word: str = "line") -> list[str]:
    return [f"{word} number {number}\n" for number in range(count)]


def test_a_long_range_has_its_end_where_the_lines_after_it_are() -> None:
    lines = numbered(60)
    then, range_ = "".join(lines), whole(10, 39)
    assert len(taken(then, range_).quote.split("\n")) == MOST_QUOTED
    assert moved(then, "new\n" + then, range_) == whole(11, 40)
    assert moved(then, "".join([*lines[:35], "changed\n", *lines[36:]]), range_) == range_
    for now in (
        [*lines[:35], "new\n", *lines[35:]],
        lines[:35] + lines[36:],
        [*lines[:40], "changed\n", *lines[41:]],
        lines[:30],
    ):
        assert moved(then, "".join(now), range_) is None
    to_end = whole(10, 59)
    assert moved(then, "new\n" + then, to_end) == whole(11, 60)
    assert moved(then, then + "new\n", to_end) is None


def test_long_lines_are_compared_by_their_beginnings() -> None:
    line = "x" * LONGEST
    then = f"a\n{line}y\nb\n"
    assert taken(then, whole(1)).quote == line
    assert moved(then, f"new\na\n{line}z\nb\n", whole(1)) == whole(2)
    assert moved(then, f"a\n{line}y\n{line}z\n", whole(1)) is None


def test_a_line_of_which_there_are_very_many() -> None:
    many = "}\n" * (3 * MOST_PLACES)
    block = "a\nb\nc\n}\nd\ne\nf\n"
    assert moved(block + many, f"new\n{many}{block}", whole(3)) == whole(3 * MOST_PLACES + 4)
    # Four lines fit, as may be at a place that was not compared.
    assert moved(block + many, f"{many}b\nc\n}}\nd\ne\n", whole(3)) is None
    assert moved(block, block + "}\n" * MOST_SCREENED, whole(3)) is None
    pairs = "c\n}\n" * (2 * MOST_PLACES)
    assert moved(block + pairs, block + pairs, whole(3)) is None


def without(anchor: Anchor) -> Anchor:
    """Return an anchor as a client gives it, by the contract."""
    return msgspec.structs.replace(anchor, rival=UNSET, indents=UNSET)


def test_an_anchor_of_a_client() -> None:
    anchor = without(taken(UNIQUE, whole(2)))
    assert located(f"new\n{UNIQUE}", whole(2), anchor) == whole(3)
    assert located(f"x\n{UNIQUE}", whole(2), anchor) == whole(3)
    assert located(f"x\n{UNIQUE}", at(2, 9, 3, 0), anchor) == at(3, 1, 4, 0)
    then = f"x\n{UNIQUE}"  # it occurs twice, and nobody knows how well the other one fitted
    anchor = without(taken(then, whole(3)))
    assert located(then, whole(3), anchor) == whole(3)
    for now in (f"new\n{then}", UNIQUE, f"{then}x\n", f"x\nnew\n{UNIQUE[4:]}"):
        assert located(now, whole(3), anchor) is None


@pytest.mark.parametrize(
    "anchor",
    [
        Anchor("", [], [], 0),
        Anchor("", [], [], 1),
        Anchor("two\nx\n" * 50, ["one"], [], 1),
        Anchor("x", [], [], 0),
        Anchor("x", [], [], 2**31 - 1, 2**31 - 1, [2**31 - 1, 2**31 - 1]),
        Anchor("\n\n\n", ["\n"], ["\r\n" * 100], 1, 0, [0, 0]),
    ],
)
@pytest.mark.parametrize("range_", [whole(2), at(2**31 - 1, 0, 2**31 - 1, 9), at(9, 9, 0, 0)])
def test_odd_anchors_find_nothing(anchor: Anchor, range_: Range) -> None:
    assert located(f"{UNIQUE}\n\n", range_, anchor) is None


def test_lines_of_a_client_are_collapsed() -> None:
    anchor = Anchor("  call( \tb )\n\n\tx", [" a\tb "], [], 1)
    assert located("a b\ncall( b )\n\nx\n", whole(1, 3), anchor) == whole(1, 3)


Line = tuple[int, str]
"""What a line is, whatever happens to the others, and its text."""
USUAL: Final = ("", "}", "x", "return", "else:")
WORDS: Final = st.one_of(st.sampled_from(USUAL), st.integers(0, 30).map("value = {}".format))


@st.composite
def edits(draw: Any) -> tuple[list[Line], list[Line], int, int]:
    """Return lines, what became of them, and the first and the last line of a note.

    Far from the note anything happens. Near it, lines are inserted that were nowhere, or removed:
    where a copy is inserted beside its original, nobody can tell which is which.
    """
    lines: list[Line] = list(enumerate(draw(st.lists(WORDS, min_size=1, max_size=40))))
    first = draw(st.integers(0, len(lines) - 1))
    last = min(first + draw(st.integers(0, 3)), len(lines) - 1)
    now, fresh = list(lines), len(lines)
    is_near = draw(st.booleans())
    distance = 0 if is_near else CONTEXT
    for _ in range(1 if is_near else draw(st.integers(1, 4))):
        start = now.index(lines[first])
        end = start + last - first + 1
        above, below = range(max(0, start - distance + 1)), range(end + distance, len(now) + 1)
        if not (places := [*above, *below]):
            break
        place, size = draw(st.sampled_from(places)), draw(st.integers(1, 8))
        what = draw(st.sampled_from(("insert", "remove", "copy")))
        if what == "remove":
            now[
                place : min(place + size, start - distance) if place <= start else place + size
            ] = []
            continue
        added = [f"inserted {fresh + number}" for number in range(size)]
        if what == "copy" and not is_near:
            source = draw(st.integers(0, len(now) - 1))
            added = [text for _, text in now[source : source + size]]
        now[place:place] = list(enumerate(added, fresh))
        fresh += size
    return lines, now, first, last


@settings(max_examples=500)
@given(edits())
def test_a_note_is_never_in_a_wrong_place(
    edited: tuple[list[Line], list[Line], int, int],
) -> None:
    lines, now, first, last = edited
    then_text, now_text = ("".join(f"{text}\n" for _, text in some) for some in (lines, now))
    start = now.index(lines[first])
    found = moved(then_text, now_text, whole(first, last))
    assert found in {None, whole(start, start + last - first)}


@given(st.lists(WORDS, max_size=30), st.integers(0, 30), st.integers(0, 30))
def test_what_was_not_changed_is_where_it_was(texts: list[str], first: int, more: int) -> None:
    text = "".join(f"{one}\n" for one in texts)
    last = min(first + more, len(texts) - 1)
    if first <= last:
        assert moved(text, text, whole(first, last)) in {None, whole(first, last)}


ODD: Final = st.text(st.sampled_from("ab \t\r\n\x00é\u2028\x85😀"), max_size=40)
POSITIONS: Final = st.builds(Position, st.integers(0, 9), st.integers(0, 9))


@given(ODD, ODD, st.builds(Range, POSITIONS, POSITIONS))
def test_no_text_and_no_range_is_an_error(then: str, now: str, range_: Range) -> None:
    anchor = Text(split(then)).anchor(range_)
    if anchor is not None:
        found = located(now, range_, anchor)
        if found is not None:
            assert found.start.line <= found.end.line < len(split(now))
