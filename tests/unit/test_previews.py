"""The preview of an entry is its first line that is not blank, in whatever way it is made."""

from __future__ import annotations

import apsw
from hypothesis import given
from hypothesis import strategies as st

from tenets_session_server.storage import previews
from tenets_session_server.storage.sqlite import context_pages

BLANKS = " \t\r\n\x0b\x0c"
PARTS = st.sampled_from([*BLANKS, "a", "é", "🧵", "x" * 150])
TEXT = st.lists(PARTS, max_size=12).map("".join)
SQL = f"SELECT {context_pages.START.format('?1')}"


@given(TEXT)
def test_a_preview_begins_the_first_line_that_is_not_blank(content: str) -> None:
    lines = [line.strip(BLANKS) for line in content.replace("\r", "\n").split("\n")]
    first = next((line for line in lines if line), "")
    preview = previews.of(content)
    units = len(preview.encode("utf-16-le")) // 2
    assert first.startswith(preview)
    assert units <= previews.LONGEST
    if preview != first:
        assert units >= previews.LONGEST - 1


@given(TEXT)
def test_the_part_that_sql_gives_has_the_same_preview(content: str) -> None:
    connection = apsw.Connection(":memory:")
    assert previews.of(connection.execute(SQL, (content,)).get or "") == previews.of(content)
