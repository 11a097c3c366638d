"""Notes at their lines: hovers, and the annotations that an editor draws beside the text."""

from __future__ import annotations

import re
from typing import Final

from msgspec import UNSET

from tenets_session_server.features.code_actions import SHOW
from tenets_session_server.features.messages import (
    CodeLens,
    Command,
    Hover,
    InlayHint,
    Markup,
)
from tenets_session_server.features.places import Note
from tenets_session_server.features.window import Window
from tenets_session_server.models.context import ContextEntry, Position, Range
from tenets_session_server.storage import markdown
from tenets_session_server.storage.lines import units_of
from tenets_session_server.storage.steps import Steps

# Control characters, ends of lines, and what shows a line in another order (Unicode, UAX 9).
_NOT_IN_LINE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]+")
# What is Markdown inside of a line (CommonMark 6). Escapes would be no better: Neovim shows them.
_MARKUP: Final = re.compile(r"[\\`*\[\]<>!&~]|(?<!\w)_|_(?!\w)")
LONGEST_HINT: Final = 40
"""Characters of a hint."""
MOST_IN_HOVER: Final = 2000
"""Characters of a note in a hover."""
MOST_NOTES: Final = 10
"""Notes in a hover."""


def hover(window: Window, uri: str, line: int) -> Steps[Hover | None]:
    """Return the notes of a line, None if it has none."""
    window.visit(uri, Range(Position(line, 0), Position(line + 1, 0)))
    notes = yield from window.notes_at(uri, line, line)
    document = window.document(uri)
    place = notes[0].whole_lines(document) if notes and document is not None else None
    if place is None:
        return None
    as_markdown = window.editor.features.markdown_in_hovers
    parts = [_described(window, note.entry, as_markdown=as_markdown) for note in notes[:MOST_NOTES]]
    if len(notes) > MOST_NOTES:
        parts.append(f"and {len(notes) - MOST_NOTES} more")
    value = ("\n\n---\n\n" if as_markdown else "\n\n").join(parts)
    kind = "markdown" if as_markdown else "plaintext"
    return Hover(Markup(kind, value), place)


def code_lenses(window: Window, uri: str) -> Steps[list[CodeLens]]:
    """Return a lens above each line that has notes; it shows the first one of them."""
    found: list[CodeLens] = []
    for line, notes in (yield from _by_line(window, uri)).items():
        start = Position(line, 0)
        # Of several notes those are shown that are at the line when it is picked.
        where: object = {"uri": uri, "range": Range(start, Position(line + 1, 0))}
        argument = notes[0].entry.id if len(notes) == 1 else where
        found.append(CodeLens(Range(start, start), Command(_title(notes), SHOW, [argument])))
    return found


def inlay_hints(window: Window, uri: str, range_: Range) -> Steps[list[InlayHint]]:
    """Return a hint behind each line of a range that has notes."""
    document = window.document(uri)
    found: list[InlayHint] = []
    if document is None or document.lines is None:
        return found
    for line, notes in (yield from _by_line(window, uri)).items():
        if range_.start.line <= line <= range_.end.line:
            text = document.lines[line].rstrip("\r\n")
            label = shortened(_title(notes), LONGEST_HINT)
            shown = (_described(window, one.entry, as_markdown=False) for one in notes[:MOST_NOTES])
            end = Position(line, units_of(text, len(text)))
            found.append(InlayHint(end, label, "\n\n".join(shown)))
            yield 0.0
    return found


def _by_line(window: Window, uri: str) -> Steps[dict[int, list[Note]]]:
    found: dict[int, list[Note]] = {}
    for note in (yield from window.notes(uri)):
        if note.lines is not None:
            found.setdefault(note.lines[0], []).append(note)
    return found


def _title(notes: list[Note]) -> str:
    entry = notes[0].entry
    more = f" (+{len(notes) - 1})" if len(notes) > 1 else ""
    session = f" · {entry.session_name}" if entry.session_name else ""
    return one_line(f"✎ {entry.preview or entry.kind}{session}") + more


def _described(window: Window, entry: ContextEntry, *, as_markdown: bool) -> str:
    """Return a note with its heading; what is in it is shown as it is, and does nothing."""
    content = (full_text(window, entry.id) or entry.preview).rstrip("\r\n")
    if len(content) > MOST_IN_HOVER:
        content = f"{content[:MOST_IN_HOVER]}\n..."
    names = (entry.session_name or "", entry.kind, entry.author or "")
    facts = [one_line(name) for name in (*names, entry.created_at[:16].replace("T", " ")) if name]
    if not as_markdown:
        return f"✎ {' · '.join(facts)}\n{content}"
    fence = markdown.fence_of(content)
    heading = " · ".join(markdown.code(one) if _MARKUP.search(one) else one for one in facts)
    return f"✎ {heading}\n{fence}\n{content}\n{fence}"


def one_line(text: str) -> str:
    """Return a text for one line of an editor."""
    return _NOT_IN_LINE.sub(" ", text)


def shortened(text: str, most: int) -> str:
    """Return a text, or its beginning with an ellipsis if it has more characters than ``most``."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def full_text(window: Window, entry_id: int) -> str | None:
    """Return the content of a note, as far as a person reads it at once."""
    found = window.call.store.context.piece(entry_id, 0, 4 * MOST_IN_HOVER)
    return None if found is None or found.content is UNSET else found.content
