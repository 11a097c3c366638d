"""Where the notes of an open document are: they move with its edits, and are never guessed.

An edit shifts what is below it. Where it straddles an end of a note, the note is looked for again
by its anchor, as it is when the document is opened or saved. What is not found then is lost.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec import Struct

from tenets_session_server.features.documents import Document, Edit
from tenets_session_server.models.context import Anchor, ContextEntry, Range
from tenets_session_server.storage.anchors import Text
from tenets_session_server.storage.context_listing import ContextListing
from tenets_session_server.storage.context_locations import MOST_LOCATED, location_of
from tenets_session_server.storage.lines import lines_of, whole_lines
from tenets_session_server.storage.steps import finished
from tenets_session_server.storage.store import Store


class Note(Struct):
    """A note of a document. ``lines`` are the first and the last one, None while it is lost."""

    entry: ContextEntry
    range: Range
    anchor: Anchor | None
    lines: tuple[int, int] | None = None

    def whole_lines(self, document: Document) -> Range | None:
        """Return its lines in its document as a range, None if they are lost."""
        if self.lines is None or document.lines is None:
            return None
        return whole_lines(document.lines, *self.lines)


class Places:
    """The places of the notes of one document."""

    def __init__(self, store: Store, document: Document, uri: str) -> None:
        self._store, self._document, self._uri = store, document, uri
        self._notes = dict[int, Note]()
        self._state = ""  # of the database when they were read

    def notes(self, state: str) -> list[Note]:
        """Return the notes of the document, by their lines; those that are lost come last.

        ``state`` is that of the database: if it is another one, they are read anew. Raises a
        ``DatabaseError``.
        """
        if state != self._state:
            self._read()
        found = self._notes.values()
        return sorted(found, key=lambda note: (note.lines is None, note.lines, note.entry.id))

    def edited(self, edits: Sequence[Edit] | None) -> None:
        """Follow edits; None: any of the lines may be another one."""
        if edits is None:
            self._find(self._notes.values())
            return
        unsure = list[Note]()
        for note in self._notes.values():
            before = note.lines
            for edit in edits:
                if note.lines is not None:
                    note.lines = shifted(note.lines, edit)
            if before is not None and note.lines is None:
                unsure.append(note)
        self._find(unsure)

    def saved(self) -> None:
        """Look for all notes by their anchors; those that are not found stay where edits led."""
        moved = [(note, note.lines) for note in self._notes.values() if note.lines is not None]
        self._find(self._notes.values())
        for note, lines in moved:
            note.lines = note.lines or lines

    def _read(self) -> None:
        listing = ContextListing(uri=self._uri, order="newest", include_content=False)
        page = self._store.context.page(listing, MOST_LOCATED)
        before, self._notes = self._notes, {}
        new = list[Note]()
        for entry in page.entries:
            location = location_of(entry)
            if location is None or location.range is None:
                continue
            note = Note(entry, location.range, location.anchor)
            old = before.get(entry.id)
            if old is not None and (old.range, old.anchor) == (note.range, note.anchor):
                note.lines = old.lines
            else:
                new.append(note)
            self._notes[entry.id] = note
        self._find(new)
        self._state = page.state

    def _find(self, notes: Collection[Note]) -> None:
        lines = self._document.lines
        text: Text | None = None
        if lines is not None and notes:
            # For one note, an index takes longer than it saves.
            text = Text(lines) if len(notes) == 1 else finished(Text.indexed(lines))
        for note in notes:
            found = None
            if text is not None and note.anchor is not None:
                found = text.locate(note.range, note.anchor)
            note.lines = None if found is None else lines_of(found)


def shifted(lines: tuple[int, int], edit: Edit) -> tuple[int, int] | None:
    """Return where lines are after an edit, None if that cannot be told."""
    first, last = lines
    touched_last = edit.end - 1 if edit.at_end and edit.end > edit.start else edit.end
    if edit.start > last or (edit.start == last and edit.after_text):
        return lines  # below; or it adds lines behind the last one
    if touched_last < first or (edit.end == first and edit.at_start and edit.at_end):
        # Above; or whole lines are put before the first one.
        if edit.end == first and not edit.at_start:
            return None  # the first line was joined to the one before it
        return first + edit.shift, last + edit.shift
    covers_start = edit.start < first or (edit.start == first and edit.at_start)
    covers_end = touched_last > last or (edit.end > last and edit.at_end)
    if edit.start < first or touched_last > last or (covers_start and covers_end):
        return None
    if (edit.end > last and not edit.at_start) or last + edit.shift < first:
        return None  # the last line was joined to the one behind it
    return first, last + edit.shift
