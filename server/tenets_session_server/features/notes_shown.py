"""Notes at their lines: hovers, and the annotations that an editor draws beside the text."""

from __future__ import annotations

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

LONGEST_HINT: Final = 40
"""Characters of a hint."""
MOST_IN_HOVER: Final = 2000
"""Characters of a note in a hover."""


def hover(window: Window, uri: str, line: int) -> Hover | None:
    """Return the notes of a line, None if it has none."""
    window.last = (uri, Range(Position(line, 0), Position(line + 1, 0)))
    notes = window.notes_at(uri, line, line)
    document = window.document(uri)
    place = notes[0].whole_lines(document) if notes and document is not None else None
    if place is None:
        return None
    as_markdown = window.editor.features.markdown_in_hovers
    parts = [_described(window, note.entry, as_markdown=as_markdown) for note in notes]
    value = ("\n\n---\n\n" if as_markdown else "\n\n").join(parts)
    kind = "markdown" if as_markdown else "plaintext"
    return Hover(Markup(kind, value), place)


def code_lenses(window: Window, uri: str) -> list[CodeLens]:
    """Return a lens above each line that has notes; it shows the first one of them."""
    return [
        CodeLens(
            Range(Position(line, 0), Position(line, 0)),
            Command(_title(notes), SHOW, [notes[0].entry.id]),
        )
        for line, notes in _by_line(window, uri).items()
    ]


def inlay_hints(window: Window, uri: str, range_: Range) -> list[InlayHint]:
    """Return a hint behind each line of a range that has notes."""
    document = window.document(uri)
    found = list[InlayHint]()
    if document is None or document.lines is None:
        return found
    for line, notes in _by_line(window, uri).items():
        if range_.start.line <= line <= range_.end.line:
            text = document.lines[line].rstrip("\r\n")
            label = shortened(_title(notes), LONGEST_HINT)
            tooltip = "\n\n".join(_described(window, one.entry, as_markdown=False) for one in notes)
            found.append(InlayHint(Position(line, units_of(text, len(text))), label, tooltip))
    return found


def _by_line(window: Window, uri: str) -> dict[int, list[Note]]:
    found = dict[int, list[Note]]()
    for note in window.notes(uri):
        if note.lines is not None:
            found.setdefault(note.lines[0], []).append(note)
    return found


def _title(notes: list[Note]) -> str:
    entry = notes[0].entry
    more = f" (+{len(notes) - 1})" if len(notes) > 1 else ""
    session = f" · {entry.session_name}" if entry.session_name else ""
    return f"✎ {entry.preview or entry.kind}{session}{more}"


def _described(window: Window, entry: ContextEntry, *, as_markdown: bool) -> str:
    """Return a note with its heading; what is in it is shown as it is, and does nothing."""
    content = (full_text(window, entry.id) or entry.preview).rstrip("\r\n")
    if len(content) > MOST_IN_HOVER:
        content = f"{content[:MOST_IN_HOVER]}\n..."
    facts = [entry.kind, entry.author or "", entry.created_at[:16].replace("T", " ")]
    heading = " · ".join(fact for fact in (entry.session_name or "", *facts) if fact)
    if not as_markdown:
        return f"✎ {heading}\n{content}"
    fence = markdown.fence_of(content)
    return f"✎ {heading}\n{fence}\n{content}\n{fence}"


def shortened(text: str, most: int) -> str:
    """Return a text, or its beginning with an ellipsis if it has more characters than ``most``."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def full_text(window: Window, entry_id: int) -> str | None:
    """Return the content of a note, as far as a person reads it at once."""
    found = window.call.store.context.piece(entry_id, 0, 4 * MOST_IN_HOVER)
    return None if found is None or found.content is UNSET else found.content
